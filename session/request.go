package session

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// engine is what of a Manager does not depend on T.
type engine struct {
	store   Store
	opts    options
	cookie  cookie
	csrf    *csrf
	scratch scratchPool
}

// request is the session of one HTTP request. It is itself the request's context
// and contains the response writer, so that a handler that does not use the
// session pays for this and the copy of http.Request.
type request struct {
	context.Context
	e *engine
	r *http.Request
	w writer

	tx sync.Mutex // held by a transaction from its first read to its end

	mu  sync.Mutex // guards cur
	cur opened
}

// opened is what a request knows of its session. Its slices are never written to.
type opened struct {
	status status
	schema uint32
	token  token
	rec    Record
	plain  []byte
	sealer sealer
	epoch  uint64 // of a sealed session alone
}

type status uint8

const (
	unknown  status = iota // the cookie was not looked at
	newcomer               // no cookie came
	gone                   // a cookie came that opens no session
	live                   // the other fields are set
)

// Value makes the request findable in every context derived from it.
func (q *request) Value(k any) any {
	if k == any(q.e) {
		return q
	}
	return q.Context.Value(k)
}

func (e *engine) request(ctx context.Context) (*request, error) {
	if q, ok := ctx.Value(e).(*request); ok {
		return q, nil
	}
	return nil, ErrNoHandler
}

// load finds out what the cookie opens, once. A failure of the store is not
// remembered: the next call asks again.
func (q *request) load(ctx context.Context) (opened, error) {
	if err := q.w.touch(); err != nil {
		return opened{}, err
	}
	return q.lookUp(ctx)
}

func (q *request) lookUp(ctx context.Context) (opened, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.cur.status != unknown {
		return q.cur, nil
	}
	value, n := findCookie(q.r.Header, q.e.cookie.name)
	t, ok := parseToken(value)
	switch {
	case n == 0:
		q.cur = opened{status: newcomer}
	case n > 1:
		q.refuse("duplicate-cookie")
	case !ok:
		q.refuse("malformed-token")
	default:
		if err := q.read(ctx, t); err != nil {
			return opened{}, err
		}
	}
	return q.cur, nil
}

// reload reads the record again after a conflict.
func (q *request) reload(ctx context.Context) (opened, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.cur.status == live {
		if err := q.read(ctx, q.cur.token); err != nil {
			return opened{}, err
		}
	}
	return q.cur, nil
}

// read sets cur from the store; q.mu is held.
func (q *request) read(ctx context.Context, t token) error {
	k := t.key()
	rec, err := q.e.store.Load(ctx, k)
	if errors.Is(err, ErrNotFound) {
		q.cur = opened{status: gone}
		return nil
	}
	if err != nil {
		return q.fail(err)
	}
	s, err := q.e.scratch.sealer(&t)
	if err != nil {
		return q.fail(err)
	}
	rec.Key = k // authenticates the place where it was found
	q.cur = opened{status: live, token: t, rec: rec, sealer: s}
	if q.cur.plain, q.cur.schema, err = s.open(&q.cur.rec); err != nil {
		q.refuse("altered-record")
		return nil
	}
	q.keepAlive(ctx)
	return nil
}

// keepAlive extends the idle timeout, at most once a minute. When that fails the
// session only ends earlier than it could.
func (q *request) keepAlive(ctx context.Context) {
	rec := &q.cur.rec
	idle := q.e.limits(rec.Persist).idle
	if rec.Now.Sub(rec.Seen) < min(time.Minute, idle/10) {
		return
	}
	switch err := q.e.store.Touch(ctx, rec.Key, idle); {
	case err == nil:
		rec.Seen = rec.Now
	case errors.Is(err, ErrNotFound):
		q.cur = opened{status: gone}
	default:
		q.event(slog.LevelWarn, "session-touch", "failure", "store", rec.User)
	}
}

// refuse makes the rest of the request anonymous, with an event; q.mu is held.
func (q *request) refuse(reason string) {
	q.cur = opened{status: gone}
	q.event(slog.LevelWarn, "session-refused", "failure", reason, "")
}

func (q *request) set(o opened) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.cur = o
}

// fail makes the response a 503, unless the handler answers with a server error
// itself, and returns the error for the handler.
func (q *request) fail(err error) error {
	q.w.fail()
	if q.Err() != nil { // the client went away: nobody is to be woken up for that
		q.event(slog.LevelInfo, "session-store", "failure", "cancelled", "")
	} else {
		q.event(slog.LevelError, "session-store", "failure", "store", "")
	}
	return &storeError{err}
}

// storeError says ErrUnavailable and still shows its cause to errors.Is.
type storeError struct{ cause error }

func (e *storeError) Error() string   { return ErrUnavailable.Error() + ": " + e.cause.Error() }
func (e *storeError) Unwrap() []error { return []error{ErrUnavailable, e.cause} }

func (e *engine) limits(persist bool) limits {
	if persist {
		return e.opts.persist
	}
	return e.opts.normal
}

// event logs with the attribute names of the Elastic Common Schema.
func (q *request) event(level slog.Level, action, outcome, reason, user string) {
	if q.e.opts.log != nil {
		q.e.event(q, level, action, outcome, reason, user, slog.String("source.ip", q.e.opts.source(q.r)))
	}
}

// source returns the address that r came from.
func (o *options) source(r *http.Request) string {
	if o.clientIP != nil {
		if ip, err := o.clientIP(r); err == nil {
			return ip.String()
		}
	}
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		return host
	}
	return r.RemoteAddr
}

func (e *engine) event(ctx context.Context, level slog.Level, action, outcome, reason, user string, more ...slog.Attr) {
	if e.opts.log == nil {
		return
	}
	attrs := append(more, slog.String("event.action", action), slog.String("event.outcome", outcome))
	if reason != "" {
		attrs = append(attrs, slog.String("event.reason", reason))
	}
	if user != "" {
		attrs = append(attrs, slog.String("user.id", user))
	}
	e.opts.log.LogAttrs(ctx, level, action, attrs...)
}
