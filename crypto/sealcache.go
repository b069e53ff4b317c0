package crypto

import (
	"context"
	"sync"
	"time"
)

// A failing refresh is tried so often in each half of MaxAge, and no less often than that.
const (
	refreshTries = 16
	refreshPause = 10 * time.Second
)

// sealCache holds the data key that messages are sealed under.
type sealCache struct {
	limits   DEKCache
	flights  *flights
	generate func(context.Context) (*dataKey, error)

	mu      sync.Mutex
	closed  bool
	key     *dataKey // nil is none
	use     use      // of key
	expiry  *time.Timer
	pending *flight   // of the next key; nil is none
	retry   time.Time // no refresh before
}

// use is what a data key has been through.
type use struct {
	since           time.Time
	messages, bytes int64
}

func newSealCache(limits DEKCache, f *flights, generate func(context.Context) (*dataKey, error)) *sealCache {
	return &sealCache{limits: limits, flights: f, generate: generate}
}

// get returns the key for a message of n bytes, at most half of MaxBytes. The caller
// releases it.
func (c *sealCache) get(ctx context.Context, n int64) (*dataKey, error) {
	for {
		key, next, err := c.take(ctx, n)
		if next == nil {
			return key, err
		}
		if err := next.wait(ctx); err != nil {
			return nil, err
		}
		if next.err != nil {
			return nil, next.err
		}
	}
}

// take returns the key, or the flight that brings the next one.
func (c *sealCache) take(ctx context.Context, n int64) (*dataKey, *flight, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, nil, errClosed
	}
	now := time.Now()
	if c.key == nil || !c.use.allows(c.limits, now, n) {
		c.refresh(ctx)
		return nil, c.pending, nil
	}
	c.use.messages++
	c.use.bytes += n
	if c.use.halfSpent(c.limits, now) && !now.Before(c.retry) {
		c.refresh(ctx)
	}
	c.key.retain()
	return c.key, nil, nil
}

func (u use) allows(limits DEKCache, now time.Time, n int64) bool {
	return now.Sub(u.since) < limits.MaxAge && u.messages < limits.MaxMessages && n <= limits.MaxBytes-u.bytes
}

func (u use) halfSpent(limits DEKCache, now time.Time) bool {
	return now.Sub(u.since) >= limits.MaxAge/2 || u.messages > limits.MaxMessages/2 || u.bytes > limits.MaxBytes/2
}

func (c *sealCache) refresh(ctx context.Context) {
	if c.pending == nil {
		c.pending = c.flights.start(ctx, c.generate, c.land)
	}
}

func (c *sealCache) land(f *flight) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pending = nil
	switch {
	case f.err != nil:
		c.retry = time.Now().Add(min(c.limits.MaxAge/(2*refreshTries), refreshPause))
	case c.closed:
		f.key.release()
	default:
		c.drop()
		c.key, c.use = f.key, use{since: time.Now()}
		c.expiry = time.AfterFunc(c.limits.MaxAge, func() { c.expire(f.key) })
	}
}

// expire drops key if it is still there: nobody may come who would find it too old.
func (c *sealCache) expire(key *dataKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.key == key {
		c.drop()
	}
}

func (c *sealCache) drop() {
	if c.key != nil {
		c.expiry.Stop()
		c.key.release()
		c.key = nil
	}
}

func (c *sealCache) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	c.drop()
}
