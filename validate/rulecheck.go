package validate

import (
	"reflect"
	"strconv"
	"strings"
)

// kindSet is a set of kinds that a rule can be used with.
type kindSet uint32

func kindsOf(list ...kind) (s kindSet) {
	for _, k := range list {
		s |= 1 << k
	}
	return s
}

func (s kindSet) has(k kind) bool { return s&(1<<k) != 0 }

const everyKind = ^kindSet(0)

// ruleKinds lists the rules that are not for strings only. Rules of validator that are missing here are formats.
var ruleKinds = func() map[string]kindSet {
	numbers := kindsOf(kindInt, kindUint, kindFloat)
	sized := numbers | kindsOf(kindString, kindBytes, kindSlice, kindArray, kindMap)
	whole := kindsOf(kindString, kindInt, kindUint)
	m := map[string]kindSet{
		"required": everyKind, "isdefault": everyKind,
		"len": sized, "min": sized, "max": sized, "eq": sized | kindsOf(kindBool), "ne": sized | kindsOf(kindBool),
		"gt": sized | kindsOf(kindTime), "gte": sized | kindsOf(kindTime),
		"lt": sized | kindsOf(kindTime), "lte": sized | kindsOf(kindTime),
		"oneof": whole, "noneof": whole, "luhn_checksum": whole,
		"iso3166_1_alpha_numeric": whole, "iso3166_1_alpha_numeric_eu": whole,
		"iso4217_numeric": kindsOf(kindInt, kindUint), "port": kindsOf(kindInt, kindUint),
		"latitude": numbers | kindsOf(kindString), "longitude": numbers | kindsOf(kindString),
		"number": numbers | kindsOf(kindString), "numeric": numbers | kindsOf(kindString),
		"boolean": kindsOf(kindBool, kindString),
		"json":    kindsOf(kindString, kindBytes),
		"unique":  kindsOf(kindSlice, kindArray, kindMap, kindBytes),
	}
	data := everyKind &^ kindsOf(kindStruct, kindAny)
	for name := range fieldRefs {
		m[name] = data
	}
	m["fieldcontains"], m["fieldexcludes"] = kindsOf(kindString), kindsOf(kindString)
	m["postcode_iso3166_alpha2_field"] = kindsOf(kindString)
	return m
}()

// refused are rules that would let a client ask about the server's disk or its names of services, or run methods by
// name.
var refused = map[string]string{
	"file": "disk", "filepath": "disk", "dir": "disk", "dirpath": "disk", "image": "disk", "mimetype": "disk",
	"uds_exists": "disk", "timezone": "disk", "validateFn": "methods",
	"tcp_addr": "names of services", "tcp4_addr": "names of services", "tcp6_addr": "names of services",
	"udp_addr": "names of services", "udp4_addr": "names of services", "udp6_addr": "names of services",
}

// refForm is how the parameter of a cross-field rule names fields.
type refForm uint8

const (
	refSame  refForm = iota + 1 // Field, of the same kind
	refList                     // Field Field ...
	refPairs                    // Field value Field value ...
)

var fieldRefs = map[string]refForm{
	"eqfield": refSame, "nefield": refSame, "gtfield": refSame, "gtefield": refSame, "ltfield": refSame, "ltefield": refSame,
	"eqcsfield": refSame, "necsfield": refSame, "gtcsfield": refSame, "gtecsfield": refSame,
	"ltcsfield": refSame, "ltecsfield": refSame,
	"fieldcontains": refSame, "fieldexcludes": refSame, "postcode_iso3166_alpha2_field": refSame,
	"required_if": refPairs, "required_unless": refPairs, "excluded_if": refPairs, "excluded_unless": refPairs,
	"skip_unless":   refPairs,
	"required_with": refList, "required_with_all": refList, "required_without": refList, "required_without_all": refList,
	"excluded_with": refList, "excluded_with_all": refList, "excluded_without": refList, "excluded_without_all": refList,
}

// runsWhenNil are the rules that validator runs on a nil pointer.
var runsWhenNil = map[string]bool{
	"required_if": true, "required_unless": true, "required_with": true, "required_with_all": true,
	"required_without": true, "required_without_all": true, "excluded_if": true, "excluded_unless": true,
	"excluded_with": true, "excluded_with_all": true, "excluded_without": true, "excluded_without_all": true,
	"skip_unless": true,
}

// checkRule refuses a rule that could not work at this place.
func (c *compiler) checkRule(at ruleScope, s *shape, name, param string, hasParam bool) error {
	if name == codePresent || name == codeNotNull {
		return reason("belongs to a field, by itself and before any dive")
	}
	if why, ok := refused[name]; ok {
		return reasonf("is refused: it reaches the server's %s", why)
	}
	if !c.engine.knows(name) {
		return reason("is not known")
	}
	if s.kind == kindOpt && strings.HasPrefix(name, "required") {
		return reason("never sees an Opt that is absent; use present, or Cross")
	}
	if s.bare().kind == kindNumber && comparisons[name] != nil && name != "eq" && name != "ne" {
		return reason("would compare the length of the numeral; use a Go number, or Cross")
	}
	k := s.ruleKind()
	if c.engine.custom[name] != nil {
		if k == kindStruct || k == kindAny {
			return reasonf("cannot see %s; use Cross", s.bare().typ)
		}
		return nil
	}
	allowed, ok := ruleKinds[name]
	if !ok {
		allowed = kindsOf(kindString)
	}
	if !allowed.has(k) {
		return reasonf("cannot be used with %s", s.bare().typ)
	}
	if k == kindTime && hasParam && fieldRefs[name] == 0 && comparisons[name] != nil {
		return reason("takes no parameter with a time, which it compares with now")
	}
	if form, ok := fieldRefs[name]; ok {
		return checkRef(at, s, form, param)
	}
	if name == "unique" {
		return checkUnique(s.bare(), param)
	}
	return nil
}

