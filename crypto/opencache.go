package crypto

import (
	"container/list"
	"context"
	"sync"
	"time"
)

// openCache holds unwrapped data keys by what they were unwrapped from. It belongs to
// one Envelope and so to one label.
type openCache struct {
	limits  DEKCache
	flights *flights
	unwrap  unwrapper

	mu      sync.Mutex
	closed  bool
	entries map[entryID]*list.Element // of recent
	recent  *list.List                // of *openEntry, the last used first
	pending map[entryID]*flight
}

// entryID tells data keys apart. The suite is part of it since the key keeps the
// cipher of one.
type entryID struct {
	suite   suite
	kek     string
	wrapped string
}

type openEntry struct {
	id     entryID
	key    *dataKey
	since  time.Time
	expiry *time.Timer
}

func newOpenCache(limits DEKCache, f *flights, unwrap unwrapper) *openCache {
	return &openCache{
		limits: limits, flights: f, unwrap: unwrap,
		entries: map[entryID]*list.Element{}, recent: list.New(), pending: map[entryID]*flight{},
	}
}

// cached returns a key that is there, or nil. The caller releases it.
func (c *openCache) cached(r recipient, s suite, wrapped []byte) *dataKey {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.find(r, s, wrapped)
}

func (c *openCache) find(r recipient, s suite, wrapped []byte) *dataKey {
	el := c.entries[entryID{s, r.id, string(wrapped)}] // makes no copy
	if el == nil {
		return nil
	}
	entry := el.Value.(*openEntry)
	if time.Since(entry.since) >= c.limits.MaxAge {
		c.drop(el)
		return nil
	}
	c.recent.MoveToFront(el)
	entry.key.retain()
	return entry.key
}

// get is an unwrapper. It makes one call of the KEK for all who ask meanwhile.
func (c *openCache) get(ctx context.Context, r recipient, s suite, wrapped []byte) (*dataKey, error) {
	key, f, err := c.join(ctx, r, s, wrapped)
	if f == nil {
		return key, err
	}
	if err := f.wait(ctx); err != nil {
		c.leave(entryID{s, r.id, string(wrapped)}, f)
		return nil, &KEKError{r.id, "unwrap", err}
	}
	return f.key, f.err
}

// join returns the key, or the flight that brings it.
func (c *openCache) join(ctx context.Context, r recipient, s suite, wrapped []byte) (*dataKey, *flight, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, nil, errClosed
	}
	if key := c.find(r, s, wrapped); key != nil {
		return key, nil, nil
	}
	id := entryID{s, r.id, string(wrapped)}
	f := c.pending[id]
	if f == nil {
		f = c.start(ctx, r, id)
	}
	f.waiting++
	return nil, f, nil
}

func (c *openCache) start(ctx context.Context, r recipient, id entryID) *flight {
	f := c.flights.start(ctx,
		func(ctx context.Context) (*dataKey, error) { return c.unwrap(ctx, r, id.suite, []byte(id.wrapped)) },
		func(f *flight) { c.land(id, f) })
	c.pending[id] = f
	return f
}

// land gives each who waits a reference, so that the key outlives its own eviction.
func (c *openCache) land(id entryID, f *flight) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pending[id] == f {
		delete(c.pending, id)
	}
	f.given = true
	if f.key == nil {
		return
	}
	for range f.waiting {
		f.key.retain()
	}
	if c.closed || f.waiting == 0 { // another may have brought the key of one that was left
		f.key.release()
		return
	}
	entry := &openEntry{id: id, key: f.key, since: time.Now()}
	el := c.recent.PushFront(entry)
	entry.expiry = time.AfterFunc(c.limits.MaxAge, func() { c.expire(el) })
	c.entries[id] = el
	if c.recent.Len() > c.limits.MaxEntries {
		c.drop(c.recent.Back())
	}
}

// leave gives back the reference of a caller that did not wait for its key. The last
// one ends the call of the KEK: requests that are given up must not pile up behind it.
func (c *openCache) leave(id entryID, f *flight) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f.given {
		if f.key != nil {
			f.key.release()
		}
		return
	}
	if f.waiting--; f.waiting == 0 {
		f.cancel()
		delete(c.pending, id) // who comes now needs one that goes on
	}
}

// expire drops an entry if it is still there: nobody may come who would find it too old.
func (c *openCache) expire(el *list.Element) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if entry := el.Value.(*openEntry); c.entries[entry.id] == el {
		c.drop(el)
	}
}

func (c *openCache) drop(el *list.Element) {
	entry := c.recent.Remove(el).(*openEntry)
	delete(c.entries, entry.id)
	entry.expiry.Stop()
	entry.key.release()
}

func (c *openCache) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for el := c.recent.Back(); el != nil; el = c.recent.Back() {
		c.drop(el)
	}
}
