package validate

import (
	"encoding"
	"encoding/json"
	"reflect"
	"time"
)

// kind is how a Go type takes part in decoding; finer than reflect.Kind where encoding/json treats types apart.
type kind uint8

const (
	kindInvalid kind = iota
	kindBool
	kindInt
	kindUint
	kindFloat
	kindString
	kindBytes  // []byte: base64 in JSON
	kindTime   // time.Time: RFC 3339
	kindNumber // json.Number
	kindAny    // interface{}
	kindCustom // has UnmarshalJSON or UnmarshalText
	kindOpt
	kindPointer
	kindSlice
	kindArray
	kindMap
	kindStruct
)

// shape is the compiled form of a Go type. Types that contain themselves give shapes that do.
type shape struct {
	typ    reflect.Type
	kind   kind
	elem   *shape   // of a pointer, Opt, slice, array or map
	fields []*field // of a struct
	deep   bool     // a struct is in it, at any depth
	json   map[string]*field
}

// field is one settable field of a request type.
type field struct {
	index   []int  // as in reflect.StructField.Index, from the struct of the shape
	pos     int    // in shape.fields
	folded  string // the name that encoding/json would give it, when it has no json tag
	owner   owner
	in      string
	name    string // in JSON, or of the path value, query parameter or header; "" when not in JSON
	form    string // "" when not in forms
	shape   *shape
	rules   *rules
	present bool
	notNull bool
	secret  bool
}

const (
	inBody   = "body"
	inPath   = "path"
	inQuery  = "query"
	inHeader = "header"
)

// wire is the name that a client knows the field by.
func (f *field) wire() string {
	if f.name == "" {
		return f.form
	}
	return f.name
}

// sentAs is the name that the field has in a request of the given kind of body.
func (f *field) sentAs(form bool) string {
	if form && f.form != "" {
		return f.form
	}
	return f.wire()
}

func (f *field) step(form bool) step { return step{name: f.sentAs(form), index: -1, secret: f.secret} }

// value finds the field in a struct of its shape.
func (f *field) value(parent reflect.Value) reflect.Value {
	if len(f.index) == 1 {
		return parent.Field(f.index[0])
	}
	return parent.FieldByIndex(f.index)
}

// ownerOf finds the struct in which cross-field rules look.
func (f *field) ownerOf(parent reflect.Value) reflect.Value {
	if f.owner.depth == 0 {
		return parent
	}
	return parent.FieldByIndex(f.index[:f.owner.depth])
}

var (
	timeType     = reflect.TypeFor[time.Time]()
	numberType   = reflect.TypeFor[json.Number]()
	optionalType = reflect.TypeFor[optional]()
	jsonType     = reflect.TypeFor[json.Unmarshaler]()
	textType     = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// kindOf says how t is decoded; kindInvalid for a type that no request can fill.
func kindOf(t reflect.Type) kind {
	ptr := reflect.PointerTo(t)
	switch {
	case t == timeType:
		return kindTime
	case t == numberType:
		return kindNumber
	case ptr.Implements(optionalType):
		if t.PkgPath() != optionalType.PkgPath() { // it embeds an Opt, and would be decoded as if it were one
			return kindInvalid
		}
		return kindOpt
	case t.Kind() == reflect.Pointer:
		return kindPointer
	case t.Kind() != reflect.Interface && (ptr.Implements(jsonType) || ptr.Implements(textType)):
		return kindCustom
	}
	switch t.Kind() {
	case reflect.Bool:
		return kindBool
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return kindInt
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return kindUint
	case reflect.Float32, reflect.Float64:
		return kindFloat
	case reflect.String:
		return kindString
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 && kindOf(t.Elem()) == kindUint {
			return kindBytes
		}
		return kindSlice
	case reflect.Array:
		return kindArray
	case reflect.Map:
		return kindMap
	case reflect.Struct:
		return kindStruct
	case reflect.Interface:
		if t.NumMethod() == 0 {
			return kindAny
		}
	}
	return kindInvalid
}

// bare is the shape that rules see: what a pointer or an Opt holds.
func (s *shape) bare() *shape {
	for s.kind == kindPointer || s.kind == kindOpt {
		s = s.elem
	}
	return s
}

func (s *shape) behindPointer() bool {
	return s.kind == kindPointer || s.kind == kindOpt && s.elem.kind == kindPointer
}

// isScalar reports whether one string of text can fill the shape.
func (s *shape) isScalar() bool {
	switch s.kind {
	case kindBool, kindInt, kindUint, kindFloat, kindString, kindTime, kindNumber:
		return true
	case kindCustom:
		return reflect.PointerTo(s.typ).Implements(textType)
	}
	return false
}

// isText reports whether a parameter, repeated when the shape is a slice, can fill it.
func (s *shape) isText() bool {
	b := s.bare()
	return b.isScalar() || b.kind == kindSlice && b.elem.isScalar()
}

// holdsStructs reports whether a struct is within the given number of steps below s. A type such as []itself has no
// last step.
func (s *shape) holdsStructs(steps int) bool {
	for ; s != nil && steps >= 0; steps-- {
		if s.kind == kindStruct {
			return true
		}
		s = s.elem
	}
	return false
}

// name is the word for the type in a violation, in terms of JSON Schema.
func (s *shape) name() string {
	switch b := s.bare(); b.kind {
	case kindBool:
		return "boolean"
	case kindInt, kindUint:
		return "integer"
	case kindFloat, kindNumber:
		return "number"
	case kindString, kindBytes, kindTime:
		return "string"
	case kindSlice, kindArray:
		return "array"
	case kindMap, kindStruct:
		return "object"
	}
	return "value"
}
