package authz

import (
	"context"
	"errors"
	"net/http"
)

// guard stands before the handler of a route.
type guard struct {
	*Mux
	perm     Perm
	resource func(*http.Request) (Resource, error)
	next     http.Handler
}

// ServeHTTP decides by the roles before it looks for the resource: a subject without
// the permission gets the same answer whether there is one or not.
func (g *guard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s, err := g.subject(r)
	if err != nil {
		g.fail(w, r, s, "subject-failed", err)
		return
	}
	at := &scope{Context: r.Context(), subject: s, resource: Resource{Tenant: s.Tenant}}
	r = r.WithContext(at)
	if _, reason, _ := g.policy.granted(&s, g.perm); reason == Granted && g.resource != nil {
		at.resource, err = g.resource(r)
		switch {
		case errors.Is(err, ErrNotFound):
			g.refuse(w, r, http.StatusNotFound)
			return
		case err != nil:
			g.fail(w, r, s, "resource-failed", err)
			return
		}
	}
	d := g.policy.Check(at, s, g.perm, at.resource)
	if d.Allow {
		g.next.ServeHTTP(w, r)
		return
	}
	status := d.Status()
	if status == http.StatusNotFound && g.resource == nil {
		status = http.StatusForbidden // there is nothing whose existence it could hide
	}
	g.refuse(w, r, status)
}

// fail answers a request about which nothing could be decided.
func (g *guard) fail(w http.ResponseWriter, r *http.Request, s Subject, reason Reason, err error) {
	g.policy.record(r.Context(), s, g.perm, "", Decision{Reason: reason, cause: err})
	g.refuse(w, r, http.StatusServiceUnavailable)
}

// scope is the context of a request that passed, with what was found out on the way.
type scope struct {
	context.Context
	subject  Subject
	resource Resource
}

type scopeKey struct{}

// Value finds the scope in every context derived from it.
func (s *scope) Value(key any) any {
	if key == (scopeKey{}) {
		return s
	}
	return s.Context.Value(key)
}

// SubjectOf returns who sent a request that a [Mux] let pass; the zero Subject on
// public routes.
func SubjectOf(ctx context.Context) Subject {
	if s, ok := ctx.Value(scopeKey{}).(*scope); ok {
		return s.subject
	}
	return Subject{}
}

// ResourceOf returns the resource that the route's Resource function found.
func ResourceOf(ctx context.Context) Resource {
	if s, ok := ctx.Value(scopeKey{}).(*scope); ok {
		return s.resource
	}
	return Resource{}
}
