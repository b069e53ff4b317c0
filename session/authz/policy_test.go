package authz_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/pavise/pavise/session/authz"
)

// Every mistake is an error of the constructor that names what is wrong.
func TestNewRefuses(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(*authz.Config)
		want   string
	}{
		{"nothing declared", func(c *authz.Config) { *c = authz.Config{} }, "no permission is declared"},
		{"doubled permission", func(c *authz.Config) { c.Permissions = append(c.Permissions, read) }, `"note.read" is declared twice`},
		{"wildcard", func(c *authz.Config) { c.Permissions = append(c.Permissions, "note.*") }, `permission "note.*": a name has`},
		{"empty permission", func(c *authz.Config) { c.Permissions = append(c.Permissions, "") }, `permission "": a name has`},
		{"long permission", func(c *authz.Config) { c.Permissions = append(c.Permissions, authz.Perm(strings.Repeat("a", 101))) }, "1 to 100"},
		{"unknown permission of a role", func(c *authz.Config) { c.Roles["x"] = authz.Role{Perms: []authz.Perm{"note.raed"}} }, `role "x": unknown permission "note.raed"`},
		{"unknown role", func(c *authz.Config) { c.Roles["x"] = authz.Role{Inherits: []string{"raeder"}} }, `role "x" inherits unknown role "raeder"`},
		{"role without a name", func(c *authz.Config) { c.Roles[""] = authz.Role{} }, `role "": a name has`},
		{"role named as what an engine decides", func(c *authz.Config) { c.Roles["(engine)"] = authz.Role{} }, `role "(engine)": a name has`},
		{"cycle of one", func(c *authz.Config) { c.Roles["x"] = authz.Role{Inherits: []string{"x"}} }, `role "x" inherits itself: x -> x`},
		{"cycle of three", func(c *authz.Config) {
			c.Roles["x"] = authz.Role{Inherits: []string{"reader", "y"}}
			c.Roles["y"] = authz.Role{Inherits: []string{"z"}}
			c.Roles["z"] = authz.Role{Inherits: []string{"x"}}
		}, `role "x" inherits itself: x -> y -> z -> x`},
		{"unknown cross-tenant permission", func(c *authz.Config) { c.CrossTenant = []authz.Perm{"x"} }, `CrossTenant: unknown permission "x"`},
		{"condition of an unknown permission", func(c *authz.Config) { c.Conditions["x"] = []authz.Condition{owner} }, `Conditions: unknown permission "x"`},
		{"no conditions", func(c *authz.Config) { c.Conditions[read] = nil }, `"note.read" has an empty list of conditions`},
		{"condition without a function", func(c *authz.Config) { c.Conditions[read] = []authz.Condition{{Name: "x"}} }, `condition "x" of "note.read" has no function`},
		{"condition without a name", func(c *authz.Config) { c.Conditions[read] = []authz.Condition{{Holds: owner.Holds}} }, `condition "" of "note.read": a name has`},
		{"doubled condition", func(c *authz.Config) { c.Conditions[read] = []authz.Condition{owner, owner} }, `condition "owner" of "note.read" is there twice`},
		{"one tenant and many", func(c *authz.Config) { c.SingleTenant = true }, "SingleTenant and CrossTenant exclude each other"},
		{"roles and engine", func(c *authz.Config) { c.Engine = engine(nil) }, "Engine and Roles exclude each other"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := config()
			newPolicy(t, c) // control: without the mistake it is accepted
			tc.change(&c)
			p, err := authz.New(c)
			if p != nil || err == nil || !strings.Contains(err.Error(), "authz: ") || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("policy %v, error %v, want one with %q", p, err, tc.want)
			}
		})
	}
}

func TestNewListsEverything(t *testing.T) {
	_, err := authz.New(authz.Config{
		Permissions: []authz.Perm{read, read},
		Roles:       map[string]authz.Role{"b": {Inherits: []string{"c"}}, "a": {Perms: []authz.Perm{"x"}}},
	})
	const want = `authz: permission "note.read" is declared twice
authz: role "a": unknown permission "x"
authz: role "b" inherits unknown role "c"`
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// What a caller does to its Config afterwards changes nothing.
func TestPolicyIsACopy(t *testing.T) {
	c := config()
	p := newPolicy(t, c)
	c.Roles["reader"].Perms[0] = remove
	c.Conditions[write][0] = authz.Condition{}
	c.Permissions[0] = "x"
	delete(c.Conditions, write)
	ann, mine := subject("ann", "acme", "reader", "editor"), note("acme", "owner", "ann", "locked", false)
	for perm, want := range map[authz.Perm]authz.Reason{read: authz.Granted, write: authz.Granted, remove: authz.NotGranted} {
		if d := p.Check(t.Context(), ann, perm, mine); d.Reason != want {
			t.Errorf("%s: %+v, want %s", perm, d, want)
		}
	}
	if d := p.Check(t.Context(), ann, write, note("acme")); d.Allow {
		t.Error("the conditions are gone")
	}
}

func TestRoles(t *testing.T) {
	if got := newPolicy(t, config()).Roles(); !slices.Equal(got, []string{"admin", "editor", "reader", "support"}) {
		t.Errorf("got %q", got)
	}
}

// More permissions than one word has bits.
func TestManyPermissions(t *testing.T) {
	var perms []authz.Perm
	for i := range 200 {
		perms = append(perms, authz.Perm(strings.Repeat("p", i%50+1)+string(rune('a'+i/50))))
	}
	p := newPolicy(t, authz.Config{SingleTenant: true, Permissions: perms, Roles: map[string]authz.Role{
		"odd": {Perms: every(perms, 1)}, "even": {Perms: every(perms, 0)}, "all": {Inherits: []string{"odd", "even"}},
	}})
	for i, perm := range perms {
		for role, want := range map[string]bool{"odd": i%2 == 1, "even": i%2 == 0, "all": true} {
			if d := p.Check(t.Context(), subject("ann", "", role), perm, authz.Resource{}); d.Allow != want {
				t.Errorf("%s, permission %d: %+v", role, i, d)
			}
		}
	}
}

func every(perms []authz.Perm, rest int) (some []authz.Perm) {
	for i, perm := range perms {
		if i%2 == rest {
			some = append(some, perm)
		}
	}
	return some
}
