package session_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/pavise/pavise/session"
)

// onServers sends one request to h on real servers, HTTP/1.1 and HTTP/2.
func onServers(t *testing.T, h http.Handler, cookie string, check func(*testing.T, *http.Response, string)) {
	t.Helper()
	for _, two := range []bool{false, true} {
		t.Run(fmt.Sprintf("HTTP/2 %v", two), func(t *testing.T) {
			s := httptest.NewUnstartedServer(h)
			s.EnableHTTP2 = two
			s.StartTLS()
			defer s.Close()
			r, err := http.NewRequestWithContext(t.Context(), "GET", s.URL, nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Cookie", cookieName+"="+cookie)
			res, err := s.Client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			if (res.ProtoMajor == 2) != two {
				t.Fatal(res.Proto)
			}
			check(t, res, body(t, res))
		})
	}
}

// unwrapper is what logging middleware makes of a writer: it has no optional
// interface, and http.ResponseController looks through it.
type unwrapper struct{ http.ResponseWriter }

func (u unwrapper) Unwrap() http.ResponseWriter { return u.ResponseWriter }

func unwrapping(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(unwrapper{w}, r) })
}

func TestResponseControllerSeesThroughNothing(t *testing.T) {
	st := &brokenStore{Store: session.NewMemoryStore(0)}
	m := newManager(t, st)
	b := newBrowser(t, m)
	b.login("ann")
	t.Run("flush, then login", func(t *testing.T) {
		onServers(t, unwrapping(m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if err := http.NewResponseController(w).Flush(); err != nil {
				t.Error(err)
			}
			if err := m.Login(r.Context(), session.Auth{User: "bob"}, nil); !errors.Is(err, session.ErrHeadersSent) {
				t.Errorf("a cookie that nobody gets: %v", err)
			}
		}))), b.cookie, func(*testing.T, *http.Response, string) {})
	})
	for name, send := range map[string]func(*http.ResponseController) error{
		"flush":  (*http.ResponseController).Flush,
		"hijack": func(c *http.ResponseController) error { _, _, err := c.Hijack(); return err },
	} {
		t.Run(name+" without a store", func(t *testing.T) {
			onServers(t, unwrapping(m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				st.broken = true
				m.Get(r.Context())
				st.broken = false
				if err := send(http.NewResponseController(w)); !errors.Is(err, session.ErrUnavailable) && r.ProtoMajor == 1 {
					t.Errorf("got %v", err)
				}
				io.WriteString(w, "a page for nobody")
			}))), b.cookie, func(t *testing.T, res *http.Response, body string) {
				if res.StatusCode != 503 || strings.Contains(body, "page") {
					t.Errorf("%d %q", res.StatusCode, body)
				}
			})
		})
	}
	t.Run("a writer that cannot flush", func(t *testing.T) {
		m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if err := http.NewResponseController(w).Flush(); !errors.Is(err, http.ErrNotSupported) {
				t.Errorf("got %v", err)
			}
			if err := m.Login(r.Context(), session.Auth{User: "ann"}, nil); err != nil {
				t.Errorf("nothing was sent: %v", err)
			}
		})).ServeHTTP(&nullWriter{h: http.Header{}}, httptest.NewRequest("GET", "/", nil))
	})
}

// A goroutine that outlives its request gets an error; it must not touch a header
// map that is net/http's again, which ends the process on HTTP/2.
func TestUseAfterTheRequest(t *testing.T) {
	m := newManager(t, session.NewMemoryStore(0))
	b := newBrowser(t, m)
	b.login("ann")
	ended := make(chan context.Context, 1)
	onServers(t, m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ended <- context.WithoutCancel(r.Context())
	})), b.cookie, func(t *testing.T, res *http.Response, _ string) {
		ctx := <-ended
		if _, err := m.Get(ctx); !errors.Is(err, session.ErrHeadersSent) {
			t.Errorf("get: %v", err)
		}
		if err := m.Login(ctx, session.Auth{User: "bob"}, nil); !errors.Is(err, session.ErrHeadersSent) {
			t.Errorf("login: %v", err)
		}
	})
}

