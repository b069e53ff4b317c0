package ratelimit

import (
	"math"
	"math/bits"
	"runtime"
	"sync/atomic"
)

// A table holds the theoretical arrival time (TAT, see GCRA in ITU-T I.371) of each key of one limit,
// in units of that limit's virtual clock. It is allocated once, has no pointers
// for the garbage collector to follow, and never grows.
//
// A key belongs to one set of slots. A TAT that is not after now means the same as an absent key, so
// most evictions lose nothing. When all slots of a set are live, the least debt makes room and the
// set's floor remembers it: a key that is not in its set starts at the floor, at which its forgotten
// debt cannot be higher. That is why a full table refuses too much and never admits too much.
//
// A key that has a slot is charged by one compare-and-set, without the lock. Everything else takes the
// set's lock and then claims its slot by storing busy in it, which sends lock-free callers to the lock.
type table struct {
	sets   []set
	policy Overflow
	scale  scale
}

const (
	slotsPerSet = 15
	busy        = math.MinInt64
)

// set is 256 bytes, four cache lines. A key is looked for from a slot of its own on, and put
// into the first free one, so that most keys are found in one line.
type set struct {
	lock   atomic.Uint32
	forced atomic.Uint32 // evictions of live slots, modulo 2^32
	floor  int64         // guarded by lock
	slots  [slotsPerSet]slot
}

type slot struct {
	hash atomic.Uint64 // 0: never used. Written with lock held and tat busy.
	tat  atomic.Int64
}

// keysPerSet is a mean at which, hashes being uniform, 0.01 % of live keys find their set full. The
// places that are left over are what withstands a flood.
const keysPerSet = 6

func newTable(s scale, maxKeys int, policy Overflow) *table {
	return &table{sets: make([]set, (maxKeys-1)/keysPerSet+1), policy: policy, scale: s}
}

func (t *table) set(hash uint64) *set {
	i, _ := bits.Mul64(hash, uint64(len(t.sets)))
	return &t.sets[i]
}

// hit charges cost to a key that has a slot, if there is room. start is the TAT before the charge. Not ok, with
// nothing decided, means no slot or one in transition: take the lock.
//
// Between the load and the compare-and-set the slot may get a new owner that happens to reach the very TAT
// that was loaded. The last look at the hash finds that out, and the caller charges its own key again:
// one charge too many, never one too few.
func (t *table) hit(hash uint64, now, cost int64) (start int64, ok bool) {
	s := t.set(hash)
	first := firstSlot(hash)
	for i := range slotsPerSet {
		e := s.slot(first + i)
		if e.hash.Load() != hash {
			continue
		}
		for {
			old := e.tat.Load()
			if old == busy || e.hash.Load() != hash {
				return 0, false
			}
			start = max(old, now)
			if start+cost > now+t.scale.capacity {
				return start, true
			}
			if !e.tat.CompareAndSwap(old, start+cost) {
				continue
			}
			if e.hash.Load() != hash {
				return 0, false
			}
			return start, true
		}
	}
	return 0, false
}

// hold is exclusive access to the slot of a key, or to the one that it would take. It ends
// with keep or put.
type hold struct {
	table *table
	set   *set
	slot  *slot
	hash  uint64
	old   int64 // TAT in the slot, of this key if found and else of the one to be evicted
	found bool
}

func (t *table) hold(hash uint64, now int64) hold {
	s := t.set(hash)
	s.acquire()
	for {
		e, old, found := s.pick(hash, now)
		if e.tat.CompareAndSwap(old, busy) {
			return hold{t, s, e, hash, old, found}
		}
	}
}

// pick returns the slot of hash or else the first free one (an unused slot has TAT 0), or
// else the one with the least debt.
func (s *set) pick(hash uint64, now int64) (e *slot, tat int64, found bool) {
	first, least := firstSlot(hash), int64(math.MaxInt64)
	for i := range slotsPerSet {
		c := s.slot(first + i)
		v := c.tat.Load()
		if c.hash.Load() == hash {
			return c, v, true
		}
		if debt := max(v, now); debt < least {
			e, tat, least = c, v, debt
		}
	}
	return e, tat, false
}

// firstSlot takes low bits, the set having been chosen by the high ones.
func firstSlot(hash uint64) int { return int(uint32(hash) % slotsPerSet) }

func (s *set) slot(i int) *slot {
	if i >= slotsPerSet {
		i -= slotsPerSet
	}
	return &s.slots[i]
}

// start is the TAT that a charge at now adds to.
func (h *hold) start(now int64) int64 {
	if h.found {
		return max(h.old, now)
	}
	return max(h.set.floor, now)
}

// keep leaves everything as it was.
func (h *hold) keep() {
	h.slot.tat.Store(h.old)
	h.set.lock.Store(0)
}

// put records tat for the key.
func (h *hold) put(tat, now int64) {
	if !h.found {
		h.evict(now)
		h.slot.hash.Store(h.hash)
	}
	h.slot.tat.Store(tat)
	h.set.lock.Store(0)
}

// evict accounts for the slot's former key. A TAT that has passed raises the floor too, for the
// sake of callers whose reading of the clock is older than ours.
func (h *hold) evict(now int64) {
	if h.old > now {
		h.set.forced.Add(1)
		if h.table.policy == EvictLeastDebt {
			return
		}
	}
	h.set.floor = max(h.set.floor, h.old)
}

func (s *set) acquire() {
	for i := 0; !s.lock.CompareAndSwap(0, 1); i++ {
		if i > 32 {
			runtime.Gosched()
		}
	}
}

// count returns the keys in debt at now and the evictions of such keys.
func (t *table) count(now int64) (live, forced int64) {
	for i := range t.sets {
		s := &t.sets[i]
		forced += int64(s.forced.Load())
		for j := range s.slots {
			if s.slots[j].tat.Load() > now {
				live++
			}
		}
	}
	return live, forced
}
