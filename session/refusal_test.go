package session_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/pavise/pavise/session"
)

// A service shows its own pages for what the Manager refuses, and cannot turn a
// refusal into a success by mistake.
func TestRefusedRendersWithTheStatus(t *testing.T) {
	st := &brokenStore{Store: session.NewMemoryStore(0)}
	m := newManager(t, st, session.Refused(func(w http.ResponseWriter, r *http.Request, status int) {
		w.Header().Set("Content-Type", "text/x-page")
		if r.URL.Path == "/forgets" {
			return
		}
		if r.URL.Path == "/differs" {
			w.WriteHeader(http.StatusOK)
		}
		fmt.Fprintf(w, "page for %d", status)
	}))
	site := m.Handler(m.Require(session.Policy{})(http.NotFoundHandler()))
	ask := func(path, origin string, cookies ...*http.Cookie) *httptest.ResponseRecorder {
		r := httptest.NewRequest("POST", "https://example.com"+path, nil)
		r.Header.Set("Sec-Fetch-Site", origin)
		for _, c := range cookies {
			r.AddCookie(c)
		}
		w := httptest.NewRecorder()
		site.ServeHTTP(w, r)
		return w
	}
	ann := newBrowser(t, m)
	ann.login("ann")
	cookie := &http.Cookie{Name: cookieName, Value: ann.cookie}
	for _, tc := range []struct {
		path, from, body string
		broken           bool
		status           int
	}{
		{"/", "cross-site", "page for 403", false, 403},
		{"/", "same-origin", "page for 401", false, 401},
		{"/differs", "same-origin", "page for 401", false, 401},
		{"/forgets", "same-origin", "", false, 401},
		{"/", "same-origin", "page for 503", true, 503},
	} {
		var cookies []*http.Cookie
		if st.broken = tc.broken; tc.broken {
			cookies = append(cookies, cookie)
		}
		w := ask(tc.path, tc.from, cookies...)
		if w.Code != tc.status || w.Body.String() != tc.body || w.Header().Get("Content-Type") != "text/x-page" {
			t.Errorf("%+v: %d %q %v", tc, w.Code, w.Body.String(), w.Header())
		}
	}
}
