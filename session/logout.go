package session

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
)

// Logout ends the session. When it returns nil the store has forgotten it for
// good: no request that is still running can bring it back, and a step-up that runs in
// parallel cannot save it. The response deletes the cookie and tells the browser to
// drop what it cached of this origin (Clear-Site-Data). Logout without a session only
// does the latter.
//
// The token that the last step-up replaced still logs out, and does nothing else:
// whoever stole it can at worst end the session. One that two step-ups have replaced
// is no session.
//
// Errors: ErrUnavailable (nothing may have happened: the cookie stays), ErrNoHandler,
// and ErrHeadersSent (the session has ended, the browser was not told).
func (m *Manager[T]) Logout(ctx context.Context) error {
	q, err := m.e.request(ctx)
	if err != nil {
		return err
	}
	if err := q.lock(ctx); err != nil {
		return err
	}
	defer q.tx.Unlock()
	_ = q.w.touch() // a session must end whether or not the browser can be told
	o, err := q.lookUp(ctx)
	if err != nil {
		return err
	}
	if err := q.end(ctx, o); err != nil {
		return q.fail(err)
	}
	q.set(opened{status: gone})
	q.event(slog.LevelInfo, "session-logout", "success", "", o.rec.User)
	return q.w.setCookie(q.e.cookie.unset(), true)
}

// end deletes the session: a user's by handle, because the token may have been
// rotated since it was loaded.
func (q *request) end(ctx context.Context, o opened) error {
	switch {
	case o.status != live:
		return q.deleteByCookie(ctx)
	case o.rec.User != "":
		return q.e.store.DeleteHandle(ctx, o.rec.User, o.rec.Handle)
	}
	return q.e.store.Delete(ctx, o.rec.Key)
}

// maxTokens is how many cookies of the name are looked at when they end: more are
// no browser's.
const maxTokens = 8

// deleteByCookie removes what stands under tokens that open nothing: a record that
// was altered, both of two, or the session whose step-up replaced the token while the
// request was on its way. What a request came with has to end.
func (q *request) deleteByCookie(ctx context.Context) error {
	n := 0
	for value := range cookieValues(q.r.Header, q.e.cookie.name) {
		if n++; n > maxTokens {
			break
		}
		if t, ok := parseToken(value); ok {
			if err := q.e.store.Delete(ctx, t.key()); err != nil {
				return err
			}
		}
	}
	return nil
}

// Devices lists the sessions of a user, last seen first. It reads them from the
// store alone: unlike those of Get, the values are not authenticated.
func (m *Manager[T]) Devices(ctx context.Context, user string) ([]Info, error) {
	if !validUser(user) {
		return nil, ErrInvalid
	}
	rs, err := m.e.store.User(ctx, user)
	if err != nil {
		return nil, m.e.failed(ctx, err)
	}
	infos := make([]Info, len(rs))
	for i := range rs {
		infos[i] = rs[i].info()
	}
	slices.SortFunc(infos, func(a, b Info) int {
		return cmp.Or(b.Seen.Compare(a.Seen), cmp.Compare(a.Handle, b.Handle))
	})
	return infos, nil
}

// Revoke ends one session of the user, whatever token it has now. It is nil if
// there is none.
func (m *Manager[T]) Revoke(ctx context.Context, user string, h Handle) error {
	if !validUser(user) {
		return ErrInvalid
	}
	if err := m.e.store.DeleteHandle(ctx, user, h); err != nil {
		return m.e.failed(ctx, err)
	}
	m.e.event(ctx, slog.LevelInfo, "session-revoked", "success", "one", user)
	return nil
}

// RevokeUser ends the user's sessions except those in keep and returns how many. A
// login whose credentials were checked before cannot complete afterwards. Call it
// when a password or a second factor changes, or an account is disabled (ASVS 5.0
// 7.4.2, 7.4.3).
func (m *Manager[T]) RevokeUser(ctx context.Context, user string, keep ...Handle) (int, error) {
	if !validUser(user) {
		return 0, ErrInvalid
	}
	n, err := m.e.store.DeleteUser(ctx, user, keep...)
	if err != nil {
		return 0, m.e.failed(ctx, err)
	}
	m.e.event(ctx, slog.LevelInfo, "session-revoked", "success", "all", user)
	return n, nil
}

// failed is request.fail for a call that may come from outside a request.
func (e *engine) failed(ctx context.Context, err error) error {
	if q, _ := e.request(ctx); q != nil {
		return q.fail(err)
	}
	e.event(ctx, slog.LevelError, "session-store", "failure", "store", "")
	return &storeError{err}
}
