package secrets

import (
	"context"
	"slices"
	"time"
)

// mark stands for a value within this process: an HMAC under its random key.
type mark [32]byte

// revision is a version that a Live knows.
type revision[T any] struct {
	mark    mark
	id      string
	value   T
	pending bool
	since   time.Time // every replica that reads has known it at the latest ActivateAfter later
	gone    time.Time // when the source was first seen without it; zero if the source has it
}

// shape tells snapshots apart.
type shape struct {
	current, signing mark
	verifying        []mark
}

func (s shape) equal(o shape) bool {
	return s.current == o.current && s.signing == o.signing && slices.Equal(s.verifying, o.verifying)
}

// knows reports whether the history begins with exactly what was read.
func (l *Live[T]) knows(read []reading) bool {
	present := 0
	for _, r := range l.history {
		if r.gone.IsZero() {
			present++
		}
	}
	return present == len(read) && slices.EqualFunc(l.history[:present], read, func(r revision[T], v reading) bool {
		return r.mark == v.mark && r.pending == v.Pending
	})
}

// adopt makes what was read the head of the history. It changes nothing if a version
// does not decode or the change of the current one is vetoed.
func (l *Live[T]) adopt(ctx context.Context, read []reading, now time.Time) error {
	next := make([]revision[T], 0, len(read)+len(l.history))
	for _, v := range read {
		r, err := l.revisionOf(v, now)
		if err != nil {
			return err
		}
		next = append(next, r)
	}
	if len(l.history) > 0 {
		old, new := current(l.history), current(next)
		if old.mark != new.mark {
			if err := l.allow(ctx, old.value, new.value); err != nil {
				return err
			}
		}
	}
	l.history = append(next, missing(l.history, next, now)...)
	return nil
}

// revisionOf returns what is known of v, or makes a new revision of it.
func (l *Live[T]) revisionOf(v reading, now time.Time) (revision[T], error) {
	r := revision[T]{mark: v.mark, id: v.ID, pending: v.Pending, since: now}
	if i := slices.IndexFunc(l.history, func(r revision[T]) bool { return r.mark == v.mark }); i >= 0 {
		r.value, r.since = l.history[i].value, l.history[i].since
		return r, nil
	}
	// The first read cannot tell what is new from what the others have long known.
	if len(l.history) == 0 && !v.Since.IsZero() {
		r.since = now.Add(min(0, v.Since.Sub(now))) // monotonic: setting the clock ages nothing later
	}
	var err error
	r.value, err = l.decode(v.Secret)
	if err != nil {
		err = named(v.ID, err)
	}
	return r, err
}

// missing returns the revisions of old that next does not have, the most recently
// gone first.
func missing[T any](old, next []revision[T], now time.Time) (gone []revision[T]) {
	for _, r := range old {
		if slices.ContainsFunc(next, func(n revision[T]) bool { return n.mark == r.mark }) {
			continue
		}
		if r.gone.IsZero() {
			r.gone = now
		}
		gone = append(gone, r)
	}
	return gone
}

// resume has young versions grow up anew with each failed read and after the last: the
// other replicas may have been unable to read as well, and the time did not count for
// them.
func (l *Live[T]) resume(ok bool, now time.Time) {
	if !ok || l.interrupted {
		for i, r := range l.history {
			if now.Sub(r.since) < l.o.ActivateAfter {
				l.history[i].since = now
			}
		}
	}
	l.interrupted = !ok
}

// current returns the newest revision that is in use. There is one.
func current[T any](history []revision[T]) revision[T] {
	return history[slices.IndexFunc(history, func(r revision[T]) bool { return !r.pending })]
}

// signing returns the newest revision that is in use and old enough. If there is none,
// it stays with was, and if there is none either, as after a start, it is the one that
// has been known for longest, and of two that came together the older.
func signing[T any](history []revision[T], was mark, now time.Time, activateAfter time.Duration) revision[T] {
	var best, last *revision[T]
	seen := 0
	for i := range history {
		r := &history[i]
		switch {
		case r.pending:
			continue
		case now.Sub(r.since) >= activateAfter:
			return *r
		case r.mark == was:
			last = r
		}
		// The third and older ones that came together are no better known than the
		// second, and longer out of use.
		if seen == 0 || r.since.Before(best.since) || seen == 1 && r.since.Equal(best.since) {
			best = r
		}
		seen++
	}
	if last != nil {
		return *last
	}
	return *best
}

// publish drops what is over and makes a new snapshot if anything changed.
func (l *Live[T]) publish(ctx context.Context, now time.Time) {
	l.history = slices.DeleteFunc(l.history, func(r revision[T]) bool {
		return !r.gone.IsZero() && now.Sub(r.gone) > l.o.Overlap
	})
	was := l.state.Load()
	if was == nil {
		was = &Snapshot[T]{}
	}
	cur, sig := current(l.history), signing(l.history, was.shape.signing, now, l.o.ActivateAfter)
	next := &Snapshot[T]{
		current: cur.value, signing: sig.value,
		shape: shape{current: cur.mark, signing: sig.mark},
	}
	for _, r := range l.history {
		next.verifying = append(next.verifying, r.value)
		next.shape.verifying = append(next.shape.verifying, r.mark)
	}
	if was.shape.equal(next.shape) {
		return
	}
	l.state.Store(next)
	if len(was.verifying) > 0 {
		l.reportChange(ctx, was.shape, cur, sig)
	}
}
