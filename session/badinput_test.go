package session_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/pavise/pavise/session"
)

// countingStore counts what a request costs.
type countingStore struct {
	session.Store
	calls atomic.Int64
}

func (s *countingStore) Load(ctx context.Context, k session.Key) (session.Record, error) {
	s.calls.Add(1)
	return s.Store.Load(ctx, k)
}

func (s *countingStore) Delete(ctx context.Context, k session.Key) error {
	s.calls.Add(1)
	return s.Store.Delete(ctx, k)
}

// A request may come with as many cookies as fit into its header. Those of our name open
// nothing and cost a few calls of the store at most; those of other names do not matter.
func TestTenThousandCookies(t *testing.T) {
	store := &countingStore{Store: session.NewMemoryStore(0)}
	m := newManager(t, store)
	b := newBrowser(t, m)
	b.login("ann")
	good := cookieName + "=" + b.cookie

	mux := http.NewServeMux()
	mux.HandleFunc("GET /get", func(w http.ResponseWriter, r *http.Request) {
		s, err := m.Get(r.Context())
		fmt.Fprintf(w, "%q %v", s.User, err)
	})
	mux.HandleFunc("GET /update", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, m.Update(r.Context(), func(*data) error { return nil }))
	})
	mux.HandleFunc("POST /logout", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, m.Logout(r.Context())) })
	server := httptest.NewServer(m.Handler(mux))
	defer server.Close()

	ours := strings.Repeat("; "+cookieName+"="+strings.Repeat("A", 46), 10_000)
	others := strings.Repeat("; other=x", 10_000)
	for _, tc := range []struct {
		name, target, cookies, want string
		calls                       int64
	}{
		{"ours, get", "GET /get", good + ours, `"" <nil>`, 0},
		{"ours, update", "GET /update", good + ours, "session: session has ended", 0},
		{"others", "GET /get", others[2:] + "; " + good + others, `"ann" <nil>`, 1},
		{"none", "GET /get", strings.Repeat(";", 10_000), `"" <nil>`, 0},
		{"ours, logout", "POST /logout", ours[2:], "<nil>", 8},
	} {
		t.Run(tc.name, func(t *testing.T) {
			store.calls.Store(0)
			method, path, _ := strings.Cut(tc.target, " ")
			r, err := http.NewRequest(method, server.URL+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Cookie", tc.cookies)
			r.Header.Set("Sec-Fetch-Site", "same-origin")
			res, err := server.Client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			body, err := io.ReadAll(res.Body)
			if err != nil || res.StatusCode != 200 || string(body) != tc.want {
				t.Errorf("%d %q, %v; want %q", res.StatusCode, body, err, tc.want)
			}
			if n := store.calls.Load(); n > tc.calls {
				t.Errorf("it cost %d calls of the store, want at most %d", n, tc.calls)
			}
			if set := res.Header.Get("Set-Cookie"); path != "/logout" && set != "" {
				t.Errorf("it set %q", set)
			}
		})
	}
}

// 5 KiB of data are no cookie: a store takes them, a sealed cookie does not, and neither
// takes everything. What is refused changes nothing.
func TestLargeData(t *testing.T) {
	stored, sealed := newBrowser(t, newManager(t, session.NewMemoryStore(0))), newSealedBrowser(t)
	stored.login("ann")
	sealed.login("ann")
	put := func(n int) (inStore, inCookie error) {
		note := strings.Repeat("x", n)
		inStore = stored.try(func(ctx context.Context) error {
			return stored.m.Update(ctx, func(d *data) error { d.Note = note; return nil })
		})
		inCookie = sealed.try(func(ctx context.Context) error { return sealed.m.Set(ctx, data{Note: note}) })
		return inStore, inCookie
	}
	for _, tc := range []struct {
		n                 int
		inStore, inCookie error
	}{
		{2 << 10, nil, nil},
		{5 << 10, nil, session.ErrTooLarge},
		{64 << 10, session.ErrTooLarge, session.ErrTooLarge},
		{4 << 20, session.ErrTooLarge, session.ErrTooLarge},
	} {
		inStore, inCookie := put(tc.n)
		if !errors.Is(inStore, tc.inStore) || !errors.Is(inCookie, tc.inCookie) {
			t.Errorf("%d bytes: %v in a store, %v in a cookie", tc.n, inStore, inCookie)
		}
	}
	if n := len(stored.get().Data.Note); n != 5<<10 {
		t.Errorf("the store has %d bytes", n)
	}
	if n := len(sealed.get().Data.Note); n != 2<<10 {
		t.Errorf("the cookie has %d bytes", n)
	}
}

// Whatever comes as Cookie: no panic, no error but ErrGone, no cookie set, no session but
// those that exist, and of two cookies neither.
func FuzzCookieHeader(f *testing.F) {
	m, err := session.New[data](session.NewMemoryStore(0))
	if err != nil {
		f.Fatal(err)
	}
	b := newBrowser(f, m)
	b.login("ann")
	good := cookieName + "=" + b.cookie
	for _, s := range []string{
		"", good, good + "; " + good, "a=b; " + good, good + ";", `__Host-session="` + b.cookie + `"`, cookieName + "=" + strings.Repeat("A", 46),
		cookieName, "=" + good, good + "\x00", good + "=", strings.Repeat(good+";", 300), cookieName + "=" + b.cookie[:45] + "\n",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, header string) {
		r := httptest.NewRequest("POST", "https://example.com/", nil)
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		r.Header["Cookie"] = []string{header}
		w := httptest.NewRecorder()
		m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s, err := m.Get(r.Context())
			if err != nil {
				t.Errorf("get: %v", err)
			}
			if s.LoggedIn() && strings.Count(header, good) != 1 {
				t.Errorf("logged in by %q", header)
			}
			if !strings.Contains(header, cookieName) || s.LoggedIn() {
				return
			}
			err = m.Reauthenticate(r.Context(), session.Auth{})
			if !errors.Is(err, session.ErrGone) && !errors.Is(err, session.ErrNotLoggedIn) {
				t.Errorf("step-up: %v", err)
			}
		})).ServeHTTP(w, r)
		if w.Code != http.StatusOK || hasSetCookie(w) {
			t.Errorf("%d %v", w.Code, w.Header())
		}
	})
}
