package secrets

import (
	"context"
	"errors"
	"math/rand/v2"
	"reflect"
	"slices"
	"time"
)

var (
	errPanicked  = errors.New("secrets: the source, Decode or OnChange panicked")
	errNoVersion = errors.New("secrets: the source returned no version that is in use")
	errVetoed    = errors.New("secrets: OnChange vetoed the change")
	errUnstable  = errors.New("secrets: did not stay the same for two reads")
)

// flight is one refresh that any number of callers wait for.
type flight struct {
	landed chan struct{} // closed when err is there
	err    error
}

// poll refreshes until the Live is closed.
func (l *Live[T]) poll() {
	timer := time.NewTimer(jitter(l.o.Every))
	defer timer.Stop()
	for {
		select {
		case <-l.life.Done():
			return
		case <-timer.C:
		}
		timer.Reset(jitter(l.o.Every)) // from the start of a refresh: a slow one does not delay the next
		if f := l.begin(); f != nil {
			<-f.landed
		}
	}
}

// jitter returns d give or take 10 %.
func jitter(d time.Duration) time.Duration { return d - d/10 + rand.N(d/5+1) }

// begin returns the refresh that is running, or starts one. It is nil after Close.
func (l *Live[T]) begin() *flight {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	if l.flight == nil {
		l.flight = &flight{landed: make(chan struct{}), err: named(l.name, errPanicked)}
		f := l.flight
		l.running.Go(func() { l.fly(f) })
	}
	return l.flight
}

// fly is a refresh within its time. It lands even if a callback ends its goroutine.
func (l *Live[T]) fly(f *flight) {
	defer func() {
		l.mu.Lock()
		l.flight, l.last = nil, f.err
		l.mu.Unlock()
		close(f.landed)
	}()
	ctx, cancel := context.WithTimeout(l.life, l.o.Every/2)
	defer cancel()
	f.err = l.refresh(ctx)
}

// refresh reads the source, adopts what it says and publishes what follows from it.
func (l *Live[T]) refresh(ctx context.Context) error {
	began := time.Now()
	read, err := l.read(ctx)
	if err == nil {
		err = l.adopt(ctx, read, time.Now())
	}
	if err != nil {
		err = naming(l.name, err)
	}
	l.resume(err == nil, time.Now())
	if err == nil {
		l.fresh.Store(int64(began.Sub(l.opened)))
	}
	if len(l.history) > 0 {
		l.publish(ctx, time.Now())
	}
	l.reportRefresh(ctx, err)
	return err
}

// reading is a Version and the mark that stands for its value.
type reading struct {
	Version
	mark mark
}

// maxReads bounds what a value that never stays the same costs its store.
const maxReads = 10

// read returns what the source says twice in a row: the first of two reads may have
// met a writer halfway. What is known already needs no second read.
func (l *Live[T]) read(ctx context.Context) ([]reading, error) {
	was, err := l.readOnce(ctx)
	if err != nil || l.knows(was) {
		return was, err
	}
	for range maxReads - 1 {
		if err := sleep(ctx, min(l.o.Every/20, 50*time.Millisecond)); err != nil {
			return nil, err
		}
		is, err := l.readOnce(ctx)
		if err != nil || slices.EqualFunc(was, is, sameReading) {
			return is, err
		}
		was = is
	}
	return nil, errUnstable
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

func sameReading(a, b reading) bool { return a.mark == b.mark && a.Pending == b.Pending }

func (l *Live[T]) readOnce(ctx context.Context) ([]reading, error) {
	versions, err := guard(func() ([]Version, error) { return l.source.Fetch(ctx, l.name) })
	if err != nil {
		return nil, err
	}
	read := make([]reading, 0, len(versions))
	for _, v := range versions {
		if err := usable(v.Secret); err != nil {
			return nil, err
		}
		m, ok := v.Secret.mark()
		if !ok {
			return nil, errEmpty
		}
		i := slices.IndexFunc(read, func(r reading) bool { return r.mark == m })
		if i < 0 {
			read = append(read, reading{v, m})
		} else if !v.Pending { // a value that is being moved from one place to the next
			read[i].Pending = false
		}
	}
	if !slices.ContainsFunc(read, func(r reading) bool { return !r.Pending }) {
		return nil, errNoVersion
	}
	return read, nil
}

// decode never returns a zero value: somebody would use it as a key or a password.
func (l *Live[T]) decode(s Secret) (T, error) {
	v, err := guard(func() (T, error) {
		v, err := l.o.Decode(s)
		if err != nil || reflect.ValueOf(&v).Elem().IsZero() {
			err = errDecode // what a decoder says may quote the value
		}
		return v, err
	})
	return v, err
}

// allow asks OnChange.
func (l *Live[T]) allow(ctx context.Context, old, new T) error {
	if l.o.OnChange == nil {
		return nil
	}
	_, err := guard(func() (struct{}, error) {
		if err := l.o.OnChange(ctx, old, new); err != nil {
			return struct{}{}, errVetoed // as above
		}
		return struct{}{}, nil
	})
	return err
}

// guard turns a panic of f, whose value may hold anything, into an error.
func guard[R any](f func() (R, error)) (r R, err error) {
	err = errPanicked
	defer func() { _ = recover() }()
	return f()
}
