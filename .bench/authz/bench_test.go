// Package authz_test compares decisions: may a user of one tenant, who is an admin and
// by that an editor and a reader, read a note of the tenant, and change one of her own?
// Each library has its policy compiled or parsed, and its entities built, beforehand.
package authz_test

import (
	"context"
	"fmt"
	"syscall"
	"testing"

	"github.com/casbin/casbin/v3"
	"github.com/casbin/casbin/v3/model"
	"github.com/cedar-policy/cedar-go"
	"github.com/pavise/pavise/session/authz"
)

// tenants is how many share the service.
const tenants = 10

// by runs one decision of each library, which must be yes.
func by(b *testing.B, libraries ...library) {
	for _, l := range libraries {
		b.Run(l.name, func(b *testing.B) {
			b.ReportAllocs()
			before := cpuTime()
			for b.Loop() {
				if !l.allows() {
					b.Fatal("denied")
				}
			}
			b.ReportMetric(float64(cpuTime()-before)/float64(b.N), "cpu-ns/op")
		})
	}
}

// cpuTime is what this process has used of a core, whoever else wanted it.
func cpuTime() int64 {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return u.Utime.Nano() + u.Stime.Nano()
}

type library struct {
	name   string
	allows func() bool
}

func BenchmarkRole(b *testing.B) {
	policy, ann, note := pavise(b)
	ctx := b.Context()
	plain, cached := casbinRoles(b)
	by(
		b,
		library{"pavise", func() bool { return policy.Check(ctx, ann, "note.read", note).Allow }},
		library{"casbin", func() bool { ok, _ := plain.Enforce("ann", "tenant3", "note", "read"); return ok }},
		library{"casbin-cached", func() bool { ok, _ := cached.Enforce("ann", "tenant3", "note", "read"); return ok }},
		library{"cedar", cedarAsk(b, "read")},
	)
}

func BenchmarkCondition(b *testing.B) {
	policy, ann, note := pavise(b)
	ctx := b.Context()
	owners := casbinOwners(b)
	res := casbinNote{Tenant: "tenant3", Owner: "ann"}
	by(
		b,
		library{"pavise", func() bool { return policy.Check(ctx, ann, "note.write", note).Allow }},
		library{"casbin", func() bool { ok, _ := owners.Enforce("ann", res, "write"); return ok }},
		library{"cedar", cedarAsk(b, "write")},
	)
}

func must(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func pavise(b *testing.B) (*authz.Policy, authz.Subject, authz.Resource) {
	policy, err := authz.New(authz.Config{
		Permissions: []authz.Perm{"note.read", "note.write", "note.delete"},
		Roles: map[string]authz.Role{
			"reader": {Perms: []authz.Perm{"note.read"}},
			"editor": {Perms: []authz.Perm{"note.write"}, Inherits: []string{"reader"}},
			"admin":  {Perms: []authz.Perm{"note.delete"}, Inherits: []string{"editor"}},
		},
		Conditions: map[authz.Perm][]authz.Condition{
			"note.write": {{Name: "owner", Holds: func(_ context.Context, q authz.Query) bool {
				return authz.Attr[string](q, "owner") == q.User()
			}}},
		},
	})
	must(b, err)
	return policy, authz.Subject{ID: "ann", Tenant: "tenant3", Roles: []string{"admin"}},
		authz.Resource{Tenant: "tenant3", Attrs: map[string]any{"owner": "ann"}}
}

// casbinRoles is its model "RBAC with domains".
func casbinRoles(b *testing.B) (*casbin.Enforcer, *casbin.CachedEnforcer) {
	text := `[request_definition]
r = sub, dom, obj, act
[policy_definition]
p = sub, dom, obj, act
[role_definition]
g = _, _, _
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = g(r.sub, p.sub, r.dom) && r.dom == p.dom && r.obj == p.obj && r.act == p.act`
	m, err := model.NewModelFromString(text)
	must(b, err)
	plain, err := casbin.NewEnforcer(m)
	must(b, err)
	m, err = model.NewModelFromString(text)
	must(b, err)
	cached, err := casbin.NewCachedEnforcer(m)
	must(b, err)
	for _, e := range []*casbin.Enforcer{plain, cached.Enforcer} {
		for i := range tenants {
			tenant := fmt.Sprint("tenant", i)
			_, err := e.AddPolicies([][]string{{"reader", tenant, "note", "read"}, {"editor", tenant, "note", "write"}, {"admin", tenant, "note", "delete"}})
			must(b, err)
			_, err = e.AddGroupingPolicies([][]string{{"ann", "admin", tenant}, {"admin", "editor", tenant}, {"editor", "reader", tenant}})
			must(b, err)
		}
	}
	return plain, cached
}

// casbinNote is what its attribute-based matcher reads.
type casbinNote struct{ Tenant, Owner string }

func casbinOwners(b *testing.B) *casbin.Enforcer {
	m, err := model.NewModelFromString(`[request_definition]
r = sub, obj, act
[policy_definition]
p = sub, dom, act
[role_definition]
g = _, _, _
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = g(r.sub, p.sub, r.obj.Tenant) && r.obj.Tenant == p.dom && r.act == p.act && r.obj.Owner == r.sub`)
	must(b, err)
	e, err := casbin.NewEnforcer(m)
	must(b, err)
	for i := range tenants {
		tenant := fmt.Sprint("tenant", i)
		_, err := e.AddPolicies([][]string{{"reader", tenant, "read"}, {"editor", tenant, "write"}, {"admin", tenant, "delete"}})
		must(b, err)
		_, err = e.AddGroupingPolicies([][]string{{"ann", "admin", tenant}, {"admin", "editor", tenant}, {"editor", "reader", tenant}})
		must(b, err)
	}
	return e
}

func cedarAsk(b *testing.B, action string) func() bool {
	policies, err := cedar.NewPolicySetFromBytes("notes.cedar", []byte(`
permit (principal in Role::"reader", action == Action::"read", resource) when { principal.tenant == resource.tenant };
permit (principal in Role::"editor", action == Action::"write", resource) when { principal.tenant == resource.tenant && resource.owner == principal };
permit (principal in Role::"admin", action == Action::"delete", resource) when { principal.tenant == resource.tenant };`))
	must(b, err)
	uid := func(kind, id string) cedar.EntityUID {
		return cedar.NewEntityUID(cedar.EntityType(kind), cedar.String(id))
	}
	entities := cedar.EntityMap{}
	add := func(id cedar.EntityUID, attrs cedar.RecordMap, parents ...cedar.EntityUID) {
		entities[id] = cedar.Entity{UID: id, Parents: cedar.NewEntityUIDSet(parents...), Attributes: cedar.NewRecord(attrs)}
	}
	ann, note := uid("User", "ann"), uid("Note", "1")
	add(uid("Role", "reader"), nil)
	add(uid("Role", "editor"), nil, uid("Role", "reader"))
	add(uid("Role", "admin"), nil, uid("Role", "editor"))
	add(ann, cedar.RecordMap{"tenant": cedar.String("tenant3")}, uid("Role", "admin"))
	add(note, cedar.RecordMap{"tenant": cedar.String("tenant3"), "owner": ann})
	request := cedar.Request{Principal: ann, Action: uid("Action", action), Resource: note, Context: cedar.NewRecord(nil)}
	return func() bool {
		ok, _ := cedar.Authorize(policies, entities, request)
		return bool(ok)
	}
}
