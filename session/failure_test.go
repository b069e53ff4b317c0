package session_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/pavise/pavise/session"
)

var errDisk = errors.New("disk on fire")

// brokenStore fails in every method that it overrides, while broken.
type brokenStore struct {
	session.Store
	broken bool
}

func (s *brokenStore) Load(ctx context.Context, k session.Key) (session.Record, error) {
	if s.broken {
		return session.Record{}, errDisk
	}
	return s.Store.Load(ctx, k)
}

func (s *brokenStore) DeleteHandle(ctx context.Context, u string, h session.Handle) error {
	if s.broken {
		return errDisk
	}
	return s.Store.DeleteHandle(ctx, u, h)
}

func TestStoreFailureIs503(t *testing.T) {
	st := &brokenStore{Store: session.NewMemoryStore(0)}
	m := newManager(t, st)
	b := newBrowser(t, m)
	b.login("ann")
	get := func(r *http.Request) error {
		_, err := m.Get(r.Context())
		if st.broken && (!errors.Is(err, session.ErrUnavailable) || !errors.Is(err, errDisk)) {
			t.Errorf("got %v", err)
		}
		return err
	}
	for _, tc := range []struct {
		name       string
		h          http.HandlerFunc
		code       int
		bodyPrefix string
	}{
		{"handler ignores the error", func(w http.ResponseWriter, r *http.Request) {
			get(r)
			w.Header().Set("Content-Encoding", "gzip")
			_, err := io.WriteString(w, "secret page")
			if !errors.Is(err, session.ErrUnavailable) {
				t.Errorf("write: %v", err)
			}
		}, 503, "Service Unavailable\n"},
		{"handler redirects", func(w http.ResponseWriter, r *http.Request) {
			get(r)
			http.Redirect(w, r, "/", http.StatusSeeOther)
		}, 503, "Service Unavailable\n"},
		{"handler writes nothing", func(w http.ResponseWriter, r *http.Request) { get(r) }, 503, "Service Unavailable\n"},
		{"handler has its own page", func(w http.ResponseWriter, r *http.Request) {
			get(r)
			http.Error(w, "back soon", http.StatusServiceUnavailable)
		}, 503, "back soon\n"},
		{"untouched", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "static") }, 200, "static"},
	} {
		st.broken = true
		w := b.do(tc.h)
		if w.Code != tc.code || w.Body.String() != tc.bodyPrefix || w.Header().Get("Content-Encoding") != "" {
			t.Errorf("%s: %d %q %v", tc.name, w.Code, w.Body, w.Header())
		}
		if st.broken = false; !b.get().LoggedIn() {
			t.Errorf("%s: the session was lost", tc.name)
		}
	}
}

// The user must not believe in a logout that did not happen.
func TestFailedLogoutKeepsTheCookie(t *testing.T) {
	st := &brokenStore{Store: session.NewMemoryStore(0)}
	m := newManager(t, st)
	b := newBrowser(t, m)
	b.login("ann")
	w := b.do(func(w http.ResponseWriter, r *http.Request) {
		m.Get(r.Context())
		st.broken = true
		if err := m.Logout(r.Context()); !errors.Is(err, session.ErrUnavailable) {
			t.Errorf("got %v", err)
		}
	})
	if w.Code != 503 || hasSetCookie(w) {
		t.Errorf("%d %v", w.Code, w.Header())
	}
}

func TestFullStore(t *testing.T) {
	m := newManager(t, session.NewMemoryStore(4))
	for range 2 {
		newBrowser(t, m).add(1)
	}
	if err := newBrowser(t, m).try(func(ctx context.Context) error {
		return m.Update(ctx, func(*data) error { return nil })
	}); !errors.Is(err, session.ErrFull) {
		t.Errorf("a third anonymous session: %v", err)
	}
	for range 2 {
		newBrowser(t, m).login("ann") // visitors cannot keep users out
	}
}

// newer is data of a later release.
type newer struct {
	N []string `json:"n"`
}

