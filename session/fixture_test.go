package session_test

import (
	"context"
	"errors"
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

// manager is what both kinds of Manager can do.
type manager interface {
	Handler(next http.Handler) http.Handler
	Get(ctx context.Context) (session.Session[data], error)
	Login(ctx context.Context, a session.Auth, f func(*data) error) error
	Reauthenticate(ctx context.Context, a session.Auth) error
	Logout(ctx context.Context) error
}

// browserOf sends requests straight to a Manager's Handler and keeps the cookie.
type browserOf[M manager] struct {
	t      testing.TB
	m      M
	cookie string
}

type browser = browserOf[*session.Manager[data]]

func newBrowser[M manager](t testing.TB, m M) *browserOf[M] { return &browserOf[M]{t: t, m: m} }

// do runs one handler as a same-origin request.
func (b *browserOf[M]) do(h http.HandlerFunc) *httptest.ResponseRecorder {
	r := httptest.NewRequest("POST", "https://example.com/", nil)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return b.send(r, h)
}

func (b *browserOf[M]) send(r *http.Request, h http.Handler) *httptest.ResponseRecorder {
	if b.cookie != "" {
		r.AddCookie(&http.Cookie{Name: cookieName, Value: b.cookie})
	}
	w := httptest.NewRecorder()
	b.m.Handler(h).ServeHTTP(w, r)
	b.receive(w.Result())
	return w
}

func (b *browserOf[M]) receive(res *http.Response) {
	for _, c := range res.Cookies() {
		if c.Name == cookieName {
			b.cookie = c.Value // "" when deleted
		}
	}
}

// try runs f inside a request and returns its error.
func (b *browserOf[M]) try(f func(ctx context.Context) error) (err error) {
	b.do(func(w http.ResponseWriter, r *http.Request) { err = f(r.Context()) })
	return err
}

func (b *browserOf[M]) must(f func(ctx context.Context) error) {
	b.t.Helper()
	if err := b.try(f); err != nil {
		b.t.Fatal(err)
	}
}

func (b *browserOf[M]) login(user string) {
	b.t.Helper()
	b.must(func(ctx context.Context) error {
		return b.m.Login(ctx, session.Auth{User: user}, nil)
	})
}

func (b *browserOf[M]) logout() {
	b.t.Helper()
	b.must(b.m.Logout)
}

// add counts in the data, as a transaction where there are any.
func (b *browserOf[M]) add(n int) {
	b.t.Helper()
	b.must(func(ctx context.Context) error {
		switch m := manager(b.m).(type) {
		case *session.Manager[data]:
			return m.Update(ctx, func(d *data) error { d.N += n; return nil })
		case *session.SealedManager[data]:
			s, err := m.Get(ctx)
			s.Data.N += n
			return errors.Join(err, m.Set(ctx, s.Data))
		}
		return errors.ErrUnsupported
	})
}

func (b *browserOf[M]) get() session.Session[data] {
	b.t.Helper()
	var s session.Session[data]
	b.must(func(ctx context.Context) (err error) {
		s, err = b.m.Get(ctx)
		return err
	})
	return s
}

// clone is a second window with the same cookie jar as of now.
func (b *browserOf[M]) clone() *browserOf[M] { c := *b; return &c }

// within runs f in a request that passes a Handler.
func within(handler func(http.Handler) http.Handler, f func(ctx context.Context)) {
	h := handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { f(r.Context()) }))
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "https://example.com/", nil))
}

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
