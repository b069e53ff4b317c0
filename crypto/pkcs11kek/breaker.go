package pkcs11kek

import (
	"sync"
	"time"
)

const (
	breakerFailures = 5
	breakerPause    = 5 * time.Second
)

// breaker keeps callers from waiting for a token that does not answer, and a token that
// comes back from all of them at once. After breakerFailures failures in a row it
// opens; when its pause is over, one attempt is let through as a probe.
type breaker struct {
	pause time.Duration

	mu       sync.Mutex
	failures int
	until    time.Time // zero while closed
	probing  bool
}

// verdict is what one attempt says about the health of the token.
type verdict int

const (
	unknown verdict = iota // the caller gave up
	alive
	dead
)

// allow reports whether an attempt may be made, and whether it is the probe. Each one
// that was allowed is followed by done.
func (b *breaker) allow(now time.Time) (probe, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.until.IsZero() {
		return false, true
	}
	if b.probing || now.Before(b.until) {
		return false, false
	}
	b.probing = true
	return true, true
}

// done reports whether the breaker went from closed to open, or back.
func (b *breaker) done(now time.Time, probe bool, v verdict) (opened, closed bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if probe {
		b.probing = false
	}
	wasOpen := !b.until.IsZero()
	switch v {
	case alive:
		b.failures, b.until = 0, time.Time{}
		return false, wasOpen
	case dead:
		b.failures++
		if probe || !wasOpen && b.failures >= breakerFailures {
			b.until = now.Add(b.pause)
			return !wasOpen, false
		}
	}
	return false, false
}
