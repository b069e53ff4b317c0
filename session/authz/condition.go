package authz

import (
	"context"
	"errors"
	"fmt"
)

// Query is what a [Condition] sees of a check. Attributes are read with [Attr] and
// [SubjectAttr], which deny when one is missing, so that a condition cannot take what
// nobody set for a value.
type Query struct {
	subject  Subject
	perm     Perm
	resource Resource
}

// User is the ID of the subject, never "".
func (q Query) User() string { return q.subject.ID }

// Perm is the permission that is asked for.
func (q Query) Perm() Perm { return q.perm }

// Tenant is that of the resource.
func (q Query) Tenant() string { return q.resource.Tenant }

// Attr returns an attribute of the resource. If there is none of that name and type,
// it does not return, and the check denies with [MissingAttribute]; it works by a
// panic, and only within a Condition. A zero value is a value.
func Attr[T any](q Query, name string) T { return attr[T](q.resource.Attrs, name) }

// SubjectAttr returns an attribute of the subject, in the same way.
func SubjectAttr[T any](q Query, name string) T { return attr[T](q.subject.Attrs, name) }

func attr[T any](attrs map[string]any, name string) T {
	v, ok := attrs[name].(T)
	if !ok {
		panic(errMissing)
	}
	return v
}

var errMissing = errors.New("authz: attribute is missing, or of another type")

// ask evaluates what takes a call: the engine, then the conditions. It returns "" if
// none of them objects.
func (p *Policy) ask(ctx context.Context, rule *rule, q Query) (refused Reason, name string, cause error) {
	if p.engine != nil {
		allow, err := p.authorize(ctx, q)
		switch {
		case err != nil:
			return EngineFailed, "", err
		case !allow:
			return EngineRefused, "", nil
		}
	}
	for i := range rule.conditions {
		c := &rule.conditions[i]
		switch ok, err := c.holds(ctx, q); {
		case err == errMissing:
			return MissingAttribute, c.Name, nil
		case err != nil:
			return ConditionPanicked, c.Name, err
		case !ok:
			return ConditionFailed, c.Name, nil
		}
	}
	return "", "", nil
}

func (c *Condition) holds(ctx context.Context, q Query) (ok bool, err error) {
	defer recovered(&err)
	return c.Holds(ctx, q), nil
}

// recovered turns a panic into an error.
func recovered(err *error) {
	switch cause := recover().(type) {
	case nil:
	case error:
		*err = cause
	default:
		*err = fmt.Errorf("authz: panic with a %T", cause)
	}
}
