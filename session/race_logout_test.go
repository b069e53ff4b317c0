package session_test

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/pavise/pavise/session"
)

// hookStore runs a function before one kind of call, once.
type hookStore struct {
	session.Store
	beforeCreate, beforeRotate, beforeDelete func()
}

func once(f *func()) {
	if g := *f; g != nil {
		*f = nil
		g()
	}
}

func (s *hookStore) Create(ctx context.Context, r session.Record, epoch uint64) error {
	once(&s.beforeCreate)
	return s.Store.Create(ctx, r, epoch)
}

func (s *hookStore) Rotate(ctx context.Context, old session.Key, v uint64, r session.Record, epoch uint64) error {
	once(&s.beforeRotate)
	return s.Store.Rotate(ctx, old, v, r, epoch)
}

func (s *hookStore) DeleteHandle(ctx context.Context, user string, h session.Handle) error {
	once(&s.beforeDelete)
	return s.Store.DeleteHandle(ctx, user, h)
}

func (s *hookStore) Delete(ctx context.Context, k session.Key) error {
	once(&s.beforeDelete)
	return s.Store.Delete(ctx, k)
}

// Each request below read the session before the logout and writes after it.
func TestLogoutIsFinal(t *testing.T) {
	for name, slow := range map[string]func(m *session.Manager[data], st *hookStore, logout func()) func(context.Context) error{
		"update": func(m *session.Manager[data], _ *hookStore, logout func()) func(context.Context) error {
			return func(ctx context.Context) error {
				return m.Update(ctx, func(d *data) error { logout(); d.N++; return nil })
			}
		},
		"update after get": func(m *session.Manager[data], _ *hookStore, logout func()) func(context.Context) error {
			return func(ctx context.Context) error {
				if _, err := m.Get(ctx); err != nil {
					return err
				}
				logout()
				return m.Update(ctx, func(d *data) error { d.N++; return nil })
			}
		},
		"reauthenticate": func(m *session.Manager[data], st *hookStore, logout func()) func(context.Context) error {
			return func(ctx context.Context) error {
				st.beforeRotate = logout
				return m.Reauthenticate(ctx, session.Auth{AAL: 2})
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			st := &hookStore{Store: session.NewMemoryStore(0)}
			m := newManager(t, st)
			b := newBrowser(t, m)
			b.login("ann")
			other := b.clone()
			run := slow(m, st, sync.OnceFunc(other.logout))
			w := b.do(func(w http.ResponseWriter, r *http.Request) {
				if err := run(r.Context()); !errors.Is(err, session.ErrGone) {
					t.Errorf("got %v, want ErrGone", err)
				}
			})
			if hasSetCookie(w) {
				t.Error("the slow request set a cookie")
			}
			if s := b.get(); s.LoggedIn() {
				t.Error("logged in after logout")
			}
			if infos, _ := m.Devices(t.Context(), "ann"); len(infos) != 0 {
				t.Errorf("%d sessions left", len(infos))
			}
		})
	}
}

// The same without a script: whatever the scheduler does, the session is gone when
// everybody has finished.
func TestLogoutAmongUpdates(t *testing.T) {
	m := newManager(t, session.NewMemoryStore(0))
	for range 300 {
		b := newBrowser(t, m)
		b.login("ann")
		var wg sync.WaitGroup
		for range 3 {
			c := b.clone()
			wg.Go(func() {
				for range 3 {
					err := c.try(func(ctx context.Context) error {
						return m.Update(ctx, func(d *data) error { d.N++; return nil })
					})
					if err != nil && !errors.Is(err, session.ErrGone) {
						t.Error(err)
					}
				}
			})
		}
		wg.Go(b.clone().logout)
		wg.Wait()
		if b.get().LoggedIn() {
			t.Fatal("logged in after logout")
		}
	}
	if infos, _ := m.Devices(t.Context(), "ann"); len(infos) != 0 {
		t.Errorf("%d sessions left", len(infos))
	}
}

// A step-up gives the session a new token between the logout's read and its
// deletion.
func TestLogoutFollowsRotation(t *testing.T) {
	st := &hookStore{Store: session.NewMemoryStore(0)}
	m := newManager(t, st)
	b := newBrowser(t, m)
	b.login("ann")
	other := b.clone()
	st.beforeDelete = func() {
		other.must(func(ctx context.Context) error { return m.Reauthenticate(ctx, session.Auth{AAL: 2}) })
	}
	b.logout()
	if other.get().LoggedIn() {
		t.Error("the rotated session survived the logout")
	}
}

