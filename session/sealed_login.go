package session

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"log/slog"
)

// Epoch returns the number for Auth.Epoch. It is never 0.
func (m *SealedManager[T]) Epoch(ctx context.Context, user string) (uint64, error) {
	if !validUser(user) {
		return 0, ErrInvalid
	}
	epoch, err := m.revoked.Epoch(ctx, user)
	if err != nil {
		return 0, m.e.failed(ctx, err)
	}
	return epoch, nil
}

// Login begins a session of a.User, always under a new handle: whatever session the
// request came with is revoked. Data is kept if that one was anonymous or the same user's,
// and is the zero T otherwise; f, which may be nil, changes it. It runs again, with the
// zero T, if that session has ended meanwhile.
//
// Errors: ErrStaleEpoch, ErrInvalid, ErrTooLarge, ErrHeadersSent, ErrUnavailable,
// ErrNoHandler.
func (m *SealedManager[T]) Login(ctx context.Context, a Auth, f func(*T) error) error {
	if err := a.check(); err != nil {
		return err
	}
	q, old, err := m.begin(ctx)
	if err != nil {
		return err
	}
	defer q.tx.Unlock()
	if err = m.admit(ctx, &a, old); err == nil {
		err = m.login(ctx, q, old, a, f)
	}
	if errors.Is(err, errReplay) { // old ended meanwhile, and what it held must not live on
		err = m.login(ctx, q, opened{status: gone}, a, f)
	}
	q.outcome("session-login", a.User, err)
	return err
}

// login runs f and replaces old.
func (m *SealedManager[T]) login(ctx context.Context, q *request, old opened, a Auth, f func(*T) error) error {
	var v T
	same := old.rec.User == a.User
	if old.status == live && (same || old.rec.User == "") && m.codec.decode(old.plain, old.schema, &v) != nil {
		v = *new(T)
	}
	if f != nil {
		if err := f(&v); err != nil {
			return err
		}
	}
	o := m.e.newSealed(Record{User: a.User, AAL: a.AAL, Methods: a.Methods, Persist: a.Persist})
	o.rec.AuthTime, o.epoch = o.rec.Created, a.Epoch
	if same {
		o.rec.Handle = old.rec.Handle.next()
	}
	if err := m.put(&o, &v); err != nil {
		return err
	}
	return m.issue(ctx, q, o, old)
}

// Reauthenticate is [Manager.Reauthenticate], but the handle is a new one: the session as
// it was before the step-up is revoked.
func (m *SealedManager[T]) Reauthenticate(ctx context.Context, a Auth) error {
	q, old, err := m.begin(ctx)
	if err != nil {
		return err
	}
	defer q.tx.Unlock()
	if err := a.checkAgain(old); err != nil {
		return err
	}
	if err = m.admit(ctx, &a, old); err == nil {
		o := old
		o.rec.AAL, o.rec.Methods, o.rec.AuthTime = a.AAL, a.Methods, storeNow()
		o.rec.Handle, o.epoch = old.rec.Handle.next(), a.Epoch
		err = m.issue(ctx, q, o, old)
	}
	if errors.Is(err, errReplay) {
		q.set(opened{status: gone})
		err = ErrGone
	}
	q.outcome("session-reauthentication", a.User, err)
	return err
}

// Logout revokes the session and deletes the cookie, as [Manager.Logout] does. It does
// the latter also without a session.
//
// Errors: ErrUnavailable (the session goes on, the cookie stays), ErrNoHandler, and
// ErrHeadersSent (the session has ended, the browser was not told).
func (m *SealedManager[T]) Logout(ctx context.Context) error {
	q, err := m.e.request(ctx)
	if err != nil {
		return err
	}
	if err := q.lock(ctx); err != nil {
		return err
	}
	defer q.tx.Unlock()
	_ = q.w.touch() // a session must end whether or not the browser can be told
	user, err := m.end(ctx, q)
	if err != nil {
		return q.fail(err)
	}
	q.set(opened{status: gone})
	q.event(slog.LevelInfo, "session-logout", "success", "", user)
	return q.w.setCookie(m.e.cookie.unset(), true)
}

// end revokes what the request has begun and all that it came with, each with the session
// that a login or step-up of the same user may just have made of it.
func (m *SealedManager[T]) end(ctx context.Context, q *request) (user string, err error) {
	sessions, err := m.sessions(q)
	if err != nil {
		return "", err
	}
	for h, o := range sessions {
		_, err := m.revoke(ctx, o)
		if err == nil && o.rec.User != "" {
			_, err = m.revoked.Revoke(ctx, h.next(), m.e.longest()+clockSkew)
		}
		if err != nil {
			return "", err
		}
		user = cmp.Or(user, o.rec.User)
	}
	return user, nil
}

// sessions returns that of the request and those of its cookies, valid or not any more.
func (m *SealedManager[T]) sessions(q *request) (map[Handle]opened, error) {
	all := make(map[Handle]opened, 1)
	q.mu.Lock()
	cur := q.cur
	q.mu.Unlock()
	if cur.status == live {
		all[cur.rec.Handle] = cur
	}
	n := 0
	for value := range cookieValues(q.r.Header, m.e.cookie.name) {
		if n++; n > maxTokens {
			break
		}
		o, err := m.box.open(value)
		switch {
		case err == nil:
			all[o.rec.Handle] = o
		case !noSession(err):
			return nil, err
		}
	}
	return all, nil
}

// RevokeUser ends all sessions of the user. A login whose credentials were checked before
// cannot complete afterwards if its Auth.Epoch was read before.
func (m *SealedManager[T]) RevokeUser(ctx context.Context, user string) error {
	if !validUser(user) {
		return ErrInvalid
	}
	if err := m.revoked.RevokeUser(ctx, user); err != nil {
		return m.e.failed(ctx, err)
	}
	m.e.event(ctx, slog.LevelInfo, "session-revoked", "success", "all", user)
	return nil
}

// next is the handle of the session that a login or step-up of the same user makes of
// this one. Because it follows from h, a logout that comes with the replaced cookie finds
// the session nevertheless; a handle opens nothing, so nothing is given away. Only who
// revoked h may use it.
func (h Handle) next() Handle {
	sum := sha256.Sum256([]byte("pavise/session/next-handle/v1:" + string(h)))
	return Handle(base32.StdEncoding.EncodeToString(sum[:])[:26])
}
