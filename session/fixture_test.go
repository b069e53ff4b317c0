package session_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/pavise/pavise/session"
)

// data is what the sessions of these tests hold.
type data struct {
	N     int    `json:"n,omitempty"`
	Note  string `json:"note,omitempty"`
	Roles string `json:"roles,omitempty"`
}

const cookieName = "__Host-session"

func newManager(t testing.TB, store session.Store, opts ...session.Option) *session.Manager[data] {
	t.Helper()
	m, err := session.New[data](store, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// browser sends requests straight to a Manager's Handler and keeps the cookie.
type browser struct {
	t      testing.TB
	m      *session.Manager[data]
	cookie string
}

func newBrowser(t testing.TB, m *session.Manager[data]) *browser { return &browser{t: t, m: m} }

// do runs one handler as a same-origin request.
func (b *browser) do(h http.HandlerFunc) *httptest.ResponseRecorder {
	r := httptest.NewRequest("POST", "https://example.com/", nil)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return b.send(r, h)
}

func (b *browser) send(r *http.Request, h http.Handler) *httptest.ResponseRecorder {
	if b.cookie != "" {
		r.AddCookie(&http.Cookie{Name: cookieName, Value: b.cookie})
	}
	w := httptest.NewRecorder()
	b.m.Handler(h).ServeHTTP(w, r)
	b.receive(w.Result())
	return w
}

func (b *browser) receive(res *http.Response) {
	for _, c := range res.Cookies() {
		if c.Name == cookieName {
			b.cookie = c.Value // "" when deleted
		}
	}
}

// try runs f inside a request and returns its error.
func (b *browser) try(f func(ctx context.Context) error) (err error) {
	b.do(func(w http.ResponseWriter, r *http.Request) { err = f(r.Context()) })
	return err
}

func (b *browser) must(f func(ctx context.Context) error) {
	b.t.Helper()
	if err := b.try(f); err != nil {
		b.t.Fatal(err)
	}
}

func (b *browser) login(user string) {
	b.t.Helper()
	b.must(func(ctx context.Context) error {
		return b.m.Login(ctx, session.Auth{User: user}, nil)
	})
}

func (b *browser) logout() {
	b.t.Helper()
	b.must(b.m.Logout)
}

func (b *browser) add(n int) {
	b.t.Helper()
	b.must(func(ctx context.Context) error {
		return b.m.Update(ctx, func(d *data) error { d.N += n; return nil })
	})
}

func (b *browser) get() session.Session[data] {
	b.t.Helper()
	var s session.Session[data]
	b.must(func(ctx context.Context) (err error) {
		s, err = b.m.Get(ctx)
		return err
	})
	return s
}

// clone is a second window with the same cookie jar as of now.
func (b *browser) clone() *browser { c := *b; return &c }

func hasSetCookie(w *httptest.ResponseRecorder) bool {
	return strings.Contains(strings.Join(w.Header()["Set-Cookie"], "\n"), cookieName+"=")
}

func body(t testing.TB, res *http.Response) string {
	t.Helper()
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
