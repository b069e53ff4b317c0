package authz

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
)

// Route is one line of the table that [NewMux] takes.
type Route struct {
	Pattern string // of http.ServeMux
	Access  Access // Public() or Require(permission); the zero Access is refused
	Handler http.Handler

	// Resource finds what the request is about, for the check: needed if the
	// permission has conditions. It runs only for subjects that have the permission,
	// and may use [SubjectOf]. ErrNotFound is answered with 404, another error with
	// 503. Without it the check is about the subject's own tenant, and nothing more.
	Resource func(*http.Request) (Resource, error)
}

// Access says who may use a route.
type Access struct {
	perm   Perm
	public bool
}

// Public lets everybody use the route. Nobody is asked who it is.
func Public() Access { return Access{public: true} }

// Require lets those use the route who have the permission.
func Require(perm Perm) Access { return Access{perm: perm} }

// Mux is an [http.ServeMux] whose routes all say who may use them. Make one with
// [NewMux]; after that nothing can be added.
type Mux struct {
	mux     http.ServeMux
	policy  *Policy
	subject func(*http.Request) (Subject, error)
	refused func(http.ResponseWriter, *http.Request, int)
}

// Option changes a default of [NewMux].
type Option func(*Mux)

// Refused has f write the answers that the Mux itself gives, as a page or a problem
// document: 401, 403, 404, 405 and 503. It is not told why. It may redirect, to a login
// page, but not turn a refusal into a success: in place of a status below 300 the given
// one is sent. The default is a line of text.
func Refused(f func(w http.ResponseWriter, r *http.Request, status int)) Option {
	return func(m *Mux) { m.refused = f }
}

// NewMux makes a Mux of the routes. Its error lists every route that has neither a
// permission nor Public, a permission that the policy does not know, a permission with
// conditions but no Resource, a Resource although it is public, no handler, or a
// pattern that http.ServeMux refuses, such as one that is registered twice.
//
// The subject function says who sends a request, see [FromSession]. The zero Subject
// is anonymous, and answered with 401; an error is answered with 503.
func NewMux(p *Policy, subject func(*http.Request) (Subject, error), routes []Route, opts ...Option) (*Mux, error) {
	if p == nil || subject == nil {
		return nil, errors.New("authz: a Mux needs a policy and a subject function")
	}
	m := &Mux{policy: p, subject: subject}
	for _, opt := range opts {
		opt(m)
	}
	var errs []error
	for _, route := range routes {
		errs = append(errs, m.check(&route), m.register(&route))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return m, nil
}

// check returns what of a route http.ServeMux does not look at.
func (m *Mux) check(route *Route) error {
	var mistake string
	rule := m.policy.rules[route.Access.perm]
	switch {
	case route.Access == Access{}:
		mistake = "neither a permission nor Public"
	case route.Access.public && route.Resource != nil:
		mistake = "public, and yet it has a Resource"
	case route.Access.public:
		return nil
	case rule == nil:
		mistake = fmt.Sprintf("unknown permission %q", route.Access.perm)
	case rule.conditions != nil && route.Resource == nil:
		mistake = fmt.Sprintf("permission %q has conditions, the route no Resource to decide them by", route.Access.perm)
	default:
		return nil
	}
	return fmt.Errorf("authz: route %q: %s", route.Pattern, mistake)
}

// registered is where http.ServeMux saw a pattern: for all routes the same line here.
var registered = regexp.MustCompile(` \(registered at [^)]*\)`)

// register hands the route to http.ServeMux and makes an error of its panic.
func (m *Mux) register(route *Route) (err error) {
	if f, ok := route.Handler.(http.HandlerFunc); route.Handler == nil || ok && f == nil {
		return fmt.Errorf("authz: route %q: no handler", route.Pattern)
	}
	defer func() {
		if cause := recover(); cause != nil {
			text := registered.ReplaceAllString(fmt.Sprint(cause), "")
			err = fmt.Errorf("authz: route %q: %s", route.Pattern, strings.ReplaceAll(text, "\n", " "))
		}
	}()
	if route.Access.public {
		m.mux.Handle(route.Pattern, route.Handler)
	} else {
		m.mux.Handle(route.Pattern, &guard{m, route.Access.perm, route.Resource, route.Handler})
	}
	return nil
}

// ServeHTTP answers with the handler of the route if the subject may use it.
func (m *Mux) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h, pattern := m.mux.Handler(r)
	if pattern != "" {
		m.mux.ServeHTTP(w, r)
		return
	}
	// Nothing tells 404 from 405 but what this handler writes.
	answer := unsent{}
	h.ServeHTTP(answer, r)
	if allow := answer.Header().Get("Allow"); allow != "" {
		w.Header().Set("Allow", allow)
		m.refuse(w, r, http.StatusMethodNotAllowed)
		return
	}
	m.refuse(w, r, http.StatusNotFound)
}

// unsent takes the header of an answer that nobody gets.
type unsent http.Header

func (u unsent) Header() http.Header         { return http.Header(u) }
func (u unsent) Write(b []byte) (int, error) { return len(b), nil }
func (u unsent) WriteHeader(int)             {}
