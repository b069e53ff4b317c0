package session

import (
	"context"
	crand "crypto/rand"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"
)

// Update changes the data of the session as a transaction: f gets what is stored
// now, and what it leaves is stored only if nobody else changed it in between;
// otherwise f runs again with the new data. So f must not have effects of its own,
// and must not call the Manager except Get: another transaction waits for this one
// until ctx ends. If f fails, its error is returned and
// nothing is stored. Without a session an anonymous one is made.
//
// Errors: ErrGone (the session has ended: call Logout to clear the cookie, then
// let the user begin again), ErrTooLarge, ErrHeadersSent (a new session needs its
// cookie), ErrFull, ErrUnavailable, ErrNoHandler.
func (m *Manager[T]) Update(ctx context.Context, f func(*T) error) error {
	q, err := m.e.request(ctx)
	if err != nil {
		return err
	}
	if err := q.lock(ctx); err != nil {
		return err
	}
	defer q.tx.Unlock()
	return q.transact(ctx, func(o opened) error {
		switch o.status {
		case live:
			return m.save(ctx, q, o, f)
		case newcomer:
			return m.createAnonymous(ctx, q, f)
		}
		return ErrGone
	})
}

// lock begins a transaction of this request. It waits no longer than ctx lasts: a
// call inside the function of another transaction would wait for ever.
func (q *request) lock(ctx context.Context) error {
	for try := 0; !q.tx.TryLock(); try++ {
		if err := backOff(ctx, try); err != nil {
			return err
		}
	}
	return nil
}

// errReplay is not ErrConflict, which f itself could return.
var errReplay = errors.New("session: replay")

// transact runs step on the session, and again as long as somebody else was
// faster. The caller holds q.tx.
func (q *request) transact(ctx context.Context, step func(opened) error) error {
	o, err := q.load(ctx)
	for try := 0; err == nil; try++ {
		if err = step(o); err != errReplay {
			return err
		}
		if err = backOff(ctx, try); err == nil {
			o, err = q.reload(ctx)
		}
	}
	return err
}

// save runs f once and stores the result by compare-and-set.
func (m *Manager[T]) save(ctx context.Context, q *request, o opened, f func(*T) error) error {
	var v T
	if m.decode(q, o, &v) != nil {
		return ErrGone
	}
	plain, err := m.apply(f, &v)
	if err != nil {
		return err
	}
	before := o.rec.Version
	o.rec.Version++
	o.schema, o.plain = m.codec.schema, plain
	o.rec.Data = o.sealer.seal(&o.rec, o.schema, plain)
	o.rec.Version, err = q.e.store.Save(ctx, o.rec.Key, before, o.rec.Data, q.e.limits(o.rec.Persist).idle)
	switch {
	case err == nil:
		q.set(o)
		return nil
	case errors.Is(err, ErrConflict):
		return errReplay
	case errors.Is(err, ErrNotFound):
		q.set(opened{status: gone})
		return ErrGone
	}
	return q.fail(err)
}

// apply runs f, which may be nil, and encodes what it left.
func (m *Manager[T]) apply(f func(*T) error, v *T) ([]byte, error) {
	if f != nil {
		if err := f(v); err != nil {
			return nil, err
		}
	}
	return m.codec.encode(v)
}

func (m *Manager[T]) createAnonymous(ctx context.Context, q *request, f func(*T) error) error {
	if err := q.w.open(); err != nil {
		return err
	}
	var v T
	plain, err := m.apply(f, &v)
	if err != nil {
		return err
	}
	epoch, now, err := q.e.store.Epoch(ctx, "")
	if err != nil {
		return q.fail(err)
	}
	o, err := q.e.prepare(newToken(anonymousShard()), Record{
		Handle: Handle(crand.Text()), Version: 1, Created: now,
	}, m.codec.schema, plain)
	if err != nil {
		return q.fail(err)
	}
	err = q.e.store.Create(ctx, o.rec, epoch)
	if err == nil {
		q.event(slog.LevelInfo, "session-created", "success", "", "")
	}
	return q.adopt(o, err)
}

// prepare completes a new record: its key, its limits and its sealed data.
func (e *engine) prepare(t token, r Record, schema uint32, plain []byte) (opened, error) {
	s, err := e.scratch.sealer(&t)
	if err != nil {
		return opened{}, err
	}
	l := e.limits(r.Persist)
	r.Key, r.Idle = t.key(), l.idle
	if r.Expires.IsZero() {
		r.Expires = r.Created.Add(l.absolute).Truncate(time.Microsecond)
	}
	r.Data = s.seal(&r, schema, plain)
	r.Seen, r.Now = r.Created, r.Created
	return opened{status: live, schema: schema, token: t, rec: r, plain: plain, sealer: s}, nil
}

// adopt makes o the session of the request and of the browser, if the store took
// it.
func (q *request) adopt(o opened, err error) error {
	switch {
	case err == nil:
	case errors.Is(err, ErrStaleEpoch):
		return ErrStaleEpoch
	case errors.Is(err, ErrFull):
		q.event(slog.LevelError, "session-created", "failure", "store-full", o.rec.User)
		return q.fail(ErrFull)
	default:
		return q.fail(err)
	}
	q.set(o)
	var maxAge time.Duration
	if o.rec.Persist {
		maxAge = o.rec.Expires.Sub(o.rec.Now)
	}
	return q.w.setCookie(q.e.cookie.set(o.token.String(), maxAge), false)
}

// backOff waits a random time before the next try of a transaction, so that many
// writers of one session do not keep each other from finishing.
func backOff(ctx context.Context, try int) error {
	t := time.NewTimer(rand.N(50 * time.Microsecond << min(try, 8)))
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
