package validate

import (
	"context"
	"errors"
	"fmt"
	"net/http"
)

// Check is a condition on a whole value, made by [Cross] or [Ctx].
type Check[T any] struct {
	code     string
	pointers []string
	fields   []*field // of the pointers; nil is the whole body
	cross    func(*T) bool
	ctx      func(context.Context, *T) (bool, error)
}

// Cross is a condition on several fields. When ok returns false, each pointer gets a violation with the code; a
// pointer is the name of a field of T after a slash, and none means the whole body. It runs unless one of its fields
// is known to be wrong already.
func Cross[T any](code string, ok func(*T) bool, pointers ...string) Check[T] {
	return Check[T]{code: code, pointers: pointers, cross: ok}
}

// Ctx is a condition that has to ask elsewhere, such as a database. It runs only when everything before it passed.
// Its error is not the client's fault: Request returns it wrapped, and [WriteProblem] answers 500.
func Ctx[T any](code string, ok func(context.Context, *T) (bool, error), pointers ...string) Check[T] {
	return Check[T]{code: code, pointers: pointers, ctx: ok}
}

// place finds the fields of the pointers in the request type.
func (c *Check[T]) place(s *shape) error {
	if c.code == "" || c.cross == nil && c.ctx == nil {
		return errors.New("validate: a check needs a code and a function")
	}
	if len(c.pointers) == 0 {
		c.pointers = []string{""}
	}
	for _, p := range c.pointers {
		f := fieldAt(s, p)
		if f == nil && p != "" {
			return fmt.Errorf("validate: check %q: no field at %q", c.code, p)
		}
		c.fields = append(c.fields, f)
	}
	return nil
}

func fieldAt(s *shape, pointer string) *field {
	for _, in := range []string{inBody, inPath, inQuery, inHeader} {
		for _, f := range s.fields {
			if f.in == in && pointer == "/"+escapeSegment(f.wire()) {
				return f
			}
		}
	}
	return nil
}

func (c *Check[T]) run(ctx context.Context, in *T, rep *report) error {
	if c.ctx != nil {
		if rep.status != 0 {
			return nil
		}
		ok, err := c.ctx(ctx, in)
		if err == nil && !ok {
			c.report(rep)
		}
		return err
	}
	for _, f := range c.fields {
		if v := c.violation(f, rep); rep.touches(v.In, v.Pointer) {
			return nil
		}
	}
	if !c.cross(in) {
		c.report(rep)
	}
	return nil
}

func (c *Check[T]) report(rep *report) {
	for _, f := range c.fields {
		rep.add(http.StatusUnprocessableEntity, c.violation(f, rep))
	}
}

func (c *Check[T]) violation(f *field, rep *report) Violation {
	if f == nil {
		return Violation{In: inBody, Code: c.code}
	}
	return Violation{In: f.in, Pointer: "/" + escapeSegment(f.sentAs(rep.form)), Code: c.code}
}

// touches reports whether the value at the pointer, or one below it, is known to be wrong.
func (r *report) touches(in, pointer string) bool {
	for i := range r.list {
		old := &r.list[i]
		if old.In == in && old.Code != codeUnknown && (old.Pointer == pointer || isBelow(old.Pointer, pointer)) {
			return true
		}
	}
	return false
}
