package authz

import (
	"context"
	"errors"
	"net/http"
)

// Subject is who asks, within one tenant. One without an ID is anonymous: whatever
// roles it has, nothing is allowed. Roles that the policy does not know grant nothing.
type Subject struct {
	ID     string
	Tenant string
	Roles  []string // those that the subject has in Tenant
	Attrs  map[string]any
}

// Resource is what of a resource decisions depend on.
type Resource struct {
	Tenant string
	Attrs  map[string]any
	ID     string // for an [Engine]
	Value  any    // for handlers: the loaded object, so that it need not be loaded again
}

// Reason says why a decision is what it is, for the log and for tests. Clients learn
// [Decision.Status] only.
type Reason string

// The reasons. The first two allow.
const (
	Granted           Reason = "granted"
	CrossTenant       Reason = "cross-tenant" // by a permission of Config.CrossTenant, to another tenant's resource
	UnknownPermission Reason = "unknown-permission"
	Anonymous         Reason = "anonymous"
	NotGranted        Reason = "not-granted"       // no role has the permission
	MissingTenant     Reason = "missing-tenant"    // subject or resource has none
	OtherTenant       Reason = "other-tenant"      // the resource is another tenant's
	ConditionFailed   Reason = "condition-failed"  // Decision.Rule names it, here and below
	MissingAttribute  Reason = "missing-attribute" // or one of another type than the condition asked for
	ConditionPanicked Reason = "condition-panicked"
	EngineRefused     Reason = "engine-refused"
	EngineFailed      Reason = "engine-failed" // by an error or a panic
)

// Decision is the answer to a check. The zero Decision denies.
type Decision struct {
	Allow  bool
	Reason Reason
	Rule   string // the role that grants, or the condition that does not hold
	cause  error  // of a failure
}

var (
	// ErrAnonymous: nobody is logged in. Status 401.
	ErrAnonymous = errors.New("authz: not logged in")
	// ErrForbidden: the subject may not do this to any resource. Status 403.
	ErrForbidden = errors.New("authz: permission is not granted")
	// ErrNotFound: the subject may not do this to this resource, and is not told
	// that it exists. Status 404. A [Route]'s Resource returns it, too, for one that
	// does not exist.
	ErrNotFound = errors.New("authz: resource not found")
	// ErrUndecided: the engine failed. Status 503. The error that wraps it wraps the
	// engine's, too.
	ErrUndecided = errors.New("authz: no decision")
)

// Err returns nil if the decision allows, and otherwise the error whose status
// [Decision.Status] is.
func (d Decision) Err() error {
	switch d.Status() {
	case http.StatusOK:
		return nil
	case http.StatusUnauthorized:
		return ErrAnonymous
	case http.StatusForbidden:
		return ErrForbidden
	case http.StatusNotFound:
		return ErrNotFound
	}
	if d.cause == nil {
		return ErrUndecided
	}
	return &undecided{d.cause}
}

// undecided keeps the engine's error for errors.Is and As, and its text, which may
// repeat what was asked, out of the message.
type undecided struct{ cause error }

func (e *undecided) Error() string   { return ErrUndecided.Error() }
func (e *undecided) Unwrap() []error { return []error{ErrUndecided, e.cause} }

// Status is the HTTP status that tells a client no more than it may know: 403 where
// the answer is the same for every resource, 404 where it depends on this one.
func (d Decision) Status() int {
	switch d.Reason {
	case Granted, CrossTenant:
		if d.Allow {
			return http.StatusOK
		}
	case Anonymous:
		return http.StatusUnauthorized
	case MissingTenant, OtherTenant, ConditionFailed, MissingAttribute, ConditionPanicked, EngineRefused:
		return http.StatusNotFound
	case EngineFailed:
		return http.StatusServiceUnavailable
	}
	return http.StatusForbidden
}

// Check decides whether s may do perm to r, and logs the decision.
func (p *Policy) Check(ctx context.Context, s Subject, perm Perm, r Resource) Decision {
	reason, name, cause := p.decide(ctx, &s, perm, &r)
	d := Decision{Allow: reason == Granted || reason == CrossTenant, Reason: reason, Rule: name, cause: cause}
	if p.logger != nil {
		p.record(ctx, s, perm, r.Tenant, d)
	}
	return d
}

// decide returns the fields of a Decision, one by one to keep them in registers. It asks
// what is the same for all resources first, so that this answer tells nothing about r.
func (p *Policy) decide(ctx context.Context, s *Subject, perm Perm, r *Resource) (Reason, string, error) {
	rule, reason, role := p.granted(s, perm)
	if reason != Granted {
		return reason, "", nil
	}
	switch {
	case p.singleTenant && s.Tenant == "" && r.Tenant == "":
	case s.Tenant == "" || r.Tenant == "":
		return MissingTenant, "", nil
	case s.Tenant == r.Tenant && !p.singleTenant:
	case rule.crossTenant:
		reason = CrossTenant
	default:
		return OtherTenant, "", nil
	}
	if p.engine == nil && rule.conditions == nil {
		return reason, role, nil
	}
	if refused, name, cause := p.ask(ctx, rule, Query{*s, perm, *r}); refused != "" {
		return refused, name, cause
	}
	return reason, role, nil
}

// granted decides by roles alone. With an engine, everybody who is logged in gets as
// far as to be asked about.
func (p *Policy) granted(s *Subject, perm Perm) (*rule, Reason, string) {
	rule := p.rules[perm]
	switch {
	case rule == nil:
		return nil, UnknownPermission, ""
	case s.ID == "":
		return nil, Anonymous, ""
	case p.engine != nil:
		return rule, Granted, ""
	}
	for _, role := range s.Roles {
		if p.roles[role].has(rule.index) {
			return rule, Granted, role
		}
	}
	return nil, NotGranted, ""
}
