package validate

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"reflect"
	"slices"
)

// errDeep can only come from Struct: what was decoded is not as deep.
var errDeep = errors.New("validate: the value nests too deep, or holds itself")

// walker runs the rules over a decoded value.
type walker struct {
	plan *plan
	ctx  context.Context
	rep  *report
	in   string
	at   trail
	err  error // of the engine: ends the walk
}

func (p *plan) walk(ctx context.Context, root reflect.Value, rep *report, allSources bool) error {
	w := walker{plan: p, ctx: ctx, rep: rep, at: rep.room[:0]}
	for _, f := range p.shape.fields {
		if f.in == inBody || allSources {
			w.in = f.in
			w.field(f, root)
		}
	}
	return w.err
}

func (w *walker) field(f *field, parent reflect.Value) {
	if f.rules == nil && !f.shape.deep {
		return
	}
	w.at.push(f.step(w.rep.form))
	w.value(f.value(parent), f.shape, f.rules, f, parent)
	w.at.pop()
}

// value checks v by the rules of its position, and then what is below it.
func (w *walker) value(v reflect.Value, s *shape, r *rules, f *field, parent reflect.Value) {
	if len(w.at) > maxDepth {
		w.err = errDeep
	}
	if w.err != nil || w.rep.truncated {
		return
	}
	if s.kind == kindOpt {
		inside, ok := v.Addr().Interface().(optional).inside()
		if !ok {
			return
		}
		v, s = inside, s.elem
	}
	bare := v
	if s.kind == kindPointer {
		if v.IsNil() {
			w.nilPointer(v, r, f, parent)
			return
		}
		bare, s = v.Elem(), s.elem
	}
	if r != nil && !w.rules(v, bare, r, f, parent) {
		return
	}
	w.below(bare, s, r, f, parent)
}

// rules reports whether all of them pass, so that what is below is worth checking.
func (w *walker) rules(v, bare reflect.Value, r *rules, f *field, parent reflect.Value) bool {
	for i := range r.list {
		one := &r.list[i]
		switch one.op {
		case opOmitEmpty:
			if !has(bare, v.Kind() == reflect.Pointer) {
				return false
			}
		case opOmitNil:
			if k := bare.Kind(); (k == reflect.Slice || k == reflect.Map || k == reflect.Interface) && bare.IsNil() {
				return false
			}
		case opOmitZero:
			if k := bare.Kind(); bare.IsZero() || (k == reflect.Slice || k == reflect.Map) && bare.Len() == 0 {
				return false
			}
		case opTest:
			if one.test != nil && one.test(bare) || one.test == nil && w.engine(one, v, f, parent) {
				continue
			}
			w.fail(one)
			return false
		}
	}
	return !r.leaf
}

// nilPointer does what validator does: omitempty and its like accept it, rules about other fields are asked, and any
// other rule refuses it. Behind rules about other fields, which have allowed it, only required does.
func (w *walker) nilPointer(v reflect.Value, r *rules, f *field, parent reflect.Value) {
	if r == nil {
		return
	}
	for i := range r.list {
		one := &r.list[i]
		if one.op != opTest || one.code == "isdefault" {
			return
		}
		if one.whenNil && w.engine(one, v, f, parent) {
			continue
		}
		if one.whenNil || i == 0 || one.code == "required" {
			w.fail(one)
		}
		return
	}
}

func (w *walker) engine(r *rule, v reflect.Value, f *field, parent reflect.Value) bool {
	ok, err := w.plan.engine.run(w.ctx, v, f.ownerOf(parent).Addr(), r.piece)
	w.err = cmp.Or(w.err, err)
	return ok
}

func (w *walker) fail(r *rule) {
	if w.err != nil {
		return
	}
	pointer, secret := w.at.pointer()
	v := Violation{In: w.in, Pointer: pointer, Code: r.code}
	if r.param != "" && !secret {
		v.Params = map[string]string{r.code: r.param}
	}
	w.rep.add(http.StatusUnprocessableEntity, v)
}

// below goes into what v holds: always into structs, by dive into everything else.
func (w *walker) below(v reflect.Value, s *shape, r *rules, f *field, parent reflect.Value) {
	var keys, elem *rules
	if r != nil {
		keys, elem = r.keys, r.elem
	}
	switch s.kind {
	case kindStruct:
		for _, sub := range s.fields {
			w.field(sub, v)
		}
	case kindSlice, kindArray:
		if elem == nil && !s.elem.deep {
			return
		}
		w.at.push(step{})
		for i := range v.Len() {
			w.at.at(i)
			w.value(v.Index(i), s.elem, elem, f, parent)
		}
		w.at.pop()
	case kindMap:
		if keys == nil && elem == nil && !s.elem.deep {
			return
		}
		w.members(v, s, keys, elem, f, parent)
	}
}

// members checks a map in the order of its keys, so that the same request gets the same answer.
func (w *walker) members(v reflect.Value, s *shape, keys, elem *rules, f *field, parent reflect.Value) {
	names := v.MapKeys()
	slices.SortFunc(names, func(a, b reflect.Value) int { return cmp.Compare(a.String(), b.String()) })
	value := reflect.New(s.elem.typ).Elem() // map values have no address, which an Opt and a parent need
	for _, name := range names {
		w.at.push(step{name: name.String(), index: -1})
		if keys == nil || w.rules(name, name, keys, f, parent) {
			value.Set(v.MapIndex(name))
			w.value(value, s.elem, elem, f, parent)
		}
		w.at.pop()
	}
}
