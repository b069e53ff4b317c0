package validate

import (
	"cmp"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// comparisons are the rules that compare a number, or the length of anything else, with their parameter.
var comparisons = map[string]func(c int) bool{
	"len": func(c int) bool { return c == 0 },
	"eq":  func(c int) bool { return c == 0 },
	"ne":  func(c int) bool { return c != 0 },
	"min": func(c int) bool { return c >= 0 },
	"gte": func(c int) bool { return c >= 0 },
	"max": func(c int) bool { return c <= 0 },
	"lte": func(c int) bool { return c <= 0 },
	"gt":  func(c int) bool { return c > 0 },
	"lt":  func(c int) bool { return c < 0 },
}

// nativeRule gives the equivalent of a rule of validator that does not need its engine, or nil. Equivalent means
// the same answer for every value; tests hold the two against each other.
func nativeRule(name, param string, s *shape) (func(reflect.Value) bool, error) {
	b, k, pointed := s.bare(), s.ruleKind(), s.behindPointer()
	if holds := comparisons[name]; holds != nil && k != kindTime {
		return comparison(name, holds, param, b.typ)
	}
	switch name {
	case "required":
		return func(v reflect.Value) bool { return has(v, pointed) }, nil
	case "isdefault":
		return func(v reflect.Value) bool { return !has(v, pointed) }, nil
	case "oneof":
		return oneOf(param, k)
	case "text":
		if param != "" && param != "lines" {
			return nil, reason(`takes no parameter but "lines"`)
		}
		if param == "lines" {
			return onString(isTextLines), nil
		}
	}
	if test := ownRules[name]; test != nil {
		return onString(test), nil
	}
	if test := formats[name]; test != nil && k == kindString {
		return onString(test), nil
	}
	return nil, nil
}

func onString(test func(string) bool) func(reflect.Value) bool {
	return func(v reflect.Value) bool { return test(v.String()) }
}

// has is validator's notion of a value: any value behind a pointer, a slice or map that is not nil, and otherwise
// anything but zero.
func has(v reflect.Value, behindPointer bool) bool {
	switch v.Kind() {
	case reflect.String:
		return behindPointer || v.Len() > 0
	case reflect.Slice, reflect.Map:
		return !v.IsNil()
	case reflect.Interface:
		if v.IsNil() {
			return false
		}
		inner := v.Elem()
		return (inner.Kind() != reflect.Slice && inner.Kind() != reflect.Map) || !inner.IsNil()
	}
	return behindPointer || !v.IsZero()
}

func comparison(name string, holds func(int) bool, param string, t reflect.Type) (func(reflect.Value) bool, error) {
	switch t.Kind() {
	case reflect.String:
		if name == "eq" || name == "ne" {
			return func(v reflect.Value) bool { return holds(strings.Compare(v.String(), param)) }, nil
		}
		n, err := wholeParam(param, t)
		return func(v reflect.Value) bool { return holds(cmp.Compare(int64(utf8.RuneCountInString(v.String())), n)) }, err
	case reflect.Slice, reflect.Map, reflect.Array:
		n, err := wholeParam(param, t)
		return func(v reflect.Value) bool { return holds(cmp.Compare(int64(v.Len()), n)) }, err
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		n, err := wholeParam(param, t)
		return func(v reflect.Value) bool { return holds(cmp.Compare(v.Int(), n)) }, err
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		n, err := strconv.ParseUint(param, 0, 64)
		return func(v reflect.Value) bool { return holds(cmp.Compare(v.Uint(), n)) }, paramError(err)
	case reflect.Float32, reflect.Float64:
		n, err := strconv.ParseFloat(param, t.Bits())
		return func(v reflect.Value) bool {
			if math.IsNaN(v.Float()) || math.IsNaN(n) {
				return name == "ne"
			}
			return holds(cmp.Compare(v.Float(), n))
		}, paramError(err)
	case reflect.Bool:
		want, err := strconv.ParseBool(param)
		return func(v reflect.Value) bool { return (v.Bool() == want) == (name == "eq") }, paramError(err)
	}
	return nil, reasonf("cannot be used with %s", t)
}

// wholeParam reads an integer, or a duration such as 5m for a time.Duration.
func wholeParam(param string, t reflect.Type) (int64, error) {
	if t == reflect.TypeFor[time.Duration]() {
		if d, err := time.ParseDuration(param); err == nil {
			return int64(d), nil
		}
	}
	n, err := strconv.ParseInt(param, 0, 64)
	return n, paramError(err)
}

func paramError(err error) error {
	if err != nil {
		return reason("its parameter is not a number of the right kind")
	}
	return nil
}

// splitParam splits a list of words, of which some may be in single quotes, as validator does.
func splitParam(param string) (words []string) {
	for param = strings.TrimLeft(param, " \t\n"); param != ""; param = strings.TrimLeft(param, " \t\n") {
		end := strings.IndexAny(param, " \t\n")
		if param[0] == '\'' {
			if i := strings.IndexByte(param[1:], '\''); i >= 0 {
				end = i + 2
			}
		}
		if end < 0 {
			end = len(param)
		}
		words = append(words, strings.ReplaceAll(param[:end], "'", ""))
		param = param[end:]
	}
	return words
}

func oneOf(param string, k kind) (func(reflect.Value) bool, error) {
	words := splitParam(param)
	if len(words) == 0 {
		return nil, reason("takes a list of values")
	}
	switch k {
	case kindInt:
		return func(v reflect.Value) bool { return slices.Contains(words, strconv.FormatInt(v.Int(), 10)) }, nil
	case kindUint:
		return func(v reflect.Value) bool { return slices.Contains(words, strconv.FormatUint(v.Uint(), 10)) }, nil
	}
	return func(v reflect.Value) bool { return slices.Contains(words, v.String()) }, nil
}
