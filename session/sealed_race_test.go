package session_test

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/pavise/pavise/session"
)

// hookedRevocations calls once before Revoke, and fails while broken.
type hookedRevocations struct {
	session.Revocations
	beforeRevoke func()
	broken       bool
}

func (r *hookedRevocations) Epoch(ctx context.Context, user string) (uint64, error) {
	if r.broken {
		return 0, errDisk
	}
	return r.Revocations.Epoch(ctx, user)
}

func (r *hookedRevocations) Revoked(ctx context.Context, h session.Handle, user string, epoch uint64) (bool, error) {
	if r.broken {
		return false, errDisk
	}
	return r.Revocations.Revoked(ctx, h, user, epoch)
}

func (r *hookedRevocations) Revoke(ctx context.Context, h session.Handle, d time.Duration) (bool, error) {
	if f := r.beforeRevoke; f != nil {
		r.beforeRevoke = nil
		f()
	}
	if r.broken {
		return false, errDisk
	}
	return r.Revocations.Revoke(ctx, h, d)
}

func (r *hookedRevocations) RevokeUser(ctx context.Context, user string) error {
	if r.broken {
		return errDisk
	}
	return r.Revocations.RevokeUser(ctx, user)
}

func newHooked(t *testing.T) (*hookedRevocations, *sealedBrowser) {
	t.Helper()
	r := &hookedRevocations{Revocations: newRevocations(t)}
	return r, newBrowser(t, newSealed(t, newKeys(t), r))
}

// A logout that comes with the cookie that a step-up, or a second login, has just
// replaced ends the session that this made.
func TestSealedLogoutWithReplacedCookie(t *testing.T) {
	for name, replace := range map[string]func(*sealedBrowser) error{
		"step-up": (*sealedBrowser).stepUp,
		"login": func(b *sealedBrowser) error {
			return b.try(func(ctx context.Context) error { return b.m.Login(ctx, session.Auth{User: "ann"}, nil) })
		},
	} {
		_, b := newHooked(t)
		b.login("ann")
		slow := b.clone()
		if err := replace(b); err != nil {
			t.Fatal(err)
		}
		slow.logout()
		if b.get().LoggedIn() {
			t.Errorf("%s: the session survived its logout", name)
		}
	}
}

// A step-up that a logout overtakes between its check and its answer makes no session.
func TestSealedStepUpOvertakenByLogout(t *testing.T) {
	r, b := newHooked(t)
	b.login("ann")
	other := b.clone()
	r.beforeRevoke = other.logout
	w := b.do(func(w http.ResponseWriter, q *http.Request) {
		if err := b.m.Reauthenticate(q.Context(), session.Auth{AAL: 2}); !errors.Is(err, session.ErrGone) {
			t.Errorf("got %v", err)
		}
		if s, err := b.m.Get(q.Context()); err != nil || s.LoggedIn() {
			t.Errorf("afterwards: %+v, %v", s, err)
		}
	})
	if hasSetCookie(w) {
		t.Error("it set a cookie")
	}
}

// A login that the logout of its old session overtakes is a new session, without what the
// old one held.
func TestSealedLoginOvertakenByLogout(t *testing.T) {
	r, b := newHooked(t)
	b.login("ann")
	b.add(5)
	other := b.clone()
	r.beforeRevoke = other.logout
	b.must(func(ctx context.Context) error {
		return b.m.Login(ctx, session.Auth{User: "ann"}, func(d *data) error { d.N++; return nil })
	})
	if s := b.get(); !s.LoggedIn() || s.Data.N != 1 {
		t.Errorf("got %+v", s)
	}
}

// A revocation of the user that comes after the epoch was checked ends the session that
// the login is about to begin.
func TestSealedLoginOvertakenByRevokeUser(t *testing.T) {
	r, b := newHooked(t)
	b.add(1) // an anonymous session, which the login revokes
	r.beforeRevoke = func() {
		if err := b.m.RevokeUser(t.Context(), "ann"); err != nil {
			t.Error(err)
		}
	}
	b.login("ann")
	if b.get().LoggedIn() {
		t.Error("the login survived")
	}
}

// Of many step-ups from one cookie one makes a session.
func TestSealedStepUpsAtOnce(t *testing.T) {
	_, b := newHooked(t)
	b.login("ann")
	var all sync.WaitGroup
	var mu sync.Mutex
	var won []*sealedBrowser
	for range 16 {
		all.Go(func() {
			c := b.clone()
			switch err := c.stepUp(); {
			case err == nil:
				mu.Lock()
				defer mu.Unlock()
				won = append(won, c)
			case !errors.Is(err, session.ErrGone):
				t.Error(err)
			}
		})
	}
	all.Wait()
	if len(won) != 1 || !won[0].get().LoggedIn() || b.get().LoggedIn() {
		t.Errorf("%d sessions of one", len(won))
	}
}

// Whatever a logout meets, it ends.
func TestSealedLogoutAmongOthers(t *testing.T) {
	for range 50 {
		_, b := newHooked(t)
		b.login("ann")
		b.add(1)
		browsers := make([]*sealedBrowser, 4)
		var all sync.WaitGroup
		for i := range browsers {
			c := b.clone()
			browsers[i] = c
			all.Go(func() {
				switch i {
				case 0:
					c.logout()
				case 1:
					_ = c.stepUp() // which may come too late
				default:
					_ = c.try(func(ctx context.Context) error { return c.m.Set(ctx, data{N: i}) })
				}
			})
		}
		all.Wait()
		for i, c := range browsers {
			if c.get().LoggedIn() {
				t.Fatalf("request %d left a session", i)
			}
		}
	}
}

// While it is not known what was revoked nobody is let in, and nothing is half done.
func TestSealedFailsClosed(t *testing.T) {
	r, b := newHooked(t)
	b.login("ann")
	r.broken = true
	for name, f := range map[string]func(context.Context) error{
		"get":     func(ctx context.Context) error { _, err := b.m.Get(ctx); return err },
		"set":     func(ctx context.Context) error { return b.m.Set(ctx, data{}) },
		"login":   func(ctx context.Context) error { return b.m.Login(ctx, session.Auth{User: "ann"}, nil) },
		"step-up": func(ctx context.Context) error { return b.m.Reauthenticate(ctx, session.Auth{}) },
		"logout":  b.m.Logout,
		"epoch":   func(ctx context.Context) error { _, err := b.m.Epoch(ctx, "ann"); return err },
		"revoke":  func(ctx context.Context) error { return b.m.RevokeUser(ctx, "ann") },
	} {
		w := b.do(func(w http.ResponseWriter, q *http.Request) {
			if err := f(q.Context()); !errors.Is(err, session.ErrUnavailable) || !errors.Is(err, errDisk) {
				t.Errorf("%s: %v", name, err)
			}
		})
		if w.Code != 503 || hasSetCookie(w) {
			t.Errorf("%s: %d %v", name, w.Code, w.Header())
		}
	}
	if w := b.do(b.m.Require(session.Policy{})(ok).ServeHTTP); w.Code != 503 {
		t.Errorf("require: %d", w.Code)
	}
	if w := b.do(ok); w.Code != 200 {
		t.Errorf("a handler without the session: %d", w.Code)
	}
	if r.broken = false; !b.get().LoggedIn() {
		t.Error("the session was lost")
	}
	r.beforeRevoke = func() { r.broken = true }
	w := b.do(func(w http.ResponseWriter, q *http.Request) { _ = b.m.Logout(q.Context()) })
	if r.broken = false; w.Code != 503 || !b.get().LoggedIn() {
		t.Errorf("a logout that was not stored: %d, and the session has ended", w.Code)
	}
}
