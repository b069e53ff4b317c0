package session

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"time"

	"github.com/pavise/pavise/crypto"
)

// begin is the start of a call that changes the session. Without an error the caller has
// to unlock q.tx.
func (m *SealedManager[T]) begin(ctx context.Context) (*request, opened, error) {
	q, err := m.e.request(ctx)
	if err != nil {
		return nil, opened{}, err
	}
	if err := q.lock(ctx); err != nil {
		return nil, opened{}, err
	}
	o, err := m.load(ctx, q)
	if err == nil {
		err = q.w.open()
	}
	if err != nil {
		q.tx.Unlock()
	}
	return q, o, err
}

// admit fills in the epoch and refuses a login that a revocation of the user has
// overtaken; errReplay if it has overtaken old, which was read before. One that comes later
// makes the session a revoked one.
func (m *SealedManager[T]) admit(ctx context.Context, a *Auth, old opened) error {
	epoch, err := m.Epoch(ctx, a.User)
	if err != nil {
		return err
	}
	if a.Epoch == 0 {
		a.Epoch = epoch
	}
	if a.Epoch != epoch {
		return ErrStaleEpoch
	}
	if old.rec.User == a.User && old.epoch != epoch {
		return errReplay
	}
	return nil
}

// newSealed completes a new session.
func (e *engine) newSealed(r Record) opened {
	r.Handle, r.Version, r.Created = Handle(rand.Text()), 1, storeNow()
	r.Expires = r.Created.Add(e.limits(r.Persist).absolute).Truncate(time.Microsecond)
	return opened{status: live, rec: r}
}

// issue makes o the session of the request and of the browser, after old has ended;
// errReplay if that one had ended before. What does not fit in a cookie changes nothing.
func (m *SealedManager[T]) issue(ctx context.Context, q *request, o, old opened) error {
	line, err := m.line(&o)
	switch {
	case errors.Is(err, ErrTooLarge):
		return err
	case err != nil:
		return q.fail(err)
	}
	switch first, err := m.retire(ctx, q, old); {
	case err != nil:
		return q.fail(err)
	case !first:
		return errReplay
	}
	if err := q.w.setCookie(line, false); err != nil {
		return err
	}
	q.set(o)
	return nil
}

// retire ends what is replaced and reports whether it had not ended yet.
func (m *SealedManager[T]) retire(ctx context.Context, q *request, old opened) (first bool, err error) {
	switch old.status {
	case live:
		return m.revoke(ctx, old)
	case gone: // what the request came with has to end nevertheless
		_, err = m.end(ctx, q)
	}
	return true, err
}

// line is the Set-Cookie line of a session that is seen now.
func (m *SealedManager[T]) line(o *opened) (string, error) {
	o.rec.Seen = storeNow()
	o.rec.Now = o.rec.Seen
	value, err := m.box.seal(o)
	if err != nil {
		return "", err
	}
	var maxAge time.Duration
	if o.rec.Persist {
		maxAge = max(o.rec.Expires.Sub(o.rec.Now), time.Second)
	}
	line := m.e.cookie.set(value, maxAge)
	if len(line) > maxCookieLen {
		return "", ErrTooLarge
	}
	return line, nil
}

// clockSkew is how much longer than the session lasts by this host's clock a revocation
// is remembered: another host's may be slow.
const clockSkew = time.Hour

// revoke ends o and reports whether it had not ended yet.
func (m *SealedManager[T]) revoke(ctx context.Context, o opened) (bool, error) {
	return m.revoked.Revoke(ctx, o.rec.Handle, time.Until(o.rec.Expires)+clockSkew)
}

// longest is how long a session of the present configuration can last.
func (e *engine) longest() time.Duration { return max(e.opts.normal.absolute, e.opts.persist.absolute) }

// open loads the session and decodes its data into v.
func (m *SealedManager[T]) open(ctx context.Context, q *request, v *T) (opened, error) {
	o, err := m.load(ctx, q)
	if err != nil || o.status != live {
		return o, err
	}
	if m.codec.decode(o.plain, o.schema, v) != nil {
		q.mu.Lock()
		defer q.mu.Unlock()
		if q.cur.rec.Handle == o.rec.Handle {
			q.refuse("undecodable-data")
		}
		return opened{status: gone}, nil
	}
	return o, nil
}

// load finds out what the cookie opens, once. A failure of the revocations is not
// remembered: the next call asks again.
func (m *SealedManager[T]) load(ctx context.Context, q *request) (opened, error) {
	if err := q.w.touch(); err != nil {
		return opened{}, err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.cur.status != unknown {
		return q.cur, nil
	}
	switch value, n := findCookie(q.r.Header, q.e.cookie.name); {
	case n == 0:
		q.cur = opened{status: newcomer}
	case n > 1:
		q.refuse("duplicate-cookie")
	default:
		if err := m.read(ctx, q, value); err != nil {
			return opened{}, q.fail(err)
		}
	}
	return q.cur, nil
}

// read sets cur from the value of the cookie; q.mu is held.
func (m *SealedManager[T]) read(ctx context.Context, q *request, value string) error {
	o, err := m.box.open(value)
	if noSession(err) {
		q.refuse("malformed-token")
		return nil
	}
	if err != nil {
		return err
	}
	o.rec.Now = storeNow()
	if !m.e.alive(&o.rec) {
		q.cur = opened{status: gone}
		return nil
	}
	revoked, err := m.revoked.Revoked(ctx, o.rec.Handle, o.rec.User, o.epoch)
	if err != nil {
		return err
	}
	if revoked {
		q.cur = opened{status: gone}
		return nil
	}
	m.keepAlive(q, &o)
	q.cur = o
	return nil
}

// noSession reports whether the cookie is to blame, not the keys.
func noSession(err error) bool { return errors.Is(err, crypto.ErrOpen) || errors.Is(err, errSealed) }

// alive applies both limits of the present configuration, and the end that the session
// was given.
func (e *engine) alive(r *Record) bool {
	l := e.limits(r.Persist)
	return r.Now.Before(r.Expires) && r.Now.Before(r.Created.Add(l.absolute)) && r.Now.Before(r.Seen.Add(l.idle))
}

// keepAlive sends the cookie again with the present time, at most once a minute. When
// that is not possible the session only ends earlier than it could.
func (m *SealedManager[T]) keepAlive(q *request, o *opened) {
	if o.rec.Now.Sub(o.rec.Seen) < min(time.Minute, m.e.limits(o.rec.Persist).idle/10) || q.w.open() != nil {
		return
	}
	fresh := *o
	line, err := m.line(&fresh)
	if err == nil {
		err = q.w.setCookie(line, false)
	}
	if err != nil {
		q.event(slog.LevelWarn, "session-touch", "failure", "store", o.rec.User)
		return
	}
	*o = fresh
}
