package vaultkek

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/pavise/pavise/secrets"
)

// freshFor is how long a new token, or a refused login, is taken at its word: within
// it a 403 is the policy's and not that of a revoked token, and a refused credential
// is not sent again, which would lock the role out.
const freshFor = 10 * time.Second

// session is a token and its times. It is not changed once it is shared.
type session struct {
	token     secrets.Secret
	login     int           // which login it comes from; renewals keep it
	began     time.Time     // of that login
	granted   time.Duration // its first TTL; 0 is for ever
	renewable bool
	due       time.Time // to be renewed
	end       time.Time
}

// extended returns s with the TTL that was granted at now. It is due after 60 to 75 %
// of it, at random, so that a fleet does not renew in step.
func (s session) extended(g grant, now time.Time) *session {
	ttl := g.ttl()
	s.token, s.renewable = g.Token, g.Renewable
	s.due = now.Add(ttl*60/100 + rand.N(ttl*15/100+1))
	s.end = now.Add(ttl - min(ttl/10, 5*time.Second))
	return &s
}

func (s *session) usable(now time.Time) bool {
	return s != nil && (s.granted == 0 || now.Before(s.end))
}

func (s *session) isDue(now time.Time) bool { return s.granted != 0 && !now.Before(s.due) }

// sessions holds the current session. Whoever finds it missing or due makes the next
// one within their own call, so that no goroutine is needed; gate lets one at a time.
type sessions struct {
	gate chan struct{} // capacity 1

	mu      sync.Mutex
	current *session
	logins  int   // that came to an end, other than by the caller's own context
	failure error // of the last of them
	failed  time.Time
	closed  bool
}

func (t *sessions) get() (s *session, logins int, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil, 0, errClosed
	}
	return t.current, t.logins, nil
}

func (t *sessions) set(s *session) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.closed {
		t.current = s
	}
}

func (t *sessions) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed, t.current = true, nil
}

// refused ends the use of a session that Vault answered 403 to. It reports whether
// another one may fare better.
func (t *sessions) refused(s *session, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.current != nil && t.current.login != s.login {
		return true // somebody has logged in meanwhile
	}
	if now.Sub(s.began) < freshFor {
		return false
	}
	t.current = nil
	return true
}

// lastFailure returns the failure that the caller, who saw a number of logins, would
// only repeat: of a login that it waited for, or of a refused credential.
func (t *sessions) lastFailure(seen int, now time.Time) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.logins != seen || errors.Is(t.failure, ErrDenied) && now.Sub(t.failed) < freshFor {
		return t.failure
	}
	return nil
}

func (t *sessions) ended(err error, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.logins++
	t.failure, t.failed = err, now
}

// authorized sends r with a token, and once more if that was revoked before its time.
func (k *KEK) authorized(ctx context.Context, r request) (answer, error) {
	for again := true; ; again = false {
		s, err := k.session(ctx)
		if err != nil {
			return answer{}, err
		}
		r.token = s.token
		a, err := k.do(ctx, r)
		if !again || !errors.Is(err, ErrDenied) || !k.sessions.refused(s, time.Now()) {
			return a, err
		}
	}
}

// session returns a session that is usable now.
func (k *KEK) session(ctx context.Context) (*session, error) {
	s, logins, err := k.sessions.get()
	if err != nil {
		return nil, err
	}
	now := time.Now()
	if !s.usable(now) {
		return k.loginOnce(ctx, logins)
	}
	if !s.isDue(now) {
		return s, nil
	}
	select {
	case k.sessions.gate <- struct{}{}:
		defer func() { <-k.sessions.gate }()
		return k.refresh(ctx)
	default:
		return s, nil // somebody else is at it, and s still serves
	}
}