func TestRevokedUserCannotCompleteLogin(t *testing.T) {
	ctx := t.Context()
	revoke := func(m *session.Manager[data]) {
		if _, err := m.RevokeUser(ctx, "ann"); err != nil {
			t.Fatal(err)
		}
	}
	login := func(m *session.Manager[data], epoch uint64) error {
		return newBrowser(t, m).try(func(ctx context.Context) error {
			return m.Login(ctx, session.Auth{User: "ann", Epoch: epoch}, nil)
		})
	}
	t.Run("between check and login", func(t *testing.T) {
		m := newManager(t, session.NewMemoryStore(0))
		epoch, err := m.Epoch(ctx, "ann")
		if err != nil || epoch == 0 {
			t.Fatal(epoch, err)
		}
		revoke(m)
		if err := login(m, epoch); !errors.Is(err, session.ErrStaleEpoch) {
			t.Errorf("got %v", err)
		}
		if err := login(m, 0); err != nil {
			t.Errorf("a new login: %v", err)
		}
	})
	t.Run("during login", func(t *testing.T) {
		st := &hookStore{Store: session.NewMemoryStore(0)}
		m := newManager(t, st)
		st.beforeCreate = func() { revoke(m) }
		if err := login(m, 0); !errors.Is(err, session.ErrStaleEpoch) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("during rotation", func(t *testing.T) {
		st := &hookStore{Store: session.NewMemoryStore(0)}
		m := newManager(t, st)
		b := newBrowser(t, m)
		b.add(1)
		st.beforeRotate = func() { revoke(m) }
		err := b.try(func(ctx context.Context) error { return m.Login(ctx, session.Auth{User: "ann"}, nil) })
		if !errors.Is(err, session.ErrStaleEpoch) {
			t.Errorf("got %v", err)
		}
		if s := b.get(); s.LoggedIn() || s.Data.N != 1 {
			t.Errorf("the anonymous session changed: %+v", s)
		}
	})
}

func TestNoUpdateIsLost(t *testing.T) {
	m := newManager(t, session.NewMemoryStore(0))
	b := newBrowser(t, m)
	b.login("ann")
	const workers, each = 16, 100
	var runs atomic.Int64
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			c := b.clone()
			for range each {
				c.must(func(ctx context.Context) error {
					return m.Update(ctx, func(d *data) error { runs.Add(1); d.N++; return nil })
				})
			}
		})
	}
	wg.Wait()
	if n := b.get().Data.N; n != workers*each {
		t.Errorf("%d of %d updates counted", n, workers*each)
	}
	t.Logf("%d updates in %d runs of the function", workers*each, runs.Load())
}

// The transaction sees what another request stored, not what this one read before.
func TestUpdateReplaysOnConflict(t *testing.T) {
	m := newManager(t, session.NewMemoryStore(0))
	b := newBrowser(t, m)
	b.login("ann")
	other := b.clone()
	var seen []int
	b.must(func(ctx context.Context) error {
		return m.Update(ctx, func(d *data) error {
			if seen = append(seen, d.N); len(seen) == 1 {
				other.add(10)
			}
			d.N++
			return nil
		})
	})
	if n := b.get().Data.N; n != 11 || len(seen) != 2 || seen[1] != 10 {
		t.Errorf("N = %d after runs that saw %v", n, seen)
	}
}

// An error of the function ends the transaction, whatever it is.
func TestUpdateReturnsTheFunctionsError(t *testing.T) {
	m := newManager(t, session.NewMemoryStore(0))
	b := newBrowser(t, m)
	b.add(1)
	err := b.try(func(ctx context.Context) error {
		return m.Update(ctx, func(d *data) error { d.N = 9; return session.ErrConflict })
	})
	if err != session.ErrConflict || b.get().Data.N != 1 {
		t.Errorf("got %v", err)
	}
}

// A session that ended while its holder logged in must not pass its data on.
func TestLoginOverEndedSession(t *testing.T) {
	st := &hookStore{Store: session.NewMemoryStore(0)}
	m := newManager(t, st)
	b := newBrowser(t, m)
	b.add(7)
	other := b.clone()
	st.beforeRotate = other.logout
	b.login("ann")
	if s := b.get(); s.User != "ann" || s.Data.N != 0 {
		t.Errorf("got %+v", s)
	}
}
