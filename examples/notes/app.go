package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/pavise/pavise/crypto/password"
	"github.com/pavise/pavise/ratelimit"
	"github.com/pavise/pavise/sanitize/headers"
	"github.com/pavise/pavise/session"
	"github.com/pavise/pavise/session/authz"
	"github.com/pavise/pavise/validate"
)

// app is the service: everything that its handlers need.
type app struct {
	store    *store
	notebook *notebook
	sessions *session.Manager[visitor]
	mux      *authz.Mux
	hasher   *password.Hasher
	schemas  schemas
	pages    *pages
	log      *slog.Logger

	clientIP ratelimit.ClientIP
	requests *ratelimit.Limiter // everything, per address
	signups  *ratelimit.Limiter // per address
	writes   *ratelimit.Limiter // per user
	logins   *ratelimit.Login   // per account and address

	plain bool // plain http on this machine
}

// visitor is what the session remembers of somebody who is logged in.
type visitor struct {
	Name string `json:"name"`
}

// schemas are the requests that carry input. They are compiled once; a mistake in a tag stops the start.
type schemas struct {
	signup   *validate.Schema[signupInput]
	login    *validate.Schema[loginInput]
	password *validate.Schema[passwordInput]
	note     *validate.Schema[noteInput]
	apiNote  *validate.Schema[noteInput]
	delete   *validate.Schema[deleteInput]
	list     *validate.Schema[listInput]
	apiDrop  *validate.Schema[dropInput]
}

func newSchemas(log *slog.Logger) (s schemas, err error) {
	html := validate.Config{Kinds: []validate.Kind{validate.Form}, Messages: inWords, Logger: log}
	html.Limits.String = 512 << 10 // of a text as it is sent, with its escapes
	api := validate.Config{Messages: inWords, Logger: log}
	api.Limits.String = 512 << 10
	var errs [8]error
	s.signup, errs[0] = validate.For[signupInput](html)
	s.login, errs[1] = validate.For[loginInput](html)
	s.password, errs[2] = validate.For[passwordInput](html)
	s.note, errs[3] = validate.For[noteInput](html)
	s.delete, errs[4] = validate.For[deleteInput](html)
	s.list, errs[5] = validate.For[listInput](api)
	s.apiNote, errs[6] = validate.For[noteInput](api)
	s.apiDrop, errs[7] = validate.For[dropInput](api)
	return s, errors.Join(errs[:]...)
}

// options are what main has to decide.
type options struct {
	log      *slog.Logger
	clientIP ratelimit.ClientIP
	plain    bool // listen on plain http, for this machine only
	proxied  bool // a trusted proxy in front speaks TLS
}

func newApp(v *vault, o options) (*app, error) {
	a := &app{store: v.store, log: o.log, clientIP: o.clientIP, plain: o.plain}
	var errs [7]error
	a.notebook, errs[0] = newNotebook(v.store, v.envelope)
	a.sessions, errs[1] = newSessions(v.store.sessions, o, a.foreign)
	a.hasher, errs[2] = password.New()
	a.schemas, errs[3] = newSchemas(o.log)
	a.pages, errs[4] = newPages()
	errs[5] = a.newLimits(v.deviceKey)
	a.mux, errs[6] = a.newMux(a.routes())
	return a, errors.Join(errs[:]...)
}

func newSessions(store session.Store, o options, refused func(http.ResponseWriter, *http.Request, int)) (*session.Manager[visitor], error) {
	opts := []session.Option{session.Logger(o.log), session.Refused(refused)}
	if o.plain {
		opts = append(opts, session.InsecureDevelopment())
	}
	return session.New[visitor](store, opts...)
}

func (a *app) newLimits(deviceKey []byte) error {
	var errs [4]error
	log := ratelimit.WithLogger(a.log)
	a.requests, errs[0] = ratelimit.New([]ratelimit.Limit{{Name: "requests", Rate: 20, Per: time.Second, Burst: 200}}, log)
	a.signups, errs[1] = ratelimit.New([]ratelimit.Limit{ratelimit.AtMost(20, time.Hour, 10)}, log)
	a.writes, errs[2] = ratelimit.New([]ratelimit.Limit{{Name: "writes", Rate: 1, Per: time.Second, Burst: 300}}, log)
	a.logins, errs[3] = ratelimit.NewLogin(log, ratelimit.WithDeviceKey(deviceKey))
	return errors.Join(errs[:]...)
}

