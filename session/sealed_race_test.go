package session_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pavise/pavise/session"
)

// hookedRevocations calls once before Revoke, and fails while broken.
type hookedRevocations struct {
	session.Revocations
	beforeRevoke func()
	broken       bool

	mu      sync.Mutex
	revoked []session.Handle
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
	r.mu.Lock()
	r.revoked = append(r.revoked, h)
	r.mu.Unlock()
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

// A revocation of the user that comes after the session was read ends it: a step-up does
// not take it along to the new epoch, nor does a login what it held.
func TestSealedRevokeUserAfterRead(t *testing.T) {
	revoke := func(b *sealedBrowser, ctx context.Context) {
		t.Helper()
		if s, err := b.m.Get(ctx); err != nil || !s.LoggedIn() {
			t.Fatalf("got %+v, %v", s, err)
		}
		if err := b.m.RevokeUser(ctx, "ann"); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("step-up", func(t *testing.T) {
		_, b := newHooked(t)
		b.login("ann")
		w := b.do(func(w http.ResponseWriter, q *http.Request) {
			revoke(b, q.Context())
			if err := b.m.Reauthenticate(q.Context(), session.Auth{AAL: 2}); !errors.Is(err, session.ErrGone) {
				t.Errorf("got %v", err)
			}
			if s, err := b.m.Get(q.Context()); err != nil || s.LoggedIn() {
				t.Errorf("afterwards: %+v, %v", s, err)
			}
		})
		if hasSetCookie(w) || b.get().LoggedIn() {
			t.Error("the session survived")
		}
	})
	t.Run("login", func(t *testing.T) {
		_, b := newHooked(t)
		b.login("ann")
		b.add(5)
		b.must(func(ctx context.Context) error {
			revoke(b, ctx)
			return b.m.Login(ctx, session.Auth{User: "ann"}, func(d *data) error { d.N++; return nil })
		})
		if s := b.get(); !s.LoggedIn() || s.Data.N != 1 {
			t.Errorf("got %+v", s)
		}
	})
}

// A logout is remembered for as long as what a login has made of its session lasts, which
// may be longer than the session.
func TestSealedLogoutWithReplacedCookieIsRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, b := newHooked(t)
		b.login("ann")
		slow := b.clone()
		b.must(func(ctx context.Context) error { return b.m.Login(ctx, session.Auth{User: "ann", Persist: true}, nil) })
		slow.logout()
		for range 40 {
			if b.get().LoggedIn() {
				t.Fatal("the session survived its logout")
			}
			time.Sleep(20 * time.Hour)
		}
	})
}

// A login ends what it came with, also where that opens no session.
func TestSealedLoginEndsCookies(t *testing.T) {
	t.Run("duplicates", func(t *testing.T) {
		_, ann := newHooked(t)
		eve, both := newBrowser(t, ann.m), newBrowser(t, ann.m)
		ann.login("ann")
		eve.login("eve")
		q := httptest.NewRequest("POST", "https://example.com/", nil)
		q.Header.Set("Sec-Fetch-Site", "same-origin")
		q.Header.Set("Cookie", cookieName+"="+eve.cookie+"; "+cookieName+"="+ann.cookie)
		both.send(q, http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
			if err := ann.m.Login(q.Context(), session.Auth{User: "ann"}, nil); err != nil {
				t.Error(err)
			}
		}))
		if ann.get().LoggedIn() || eve.get().LoggedIn() || !both.get().LoggedIn() {
			t.Error("a session survived, or the login made none")
		}
	})
	t.Run("replaced", func(t *testing.T) {
		_, b := newHooked(t)
		b.login("ann")
		slow := b.clone()
		if err := b.stepUp(); err != nil {
			t.Fatal(err)
		}
		slow.login("ann")
		if b.get().LoggedIn() || !slow.get().LoggedIn() {
			t.Error("one browser has two sessions, or none")
		}
	})
	t.Run("undecodable", func(t *testing.T) {
		keys, r := newKeys(t), newRevocations(t)
		later := newBrowser(t, newSealed(t, keys, r, session.Schema(2, nil)))
		later.login("ann")
		now := newBrowser(t, newSealed(t, keys, r))
		now.cookie = later.cookie
		now.must(func(ctx context.Context) error {
			_, err := now.m.Get(ctx)
			return errors.Join(err, now.m.Login(ctx, session.Auth{User: "ann"}, nil))
		})
		if later.get().LoggedIn() || !now.get().LoggedIn() {
			t.Error("one browser has two sessions, or none")
		}
	})
}

// Each session is ended once.
func TestSealedLogoutAfterGet(t *testing.T) {
	r, b := newHooked(t)
	b.login("ann")
	b.must(func(ctx context.Context) error {
		_, err := b.m.Get(ctx)
		return errors.Join(err, b.m.Logout(ctx))
	})
	if len(r.revoked) != 2 { // it, and what a login may have made of it
		t.Errorf("revoked %d handles", len(r.revoked))
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
