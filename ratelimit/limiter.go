package ratelimit

import (
	"context"
	"errors"
	"hash/maphash"
	"slices"
	"time"
)

var (
	// ErrCost is returned for a cost that is not between 1 and the burst of every limit: no
	// waiting would ever make room for it. Nothing is charged.
	ErrCost = errors.New("ratelimit: cost is not between 1 and the burst of every limit")

	// ErrKey is returned for the zero Key. Nothing is charged.
	ErrKey = errors.New("ratelimit: key is empty")
)

// Limiter counts keys against one or more limits: a call is admitted if all of them
// admit it, and is then charged to all, else to none.
//
// It is safe for concurrent use, starts no goroutine and needs no closing.
type Limiter struct {
	limits  []Limit
	tables  []*table // one for each limit
	maxCost int64    // the smallest burst

	seed    maphash.Seed
	clock   func() time.Time // nil: the runtime's monotonic clock
	base    time.Time
	counter counters
	events  events
}

// New returns a limiter for limits with different names. Without options it has
// room for 65,536 keys in debt for each limit and never admits more than a limit allows: see
// [Inherit] for what a larger number of keys meets.
func New(limits []Limit, opts ...Option) (*Limiter, error) {
	c, err := newConfig(opts)
	if err != nil {
		return nil, err
	}
	if c.deviceKey != nil {
		return nil, errors.New("ratelimit: WithDeviceKey is an option of NewLogin")
	}
	return newLimiter(limits, c)
}

func newLimiter(limits []Limit, c *config) (*Limiter, error) {
	if len(limits) == 0 {
		return nil, errors.New("ratelimit: no limit given")
	}
	l := &Limiter{
		limits:  slices.Clone(limits),
		maxCost: maxBurst,
		seed:    maphash.MakeSeed(),
		clock:   c.clock,
		events:  events{log: c.logger},
	}
	for i, m := range limits {
		if err := m.validate(); err != nil {
			return nil, err
		}
		if slices.ContainsFunc(limits[:i], func(o Limit) bool { return o.Name == m.Name }) {
			return nil, errors.New("ratelimit: two limits have the same name")
		}
		l.tables = append(l.tables, newTable(newScale(m), c.maxKeys, c.overflow))
		l.maxCost = min(l.maxCost, m.Burst)
	}
	l.base = l.wall()
	return l, nil
}

func (l *Limiter) wall() time.Time {
	if l.clock != nil {
		return l.clock()
	}
	return time.Now()
}

// elapsed is the time since New. The base belongs to the limiter and not to the package, because a
// testing/synctest bubble has a clock of its own.
func (l *Limiter) elapsed() int64 {
	if l.clock != nil {
		return int64(l.clock().Sub(l.base))
	}
	return int64(time.Since(l.base))
}

// Allow is [Limiter.AllowN] with a cost of one token.
func (l *Limiter) Allow(ctx context.Context, key Key) (Decision, error) {
	return l.AllowN(ctx, key, 1)
}

// AllowN takes n tokens of key from every limit, or none if one of them has fewer. A denial changes
// nothing, so that asking again does not prolong it. With an error the call is denied: [ErrKey] or [ErrCost].
//
// The context is for limiters that ask a store; decisions in memory do not wait.
func (l *Limiter) AllowN(_ context.Context, key Key, n int64) (d Decision, err error) {
	if err := l.check(&key, n); err != nil {
		return d, err
	}
	hash, elapsed := key.hash(l.seed), l.elapsed()
	if !l.takeOne(&d, hash, elapsed, n) {
		d = l.take(hash, elapsed, n, true)
	}
	l.counter.add(hash, d.Allowed)
	if !d.Allowed {
		l.events.denied(elapsed, &d)
	}
	return d, nil
}

// Peek tells what AllowN would answer, with the tokens that it would leave, and changes nothing.
func (l *Limiter) Peek(_ context.Context, key Key, n int64) (Decision, error) {
	if err := l.check(&key, n); err != nil {
		return Decision{}, err
	}
	return l.take(key.hash(l.seed), l.elapsed(), n, false), nil
}

// Refund gives back n tokens of an admitted call that turned out to cost nothing. The
// bucket never exceeds its burst. A key that was evicted meanwhile gets nothing back.
func (l *Limiter) Refund(_ context.Context, key Key, n int64) error {
	if err := l.check(&key, n); err != nil {
		return err
	}
	hash, elapsed := key.hash(l.seed), l.elapsed()
	for _, t := range l.tables {
		now := t.scale.clock(elapsed)
		h := t.hold(hash, now)
		if !h.found || h.old <= now {
			h.keep()
			continue
		}
		h.put(max(h.old-n*t.scale.unit, now), now)
	}
	return nil
}

func (l *Limiter) check(key *Key, n int64) error {
	if key.kind == keyNone {
		return ErrKey
	}
	if n < 1 || n > l.maxCost {
		return ErrCost
	}
	return nil
}

// takeOne charges a limiter of one limit without a lock, if the key has a slot.
func (l *Limiter) takeOne(d *Decision, hash uint64, elapsed, n int64) bool {
	if len(l.tables) != 1 {
		return false
	}
	t := l.tables[0]
	now, cost := t.scale.clock(elapsed), n*t.scale.unit
	start, ok := t.hit(hash, now, cost)
	if ok {
		t.scale.decide(d, l.limits[0].Name, start, now, cost)
	}
	return ok
}

// take holds the key's slots in all tables, always in their order, and charges all or none.
func (l *Limiter) take(hash uint64, elapsed, n int64, charge bool) Decision {
	var room [4]hold
	holds := room[:0]
	var d Decision
	for i, t := range l.tables {
		now := t.scale.clock(elapsed)
		h := t.hold(hash, now)
		var di Decision
		t.scale.decide(&di, l.limits[i].Name, h.start(now), now, n*t.scale.unit)
		if i == 0 || di.tighter(&d) {
			d = di
		}
		holds = append(holds, h)
	}
	for i := range holds {
		h := &holds[i]
		if !charge || !d.Allowed {
			h.keep()
			continue
		}
		now := h.table.scale.clock(elapsed)
		h.put(h.start(now)+n*h.table.scale.unit, now)
	}
	return d
}
