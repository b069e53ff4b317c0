package sessiontest

import (
	"fmt"
	"math"
	"strings"
)

// event is a call of a truly concurrent run: start and end are ticks of one counter.
type event struct {
	client     int
	call       call
	answer     answer
	start, end int64
}

func (e event) String() string {
	if e.end == 0 { // not concurrent
		return fmt.Sprintf("%v = %v", e.call, e.answer)
	}
	return fmt.Sprintf("%4d-%-4d client %d  %v = %v", e.start, e.end, e.client, e.call, e.answer)
}

// linearizable says whether the calls can be put in an order that the model
// explains and in which a call stands before another one if it had ended when that
// began. It tries every order (Wing and Gong 1993) but no state twice (Lowe 2017).
// A history has at most 64 events.
func linearizable(m model, history []event) bool {
	l := linearizer{history: history, seen: map[string]bool{}}
	return l.explain(m, 0, 0)
}

type linearizer struct {
	history []event
	seen    map[string]bool
}

// explain goes on from a state in which the events in done have happened, and of
// those in half, rotations between two shards, the first half.
func (l *linearizer) explain(m model, done, half uint64) bool {
	if done == 1<<len(l.history)-1 {
		return true
	}
	state := fmt.Sprint(done, half, m.fingerprint())
	if l.seen[state] {
		return false
	}
	l.seen[state] = true
	firstEnd := int64(math.MaxInt64)
	for i, e := range l.history {
		if done&(1<<i) == 0 {
			firstEnd = min(firstEnd, e.end)
		}
	}
	for i, e := range l.history {
		bit := uint64(1) << i
		if done&bit == 0 && e.start < firstEnd && l.happens(m, e, done, half, bit) {
			return true
		}
	}
	return false
}

// happens tries e as the next event.
func (l *linearizer) happens(m model, e event, done, half, bit uint64) bool {
	if half&bit != 0 {
		next := m.clone()
		return next.create(e.call, e.answer, next.obstacles(e.call.record, e.call.epoch, nil)) == nil &&
			l.explain(next, done|bit, half)
	}
	if next := m.clone(); next.step(e.call, e.answer) == nil && l.explain(next, done|bit, half) {
		return true
	}
	if e.call.method != rotate || e.call.key.Shard == e.call.record.Key.Shard {
		return false
	}
	next := m.clone()
	return next.removeOld(e.call) && l.explain(next, done, half|bit)
}

// lines prints events one below the other.
func lines[T fmt.Stringer](events []T) string {
	var b strings.Builder
	for _, e := range events {
		fmt.Fprintf(&b, "  %v\n", e)
	}
	return b.String()
}
