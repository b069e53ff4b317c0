package sessiontest

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pavise/pavise/session"
)

// Revocations checks an implementation of session.Revocations against its contract, each
// check as a subtest with what open returns. All may share their tables or keys.
func Revocations(t *testing.T, open func(t *testing.T) session.Revocations) {
	t.Helper()
	for _, check := range revocationChecks {
		t.Run(check.name, func(t *testing.T) {
			check.run(&revocations{tb: t, Revocations: open(t), ctx: t.Context()})
		})
	}
}

var revocationChecks = []struct {
	name string
	run  func(*revocations)
}{
	{"handle", checkRevokedHandle},
	{"once", checkRevokedOnce},
	{"user", checkRevokedUser},
	{"user ids", checkRevokedUserIDs},
	{"long and short", checkRemember},
	{"revocations at once", checkRevocationsAtOnce},
	{"ended context", checkRevokedEndedContext},
}

// revocations is what one check works with.
type revocations struct {
	tb
	session.Revocations
	ctx context.Context
}

func (r *revocations) epoch(user string) uint64 {
	r.Helper()
	e, err := r.Epoch(r.ctx, user)
	if err != nil || e == 0 {
		r.Fatalf("Epoch: %d, %v", e, err)
	}
	return e
}

func (r *revocations) revoke(h session.Handle) (first bool) {
	r.Helper()
	first, err := r.Revoke(r.ctx, h, absolute)
	if err != nil {
		r.Fatalf("Revoke: %v", err)
	}
	return first
}

func (r *revocations) revokeUser(user string) {
	r.Helper()
	if err := r.RevokeUser(r.ctx, user); err != nil {
		r.Fatalf("RevokeUser: %v", err)
	}
}

// want checks what Revoked says.
func (r *revocations) want(why string, h session.Handle, user string, epoch uint64, want bool) {
	r.Helper()
	got, err := r.Revoked(r.ctx, h, user, epoch)
	if err != nil || got != want {
		r.Errorf("%s: Revoked says %v, %v; want %v", why, got, err, want)
	}
}

func checkRevokedHandle(r *revocations) {
	user, h, other := name(), newHandle(), newHandle()
	e := r.epoch(user)
	r.want("a handle that nobody revoked", h, user, e, false)
	r.want("an anonymous one", h, "", 0, false)
	r.revoke(h)
	r.want("after Revoke", h, user, e, true)
	r.want("after Revoke, of an anonymous session", h, "", 0, true)
	r.want("after Revoke, of a user who has it by chance", h, name(), 1, true)
	r.want("another handle", other, user, e, false)
	r.want("the beginning of a revoked handle", h[:25], user, e, false)
	r.want("a revoked handle in upper case", session.Handle(strings.ToUpper(string(h))), user, e, false)
	if now := r.epoch(user); now != e {
		r.Errorf("Revoke moved the epoch from %d to %d", e, now)
	}
}

func checkRevokedOnce(r *revocations) {
	h := newHandle()
	if !r.revoke(h) {
		r.Errorf("the first Revoke says that there was one before")
	}
	if r.revoke(h) {
		r.Errorf("the second Revoke says that it is the first")
	}
	r.want("after Revoke twice", h, "", 0, true)
}

func checkRevokedUser(r *revocations) {
	user, other, h := name(), name(), newHandle()
	before := []uint64{r.epoch(user)}
	e := r.epoch(other)
	for range 3 {
		r.revokeUser(user)
		now := r.epoch(user)
		for _, old := range before {
			if old == now {
				r.Errorf("the epoch is %d again", now)
			}
			r.want("begun before RevokeUser", h, user, old, true)
		}
		r.want("begun after RevokeUser", h, user, now, false)
		before = append(before, now)
	}
	r.want("another user", h, other, e, false)
	r.want("an anonymous session", h, "", 0, false)
}

func checkRevokedUserIDs(r *revocations) {
	base := name()
	ids := []string{base, strings.ToUpper(base), base + " ", base + "ä", base + "a\u0308", base + "*", strings.Repeat("é", 127)}
	epochs := make([]uint64, len(ids))
	for i, id := range ids {
		epochs[i] = r.epoch(id)
	}
	r.revokeUser(base)
	for i, id := range ids {
		r.want("user "+id, newHandle(), id, epochs[i], id == base)
	}
}

func checkRemember(r *revocations) {
	for _, d := range []time.Duration{400 * 24 * time.Hour, time.Minute + time.Nanosecond} {
		h := newHandle()
		if first, err := r.Revoke(r.ctx, h, d); err != nil || !first {
			r.Errorf("Revoke for %v: %v, %v", d, first, err)
		}
		r.want("to be remembered for "+d.String(), h, "", 0, true)
	}
	for _, d := range []time.Duration{0, -time.Hour, time.Nanosecond} {
		if _, err := r.Revoke(r.ctx, newHandle(), d); err != nil {
			r.Errorf("Revoke for %v: %v", d, err)
		}
	}
}

// One of many wins, and all of them return after the session has ended.
func checkRevocationsAtOnce(r *revocations) {
	const callers = 8
	for range 20 {
		h, user := newHandle(), name()
		e := r.epoch(user)
		var all sync.WaitGroup
		var mu sync.Mutex
		wins := 0
		for range callers {
			all.Go(func() {
				first, err := r.Revoke(r.ctx, h, absolute)
				if err != nil {
					r.Errorf("Revoke: %v", err)
				}
				r.want("after Revoke among others", h, user, e, true)
				mu.Lock()
				defer mu.Unlock()
				if first {
					wins++
				}
			})
		}
		all.Wait()
		if wins != 1 {
			r.Errorf("%d of %d calls of Revoke were the first", wins, callers)
		}
	}
}

// Whoever does not know must not say "not revoked".
func checkRevokedEndedContext(r *revocations) {
	user, h := name(), newHandle()
	e := r.epoch(user)
	r.revoke(h)
	r.revokeUser(user)
	ended, cancel := context.WithCancel(r.ctx)
	cancel()
	for what, handle := range map[string]session.Handle{"handle": h, "user": newHandle()} {
		if revoked, err := r.Revoked(ended, handle, user, e); err == nil && !revoked {
			r.Errorf("with an ended context a revoked %s is let in", what)
		}
	}
}
