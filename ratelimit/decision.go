package ratelimit

import "time"

// Decision is the answer to one call. It describes the tightest limit: of those that deny
// the one that denies longest, else the one with the fewest tokens left.
//
// The zero Decision denies.
type Decision struct {
	Allowed bool

	// Limit is the name of the tightest limit.
	Limit string

	// Remaining is the number of whole tokens left in it.
	Remaining int64

	// RetryAfter is the time until this cost would be admitted if nobody else takes tokens of the key,
	// to the nanosecond. It is 0 if the call was allowed.
	RetryAfter time.Duration

	// ResetAfter is the time until the bucket is full.
	ResetAfter time.Duration

	// Degraded tells that a shared store did not answer and the decision was made without it.
	Degraded bool
}

// decide writes to the zero d what charging cost to a bucket means whose TAT is start, which is not
// before now.
func (s *scale) decide(d *Decision, name string, start, now, cost int64) {
	after := start + cost
	over := after - (now + s.capacity)
	d.Allowed, d.Limit = over <= 0, name
	if !d.Allowed {
		d.RetryAfter = s.duration(over)
		after = start
	}
	debt := after - now
	d.Remaining = s.tokens(max(s.capacity-debt, 0))
	d.ResetAfter = s.duration(debt)
}

// tighter reports whether d describes a tighter limit than e.
func (d *Decision) tighter(e *Decision) bool {
	if d.Allowed != e.Allowed {
		return !d.Allowed
	}
	if !d.Allowed {
		return d.RetryAfter > e.RetryAfter
	}
	return d.Remaining < e.Remaining
}
