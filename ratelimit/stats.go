package ratelimit

import "sync/atomic"

// Stats are counts since New.
type Stats struct {
	Allowed, Denied int64

	// Degraded counts the decisions that were made without a shared store.
	Degraded int64

	// ForcedEvictions counts the keys that lost their slot while in debt, over all limits. If
	// it grows outside of an attack, WithMaxKeys is too low.
	ForcedEvictions int64

	// LiveKeys is the number of keys in debt at present, in the limit that has most of them.
	LiveKeys int64
}

// Stats returns counts. It reads all of the tables (about 10 ms for a million keys) without
// holding up callers, so it is a snapshot of no single instant.
func (l *Limiter) Stats() Stats {
	var st Stats
	for i := range l.counter.stripes {
		c := &l.counter.stripes[i]
		st.Allowed += c.allowed.Load()
		st.Denied += c.denied.Load()
	}
	elapsed := l.elapsed()
	for _, t := range l.tables {
		live, forced := t.count(t.scale.clock(elapsed))
		st.LiveKeys = max(st.LiveKeys, live)
		st.ForcedEvictions += forced
	}
	return st
}

// counters are striped by key, so that different keys on different cores do not
// share a cache line.
type counters struct {
	_       [64]byte
	stripes [16]stripe
}

type stripe struct {
	allowed, denied atomic.Int64
	_               [48]byte
}

func (c *counters) add(hash uint64, allowed bool) {
	s := &c.stripes[hash%uint64(len(c.stripes))]
	if allowed {
		s.allowed.Add(1)
	} else {
		s.denied.Add(1)
	}
}
