package crypto

import (
	"bytes"
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
	entries map[string]*list.Element // of recent, by entryID
	recent  *list.List               // of *openEntry, the last used first
	pending map[string]*flight       // by entryID
}

type openEntry struct {
	id     string
	key    *dataKey
	since  time.Time
	expiry *time.Timer
}

func newOpenCache(limits DEKCache, f *flights, unwrap unwrapper) *openCache {
	return &openCache{
		limits: limits, flights: f, unwrap: unwrap,
		entries: map[string]*list.Element{}, recent: list.New(), pending: map[string]*flight{},
	}
}

// appendEntryID appends what tells data keys apart. The suite is part of it since the
// key keeps the cipher of one.
func appendEntryID(b []byte, r recipient, s suite, wrapped []byte) []byte {
	b = append(b, byte(s), byte(len(r.id)))
	b = append(b, r.id...)
	return append(b, wrapped...)
}

// cached returns a key that is there, or nil. The caller releases it.
func (c *openCache) cached(r recipient, s suite, wrapped []byte) *dataKey {
	var buf [256]byte
	id := appendEntryID(buf[:0], r, s, wrapped)
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.find(id)
}

func (c *openCache) find(id []byte) *dataKey {
	el := c.entries[string(id)]
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
		c.leave(f)
		return nil, &KEKError{r.id, "unwrap", err}
	}
	return f.key, f.err
}

// join returns the key, or the flight that brings it.
func (c *openCache) join(ctx context.Context, r recipient, s suite, wrapped []byte) (*dataKey, *flight, error) {
	id := appendEntryID(nil, r, s, wrapped)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, nil, errClosed
	}
	if key := c.find(id); key != nil {
		return key, nil, nil
	}
	f := c.pending[string(id)]
	if f == nil {
		f = c.start(ctx, string(id), r, s, bytes.Clone(wrapped)) // the caller may return before
	}
	f.waiting++
	return nil, f, nil
}

func (c *openCache) start(ctx context.Context, id string, r recipient, s suite, wrapped []byte) *flight {
	f := c.flights.start(ctx,
		func(ctx context.Context) (*dataKey, error) { return c.unwrap(ctx, r, s, wrapped) },
		func(f *flight) { c.land(id, f) })
	c.pending[id] = f
	return f
}

// land gives each who waits a reference, so that the key outlives its own eviction.
func (c *openCache) land(id string, f *flight) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.pending, id)
	f.given = true
	if f.key == nil {
		return
	}
	for range f.waiting {
		f.key.retain()
	}
	if c.closed {
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

// leave gives back the reference of a caller that did not wait for its key.
func (c *openCache) leave(f *flight) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !f.given {
		f.waiting--
	} else if f.key != nil {
		f.key.release()
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
