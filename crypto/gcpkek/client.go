package gcpkek

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	"google.golang.org/grpc/codes"
)

const (
	maxAttempts = 4
	firstDelay  = 100 * time.Millisecond
	maxDelay    = 2 * time.Second
)

// call repeats one request, which changes nothing in Cloud KMS, until it is answered: for at
// most maxAttempts times and not beyond the deadline. It tells the end of the caller's
// own context from a Cloud KMS that took too long.
func (k *KEK) call(ctx context.Context, op string, request func(context.Context) error) error {
	bounded, cancel := context.WithTimeout(ctx, k.timeout)
	defer cancel()
	for attempt := 0; ; attempt++ {
		err := k.attempt(bounded, op, request)
		if err != nil && ctx.Err() != nil {
			return &Error{Op: op, Kind: ctx.Err()}
		}
		if !repeatable(err) || attempt == maxAttempts-1 {
			return err
		}
		if !sleep(bounded, delay(attempt)) {
			if ctx.Err() != nil {
				return &Error{Op: op, Kind: ctx.Err()}
			}
			return err
		}
	}
}

// repeatable is true for a malformed answer too: a checksum that does not hold asks for
// a new attempt, says the documentation of Cloud KMS.
func repeatable(err error) bool {
	return (errors.Is(err, ErrUnavailable) || errors.Is(err, ErrAnswer)) && !errors.Is(err, errBreaker)
}

// delay is anything below a bound that doubles with each attempt, so that the callers
// that failed together do not come back together.
func delay(attempt int) time.Duration { return rand.N(min(firstDelay<<attempt, maxDelay)) }

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

// attempt sends the request once, past the breaker, for a third of the time that a call
// has: one connection that hangs leaves time for others.
func (k *KEK) attempt(ctx context.Context, op string, request func(context.Context) error) error {
	probe, ok := k.breaker.allow(time.Now())
	if !ok {
		return &Error{Op: op, Kind: ErrUnavailable, Cause: errBreaker}
	}
	v := unknown
	defer func() { k.settle(ctx, op, probe, v) }() // also of a client that panics
	limited, cancel := context.WithTimeout(ctx, k.timeout/3)
	defer cancel()
	err := classify(op, request(limited))
	switch failed, ok := errors.AsType[*Error](err); {
	case ok && failed.Cause == errToken: // Cloud KMS was not asked
	case !ok || failed.Kind != ErrUnavailable:
		v = alive
	case ctx.Err() != nil, failed.Code == codes.ResourceExhausted: // says nothing of the health of Cloud KMS
	default:
		v = dead
	}
	return err
}

// settle tells the breaker how an attempt ended, and the log how the breaker took it.
func (k *KEK) settle(ctx context.Context, op string, probe bool, v verdict) {
	opened, closed := k.breaker.done(time.Now(), probe, v)
	if opened {
		k.event(ctx, "gcp-breaker-open", &Error{Op: op, Kind: ErrUnavailable})
	}
	if closed {
		k.event(ctx, "gcp-breaker-close", nil)
	}
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
	k.log.LogAttrs(ctx, level, "gcpkek: "+action, attrs...)
}
