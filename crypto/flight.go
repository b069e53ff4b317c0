package crypto

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

var errFlight = errors.New("crypto: fetching a data key panicked")

// flights are the calls of KEKs that a cache waits for. They do not end with the
// call that started them, whose cancellation must not fail the others that wait, but
// after a time of their own, or with the Envelope.
type flights struct {
	timeout time.Duration
	life    context.Context
	end     context.CancelFunc
	running sync.WaitGroup
}

// flight is one of them.
type flight struct {
	landed  chan struct{} // closed when key and err are there
	key     *dataKey
	err     error
	cancel  context.CancelFunc
	waiting int  // callers that get a reference to key; of the cache's mutex
	given   bool // they have it; of the cache's mutex
}

func newFlights(timeout time.Duration) *flights {
	life, end := context.WithCancel(context.Background())
	return &flights{timeout: timeout, life: life, end: end}
}

// start calls fetch in the background, with the values of ctx, and then land, which
// puts the result into the cache before anybody who waits sees it.
func (fs *flights) start(ctx context.Context, fetch func(context.Context) (*dataKey, error), land func(*flight)) *flight {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fs.timeout)
	f := &flight{landed: make(chan struct{}), err: errFlight, cancel: cancel}
	fs.running.Go(func() {
		defer func() {
			_ = recover() // of a log handler: its value, which may hold anything, is dropped
			land(f)
			close(f.landed)
		}()
		defer cancel()
		defer context.AfterFunc(fs.life, cancel)()
		f.key, f.err = fetch(ctx)
		if f.err != nil && fs.life.Err() != nil {
			f.err = errClosed
		}
	})
	return f
}

// wait returns when f has landed or ctx has ended, with an error in the latter case.
func (f *flight) wait(ctx context.Context) error {
	if ctx.Err() == nil {
		select {
		case <-f.landed:
			return nil
		case <-ctx.Done():
		}
	}
	return fmt.Errorf("crypto: waiting for a data key: %w", ctx.Err())
}

// close must be called after the last start.
func (fs *flights) close() {
	fs.end()
	fs.running.Wait()
}
