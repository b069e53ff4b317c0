package authz

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Grant is what one role may do, inheritance resolved. It encodes to JSON, so that a
// file under version control can hold the grants that were reviewed.
type Grant struct {
	Role       string   `json:"role"` // "(engine)" if an engine decides
	Perm       Perm     `json:"perm"`
	Isolated   bool     `json:"isolated"` // reaches resources of the own tenant only
	Conditions []string `json:"conditions,omitempty"`
}

const engineRole = "(engine)" // not a valid name of a role

// Grants returns all that the policy grants, sorted by role and permission.
func (p *Policy) Grants() (all []Grant) {
	for _, role := range p.Roles() {
		all = p.grants(all, role, p.roles[role].has)
	}
	if p.engine != nil {
		all = p.grants(all, engineRole, func(int) bool { return true })
	}
	return all
}

func (p *Policy) grants(all []Grant, role string, has func(int) bool) []Grant {
	for _, perm := range slices.Sorted(maps.Keys(p.rules)) {
		r := p.rules[perm]
		if !has(r.index) {
			continue
		}
		g := Grant{Role: role, Perm: perm, Isolated: !r.crossTenant && !p.singleTenant}
		for _, c := range r.conditions {
			g.Conditions = append(g.Conditions, c.Name)
		}
		slices.Sort(g.Conditions)
		all = append(all, g)
	}
	return all
}

// Roles returns the names of the roles, sorted: for an administration page that must
// not assign one that grants nothing.
func (p *Policy) Roles() []string {
	return slices.Sorted(maps.Keys(p.roles))
}

// Change is one difference between two policies.
type Change struct {
	Role string
	Perm Perm
	What string // "granted", "isolation lifted", "condition owner removed", ...
}

// String is for people: role "editor", note.write: granted.
func (c Change) String() string { return fmt.Sprintf("role %q, %s: %s", c.Role, c.Perm, c.What) }

// Diff compares what two policies grant, given as [Policy.Grants], and returns what
// the new one allows and the old one did not, and the reverse; sorted. A grant that
// swaps conditions is in both. What a condition or an engine decides it cannot see: a
// condition with the same name counts as the same.
func Diff(before, after []Grant) (widened, narrowed []Change) {
	return added(before, after, false), added(after, before, true)
}

// added returns how after goes beyond before. With reverse, the words are those for a
// change from after to before.
func added(before, after []Grant, reverse bool) (list []Change) {
	word := func(forward, back string) string {
		if reverse {
			return back
		}
		return forward
	}
	old := map[[2]string]Grant{}
	for _, g := range before {
		old[g.key()] = g
	}
	for _, g := range after {
		had, ok := old[g.key()]
		if !ok {
			what := word("granted", "revoked")
			if len(g.Conditions) > 0 {
				what += ", if " + strings.Join(g.Conditions, " and ")
			}
			list = append(list, Change{g.Role, g.Perm, what})
			continue
		}
		if had.Isolated && !g.Isolated {
			list = append(list, Change{g.Role, g.Perm, word("isolation lifted", "isolated")})
		}
		for _, c := range had.Conditions {
			if !slices.Contains(g.Conditions, c) {
				list = append(list, Change{g.Role, g.Perm, "condition " + c + word(" removed", " added")})
			}
		}
	}
	slices.SortFunc(list, func(a, b Change) int {
		return cmp.Or(cmp.Compare(a.Role, b.Role), cmp.Compare(a.Perm, b.Perm), cmp.Compare(a.What, b.What))
	})
	return list
}

func (g Grant) key() [2]string { return [2]string{g.Role, string(g.Perm)} }
