package authz_test

import (
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/pavise/pavise/session/authz"
)

func lines(changes []authz.Change) (out []string) {
	for _, c := range changes {
		out = append(out, c.String())
	}
	return out
}

func TestDiff(t *testing.T) {
	for _, tc := range []struct {
		name              string
		change            func(*authz.Config)
		widened, narrowed []string
	}{
		{"nothing", func(*authz.Config) {}, nil, nil},
		{"a permission more, for those who inherit, too", func(c *authz.Config) {
			c.Roles["editor"] = authz.Role{Perms: []authz.Perm{write, remove}, Inherits: []string{"reader"}}
		}, []string{`role "editor", note.delete: granted`}, nil},
		{"inheritance", func(c *authz.Config) {
			c.Roles["support"] = authz.Role{Perms: []authz.Perm{audit}, Inherits: []string{"editor"}}
		}, []string{`role "support", note.read: granted`, `role "support", note.write: granted, if owner and unlocked`}, nil},
		{"a role less", func(c *authz.Config) { delete(c.Roles, "support") }, nil, []string{`role "support", note.read-any-tenant: revoked`}},
		{
			"a condition less", func(c *authz.Config) { c.Conditions[write] = []authz.Condition{owner} },
			[]string{`role "admin", note.write: condition unlocked removed`, `role "editor", note.write: condition unlocked removed`},
			nil,
		},
		{
			"a condition more", func(c *authz.Config) { c.Conditions[read] = []authz.Condition{owner} }, nil,
			[]string{`role "admin", note.read: condition owner added`, `role "editor", note.read: condition owner added`, `role "reader", note.read: condition owner added`},
		},
		{
			"a condition for another", func(c *authz.Config) { c.Conditions[remove] = []authz.Condition{owner} }, nil,
			[]string{`role "admin", note.delete: condition owner added`},
		},
		{
			"across tenants", func(c *authz.Config) { c.CrossTenant = append(c.CrossTenant, remove) },
			[]string{`role "admin", note.delete: isolation lifted`},
			nil,
		},
		{
			"no longer across tenants", func(c *authz.Config) { c.CrossTenant = nil }, nil,
			[]string{`role "support", note.read-any-tenant: isolated`},
		},
		{"renamed role", func(c *authz.Config) {
			c.Roles["helpdesk"] = c.Roles["support"]
			delete(c.Roles, "support")
		}, []string{`role "helpdesk", note.read-any-tenant: granted`}, []string{`role "support", note.read-any-tenant: revoked`}},
		{"an engine", func(c *authz.Config) {
			c.Permissions, c.Conditions, c.CrossTenant = []authz.Perm{read}, nil, nil
			c.Roles, c.Engine = nil, engine(nil)
		}, []string{`role "(engine)", note.read: granted`}, []string{
			`role "admin", note.delete: revoked`, `role "admin", note.read: revoked`, `role "admin", note.write: revoked, if owner and unlocked`,
			`role "editor", note.read: revoked`, `role "editor", note.write: revoked, if owner and unlocked`, `role "reader", note.read: revoked`, `role "support", note.read-any-tenant: revoked`,
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := config()
			tc.change(&c)
			widened, narrowed := authz.Diff(newPolicy(t, config()).Grants(), newPolicy(t, c).Grants())
			if !slices.Equal(lines(widened), tc.widened) || !slices.Equal(lines(narrowed), tc.narrowed) {
				t.Errorf("widened %q, want %q\nnarrowed %q, want %q", lines(widened), tc.widened, lines(narrowed), tc.narrowed)
			}
			if back, forth := authz.Diff(newPolicy(t, c).Grants(), newPolicy(t, config()).Grants()); len(back) != len(narrowed) || len(forth) != len(widened) {
				t.Errorf("the way back: %q, %q", back, forth)
			}
		})
	}
}

// Whatever one policy allows in any role and the other does not, Diff calls widened; if
// it calls nothing widened, nothing is.
func TestDiffAgainstTheOracle(t *testing.T) {
	rnd := rand.New(rand.NewPCG(rand.Uint64(), 3))
	quiet := 0
	for range 100 {
		w := randomWorld(rnd)
		next := *w
		next.roles = map[string]authz.Role{}
		for name, role := range w.roles {
			if rnd.IntN(8) == 0 {
				role.Perms = some(rnd, 0.9, role.Perms)
			}
			if rnd.IntN(16) == 0 {
				role.Perms = append(slices.Clone(role.Perms), w.perms[0])
			}
			next.roles[name] = role
		}
		before, after := newPolicy(t, w.config()), newPolicy(t, next.config())
		widened, narrowed := authz.Diff(before.Grants(), after.Grants())
		more, less := 0, 0
		for role := range w.roles {
			for _, perm := range w.perms {
				was, is := w.reaches(role, perm), next.reaches(role, perm)
				if is && !was {
					more++
				}
				if was && !is {
					less++
				}
			}
		}
		if len(widened) != more || len(narrowed) != less {
			t.Fatalf("widened %q, narrowed %q, want %d and %d", widened, narrowed, more, less)
		}
		if more == 0 {
			quiet++
		}
	}
	if quiet == 0 || quiet == 100 {
		t.Error("the worlds do not differ as they should")
	}
}

// Whatever the order of the grants in a file.
func TestDiffIsSorted(t *testing.T) {
	c := config()
	c.CrossTenant, c.Conditions = append(c.CrossTenant, write), map[authz.Perm][]authz.Condition{read: {owner, unlocked}}
	before, after := newPolicy(t, config()).Grants(), newPolicy(t, c).Grants()
	wantWider, wantNarrower := authz.Diff(before, after)
	if want := []string{`role "admin", note.write: condition owner removed`, `role "admin", note.write: condition unlocked removed`, `role "admin", note.write: isolation lifted`}; !slices.Equal(lines(wantWider)[:3], want) {
		t.Errorf("widened %q, want %q first", lines(wantWider), want)
	}
	for range 20 {
		for _, grants := range [][]authz.Grant{before, after} {
			rand.Shuffle(len(grants), func(i, j int) { grants[i], grants[j] = grants[j], grants[i] })
		}
		if wider, narrower := authz.Diff(before, after); !slices.Equal(wider, wantWider) || !slices.Equal(narrower, wantNarrower) {
			t.Fatalf("widened %q, narrowed %q", wider, narrower)
		}
	}
}

// A file holds the grants between two builds.
func TestGrantsSurviveJSON(t *testing.T) {
	grants := newPolicy(t, config()).Grants()
	whole, err := json.Marshal(grants)
	if err != nil {
		t.Fatal(err)
	}
	var back []authz.Grant
	if err := json.Unmarshal(whole, &back); err != nil || !reflect.DeepEqual(back, grants) {
		t.Errorf("%v, %v", back, err)
	}
	for range 20 {
		if again := newPolicy(t, config()).Grants(); !reflect.DeepEqual(again, grants) {
			t.Fatalf("the same policy has other grants: %v", again)
		}
	}
}