// loginOnce makes one login of all that wait for it. A waiter whose predecessor gave
// up takes its place: a cancelled caller fails nobody else.
func (k *KEK) loginOnce(ctx context.Context, seen int) (*session, error) {
	select {
	case k.sessions.gate <- struct{}{}:
		defer func() { <-k.sessions.gate }()
	case <-ctx.Done():
		return nil, &Error{Op: "login", Kind: ErrUnavailable, Cause: ctx.Err()}
	}
	s, _, err := k.sessions.get()
	if err != nil || s.usable(time.Now()) {
		return s, err
	}
	return k.relogin(ctx, seen)
}

// relogin sends nothing that would only be refused again. The caller holds the gate.
func (k *KEK) relogin(ctx context.Context, seen int) (*session, error) {
	if err := k.sessions.lastFailure(seen, time.Now()); err != nil {
		return nil, err
	}
	return k.login(ctx)
}

// refresh renews the current session ahead of its end, or logs in again if Vault
// grants no more than half of the TTL, which is how it says that the max TTL is near.
// Whatever fails, the session still serves. The caller holds the gate.
func (k *KEK) refresh(ctx context.Context) (*session, error) {
	s, logins, err := k.sessions.get()
	now := time.Now()
	if err != nil || s.usable(now) && !s.isDue(now) {
		return s, err
	}
	if !s.usable(now) {
		return k.relogin(ctx, logins)
	}
	short, cancel := context.WithTimeout(ctx, k.timeout/3)
	defer cancel()
	next, err := k.renew(short, s)
	if err == nil && next.end.Sub(now) < s.granted/2 || err != nil && !errors.Is(err, ErrUnavailable) {
		if again, err := k.relogin(short, logins); err == nil {
			return again, nil
		}
	}
	if err != nil || next.end.Sub(now) < s.granted/2 {
		next = s.postponed(now)
	}
	k.sessions.set(next)
	return next, nil
}

// postponed returns s, due again after a quarter of what it has left.
func (s session) postponed(now time.Time) *session {
	s.due = now.Add(max(s.end.Sub(now)/4, time.Second))
	return &s
}

var errNotRenewable = errors.New("vaultkek: token is not renewable")

func (k *KEK) renew(ctx context.Context, s *session) (*session, error) {
	if !s.renewable {
		return nil, errNotRenewable
	}
	asked := time.Now()
	a, err := k.attempt(ctx, request{op: "renew", method: http.MethodPost, path: "auth/token/renew-self", token: s.token})
	if err == nil {
		a.Auth.Token = s.token // answers of a batch or a wrapped token leave it out
		a.Auth, err = a.Auth.checked()
	}
	k.event(ctx, "vault-renew", err)
	if err != nil {
		return nil, err
	}
	return s.extended(a.Auth, asked), nil
}

// login replaces the current session. The caller holds the gate.
func (k *KEK) login(ctx context.Context) (*session, error) {
	began := time.Now()
	g, err := k.askToken(ctx)
	if ctx.Err() == nil || err == nil {
		k.sessions.ended(err, time.Now())
	}
	k.event(ctx, "vault-login", err)
	if err != nil {
		return nil, err
	}
	_, logins, err := k.sessions.get()
	if err != nil {
		return nil, err
	}
	s := session{login: logins, began: began, granted: g.ttl()}.extended(g, began)
	k.sessions.set(s)
	return s, nil
}

func (k *KEK) askToken(ctx context.Context) (grant, error) {
	credential, err := k.auth.credential(ctx)
	if err != nil {
		return grant{}, &Error{Op: "login", Kind: ErrUnavailable, Cause: err}
	}
	r, err := k.auth.request(credential)
	defer clear(r.body)
	if err != nil {
		return grant{}, &Error{Op: "login", Kind: ErrRefused}
	}
	a, err := k.do(ctx, r)
	if err != nil {
		return grant{}, err
	}
	g, err := k.auth.granted(credential, a)
	if err != nil {
		return grant{}, &Error{Op: "login", Status: http.StatusOK, Kind: err}
	}
	return g, nil
}
