package session

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"github.com/pavise/pavise/crypto"
)

// SealedManager keeps sessions of type T in the cookie alone, encrypted: for a few hundred
// bytes that need no store. It is a type of its own because a cookie cannot do what a
// store does:
//
//   - There is no compare-and-set. Of two requests that change the data at the same time
//     the later answer wins: do not count in it, and keep nothing in it that is used up.
//     An answer that is overtaken by that of a login or step-up puts back a cookie whose
//     session has ended: the user is logged out.
//   - Sessions cannot be listed. Whoever copied a cookie has the session of that moment,
//     until it is revoked or expires; and a user can put back data of an earlier moment.
//   - The clock is that of the host, so hosts need synchronized clocks.
//   - Name, value and attributes of the cookie have to fit in 4,096 bytes, which leaves
//     about 2,700 for the data.
//
// What is the same: the options and defaults of [New], the rules of the cookie and the
// protection from forged requests. It is safe for concurrent use. Make one with
// [NewSealed].
type SealedManager[T any] struct {
	e       *engine
	codec   codec[T]
	box     box
	revoked Revocations
}

// NewSealed makes a SealedManager. What a session is sealed with comes from keys: to
// rotate, put the new key first and keep the old one for as long as a session lasts, or
// use a Keyring of [crypto.LiveKeyring]. The Keyring may serve other purposes too, but
// managers with the same Keyring and the same name of the cookie accept each other's
// sessions.
//
// Revocations are asked at the first use of a session in a request, and told by Login,
// Reauthenticate and Logout before they answer. [SkipRevocation] is for whoever wants no
// store at all.
func NewSealed[T any](keys *crypto.Keyring, revocations Revocations, opts ...Option) (*SealedManager[T], error) {
	if keys == nil {
		return nil, errors.New("session: keyring is nil")
	}
	if revocations == nil {
		return nil, errors.New("session: revocations are nil: see NewRevocations")
	}
	e, err := newEngine(opts)
	if err != nil {
		return nil, err
	}
	c, err := newCodec[T](&e.opts)
	if err != nil {
		return nil, err
	}
	m := &SealedManager[T]{e: e, codec: c, box: box{keys, e.cookie.name}, revoked: revocations}
	if _, err := m.box.seal(&opened{}); err != nil { // no key, or not under FIPS 140-3
		return nil, err
	}
	return m, nil
}

// Handler is [Manager.Handler].
func (m *SealedManager[T]) Handler(next http.Handler) http.Handler { return m.e.handler(next) }

// Policy is [Manager.Policy].
func (m *SealedManager[T]) Policy() PolicyReport { return m.e.opts.report() }

// Require is [Manager.Require].
func (m *SealedManager[T]) Require(p Policy) func(http.Handler) http.Handler {
	return m.e.require(p, func(ctx context.Context, q *request) (opened, error) {
		var v T
		return m.open(ctx, q, &v)
	})
}

// Get returns the session of the request: the zero Session if there is none, or if the
// cookie opens none. The response gets Cache-Control: no-store, and about once a minute a
// new cookie, which extends the idle timeout; not where the response has begun.
//
// Errors: ErrUnavailable (it is not known whether the session was revoked), ErrHeadersSent,
// ErrNoHandler.
func (m *SealedManager[T]) Get(ctx context.Context) (s Session[T], err error) {
	q, err := m.e.request(ctx)
	if err != nil {
		return s, err
	}
	o, err := m.open(ctx, q, &s.Data)
	if err != nil || o.status != live {
		return Session[T]{}, err
	}
	s.Info = o.rec.info()
	return s, nil
}

// Set replaces the data of the session, or begins an anonymous one with it.
//
// Errors: ErrGone (the session has ended: call Logout to clear the cookie, then let the
// user begin again), ErrTooLarge, ErrHeadersSent, ErrUnavailable, ErrNoHandler.
func (m *SealedManager[T]) Set(ctx context.Context, v T) error {
	q, o, err := m.begin(ctx)
	if err != nil {
		return err
	}
	defer q.tx.Unlock()
	if o.status == gone {
		return ErrGone
	}
	fresh := o.status == newcomer
	if fresh {
		o = m.e.newSealed(Record{})
	}
	if err := m.put(&o, &v); err != nil {
		return err
	}
	if err := m.issue(ctx, q, o, opened{}); err != nil {
		return err
	}
	if fresh {
		q.event(slog.LevelInfo, "session-created", "success", "", "")
	}
	return nil
}

// put makes v the data of o.
func (m *SealedManager[T]) put(o *opened, v *T) (err error) {
	o.plain, err = m.codec.encode(v)
	o.schema = m.codec.schema
	return err
}
