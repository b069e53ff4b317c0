package column

import (
	enc "encoding"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/pavise/pavise/secrets"
)

var (
	errSecret  = errors.New("column: type holds a secrets.Secret, which encodes as a placeholder: keep it in a secret store")
	errNotNull = errors.New("column: value is NULL: use a *T or sql.Null[T]")
)

// codec turns the values of a type into bytes and back.
type codec struct {
	nullable nullable
	typ      reflect.Type // of what is sealed, without its wrapper
	encoding encoding
}

// nullable is how a type says NULL.
type nullable byte

const (
	never     nullable = iota
	byPointer          // *U: nil
	byNull             // sql.Null[U]: not Valid
	byBytes            // []byte: nil, as in database/sql
)

// newCodec refuses what it could not give back.
func newCodec(t reflect.Type) (codec, error) {
	if holdsSecret(t, map[reflect.Type]bool{}) {
		return codec{}, errSecret
	}
	c := codec{typ: t}
	switch {
	case t.Kind() == reflect.Pointer:
		c.nullable, c.typ = byPointer, t.Elem()
	case t.PkgPath() == "database/sql" && strings.HasPrefix(t.Name(), "Null["):
		c.nullable, c.typ = byNull, t.Field(0).Type
	case t.PkgPath() == "database/sql":
		return codec{}, fmt.Errorf("column: %v: use sql.Null", t)
	}
	c.encoding = encodingOf(c.typ)
	switch {
	case c.encoding == encodingBytes && c.nullable == never:
		c.nullable = byBytes
	case c.encoding == encodingJSON && !lossless(c.typ):
		return codec{}, fmt.Errorf("column: JSON does not carry a value of type %v", c.typ)
	}
	return c, nil
}

// inner returns what to seal of v, or false if v is NULL.
func (c codec) inner(v reflect.Value) (reflect.Value, bool) {
	switch c.nullable {
	case byPointer:
		return v.Elem(), !v.IsNil()
	case byNull:
		return v.Field(0), v.Field(1).Bool()
	case byBytes:
		return v, !v.IsNil()
	}
	return v, true
}

// decodeInto is decode with the wrapper put on again.
func (c codec) decodeInto(dst reflect.Value, plaintext []byte) error {
	switch c.nullable {
	case byPointer:
		fresh := reflect.New(c.typ)
		if err := c.decode(fresh.Elem(), plaintext); err != nil {
			return err
		}
		dst.Set(fresh)
		return nil
	case byNull:
		if err := c.decode(dst.Field(0), plaintext); err != nil {
			return err
		}
		dst.Field(1).SetBool(true)
		return nil
	}
	return c.decode(dst, plaintext)
}

func (c codec) setNull(dst reflect.Value) error {
	if c.nullable == never {
		return errNotNull
	}
	dst.SetZero()
	return nil
}

// lossless rules out what is known to come back as less; the rest is up to the types.
func lossless(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Chan, reflect.Func, reflect.Complex64, reflect.Complex128, reflect.UnsafePointer:
		return hasMarshaler(t)
	case reflect.Interface:
		return t.NumMethod() == 0
	case reflect.Struct:
		return t.NumField() == 0 || hasExported(t) || hasMarshaler(t)
	}
	return true
}

func hasMarshaler(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	return p.Implements(reflect.TypeFor[json.Marshaler]()) && p.Implements(reflect.TypeFor[json.Unmarshaler]()) ||
		p.Implements(reflect.TypeFor[enc.TextMarshaler]()) && p.Implements(reflect.TypeFor[enc.TextUnmarshaler]())
}

func hasExported(t reflect.Type) bool {
	for f := range t.Fields() {
		if f.IsExported() || f.Anonymous {
			return true
		}
	}
	return false
}

func holdsSecret(t reflect.Type, seen map[reflect.Type]bool) bool {
	if t == reflect.TypeFor[secrets.Secret]() {
		return true
	}
	if seen[t] {
		return false
	}
	seen[t] = true
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array:
		return holdsSecret(t.Elem(), seen)
	case reflect.Map:
		return holdsSecret(t.Key(), seen) || holdsSecret(t.Elem(), seen)
	case reflect.Struct:
		for f := range t.Fields() {
			if holdsSecret(f.Type, seen) {
				return true
			}
		}
	}
	return false
}
