package session

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Policy is what a route asks of a session. The zero Policy asks for a logged-in
// user.
type Policy struct {
	AAL    AAL           // the least assurance level; 0 means any
	MaxAge time.Duration // the longest time since AuthTime; 0 means any
}

// Challenge says why [Manager.Require] refused a request.
type Challenge struct {
	LoggedIn bool // true: a step-up is needed; false: a login
	Policy   Policy
}

// Require lets a request pass if its session meets p. It answers 401 with the
// challenge of RFC 9470 (insufficient_user_authentication with acr_values or
// max_age) if the user has to authenticate again or better, and a plain 401 if
// nobody is logged in; see [Redirect] for navigations. It needs
// [Manager.Handler] around it.
func (m *Manager[T]) Require(p Policy) func(http.Handler) http.Handler {
	return m.e.require(p, func(ctx context.Context, q *request) (opened, error) {
		var v T
		return m.open(ctx, q, &v)
	})
}

func (e *engine) require(p Policy, open func(context.Context, *request) (opened, error)) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			q, err := e.request(r.Context())
			if err != nil {
				e.event(r.Context(), slog.LevelError, "request-refused", "failure", "no-handler", "")
				e.opts.refuse(w, r, http.StatusInternalServerError)
				return
			}
			o, err := open(r.Context(), q)
			if err != nil {
				e.opts.refuse(w, r, http.StatusServiceUnavailable)
				return
			}
			if !p.meets(&o.rec) {
				q.challenge(w, r, Challenge{LoggedIn: o.rec.User != "", Policy: p}, o.rec.User)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// meets compares by the store's clock. The record of an anonymous request is the
// zero Record.
func (p Policy) meets(r *Record) bool {
	return r.User != "" && r.AAL >= p.AAL && (p.MaxAge == 0 || r.Now.Sub(r.AuthTime) <= p.MaxAge)
}

func (q *request) challenge(w http.ResponseWriter, r *http.Request, c Challenge, user string) {
	reason := "not-logged-in"
	if c.LoggedIn {
		reason = "insufficient-authentication"
	}
	q.event(slog.LevelInfo, "request-refused", "failure", reason, user)
	if to := q.redirection(r, c); to != "" {
		http.Redirect(w, r, to, http.StatusSeeOther)
		return
	}
	w.Header().Set("WWW-Authenticate", c.header())
	q.e.opts.refuse(w, r, http.StatusUnauthorized)
}

// redirection is for a person who navigates: a script would follow it and take a
// login page for an answer.
func (q *request) redirection(r *http.Request, c Challenge) string {
	mode := r.Header.Get("Sec-Fetch-Mode")
	if q.e.opts.redirect == nil || r.Method != http.MethodGet && r.Method != http.MethodHead || mode != "" && mode != "navigate" {
		return ""
	}
	if to := q.e.opts.redirect(r, c); isLocalPath(to) {
		return to
	}
	return ""
}

// isLocalPath reports whether a browser that follows to stays on this host. It
// takes a backslash for a slash, and drops tabs and line ends, which Parse refuses.
func isLocalPath(to string) bool {
	u, err := url.Parse(to)
	return err == nil && u.Scheme == "" && u.Host == "" && strings.HasPrefix(to, "/") &&
		!strings.HasPrefix(to, "//") && !strings.Contains(to, `\`)
}

// header is the WWW-Authenticate value. RFC 9470 defines its parameters for the
// scheme Bearer, at which browsers show no dialog.
func (c Challenge) header() string {
	if !c.LoggedIn {
		return "Bearer"
	}
	h := `Bearer error="insufficient_user_authentication"`
	if c.Policy.AAL > 0 {
		h += `, acr_values="http://idmanagement.gov/ns/assurance/aal/` + strconv.Itoa(int(c.Policy.AAL)) + `"`
	}
	if c.Policy.MaxAge > 0 {
		h += `, max_age="` + strconv.FormatInt(int64(c.Policy.MaxAge/time.Second), 10) + `"`
	}
	return h
}
