package authz

import "context"

// Engine decides in place of roles: an adapter of Cedar, OpenFGA, OPA or another
// service. It is asked only about declared permissions, subjects that are logged in
// and resources within their tenant's reach, and Conditions hold beside it. An error
// or a panic denies.
type Engine interface {
	// Authorize reports whether s may do perm to r. It must not let an error pass
	// for an answer.
	Authorize(ctx context.Context, s Subject, perm Perm, r Resource) (bool, error)
}

// authorize asks the engine.
func (p *Policy) authorize(ctx context.Context, q Query) (allow bool, err error) {
	defer recovered(&err)
	return p.engine.Authorize(ctx, q.subject, q.perm, q.resource)
}
