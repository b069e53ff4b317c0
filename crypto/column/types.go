package column

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
)

var (
	errSecret  = errors.New("column: type or value holds a secrets.Secret, which encodes as a placeholder: keep it in a secret store")
	errNotNull = errors.New("column: value is NULL: use a *T or sql.Null[T]")
)

// codec turns the values of a type into bytes and back.
type codec struct {
	nullable nullable
	typ      reflect.Type // of what is sealed, without its wrapper
	encoding encoding

	interfaces bool // somewhere within typ, where its values may hold a Secret
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
	if holds(t, isSecret) {
		return codec{}, errSecret
	}
	c := codec{typ: t}
	switch {
	case t.Kind() == reflect.Pointer:
		c.nullable, c.typ = byPointer, t.Elem()
	case t.PkgPath() == "database/sql" && strings.HasPrefix(t.Name(), "Null["):
		c.nullable, c.typ = byNull, t.Field(0).Type
	}
	if c.typ.PkgPath() == "database/sql" { // whose NULL would be sealed, or whose bytes are the driver's
		return codec{}, fmt.Errorf("column: %v: use sql.Null or []byte", t)
	}
	c.encoding = encodingOf(c.typ)
	switch {
	case c.encoding == encodingBytes && c.nullable == never:
		c.nullable = byBytes
	case c.encoding == encodingJSON && !lossless(c.typ, map[reflect.Type]bool{}):
		return codec{}, fmt.Errorf("column: JSON does not carry a value of type %v", c.typ)
	}
	c.interfaces = c.encoding == encodingJSON && holds(c.typ, isInterface)
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