// Many goroutines of a request may use the session while its handler sets headers.
// The race detector is the judge.
func TestParallelUseInOneRequest(t *testing.T) {
	m := newManager(t, session.NewMemoryStore(0))
	for range 20 {
		b := newBrowser(t, m)
		b.login("ann")
		b.do(func(w http.ResponseWriter, r *http.Request) {
			ctx := r.Context()
			calls := []func() error{
				func() error { _, err := m.Get(ctx); return err },
				func() error { return m.Update(ctx, func(d *data) error { d.N++; return nil }) },
				func() error { return m.Login(ctx, session.Auth{User: "ann"}, nil) },
				func() error { return m.Reauthenticate(ctx, session.Auth{}) },
				func() error { return m.Logout(ctx) },
			}
			errs := make(chan error)
			for _, call := range calls {
				go func() { errs <- call() }()
			}
			for i := range 50 {
				w.Header().Set(fmt.Sprint("X-", i), "x")
			}
			for range calls {
				if err := <-errs; err != nil && !errors.Is(err, session.ErrGone) && !errors.Is(err, session.ErrNotLoggedIn) {
					t.Error(err)
				}
			}
		})
	}
}

// http.TimeoutHandler copies its own header map over ours.
func TestCookieSurvivesABufferedHandler(t *testing.T) {
	m := newManager(t, session.NewMemoryStore(0))
	h := http.TimeoutHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := m.Login(r.Context(), session.Auth{User: "ann"}, nil); err != nil {
			t.Error(err)
		}
		http.SetCookie(w, &http.Cookie{Name: "theme", Value: "dark"})
	}), time.Minute, "")
	onServers(t, m.Handler(h), "", func(t *testing.T, res *http.Response, _ string) {
		if n := len(res.Cookies()); n != 2 || !hasCookie(res) {
			t.Errorf("%d cookies", n)
		}
	})
}

// What a middleware outside answers for a handler that panicked is about the
// session, too.
func TestPanicKeepsNoStore(t *testing.T) {
	m := newManager(t, session.NewMemoryStore(0))
	h := m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := m.Login(r.Context(), session.Auth{User: "ann"}, nil); err != nil {
			t.Error(err)
		}
		w.Header().Set("Cache-Control", "public")
		panic(http.ErrAbortHandler)
	}))
	onServers(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			recover()
			w.WriteHeader(http.StatusInternalServerError)
		}()
		h.ServeHTTP(w, r)
	}), "", func(t *testing.T, res *http.Response, _ string) {
		if res.StatusCode != 500 || res.Header.Get("Cache-Control") != "no-store" || !hasCookie(res) {
			t.Errorf("%d, Cache-Control %q, cookie %v", res.StatusCode, res.Header.Get("Cache-Control"), hasCookie(res))
		}
	})
}

func TestUnavailableIsNotCached(t *testing.T) {
	m := newManager(t, &brokenStore{Store: session.NewMemoryStore(0), broken: true})
	onServers(t, m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := m.Revoke(r.Context(), "ann", "h"); !errors.Is(err, session.ErrUnavailable) {
			t.Errorf("got %v", err)
		}
		w.Header().Set("Cache-Control", "public, max-age=600")
	})), "", func(t *testing.T, res *http.Response, _ string) {
		if res.StatusCode != 503 || res.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%d, Cache-Control %q", res.StatusCode, res.Header.Get("Cache-Control"))
		}
	})
}

// A transaction inside a transaction waits for itself, but not for ever.
func TestNestedUpdateEndsWithItsContext(t *testing.T) {
	m := newManager(t, session.NewMemoryStore(0))
	b := newBrowser(t, m)
	b.login("ann")
	err := b.try(func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
		defer cancel()
		return m.Update(ctx, func(*data) error { return m.Logout(ctx) })
	})
	if !errors.Is(err, context.DeadlineExceeded) || !b.get().LoggedIn() {
		t.Errorf("got %v", err)
	}
}

// The caller's slice is not the session's.
func TestMethodsAreCopied(t *testing.T) {
	m := newManager(t, session.NewMemoryStore(0))
	b := newBrowser(t, m)
	methods := []string{"pwd"}
	b.must(func(ctx context.Context) error {
		if err := m.Login(ctx, session.Auth{User: "ann", Methods: methods}, nil); err != nil {
			return err
		}
		methods[0] = "otp"
		return m.Update(ctx, func(d *data) error { d.N = 1; return nil })
	})
	if s := b.get(); s.Data.N != 1 || s.Methods[0] != "pwd" {
		t.Errorf("got %+v", s)
	}
}

// A failure after the first byte must not pass for a use before it.
func TestFailureAfterHeaders(t *testing.T) {
	st := &brokenStore{Store: session.NewMemoryStore(0)}
	m := newManager(t, st)
	b := newBrowser(t, m)
	b.login("ann")
	b.do(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "public")
		io.WriteString(w, "public")
		st.broken = true
		m.Revoke(r.Context(), "bob", "h")
		st.broken = false
		if s, err := m.Get(r.Context()); !errors.Is(err, session.ErrHeadersSent) || s.LoggedIn() {
			t.Errorf("got %q, %v", s.User, err)
		}
	})
}