// ruleKind is what a rule sees; a type with its own decoding counts by its underlying type.
func (s *shape) ruleKind() kind {
	b := s.bare()
	switch b.kind {
	case kindNumber:
		return kindString
	case kindCustom:
		switch b.typ.Kind() {
		case reflect.Slice:
			return kindSlice
		case reflect.Struct:
			return kindStruct
		}
		return kindOf(underlying(b.typ))
	}
	return b.kind
}

// underlying gives the predeclared type of a basic kind, without methods.
func underlying(t reflect.Type) reflect.Type {
	for _, basic := range []any{
		false, int(0), int8(0), int16(0), int32(0), int64(0), uint(0), uint8(0), uint16(0), uint32(0), uint64(0),
		float32(0), float64(0), "",
	} {
		if b := reflect.TypeOf(basic); b.Kind() == t.Kind() {
			return b
		}
	}
	return reflect.ArrayOf(0, reflect.TypeFor[bool]())
}

// checkRef refuses a cross-field rule whose fields do not exist or do not compare.
func checkRef(at ruleScope, s *shape, form refForm, param string) error {
	words := splitParam(param)
	switch form {
	case refSame:
		target, err := resolve(at.owner, param)
		if err == nil && target.Kind() != s.bare().typ.Kind() {
			err = reasonf("compares %s with %s", s.bare().typ, target)
		}
		return err
	case refPairs:
		if len(words) == 0 || len(words)%2 != 0 {
			return reason("takes pairs of a field and a value")
		}
		for i := 0; i < len(words); i += 2 {
			target, err := resolve(at.owner, words[i])
			if err == nil {
				err = checkOperand(target, words[i+1])
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	if len(words) == 0 {
		return reason("takes the names of fields")
	}
	for _, w := range words {
		if _, err := resolve(at.owner, w); err != nil {
			return err
		}
	}
	return nil
}

// resolve finds the type of a field by its dotted Go name.
func resolve(t reflect.Type, path string) (reflect.Type, error) {
	for name := range strings.SplitSeq(path, ".") {
		if t.Kind() != reflect.Struct || t == timeType {
			return nil, reasonf("names a field %q that does not exist", path)
		}
		f, ok := t.FieldByName(name)
		if !ok || !f.IsExported() {
			return nil, reasonf("names a field %q that does not exist", path)
		}
		t = f.Type
		for t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		if reflect.PointerTo(t).Implements(optionalType) || t.Kind() == reflect.Interface {
			return nil, reasonf("cannot look into %s; use Cross", t)
		}
	}
	return t, nil
}

// checkOperand refuses a value that validator would fail to compare with a field of type t.
func checkOperand(t reflect.Type, value string) (err error) {
	switch t.Kind() {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Array:
		_, err = strconv.ParseInt(value, 0, 64)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		_, err = strconv.ParseUint(value, 0, 64)
	case reflect.Float32, reflect.Float64:
		_, err = strconv.ParseFloat(value, 64)
	case reflect.Slice, reflect.Map:
		if value != "nil" {
			_, err = strconv.ParseInt(value, 0, 64)
		}
	case reflect.Bool:
		if value != "true" && value != "false" {
			err = reason("not a bool")
		}
	case reflect.Struct:
		err = reason("not comparable with text")
	}
	if err != nil {
		return reasonf("compares %s with %q", t, value)
	}
	return nil
}

// checkUnique refuses elements that may not be hashable: an interface that holds a slice panics in a map.
func checkUnique(s *shape, param string) error {
	if s.kind == kindMap && param != "" {
		return reason("takes no parameter with a map")
	}
	elem := s.typ.Elem()
	for elem.Kind() == reflect.Pointer {
		elem = elem.Elem()
	}
	if param != "" {
		if elem.Kind() != reflect.Struct {
			return reasonf("names a field of %s", elem)
		}
		f, ok := elem.FieldByName(param)
		if !ok || !f.IsExported() {
			return reasonf("names a field %q that does not exist", param)
		}
		if elem = f.Type; elem.Kind() == reflect.Pointer {
			elem = elem.Elem()
		}
	}
	if !hashable(elem) {
		return reasonf("cannot compare elements of type %s", elem)
	}
	return nil
}

func hashable(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Interface:
		return false
	case reflect.Array:
		return hashable(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			if !hashable(t.Field(i).Type) {
				return false
			}
		}
		return true
	}
	return t.Comparable()
}
