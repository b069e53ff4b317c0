package session_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/pavise/pavise/session"
)

// nullWriter costs nothing, so that what is counted is ours.
type nullWriter struct{ h http.Header }

func (w *nullWriter) Header() http.Header         { return w.h }
func (w *nullWriter) Write(b []byte) (int, error) { return len(b), nil }
func (w *nullWriter) WriteHeader(int)             {}

// The limits are those that the package promises for about 200 bytes of data.
func TestAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	m := newManager(t, session.NewMemoryStore(0))
	b := newBrowser(t, m)
	b.login("ann")
	roles := strings.Repeat("r", 120)
	set := func(d *data) error {
		d.N, d.Note, d.Roles = 42, "someone@example.com", roles
		return nil
	}
	ok := []byte("ok")
	for _, tc := range []struct {
		name string
		most float64
		h    http.HandlerFunc
	}{
		{"untouched", 3, func(w http.ResponseWriter, r *http.Request) { w.Write(ok) }},
		{"write", 12, func(w http.ResponseWriter, r *http.Request) {
			if err := m.Update(r.Context(), set); err != nil {
				t.Error(err)
			}
			w.Write(ok)
		}},
		{"read", 10, func(w http.ResponseWriter, r *http.Request) {
			if s, err := m.Get(r.Context()); err != nil || s.User != "ann" || s.Data.N != 42 {
				t.Error("not read", err)
			}
			w.Write(ok)
		}},
	} {
		h := m.Handler(tc.h)
		r := httptest.NewRequest("GET", "https://example.com/", nil)
		r.AddCookie(&http.Cookie{Name: cookieName, Value: b.cookie})
		w := &nullWriter{h: http.Header{}}
		n := testing.AllocsPerRun(200, func() {
			clear(w.h)
			h.ServeHTTP(w, r)
		})
		t.Logf("%s: %v allocations", tc.name, n)
		if n > tc.most {
			t.Errorf("%s: %v allocations, want at most %v", tc.name, n, tc.most)
		}
	}
}
