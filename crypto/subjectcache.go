package crypto

import (
	"container/list"
	"sync"
	"time"
)

// subjectCache holds the keys of subjects, one for each subject at most, since the
// store has no more: who brings another one has seen that the first is gone. The nil
// cache keeps none.
type subjectCache struct {
	limits DEKCache

	mu        sync.Mutex
	closed    bool
	forgotten uint64 // how often forget was called
	ofSubj    map[string]*list.Element
	ofIDs     map[string]*list.Element
	recent    *list.List // of *subjectEntry, the last used first
}

type subjectEntry struct {
	key    subjectKey
	since  time.Time
	expiry *time.Timer
}

// asked is when the store was asked for a key. Its age counts from there, since the
// store may have deleted it right after it has answered.
type asked struct {
	at        time.Time
	forgotten uint64
}

func newSubjectCache(limits DEKCache) *subjectCache {
	return &subjectCache{
		limits: limits,
		ofSubj: map[string]*list.Element{}, ofIDs: map[string]*list.Element{}, recent: list.New(),
	}
}

// ofSubject returns a copy of the key of subject.
func (c *subjectCache) ofSubject(subject string) (subjectKey, bool) {
	if c == nil {
		return subjectKey{}, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.use(c.ofSubj[subject])
}

// ofID returns a copy of the key of id.
func (c *subjectCache) ofID(id []byte) (subjectKey, bool) {
	if c == nil {
		return subjectKey{}, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.use(c.ofIDs[string(id)])
}

func (c *subjectCache) use(el *list.Element) (subjectKey, bool) {
	if el == nil {
		return subjectKey{}, false
	}
	entry := el.Value.(*subjectEntry)
	if time.Since(entry.since) >= c.limits.MaxAge {
		c.drop(el)
		return subjectKey{}, false
	}
	c.recent.MoveToFront(el)
	return entry.key.clone(), true
}

// ask must be called before the store is.
func (c *subjectCache) ask() asked {
	if c == nil {
		return asked{}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return asked{time.Now(), c.forgotten}
}

// put keeps a copy of a key, unless any subject was forgotten since the store was
// asked for it: it may have been this one. Nor does the answer to an earlier question
// take the place of a later one.
func (c *subjectCache) put(key subjectKey, a asked) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	left := c.limits.MaxAge - time.Since(a.at)
	if c.closed || c.forgotten != a.forgotten || left <= 0 {
		return
	}
	if el := c.ofSubj[key.subject]; el != nil && el.Value.(*subjectEntry).since.After(a.at) {
		return
	}
	c.dropSubject(key.subject)
	entry := &subjectEntry{key: key.clone(), since: a.at}
	el := c.recent.PushFront(entry)
	entry.expiry = time.AfterFunc(left, func() { c.expire(el) })
	c.ofSubj[key.subject], c.ofIDs[string(key.id)] = el, el
	if c.recent.Len() > c.limits.MaxEntries {
		c.drop(c.recent.Back())
	}
}

// forget must be called after the store has deleted the key.
func (c *subjectCache) forget(subject string) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forgotten++
	c.dropSubject(subject)
}

// expire drops an entry if it is still there: nobody may come who would find it too old.
func (c *subjectCache) expire(el *list.Element) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ofSubj[el.Value.(*subjectEntry).key.subject] == el {
		c.drop(el)
	}
}

func (c *subjectCache) dropSubject(subject string) {
	if el := c.ofSubj[subject]; el != nil {
		c.drop(el)
	}
}

func (c *subjectCache) drop(el *list.Element) {
	entry := c.recent.Remove(el).(*subjectEntry)
	delete(c.ofSubj, entry.key.subject)
	delete(c.ofIDs, string(entry.key.id))
	entry.expiry.Stop()
	entry.key.wipe()
}

func (c *subjectCache) close() {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for el := c.recent.Back(); el != nil; el = c.recent.Back() {
		c.drop(el)
	}
}
