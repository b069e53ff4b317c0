package column

import (
	enc "encoding"
	"encoding/json"
	"reflect"

	"github.com/pavise/pavise/secrets"
)

func isSecret(t reflect.Type) bool    { return t == reflect.TypeFor[secrets.Secret]() }
func isInterface(t reflect.Type) bool { return t.Kind() == reflect.Interface }

// holds reports whether t is, or has anywhere in it, a type that is asked for.
func holds(t reflect.Type, is func(reflect.Type) bool) bool {
	return holdsUnseen(t, is, map[reflect.Type]bool{})
}

func holdsUnseen(t reflect.Type, is func(reflect.Type) bool, seen map[reflect.Type]bool) bool {
	if is(t) {
		return true
	}
	if seen[t] {
		return false
	}
	seen[t] = true
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array:
		return holdsUnseen(t.Elem(), is, seen)
	case reflect.Map:
		return holdsUnseen(t.Key(), is, seen) || holdsUnseen(t.Elem(), is, seen)
	case reflect.Struct:
		for f := range t.Fields() {
			if holdsUnseen(f.Type, is, seen) {
				return true
			}
		}
	}
	return false
}

// pointee tells the values that a walk comes back to, which may have a cycle.
type pointee struct {
	typ     reflect.Type
	address uintptr
	length  int
}

// secretWithin reports whether v has a Secret in an interface, where its type does not
// show it, in the fields that encoding/json looks at.
func secretWithin(v reflect.Value, seen map[pointee]bool) bool {
	switch v.Kind() {
	case reflect.Interface:
		return !v.IsNil() && (holds(v.Elem().Type(), isSecret) || secretWithin(v.Elem(), seen))
	case reflect.Pointer, reflect.Map, reflect.Slice:
		at := pointee{v.Type(), v.Pointer(), 0}
		if v.Kind() == reflect.Slice {
			at.length = v.Len()
		}
		if v.IsNil() || seen[at] {
			return false
		}
		seen[at] = true
	}
	for part := range partsOf(v) {
		if secretWithin(part, seen) {
			return true
		}
	}
	return false
}

// partsOf returns what encoding/json goes through in v.
func partsOf(v reflect.Value) func(yield func(reflect.Value) bool) {
	return func(yield func(reflect.Value) bool) {
		switch v.Kind() {
		case reflect.Pointer:
			yield(v.Elem())
		case reflect.Slice, reflect.Array:
			for i := range v.Len() {
				if !yield(v.Index(i)) {
					return
				}
			}
		case reflect.Map:
			for _, element := range v.Seq2() {
				if !yield(element) {
					return
				}
			}
		case reflect.Struct:
			for f, field := range v.Fields() {
				if isEncoded(f) && !yield(field) {
					return
				}
			}
		}
	}
}

// lossless rules out what is known to come back as less; the rest shows when a value is
// sealed.
func lossless(t reflect.Type, seen map[reflect.Type]bool) bool {
	if seen[t] || hasMarshaler(t) {
		return true
	}
	seen[t] = true
	switch t.Kind() {
	case reflect.Chan, reflect.Func, reflect.Complex64, reflect.Complex128, reflect.UnsafePointer:
		return false
	case reflect.Interface:
		return t.NumMethod() == 0
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		return lossless(t.Elem(), seen)
	case reflect.Struct:
		return losslessStruct(t, seen)
	}
	return true
}

func losslessStruct(t reflect.Type, seen map[reflect.Type]bool) bool {
	some := t.NumField() == 0
	for f := range t.Fields() {
		if !isEncoded(f) {
			continue
		}
		if !lossless(f.Type, seen) {
			return false
		}
		some = true
	}
	return some
}

func isEncoded(f reflect.StructField) bool {
	return (f.IsExported() || f.Anonymous) && f.Tag.Get("json") != "-"
}

func hasMarshaler(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	return p.Implements(reflect.TypeFor[json.Marshaler]()) && p.Implements(reflect.TypeFor[json.Unmarshaler]()) ||
		p.Implements(reflect.TypeFor[enc.TextMarshaler]()) && p.Implements(reflect.TypeFor[enc.TextUnmarshaler]())
}
