package authz_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"

	"github.com/pavise/pavise/session/authz"
)

// world is a policy as a person would write it down, and as the oracle reads it: slowly,
// from the definition, with nothing compiled.
type world struct {
	perms      []authz.Perm
	roles      map[string]authz.Role
	conditions map[authz.Perm][]test
	cross      []authz.Perm
	single     bool
}

// test is a condition in the words of the oracle.
type test struct {
	kind string // equals, differs, panics
	attr string
}

func (c test) condition(i int) authz.Condition {
	return authz.Condition{Name: fmt.Sprint(c.kind, i), Holds: func(_ context.Context, q authz.Query) bool {
		switch c.kind {
		case "equals":
			return authz.Attr[string](q, c.attr) == authz.SubjectAttr[string](q, c.attr)
		case "differs":
			return authz.Attr[string](q, c.attr) != authz.SubjectAttr[string](q, c.attr)
		}
		panic(c.kind)
	}}
}

func (c test) holds(s authz.Subject, r authz.Resource) bool {
	mine, ok1 := s.Attrs[c.attr].(string)
	its, ok2 := r.Attrs[c.attr].(string)
	return c.kind != "panics" && ok1 && ok2 && (mine == its) == (c.kind == "equals")
}

// reaches walks the inheritance anew for every question.
func (w *world) reaches(role string, perm authz.Perm) bool {
	return slices.Contains(w.roles[role].Perms, perm) ||
		slices.ContainsFunc(w.roles[role].Inherits, func(parent string) bool { return w.reaches(parent, perm) })
}

func (w *world) allows(s authz.Subject, perm authz.Perm, r authz.Resource) bool {
	granted := slices.ContainsFunc(s.Roles, func(role string) bool { return w.reaches(role, perm) })
	own := s.Tenant != "" && s.Tenant == r.Tenant
	foreign := s.Tenant != "" && r.Tenant != "" && slices.Contains(w.cross, perm)
	if w.single {
		own, foreign = s.Tenant == "" && r.Tenant == "", false
	}
	fails := slices.ContainsFunc(w.conditions[perm], func(c test) bool { return !c.holds(s, r) })
	return s.ID != "" && granted && (own || foreign) && !fails
}

func (w *world) config() authz.Config {
	c := authz.Config{Permissions: w.perms, Roles: w.roles, CrossTenant: w.cross, SingleTenant: w.single}
	c.Conditions = map[authz.Perm][]authz.Condition{}
	for perm, tests := range w.conditions {
		for i, test := range tests {
			c.Conditions[perm] = append(c.Conditions[perm], test.condition(i))
		}
	}
	return c
}

// some draws each element with probability p.
func some[E any](rnd *rand.Rand, p float64, from []E) (out []E) {
	for _, e := range from {
		if rnd.Float64() < p {
			out = append(out, e)
		}
	}
	return out
}

func pick[E any](rnd *rand.Rand, from ...E) E { return from[rnd.IntN(len(from))] }

func randomWorld(rnd *rand.Rand) *world {
	w := &world{roles: map[string]authz.Role{}, conditions: map[authz.Perm][]test{}, single: rnd.IntN(6) == 0}
	for i := range 1 + rnd.IntN(140) {
		w.perms = append(w.perms, authz.Perm(fmt.Sprint("p", i)))
	}
	var names []string
	for i := range rnd.IntN(8) {
		name := fmt.Sprint("r", i)
		w.roles[name] = authz.Role{Perms: some(rnd, 0.3, w.perms), Inherits: some(rnd, 0.2, names)} // of earlier ones: no cycle
		names = append(names, name)
	}
	for _, perm := range some(rnd, 0.4, w.perms) {
		for range 1 + rnd.IntN(2) {
			w.conditions[perm] = append(w.conditions[perm], test{pick(rnd, "equals", "equals", "differs", "differs", "panics"), pick(rnd, "x", "y")})
		}
	}
	if !w.single {
		w.cross = some(rnd, 0.3, w.perms)
	}
	return w
}

func randomAttrs(rnd *rand.Rand) map[string]any {
	attrs := map[string]any{}
	for _, name := range some(rnd, 0.9, []string{"x", "y"}) {
		attrs[name] = pick[any](rnd, "1", "1", "1", "2", "2", "", 1, nil)
	}
	return attrs
}

// Every decision equals that of the oracle. PAVISE_AUTHZ_WORLDS scales it.
func TestAgainstTheOracle(t *testing.T) {
	worlds, allowed, checks := 100, 0, 0
	if n, err := strconv.Atoi(os.Getenv("PAVISE_AUTHZ_WORLDS")); err == nil {
		worlds = n
	}
	seed := rand.Uint64()
	rnd := rand.New(rand.NewPCG(seed, 1))
	for range worlds {
		w := randomWorld(rnd)
		p := newPolicy(t, w.config())
		for range 200 {
			tenants := []string{"", "a", "a", "b", "A"}
			if w.single {
				tenants = []string{"", "", "", "a"}
			}
			s := authz.Subject{ID: pick(rnd, "ann", "bob", "eve", ""), Tenant: pick(rnd, tenants...), Attrs: randomAttrs(rnd)}
			s.Roles = some(rnd, 0.4, append(p.Roles(), "none"))
			r := authz.Resource{Tenant: pick(rnd, tenants...), Attrs: randomAttrs(rnd)}
			perm := pick(rnd, append(w.perms, "unknown")...)
			d := p.Check(t.Context(), s, perm, r)
			if want := w.allows(s, perm, r); d.Allow != want {
				t.Fatalf("seed %d: %+v, want %v\nsubject %+v, permission %s, resource %+v, roles %+v, conditions %+v, cross-tenant %v", seed, d, want, s, perm, r, w.roles, w.conditions[perm], w.cross)
			}
			if checks++; d.Allow {
				allowed++
			}
		}
	}
	t.Logf("%d checks in %d policies, %d allowed, 0 differences", checks, worlds, allowed)
	if allowed*50 < checks {
		t.Errorf("only %d of %d checks were allowed: the worlds are too strict to prove much", allowed, checks)
	}
}

// Grants lists exactly what the oracle finds by asking about everything.
func TestGrantsAgainstTheOracle(t *testing.T) {
	rnd := rand.New(rand.NewPCG(rand.Uint64(), 2))
	for range 100 {
		w := randomWorld(rnd)
		got := map[string]authz.Grant{}
		for _, g := range newPolicy(t, w.config()).Grants() {
			got[g.Role+" "+string(g.Perm)] = g
		}
		for role := range w.roles {
			for _, perm := range w.perms {
				g, ok := got[role+" "+string(perm)]
				if ok != w.reaches(role, perm) || ok && (len(g.Conditions) != len(w.conditions[perm]) || g.Isolated != (!w.single && !slices.Contains(w.cross, perm))) {
					t.Fatalf("role %s, %s: %+v, %v", role, perm, g, ok)
				}
			}
		}
	}
}
