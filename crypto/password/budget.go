package password

import (
	"context"
	"fmt"
	"slices"
	"sync"
)

// budget shares bytes of memory among hashes, first come, first served. A small
// request never overtakes a large one, which would starve it.
type budget struct {
	maxQueue int

	mu    sync.Mutex
	free  uint64
	queue []*waiter
}

type waiter struct {
	n     uint64
	ready chan struct{} // closed, under the lock, when n is granted
}

func newBudget(total uint64, maxQueue int) *budget {
	return &budget{free: total, maxQueue: maxQueue}
}

// acquire takes n bytes, which the caller must release. n is at most the total.
func (b *budget) acquire(ctx context.Context, n uint64) error {
	if b == nil {
		return errZero
	}
	if err := ctx.Err(); err != nil {
		return waitError(err)
	}
	w, err := b.enqueue(n)
	if w == nil {
		return err
	}
	select {
	case <-w.ready:
		return nil
	case <-ctx.Done():
		b.abandon(w)
		return waitError(ctx.Err())
	}
}

// enqueue returns nil and no error if n was granted at once.
func (b *budget) enqueue(n uint64) (*waiter, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.queue) == 0 && n <= b.free {
		b.free -= n
		return nil, nil
	}
	if len(b.queue) >= b.maxQueue {
		return nil, ErrBusy
	}
	w := &waiter{n: n, ready: make(chan struct{})}
	b.queue = append(b.queue, w)
	return w, nil
}

// abandon gives up w, which may have been granted in the meantime.
func (b *budget) abandon(w *waiter) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if i := slices.Index(b.queue, w); i >= 0 {
		b.queue = slices.Delete(b.queue, i, i+1)
	} else {
		b.free += w.n
	}
	b.grant()
}

func (b *budget) release(n uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.free += n
	b.grant()
}

// grant serves the head of the queue as long as it fits; b.mu is held.
func (b *budget) grant() {
	for len(b.queue) > 0 && b.queue[0].n <= b.free {
		b.free -= b.queue[0].n
		close(b.queue[0].ready)
		b.queue = slices.Delete(b.queue, 0, 1)
	}
}

func waitError(err error) error { return fmt.Errorf("password: waiting for memory: %w", err) }
