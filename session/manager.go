package session

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"time"
)

// Manager gives the requests of a service their sessions, with data of type T. It
// is safe for concurrent use. Make one with [New].
type Manager[T any] struct {
	e     *engine
	codec codec[T]
}

// Session is what one request sees of its session: a copy, which nobody changes.
// Without a session it is the zero value.
type Session[T any] struct {
	Info
	Data T
}

// Info describes a session without its data.
type Info struct {
	Handle    Handle
	User      string // "" unless logged in
	AAL       AAL    // of the authentication at AuthTime
	Methods   []string
	Persist   bool
	Created   time.Time // start of the session; a step-up does not move it
	AuthTime  time.Time // last login or step-up
	Seen      time.Time // last request, to the minute
	ExpiresAt time.Time // the absolute end, which no activity moves
}

// LoggedIn reports whether the session belongs to a user.
func (i Info) LoggedIn() bool { return i.User != "" }

var (
	// ErrGone: the request came with a session that has ended, or ended while the
	// request ran. Nothing was written, and nothing may bring it back.
	ErrGone = errors.New("session: session has ended")
	// ErrHeadersSent: the response has begun, so that a cookie or Cache-Control
	// could not be set any more. Use the session before the first byte.
	ErrHeadersSent = errors.New("session: response headers were already sent")
	// ErrUnavailable: the store failed. Unless the handler answers with a server
	// error of its own, the response is 503.
	ErrUnavailable = errors.New("session: store is unavailable")
	// ErrTooLarge: the cookie would exceed 4,096 bytes, or the data 64 KiB.
	ErrTooLarge = errors.New("session: too large")
	// ErrNotLoggedIn: Reauthenticate needs a session that has a user.
	ErrNotLoggedIn = errors.New("session: not logged in")
	// ErrInvalid: an argument that cannot be kept, such as an empty user id.
	ErrInvalid = errors.New("session: invalid argument")
	// ErrNoHandler: the context is not that of a request that went through
	// [Manager.Handler].
	ErrNoHandler = errors.New("session: request did not pass through Handler")
)

// New makes a Manager that keeps its sessions in store. It refuses timeouts, cookie
// rules and patterns that are unsafe or contradict each other, and a T that JSON
// (or the [Codec]) cannot encode or that holds a secrets.Secret.
func New[T any](store Store, opts ...Option) (*Manager[T], error) {
	if store == nil {
		return nil, errors.New("session: store is nil")
	}
	e, err := newEngine(opts)
	if err != nil {
		return nil, err
	}
	e.store = store
	c, err := newCodec[T](&e.opts)
	if err != nil {
		return nil, err
	}
	return &Manager[T]{e: e, codec: c}, nil
}

func newEngine(opts []Option) (*engine, error) {
	o := defaults()
	for _, opt := range opts {
		if err := opt(&o); err != nil {
			return nil, err
		}
	}
	if err := o.finish(); err != nil {
		return nil, err
	}
	e := &engine{opts: o}
	var err error
	if e.cookie, err = newCookie(&o); err != nil {
		return nil, err
	}
	if e.csrf, err = newCSRF(&o); err != nil {
		return nil, err
	}
	return e, nil
}

// Handler gives every request to next a session and refuses those that another
// site forged, with 403. It asks the store nothing until a handler asks the
// Manager. It belongs around everything, static files included.
func (m *Manager[T]) Handler(next http.Handler) http.Handler { return m.e.handler(next) }

func (e *engine) handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := e.request(r.Context()); err == nil {
			next.ServeHTTP(w, r) // a Handler inside a Handler
			return
		}
		q := &request{Context: r.Context(), e: e, r: r, w: writer{inner: w}}
		if e.opts.development && !isLocal(r.Host) {
			q.event(slog.LevelError, "request-refused", "failure", "development-host", "")
			e.opts.refuse(w, r, http.StatusMisdirectedRequest)
			return
		}
		if reason := e.csrf.check(r); reason != "" {
			q.event(slog.LevelWarn, "request-refused", "failure", reason, "")
			e.opts.refuse(w, r, http.StatusForbidden)
			return
		}
		returned := false
		defer func() { q.w.end(returned) }()
		next.ServeHTTP(q.w.variant(), r.WithContext(q))
		returned = true
	})
}

func isLocal(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return host == "localhost" || host == "127.0.0.1" || host == "::1" || host == "[::1]"
}

// Get returns the session of the request: the zero Session if there is none, or
// if the cookie opens none. The response gets Cache-Control: no-store. Get may be
// called often; the store is asked once, the data decoded each time. So a stream or
// a WebSocket that lasts learns from Update (ErrGone), not from Get, that its
// session has ended.
//
// Errors: ErrUnavailable, ErrHeadersSent, ErrNoHandler.
func (m *Manager[T]) Get(ctx context.Context) (s Session[T], err error) {
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

// open loads the session and decodes its data into v.
func (m *Manager[T]) open(ctx context.Context, q *request, v *T) (opened, error) {
	o, err := q.load(ctx)
	if err == nil && o.status == live && m.decode(q, o, v) != nil {
		return opened{status: gone}, nil
	}
	return o, err
}

// decode fills v. Data that does not fit T makes the rest of the request
// anonymous: it would fail at every request, and only a login can end that, which may
// have come meanwhile.
func (m *Manager[T]) decode(q *request, o opened, v *T) error {
	err := m.codec.decode(o.plain, o.schema, v)
	if err != nil {
		q.mu.Lock()
		defer q.mu.Unlock()
		if q.cur.rec.Key == o.rec.Key {
			q.refuse("undecodable-data")
		}
	}
	return err
}

func (r *Record) info() Info {
	return Info{
		Handle: r.Handle, User: r.User, AAL: r.AAL, Methods: slices.Clone(r.Methods), Persist: r.Persist,
		Created: r.Created, AuthTime: r.AuthTime, Seen: r.Seen, ExpiresAt: r.Expires,
	}
}

// PolicyReport is what a Manager enforces, for the documentation that ASVS 5.0
// 7.1.1 asks for.
type PolicyReport struct {
	Cookie                       string // name
	Idle, Absolute               time.Duration
	PersistIdle, PersistAbsolute time.Duration
	Development                  bool // InsecureDevelopment is on
}

// Policy reports the timeouts in force.
func (m *Manager[T]) Policy() PolicyReport { return m.e.opts.report() }

func (o *options) report() PolicyReport {
	return PolicyReport{
		Cookie: o.cookieName,
		Idle:   o.normal.idle, Absolute: o.normal.absolute,
		PersistIdle: o.persist.idle, PersistAbsolute: o.persist.absolute,
		Development: o.development,
	}
}
