package authz

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// New compiles a policy. Its error lists everything that is wrong: an unknown or
// doubled permission, an unknown role, a role that inherits itself, a condition
// without a name or a function, names that are none, and settings that contradict
// each other.
func New(c Config) (*Policy, error) {
	b := &builder{
		config: &c, finished: map[string]bool{},
		policy: &Policy{
			rules: map[Perm]*rule{}, roles: map[string]bits{},
			singleTenant: c.SingleTenant, engine: c.Engine, logger: c.Logger,
		},
	}
	b.declare()
	b.limit()
	for _, name := range slices.Sorted(maps.Keys(c.Roles)) {
		b.resolve(name, nil)
	}
	if err := errors.Join(b.errs...); err != nil {
		return nil, err
	}
	return b.policy, nil
}

// builder collects the errors, so that one start shows them all.
type builder struct {
	config   *Config
	policy   *Policy
	finished map[string]bool // roles
	errs     []error
}

func (b *builder) fail(format string, args ...any) {
	b.errs = append(b.errs, fmt.Errorf("authz: "+format, args...))
}

func (b *builder) declare() {
	if len(b.config.Permissions) == 0 {
		b.fail("no permission is declared")
	}
	for i, perm := range b.config.Permissions {
		switch {
		case !validName(string(perm)):
			b.fail("permission %q: %s", perm, nameRule)
		case b.policy.rules[perm] != nil:
			b.fail("permission %q is declared twice", perm)
		default:
			b.policy.rules[perm] = &rule{index: i}
		}
	}
}

const nameRule = "a name has 1 to 100 of letters, digits and . _ - : /, and no wildcard"

func validName(name string) bool {
	return name != "" && len(name) <= 100 &&
		strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-:/") == ""
}

// limit applies what holds for permissions whoever has them.
func (b *builder) limit() {
	c := b.config
	if c.SingleTenant && len(c.CrossTenant) > 0 {
		b.fail("SingleTenant and CrossTenant exclude each other")
	}
	if c.Engine != nil && len(c.Roles) > 0 {
		b.fail("Engine and Roles exclude each other")
	}
	for _, perm := range c.CrossTenant {
		if r := b.rule(perm, "CrossTenant"); r != nil {
			r.crossTenant = true
		}
	}
	for _, perm := range slices.Sorted(maps.Keys(c.Conditions)) {
		if r := b.rule(perm, "Conditions"); r != nil {
			r.conditions = b.conditions(perm)
		}
	}
}

// conditions checks those of a permission. An empty list is more likely one that was
// forgotten than one that is meant.
func (b *builder) conditions(perm Perm) []Condition {
	list := slices.Clone(b.config.Conditions[perm])
	if len(list) == 0 {
		b.fail("permission %q has an empty list of conditions", perm)
	}
	seen := map[string]bool{}
	for _, c := range list {
		switch {
		case !validName(c.Name):
			b.fail("condition %q of %q: %s", c.Name, perm, nameRule)
		case c.Holds == nil:
			b.fail("condition %q of %q has no function", c.Name, perm)
		case seen[c.Name]:
			b.fail("condition %q of %q is there twice", c.Name, perm)
		}
		seen[c.Name] = true
	}
	return list
}

func (b *builder) rule(perm Perm, where string) *rule {
	r := b.policy.rules[perm]
	if r == nil {
		b.fail("%s: unknown permission %q", where, perm)
	}
	return r
}

// resolve computes all permissions of a role; path are the roles that led to it.
func (b *builder) resolve(name string, path []string) bits {
	if at := slices.Index(path, name); at >= 0 {
		b.fail("role %q inherits itself: %s", name, strings.Join(append(path[at:], name), " -> "))
		return nil
	}
	if b.finished[name] {
		return b.policy.roles[name]
	}
	if !validName(name) {
		b.fail("role %q: %s", name, nameRule)
	}
	all := make(bits, (len(b.config.Permissions)+63)/64)
	for _, perm := range b.config.Roles[name].Perms {
		if r := b.rule(perm, fmt.Sprintf("role %q", name)); r != nil {
			all.set(r.index)
		}
	}
	for _, parent := range b.config.Roles[name].Inherits {
		if _, known := b.config.Roles[parent]; !known {
			b.fail("role %q inherits unknown role %q", name, parent)
			continue
		}
		all.add(b.resolve(parent, append(path, name)))
	}
	b.finished[name] = true
	b.policy.roles[name] = all
	return all
}
