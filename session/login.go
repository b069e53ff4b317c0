package session

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Auth says who was authenticated, and how.
type Auth struct {
	// User is the id of the account, 1 to 255 bytes of UTF-8 without NUL,
	// compared byte by byte: use one that never changes and is never reused.
	User string
	// AAL is what this authentication reached; 0 means AAL 1.
	AAL AAL
	// Methods are RFC 8176 values such as "pwd" and "otp": at most 8, each 1 to
	// 32 bytes of [A-Za-z0-9_-].
	Methods []string
	// Persist is "remember me": the cookie outlives the browser, and the limits of
	// PersistTimeouts hold. Reauthenticate ignores it.
	Persist bool
	// Epoch is what [Manager.Epoch] returned before the credentials were looked
	// up. Then a revocation that came in between, by a change of password say,
	// makes Login fail with ErrStaleEpoch. 0: Login reads it when it begins.
	Epoch uint64
}

func (a *Auth) check() error {
	if a.AAL == 0 {
		a.AAL = 1
	}
	if !validUser(a.User) || a.AAL > 3 || len(a.Methods) > 8 {
		return ErrInvalid
	}
	for _, m := range a.Methods {
		if m == "" || len(m) > 32 || strings.Trim(m, methodChars) != "" {
			return ErrInvalid
		}
	}
	a.Methods = slices.Clone(a.Methods) // the caller's may change while the request runs
	return nil
}

const methodChars = "_-0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

func validUser(u string) bool {
	return u != "" && len(u) <= 255 && utf8.ValidString(u) && !strings.Contains(u, "\x00")
}

// Epoch returns the number for Auth.Epoch. It is never 0.
func (m *Manager[T]) Epoch(ctx context.Context, user string) (uint64, error) {
	if !validUser(user) {
		return 0, ErrInvalid
	}
	epoch, _, err := m.e.store.Epoch(ctx, user)
	if err != nil {
		return 0, m.e.failed(ctx, err)
	}
	return epoch, nil
}

// Login begins a session of a.User, always under a new token: whatever token the
// request came with is dead in the same step. Data is kept if the session was
// anonymous or the same user's, and is the zero T otherwise; f, which may be nil,
// changes it as in Update.
//
// Errors: ErrStaleEpoch (the user was revoked meanwhile: ask for the credentials
// again), ErrInvalid, ErrTooLarge, ErrHeadersSent, ErrFull, ErrUnavailable,
// ErrNoHandler.
func (m *Manager[T]) Login(ctx context.Context, a Auth, f func(*T) error) error {
	if err := a.check(); err != nil {
		return err
	}
	q, err := m.e.request(ctx)
	if err != nil {
		return err
	}
	if err := q.lock(ctx); err != nil {
		return err
	}
	defer q.tx.Unlock()
	now, err := q.begin(ctx, &a)
	if err == nil {
		err = q.transact(ctx, func(o opened) error { return m.login(ctx, q, o, a, now, f) })
	}
	q.outcome("session-login", a.User, err)
	return err
}

// begin checks what can be checked before a session is replaced, and fills in the
// epoch.
func (q *request) begin(ctx context.Context, a *Auth) (now time.Time, err error) {
	if err := q.w.open(); err != nil {
		return now, err
	}
	epoch, now, err := q.e.store.Epoch(ctx, a.User)
	if err != nil {
		return now, q.fail(err)
	}
	if a.Epoch == 0 {
		a.Epoch = epoch
	}
	if a.Epoch != epoch {
		return now, ErrStaleEpoch
	}
	return now, nil
}

// login runs f once and replaces o, or creates a session if there is nothing to
// replace.
func (m *Manager[T]) login(ctx context.Context, q *request, o opened, a Auth, now time.Time, f func(*T) error) error {
	var v T
	keeps := o.status == live && (o.rec.User == "" || o.rec.User == a.User)
	if keeps && m.decode(q, o, &v) != nil {
		v = *new(T)
	}
	plain, err := m.apply(f, &v)
	if err != nil {
		return err
	}
	r := Record{
		Handle: Handle(rand.Text()), User: a.User, Version: 1, AAL: a.AAL, Methods: a.Methods, Persist: a.Persist,
		Created: now, AuthTime: now,
	}
	if keeps {
		r.Handle = o.rec.Handle
	}
	n, err := q.e.prepare(newToken(UserShard(a.User)), r, m.codec.schema, plain)
	if err != nil {
		return q.fail(err)
	}
	return q.replace(ctx, o, n, a.Epoch)
}

// replace puts n in the place of o. If o ended meanwhile there is nothing to
// replace, and what it held must not live on: the caller starts again without it.
func (q *request) replace(ctx context.Context, o, n opened, epoch uint64) error {
	if o.status == gone { // it may be a record that could not be read
		if err := q.deleteByCookie(ctx); err != nil {
			return q.fail(err)
		}
	}
	if o.status != live {
		return q.adopt(n, q.e.store.Create(ctx, n.rec, epoch))
	}
	err := q.e.store.Rotate(ctx, o.rec.Key, o.rec.Version, n.rec, epoch)
	switch {
	case errors.Is(err, ErrNotFound):
		q.set(opened{status: gone})
		return errReplay
	case errors.Is(err, ErrConflict):
		return errReplay
	}
	return q.adopt(n, err)
}

// Reauthenticate records that the user of this session has just been
// authenticated again: AuthTime, AAL and Methods become those of a, also where a is
// weaker, and the token is replaced. The handle, the data and the absolute end
// stay. a.User has to be the user of the session or "".
//
// Errors: ErrNotLoggedIn, ErrGone, ErrStaleEpoch, ErrInvalid (another user),
// ErrHeadersSent, ErrUnavailable, ErrNoHandler.
func (m *Manager[T]) Reauthenticate(ctx context.Context, a Auth) error {
	q, err := m.e.request(ctx)
	if err != nil {
		return err
	}
	if err := q.lock(ctx); err != nil {
		return err
	}
	defer q.tx.Unlock()
	o, err := q.load(ctx)
	if err != nil {
		return err
	}
	if err := a.checkAgain(o); err != nil {
		return err
	}
	now, err := q.begin(ctx, &a)
	if err == nil {
		err = q.transact(ctx, func(o opened) error { return q.stepUp(ctx, o, a, now) })
	}
	q.outcome("session-reauthentication", a.User, err)
	return err
}

func (a *Auth) checkAgain(o opened) error {
	switch {
	case o.status == gone:
		return ErrGone
	case o.rec.User == "":
		return ErrNotLoggedIn
	case a.User == "":
		a.User = o.rec.User
	case a.User != o.rec.User:
		return ErrInvalid
	}
	return a.check()
}

func (q *request) stepUp(ctx context.Context, o opened, a Auth, now time.Time) error {
	if o.status != live {
		return ErrGone
	}
	r := o.rec
	r.AAL, r.Methods, r.AuthTime = a.AAL, a.Methods, now
	r.Version++
	n, err := q.e.prepare(newToken(UserShard(r.User)), r, o.schema, o.plain)
	if err != nil {
		return q.fail(err)
	}
	n.rec.Seen, n.rec.Now = now, now
	return q.replace(ctx, o, n, a.Epoch)
}

// outcome logs how an authentication ended.
func (q *request) outcome(action, user string, err error) {
	switch {
	case err == nil:
		q.event(slog.LevelInfo, action, "success", "", user)
	case errors.Is(err, ErrStaleEpoch):
		q.event(slog.LevelWarn, action, "failure", "stale-epoch", user)
	default:
		q.event(slog.LevelWarn, action, "failure", "not-stored", user)
	}
}
