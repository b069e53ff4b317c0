package ratelimit

import (
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// HTTPOption configures [Middleware].
type HTTPOption func(*guard)

// WithCost sets the tokens that a request takes. The default is 1. A cost above the burst is
// answered with 429 and no Retry-After, since no waiting helps; one below 1 with 503.
func WithCost(cost func(*http.Request) int64) HTTPOption {
	return func(g *guard) { g.cost = cost }
}

// WithSkip lets the requests pass, uncounted, for which skip is true: health checks, for instance. It
// should not depend on anything that a client can choose freely.
func WithSkip(skip func(*http.Request) bool) HTTPOption {
	return func(g *guard) { g.skip = skip }
}

// WithPrivateQuota leaves out the RateLimit and RateLimit-Policy fields. It is for keys that
// the client does not own, such as the account that a stranger asks about.
func WithPrivateQuota() HTTPOption {
	return func(g *guard) { g.private = true }
}

// WithDenialPage has render write the body of a denial, as contentType, in place of the problem
// document. Status and header fields stay as they are.
func WithDenialPage(contentType string, render func(io.Writer, *http.Request, Decision) error) HTTPOption {
	return func(g *guard) { g.contentType, g.render = contentType, render }
}

// Middleware limits the requests to a handler, counted by key. For a limit by client address:
//
//	ratelimit.Middleware(limiter, ratelimit.ClientIP{}.Key)
//
// A denied request gets status 429 with Retry-After and a problem document (RFC 9457). All responses
// carry RateLimit-Policy and RateLimit (draft-ietf-httpapi-ratelimit-headers-10). If key returns an error, or
// the zero Key, the request is counted with all others like it under one key, so that
// nobody passes the limiter by being unidentifiable. The request's path plays no part unless key uses it.
//
// It panics if l, key or the function of WithDenialPage is nil.
func Middleware(l *Limiter, key func(*http.Request) (Key, error), opts ...HTTPOption) func(http.Handler) http.Handler {
	if l == nil || key == nil {
		panic("ratelimit: Middleware needs a limiter and a key function")
	}
	g := &guard{limiter: l, key: key, policy: policyField(l.limits)}
	g.contentType, g.render = "application/problem+json", renderProblem
	for _, o := range opts {
		o(g)
	}
	if g.render == nil {
		panic("ratelimit: WithDenialPage needs a function")
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { g.serve(w, r, next) })
	}
}

type guard struct {
	limiter     *Limiter
	key         func(*http.Request) (Key, error)
	cost        func(*http.Request) int64
	skip        func(*http.Request) bool
	render      func(io.Writer, *http.Request, Decision) error
	contentType string
	policy      string // the RateLimit-Policy field
	private     bool
}

func (g *guard) serve(w http.ResponseWriter, r *http.Request, next http.Handler) {
	if g.skip != nil && g.skip(r) {
		next.ServeHTTP(w, r)
		return
	}
	cost := int64(1)
	if g.cost != nil {
		cost = g.cost(r)
	}
	d, err := g.limiter.AllowN(r.Context(), g.identify(r), cost)
	if err == nil && !g.private {
		w.Header().Add("Ratelimit-Policy", g.policy) // both are Lists, which another middleware may have begun
		w.Header().Add("Ratelimit", rateLimitField(&d))
	}
	if err != nil || !d.Allowed {
		g.deny(w, r, d, statusOf(err, cost))
		return
	}
	next.ServeHTTP(w, r)
}

func (g *guard) identify(r *http.Request) Key {
	k, err := g.key(r)
	if err != nil || k.kind == keyNone {
		return Key{kind: keyUnidentified}
	}
	return k
}

// statusOf blames the client for a denial and for asking for more than there ever is, and the
// server for the rest.
func statusOf(err error, cost int64) int {
	if err == nil || errors.Is(err, ErrCost) && cost > 0 {
		return http.StatusTooManyRequests
	}
	return http.StatusServiceUnavailable
}

func (g *guard) deny(w http.ResponseWriter, r *http.Request, d Decision, status int) {
	h := w.Header()
	h.Set("Content-Type", g.contentType)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if d.RetryAfter > 0 {
		h.Set("Retry-After", strconv.FormatInt(jitter(ceilSeconds(d.RetryAfter)), 10))
	}
	d.Degraded = status == http.StatusServiceUnavailable
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_ = g.render(w, r, d) // the status is sent: a client that went away is all that can be wrong
	}
}

// jitter spreads clients that were denied together over a tenth more of the wait, and never asks
// one to come back early.
func jitter(seconds int64) int64 {
	return seconds + rand.Int64N(seconds/10+2)
}

// problem is a problem document of draft-ietf-httpapi-ratelimit-headers-10 section 5.
type problem struct {
	Type     string   `json:"type"`
	Title    string   `json:"title"`
	Status   int      `json:"status"`
	Violated []string `json:"violated-policies,omitempty"`
}

func renderProblem(w io.Writer, _ *http.Request, d Decision) error {
	const types = "https://iana.org/assignments/http-problem-types#"
	p := problem{Type: types + "quota-exceeded", Title: "Quota exceeded", Status: http.StatusTooManyRequests}
	if d.Degraded {
		p = problem{Type: types + "temporary-reduced-capacity", Title: "Capacity temporarily reduced", Status: http.StatusServiceUnavailable}
	}
	if d.Limit != "" {
		p.Violated = []string{d.Limit}
	}
	return json.NewEncoder(w).Encode(p)
}

// policyField is the RateLimit-Policy of limits: "name";q=burst;w=seconds to refill it.
func policyField(limits []Limit) string {
	var b strings.Builder
	for i, m := range limits {
		if i > 0 {
			b.WriteString(", ")
		}
		s := newScale(m)
		writeItem(&b, m.Name, 'q', m.Burst, 'w', ceilSeconds(s.duration(s.capacity)))
	}
	return b.String()
}

// rateLimitField is the RateLimit of a decision: "name";r=remaining;t=seconds until the same cost is
// admitted, or after an admission until the bucket is full.
func rateLimitField(d *Decision) string {
	t := d.ResetAfter
	if !d.Allowed {
		t = d.RetryAfter
	}
	var b strings.Builder
	writeItem(&b, d.Limit, 'r', d.Remaining, 't', ceilSeconds(t))
	return b.String()
}

// writeItem writes a Structured Fields string with two integer parameters. Limit names need no escape.
func writeItem(b *strings.Builder, name string, p1 byte, v1 int64, p2 byte, v2 int64) {
	var room [maxName + 2*(3+20) + 2]byte
	buf := append(room[:0], '"')
	buf = append(buf, name...)
	buf = append(buf, '"', ';', p1, '=')
	buf = strconv.AppendInt(buf, v1, 10)
	buf = append(buf, ';', p2, '=')
	buf = strconv.AppendInt(buf, v2, 10)
	b.Write(buf)
}

func ceilSeconds(d time.Duration) int64 {
	return int64((d + time.Second - 1) / time.Second)
}