func TestUndecodableDataIsAnonymous(t *testing.T) {
	st := session.NewMemoryStore(0)
	var log bytes.Buffer
	later, err := session.New[newer](st, session.Schema(2, nil))
	if err != nil {
		t.Fatal(err)
	}
	m := newManager(t, st, session.Logger(slog.New(slog.NewJSONHandler(&log, nil))))
	b := newBrowser(t, m)
	b.login("ann")
	// The later release migrates what it meets; this one then cannot read it.
	r, _ := http.NewRequest("GET", "https://example.com/", nil)
	r.AddCookie(&http.Cookie{Name: cookieName, Value: b.cookie})
	later2, err := session.New[newer](st, session.Schema(2, func(from uint32, old []byte) ([]byte, error) {
		return []byte(`{"n": ["` + strings.Repeat("secret-data", int(2-from)/2) + `"]}` + "\n"), nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	later2.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := later2.Get(r.Context())
		if err != nil || len(s.Data.N) != 1 || s.Data.N[0] != "secret-data" {
			t.Errorf("migrated: %+v %v", s, err)
		}
		if err := later2.Update(r.Context(), func(*newer) error { return nil }); err != nil {
			t.Error(err)
		}
	})).ServeHTTP(&nullWriter{h: http.Header{}}, r)
	later.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s, err := later.Get(r.Context()); err != nil || len(s.Data.N) != 1 {
			t.Errorf("the update did not write the new schema back: %+v %v", s, err)
		}
	})).ServeHTTP(&nullWriter{h: http.Header{}}, r)

	w := b.do(func(w http.ResponseWriter, r *http.Request) {
		if s, err := m.Get(r.Context()); err != nil || s.LoggedIn() {
			t.Errorf("got %+v, %v", s, err)
		}
	})
	if w.Code != 200 || !strings.Contains(log.String(), "undecodable-data") || strings.Contains(log.String(), "secret-data") {
		t.Errorf("%d, log: %s", w.Code, &log)
	}
	b.do(m.Require(session.Policy{})(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("Require let an unreadable session pass")
	})).ServeHTTP)
	b.must(func(ctx context.Context) error {
		_, err := m.Get(ctx) // finds it unreadable
		return errors.Join(err, m.Login(ctx, session.Auth{User: "ann"}, nil))
	})
	if infos, _ := m.Devices(t.Context(), "ann"); !b.get().LoggedIn() || len(infos) != 1 {
		t.Errorf("after login: %d sessions", len(infos))
	}
}

// A migration that works in place must not change what the request has read.
func TestMigrationInPlace(t *testing.T) {
	st := session.NewMemoryStore(0)
	b := newBrowser(t, newManager(t, st))
	b.add(7)
	b.m = newManager(t, st, session.Schema(1, func(_ uint32, old []byte) ([]byte, error) {
		for i, c := range old {
			if '0' <= c && c <= '8' {
				old[i] = c + 1
			}
		}
		return old, nil
	}))
	b.must(func(ctx context.Context) error {
		for range 3 {
			if s, err := b.m.Get(ctx); err != nil || s.Data.N != 8 {
				t.Errorf("got %d, %v", s.Data.N, err)
			}
		}
		return nil
	})
}

// A client that goes away is no failure of the store.
func TestCancelledRequest(t *testing.T) {
	var log bytes.Buffer
	m := newManager(t, session.NewMemoryStore(0), session.Logger(slog.New(slog.NewJSONHandler(&log, nil))))
	b := newBrowser(t, m)
	b.login("ann")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w := b.send(httptest.NewRequest("GET", "https://example.com/", nil).WithContext(ctx), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := m.Get(r.Context()); !errors.Is(err, context.Canceled) || !errors.Is(err, session.ErrUnavailable) {
			t.Errorf("got %v", err)
		}
	}))
	if w.Code != 503 || !strings.Contains(log.String(), "cancelled") || strings.Contains(log.String(), "ERROR") {
		t.Errorf("%d, log: %s", w.Code, &log)
	}
}

// A login that comes while another goroutine of the request finds out that the old data
// does not decode stays.
func TestUndecodableDataDoesNotUndoALogin(t *testing.T) {
	store := session.NewMemoryStore(0)
	b := newBrowser(t, newManager(t, store))
	b.add(1)
	var during func()
	b.m = newManager(t, store, session.Schema(1, func(uint32, []byte) ([]byte, error) {
		if f := during; f != nil {
			during = nil
			f()
		}
		return nil, errors.New("no way")
	}))
	b.must(func(ctx context.Context) error {
		during = func() {
			if err := b.m.Login(ctx, session.Auth{User: "ann"}, nil); err != nil {
				t.Error(err)
			}
		}
		if _, err := b.m.Get(ctx); err != nil {
			t.Error(err)
		}
		s, err := b.m.Get(ctx)
		if s.User != "ann" {
			t.Errorf("after the login the user is %q", s.User)
		}
		return err
	})
}