// handler answers a request, or returns what went wrong before it has written anything.
type handler func(http.ResponseWriter, *http.Request) error

// route is one line of the table: who may, how often, and what happens.
type route struct {
	pattern string
	who     authz.Access // the zero value stops the start
	limit   limit
	handler handler
}

// limit says what a route takes from besides the count that every address has.
type limit int

const (
	normal limit = iota
	perSignup
	perWrite
)

func (a *app) routes() []route {
	everybody, account := authz.Public(), authz.Require(manageAccount)
	reader, writer := authz.Require(readNotes), authz.Require(writeNotes)
	return []route{
		{"GET /{$}", everybody, normal, a.home},
		{"GET /healthz", everybody, normal, a.healthz},
		{"GET /style.css", everybody, normal, a.style},
		{"GET /icon.svg", everybody, normal, a.icon},

		{"GET /signup", everybody, normal, a.signupPage},
		{"POST /signup", everybody, perSignup, a.signup},
		{"GET /login", everybody, normal, a.loginPage},
		{"POST /login", everybody, normal, a.login}, // has its own: ratelimit.Login
		{"POST /logout", everybody, normal, a.logout},
		{"GET /account/password", account, normal, a.passwordPage},
		{"POST /account/password", account, normal, a.changePassword}, // as log-in
		{"GET /account/delete", account, normal, a.erasePage},
		{"POST /account/delete", account, normal, a.erase}, // as log-in
		{"GET /devices", account, normal, a.devices},
		{"GET /devices/confirm", account, normal, a.confirmPage},
		{"POST /devices/confirm", account, normal, a.confirm}, // as log-in
		{"POST /devices/{handle}/revoke", account, normal, a.confirmed(a.revoke)},
		{"POST /devices/revoke-others", account, normal, a.confirmed(a.revokeOthers)},

		{"GET /notes", reader, normal, a.notes},
		{"GET /notes/new", writer, normal, a.newNote},
		{"POST /notes", writer, perWrite, a.writeNote},
		{"GET /notes/{id}", reader, normal, a.readNote},
		{"POST /notes/{id}", writer, perWrite, a.rewriteNote},
		{"POST /notes/{id}/delete", writer, perWrite, a.deleteNote},

		{"GET /api/v1/notes", reader, normal, a.apiNotes},
		{"POST /api/v1/notes", writer, perWrite, a.apiWrite},
		{"GET /api/v1/notes/{id}", reader, normal, a.apiRead},
		{"PUT /api/v1/notes/{id}", writer, perWrite, a.apiRewrite},
		{"DELETE /api/v1/notes/{id}", writer, perWrite, a.apiDelete},
	}
}

// build puts the service together, from the inside out: routes, sessions with their protection against forged requests, the
// count per address, the way past the proxy closed, the log, security headers.
func (a *app) build(o options) http.Handler {
	h := a.counted(a.sessions.Handler(a.mux))
	if o.proxied {
		h = a.viaProxy(h)
	}
	return headers.Policy{BehindTLS: o.proxied}.Handler(a.logged(h))
}

type memberKey struct{}

func member(r *http.Request) session.Session[visitor] {
	s, _ := r.Context().Value(memberKey{}).(session.Session[visitor])
	return s
}

func userID(r *http.Request) string   { return member(r).User }
func userName(r *http.Request) string { return member(r).Data.Name }

// admitted is the handler of a route, for those who may use it.
func (a *app) admitted(rt route) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r, err := a.admit(rt, r)
		if err == nil {
			err = rt.handler(w, r)
		}
		if err != nil {
			a.fail(w, r, err)
		}
	}
}

// admit asks how often. The request that it returns knows the member.
func (a *app) admit(rt route, r *http.Request) (*http.Request, error) {
	if authz.SubjectOf(r.Context()).ID != "" {
		s, err := a.sessions.Get(r.Context())
		if err != nil {
			return r, err
		}
		r = r.WithContext(context.WithValue(r.Context(), memberKey{}, s))
	}
	switch rt.limit {
	case perSignup:
		return r, allow(r, a.signups, a.address(r))
	case perWrite:
		return r, allow(r, a.writes, ratelimit.NewKey(userID(r)))
	}
	return r, nil
}
