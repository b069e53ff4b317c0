package sessiontest

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pavise/pavise/session"
)

func TestRevocationsOfMemoryStore(t *testing.T) {
	Revocations(t, func(t *testing.T) session.Revocations {
		r, err := session.NewRevocations(session.NewMemoryStore(0))
		if err != nil {
			t.Fatal(err)
		}
		return r
	})
}

// brokenRevocations is correct without a fault, and breaks one promise with it.
type brokenRevocations struct {
	fault   string
	mu      sync.Mutex
	handles map[session.Handle]bool
	epochs  map[string]uint64
}

func (b *brokenRevocations) id(user string) string {
	if b.fault == "folds case of users" {
		return strings.ToLower(user)
	}
	return user
}

func (b *brokenRevocations) epoch(user string) uint64 {
	e := b.epochs[b.id(user)]
	if b.fault == "epochs repeat" {
		e %= 2
	}
	if b.fault != "epochs from 0" {
		e++
	}
	return e
}

func (b *brokenRevocations) Epoch(_ context.Context, user string) (uint64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.epoch(user), nil
}

func (b *brokenRevocations) Revoked(ctx context.Context, h session.Handle, user string, epoch uint64) (bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if ctx.Err() != nil && b.fault == "lets in when it does not know" {
		return false, nil
	}
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	if b.fault == "folds case of handles" {
		h = session.Handle(strings.ToLower(string(h)))
	}
	if b.fault == "knows prefixes" {
		for known := range b.handles {
			if strings.HasPrefix(string(known), string(h)) {
				return true, nil
			}
		}
	}
	anonymous := user == "" && b.fault != "epochs of nobody"
	if b.handles[h] && !(b.fault == "handles of users alone" && user == "") {
		return true, nil
	}
	return !anonymous && b.epoch(user) != epoch && b.fault != "ignores epochs", nil
}

func (b *brokenRevocations) Revoke(_ context.Context, h session.Handle, d time.Duration) (bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fault == "forgets long ones" && d > 30*24*time.Hour {
		return true, nil
	}
	known := b.handles[h]
	if b.fault == "looks, then writes" {
		b.mu.Unlock()
		time.Sleep(time.Millisecond)
		b.mu.Lock()
	}
	if b.fault != "revokes nothing" {
		b.handles[h] = true
	}
	return !known && b.fault != "never first" || b.fault == "always first", nil
}

func (b *brokenRevocations) RevokeUser(_ context.Context, user string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.epochs[b.id(user)]++
	return nil
}

func revocationVerdict(t *testing.T, check, fault string) string {
	t.Helper()
	var r recorder
	for _, c := range revocationChecks {
		if c.name == check {
			b := &brokenRevocations{fault: fault, handles: map[session.Handle]bool{}, epochs: map[string]uint64{}}
			var done sync.WaitGroup
			done.Go(func() { c.run(&revocations{tb: &r, Revocations: b, ctx: t.Context()}) })
			done.Wait()
			return strings.Join(r.said, "\n")
		}
	}
	t.Fatalf("no check named %q", check)
	return ""
}

func TestBrokenRevocations(t *testing.T) {
	for _, tt := range []struct{ fault, check, says string }{
		{"revokes nothing", "handle", "after Revoke: Revoked says false"},
		{"handles of users alone", "handle", "of an anonymous session: Revoked says false"},
		{"folds case of handles", "handle", "in upper case: Revoked says true"},
		{"knows prefixes", "handle", "the beginning of a revoked handle"},
		{"epochs of nobody", "handle", "an anonymous one: Revoked says true"},
		{"never first", "once", "the first Revoke says"},
		{"always first", "once", "the second Revoke says"},
		{"looks, then writes", "revocations at once", "of 8 calls of Revoke were the first"},
		{"ignores epochs", "user", "begun before RevokeUser: Revoked says false"},
		{"epochs repeat", "user", "again"},
		{"epochs from 0", "user", "Epoch: 0"},
		{"folds case of users", "user ids", "Revoked says true"},
		{"forgets long ones", "long and short", "to be remembered for 9600h0m0s"},
		{"lets in when it does not know", "ended context", "is let in"},
	} {
		if said := revocationVerdict(t, tt.check, tt.fault); !strings.Contains(said, tt.says) {
			t.Errorf("%s: the check %q said %q, want %q in it", tt.fault, tt.check, said, tt.says)
		}
	}
	for _, check := range revocationChecks {
		if said := revocationVerdict(t, check.name, ""); said != "" {
			t.Errorf("without a fault, %s: %s", check.name, said)
		}
	}
}
