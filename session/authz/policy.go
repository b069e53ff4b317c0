package authz

import (
	"context"
	"log/slog"
)

// Perm names a permission, such as "note.read": letters, digits and . _ - : /, at
// most 100 bytes. There are no wildcards. Declare them as constants.
type Perm string

// Config is what [New] makes a Policy of. The zero Config is an error: a policy
// declares its permissions.
type Config struct {
	// Permissions are all that there are. One that is named below but not here is
	// an error of New.
	Permissions []Perm

	// Roles by name. The same characters as in a Perm.
	Roles map[string]Role

	// Conditions must all hold for a permission, whichever role grants it.
	Conditions map[Perm][]Condition

	// CrossTenant names the permissions that reach resources of every tenant. Give
	// them to roles that no tenant's own administrator can hand out.
	CrossTenant []Perm

	// SingleTenant says that there are no tenants: subjects and resources have "",
	// and one that has another is refused. Otherwise one that has "" is.
	SingleTenant bool

	// Engine decides in place of Roles: give one or the other.
	Engine Engine

	// Logger receives every decision. Default: none.
	Logger *slog.Logger
}

// Role is what the holders of a role may do.
type Role struct {
	Inherits []string // roles whose permissions this one has, too
	Perms    []Perm
}

// Condition decides by attributes. Its name stands in the decision log and in
// [Policy.Grants]; the function may be called by many goroutines at once.
type Condition struct {
	Name  string
	Holds func(ctx context.Context, q Query) bool
}

// Policy decides. It never changes and is safe for concurrent use. Make one with
// [New]; the zero Policy allows nothing.
type Policy struct {
	rules        map[Perm]*rule
	roles        map[string]bits // inherited permissions included
	singleTenant bool
	engine       Engine
	logger       *slog.Logger
}

// rule is what the policy says about one permission.
type rule struct {
	index       int // of its bit
	crossTenant bool
	conditions  []Condition
}

// bits is a set of permissions.
type bits []uint64

func (b bits) has(i int) bool { return i/64 < len(b) && b[i/64]&(1<<(i%64)) != 0 }

func (b bits) set(i int) { b[i/64] |= 1 << (i % 64) }

func (b bits) add(other bits) {
	for i, word := range other {
		b[i] |= word
	}
}
