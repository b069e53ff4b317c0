package authz_test

import (
	"context"
	"testing"

	"github.com/pavise/pavise/session/authz"
)

const (
	read   authz.Perm = "note.read"
	write  authz.Perm = "note.write"
	remove authz.Perm = "note.delete"
	audit  authz.Perm = "note.read-any-tenant"
)

// owner holds for the user whose ID the resource has as its owner.
var owner = authz.Condition{Name: "owner", Holds: func(_ context.Context, q authz.Query) bool {
	return authz.Attr[string](q, "owner") == q.User()
}}

// unlocked is a negation: a missing attribute must not make it true.
var unlocked = authz.Condition{Name: "unlocked", Holds: func(_ context.Context, q authz.Query) bool {
	return !authz.Attr[bool](q, "locked")
}}

var broken = authz.Condition{Name: "broken", Holds: func(context.Context, authz.Query) bool {
	var attrs []bool
	return attrs[3]
}}

// config is a notebook that several tenants share.
func config() authz.Config {
	return authz.Config{
		Permissions: []authz.Perm{read, write, remove, audit},
		Roles: map[string]authz.Role{
			"reader":  {Perms: []authz.Perm{read}},
			"editor":  {Perms: []authz.Perm{write}, Inherits: []string{"reader"}},
			"admin":   {Perms: []authz.Perm{remove}, Inherits: []string{"editor"}},
			"support": {Perms: []authz.Perm{audit}},
		},
		Conditions:  map[authz.Perm][]authz.Condition{write: {owner, unlocked}},
		CrossTenant: []authz.Perm{audit},
	}
}

func newPolicy(t testing.TB, c authz.Config) *authz.Policy {
	t.Helper()
	p, err := authz.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func subject(id, tenant string, roles ...string) authz.Subject {
	return authz.Subject{ID: id, Tenant: tenant, Roles: roles}
}

func note(tenant string, pairs ...any) authz.Resource {
	attrs := map[string]any{}
	for i := 0; i < len(pairs); i += 2 {
		attrs[pairs[i].(string)] = pairs[i+1]
	}
	return authz.Resource{Tenant: tenant, Attrs: attrs}
}
