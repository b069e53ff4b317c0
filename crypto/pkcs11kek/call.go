package pkcs11kek

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"
)

const (
	maxAttempts = 4
	firstDelay  = 50 * time.Millisecond
	maxDelay    = 2 * time.Second
)

// work is what a call does in a session. It gets a copy of its input, since nothing can
// interrupt it: it may go on when its caller has given up.
type work func(s *session, in []byte) ([]byte, error)

// call bounds work in time, and tells the end of the caller's own context from a token
// that took too long.
func (k *KEK) call(ctx context.Context, op string, in []byte, w work) ([]byte, error) {
	bounded, cancel := context.WithTimeout(ctx, k.timeout)
	defer cancel()
	out, err := k.do(bounded, op, in, w)
	if err != nil && ctx.Err() != nil {
		return nil, &Error{Op: op, Kind: ctx.Err()}
	}
	return out, err
}

// do repeats work while the token is unavailable, for at most maxAttempts times and not
// beyond the deadline of ctx.
func (k *KEK) do(ctx context.Context, op string, in []byte, w work) ([]byte, error) {
	for attempt := 0; ; attempt++ {
		out, err := k.attempt(ctx, op, in, w)
		if !errors.Is(err, ErrUnavailable) || errors.Is(err, errBreaker) || attempt == maxAttempts-1 {
			return out, err
		}
		d := min(firstDelay<<attempt, maxDelay)
		if !sleep(ctx, d/2+rand.N(d/2)) { // at random: those that failed together do not come back together
			return nil, err
		}
	}
}

// sleep reports false, at once, if ctx would end before.
func sleep(ctx context.Context, d time.Duration) bool {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= d {
		return false
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// attempt does work once, past the breaker, for a third of the time that a call has.
func (k *KEK) attempt(ctx context.Context, op string, in []byte, w work) ([]byte, error) {
	probe, ok := k.breaker.allow(time.Now())
	if !ok {
		return nil, &Error{Op: op, Kind: ErrUnavailable, Cause: errBreaker}
	}
	once, cancel := context.WithTimeout(ctx, k.timeout/3)
	defer cancel()
	out, err := k.once(once, op, in, w)
	opened, closed := k.breaker.done(time.Now(), probe, verdictOf(ctx, err))
	if opened {
		k.event(ctx, "pkcs11-breaker-open", err)
	}
	if closed {
		k.event(ctx, "pkcs11-breaker-close", nil)
	}
	return out, err
}

// verdictOf does not hold a lack of sessions against the token.
func verdictOf(ctx context.Context, err error) verdict {
	failed, ok := errors.AsType[*Error](err)
	switch {
	case !ok || failed.Kind != ErrUnavailable:
		return alive
	case ctx.Err() != nil || failed.Code == codeSessionCount:
		return unknown
	}
	return dead
}

type outcome struct {
	out []byte
	err error
}

// once has work done in a goroutine, which holds a ticket as long as it is in the module:
// there are never more of them than sessions, and [KEK.Close] waits for them.
func (k *KEK) once(ctx context.Context, op string, in []byte, w work) ([]byte, error) {
	if err := k.take(ctx, op); err != nil {
		return nil, err
	}
	in = bytes.Clone(in)
	done := make(chan outcome)
	go func() {
		out, err := k.inSession(ctx, op, in, w)
		clear(in)
		<-k.pool.tickets
		select {
		case done <- outcome{out, err}:
		case <-ctx.Done():
			clear(out) // nobody waits for it
		}
	}()
	select {
	case o := <-done:
		return o.out, o.err
	case <-ctx.Done():
		return nil, &Error{Op: op, Kind: ErrUnavailable, Cause: errSlow}
	}
}

func (k *KEK) take(ctx context.Context, op string) error {
	select {
	case <-k.closed:
		return errClosed
	default:
	}
	select {
	case k.pool.tickets <- struct{}{}:
		return nil
	case <-k.closed:
		return errClosed
	case <-ctx.Done():
		return &Error{Op: op, Kind: ErrUnavailable, Cause: errBusy}
	}
}

// inSession drops the session of whatever failed otherwise than by ErrUnwrap.
func (k *KEK) inSession(ctx context.Context, op string, in []byte, w work) ([]byte, error) {
	k.module.calls.RLock()
	s, err := k.session(ctx)
	if err != nil {
		k.module.calls.RUnlock()
		if verdictOf(ctx, err) == dead {
			k.module.revive(time.Now())
		}
		return nil, err
	}
	defer k.module.calls.RUnlock()
	out, err := w(s, in)
	if err == nil || err == ErrUnwrap {
		k.pool.put(s)
		return out, err
	}
	s.close()
	failed := newError(op, err)
	if failed.Kind == ErrUnavailable {
		k.module.lost(s.generation)
	}
	return nil, failed
}

// event emits one event, a failure unless err is nil.
func (k *KEK) event(ctx context.Context, action string, err error) {
	level, outcome := slog.LevelInfo, "success"
	if err != nil {
		level, outcome = slog.LevelWarn, "failure"
	}
	if k.log == nil || !k.log.Enabled(ctx, level) {
		return
	}
	attrs := []slog.Attr{slog.String("event.action", action), slog.String("event.outcome", outcome), slog.String("kek.id", k.id)}
	if err != nil {
		attrs = append(attrs, slog.String("event.reason", err.Error()))
	}
	k.log.LogAttrs(ctx, level, "pkcs11kek: "+action, attrs...)
}
