package validate

import (
	"encoding"
	"net/http"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"
)

// parsePairs reads application/x-www-form-urlencoded strictly: a bad escape, a semicolon or invalid UTF-8 is an
// error, not a pair that disappears. code is "" or says what is wrong.
func parsePairs(raw string, l *Limits) (values url.Values, code, param string) {
	values = make(url.Values)
	pairs := 0
	for pair := range strings.SplitSeq(raw, "&") {
		if pair == "" {
			continue
		}
		if pairs++; pairs > l.Members {
			return nil, codeLimit, "members"
		}
		rawName, rawValue, _ := strings.Cut(pair, "=")
		if len(rawName) > l.Name {
			return nil, codeLimit, "name"
		}
		if len(rawValue) > l.String {
			return nil, codeLimit, "string"
		}
		name, err := url.QueryUnescape(rawName)
		value, err2 := url.QueryUnescape(rawValue)
		if err != nil || err2 != nil || strings.Contains(pair, ";") {
			return nil, codeSyntax, ""
		}
		if !utf8.ValidString(name) || !utf8.ValidString(value) {
			return nil, codeEncoding, ""
		}
		values[name] = append(values[name], value)
	}
	return values, "", ""
}

// binder fills the fields of one source from its named texts.
type binder struct {
	values url.Values
	limits *Limits
	rep    *report
	in     string
	form   bool
	known  int // how many of the names belong to a field
}

func (b *binder) bind(fields []*field, v reflect.Value) {
	for _, f := range fields {
		name := f.name
		if b.form {
			name = f.form
		}
		if f.in != b.in || name == "" {
			continue
		}
		values, sent := b.values[name]
		if sent {
			b.known++
		}
		b.field(f, name, values, v)
	}
}

// unknown refuses names that belong to no field.
func (b *binder) unknown() {
	if b.known < len(b.values) {
		b.rep.add(http.StatusUnprocessableEntity, Violation{In: b.in, Code: codeUnknown})
	}
}

func (b *binder) field(f *field, name string, values []string, v reflect.Value) {
	bare := f.shape.bare()
	violation := Violation{In: b.in, Pointer: "/" + escapeSegment(name)}
	// A browser sends every text control of a form: an empty one that is no text was left out.
	if b.form && len(values) == 1 && values[0] == "" && bare.kind != kindString && bare.kind != kindSlice {
		values = nil
	}
	switch {
	case len(values) == 0:
		if f.present {
			violation.Code = codePresent
			b.rep.add(http.StatusUnprocessableEntity, violation)
		}
		return
	case bare.kind != kindSlice && len(values) > 1:
		violation.Code = codeDuplicate
		b.rep.add(http.StatusBadRequest, violation)
		return
	case len(values) > b.limits.Array:
		violation.Code = codeLimit
		b.rep.add(http.StatusBadRequest, withParam(violation, "array"))
		return
	}
	target := reach(f.value(v), f.shape)
	if bare.kind != kindSlice {
		b.set(target, bare, values[0], violation, f.secret)
		return
	}
	list := reflect.MakeSlice(bare.typ, len(values), len(values))
	for i, text := range values {
		at := violation
		at.Pointer += "/" + strconv.Itoa(i)
		b.set(list.Index(i), bare.elem, text, at, f.secret)
	}
	target.Set(list)
}

// reach makes what a pointer or an Opt holds settable.
func reach(v reflect.Value, s *shape) reflect.Value {
	switch s.kind {
	case kindPointer:
		v.Set(reflect.New(s.elem.typ))
		return v.Elem()
	case kindOpt:
		return v.Addr().Interface().(optional).fill()
	}
	return v
}

func (b *binder) set(v reflect.Value, s *shape, text string, violation Violation, secret bool) {
	violation.Code = codeEncoding
	if utf8.ValidString(text) {
		violation.Code = b.limit(s, text)
	}
	if violation.Code == "" {
		violation.Code = setText(v, s, text, b.form)
	}
	if violation.Code == "" {
		return
	}
	if violation.Code == codeType && !secret {
		violation = withParam(violation, s.name())
	}
	b.rep.add(http.StatusUnprocessableEntity, violation)
}

func (b *binder) limit(s *shape, text string) string {
	if len(text) > b.limits.String || s.kind != kindString && s.kind != kindCustom && len(text) > b.limits.Number {
		return codeFormat
	}
	return ""
}

// setText sets a scalar from text, with the numerals of JSON, and returns "" or what is wrong. A checkbox of an HTML
// form sends "on".
func setText(v reflect.Value, s *shape, text string, form bool) string {
	switch s.kind {
	case kindString:
		v.SetString(text)
	case kindBool:
		if text != "true" && text != "false" && !(form && text == "on") {
			return codeType
		}
		v.SetBool(text != "false")
	case kindInt, kindUint, kindFloat, kindNumber:
		return setNumber(v, s, text)
	case kindTime:
		if !validTime([]byte(text)) || v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(text)) != nil {
			return codeFormat
		}
	case kindCustom:
		if v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(text)) != nil {
			return codeFormat
		}
	}
	return ""
}

func setNumber(v reflect.Value, s *shape, text string) string {
	if text == "" || numeralLen(text) != len(text) {
		return codeType
	}
	switch s.kind {
	case kindFloat:
		if code := floatCode(text, s.typ.Bits()); code != "" {
			return code
		}
		f, _ := strconv.ParseFloat(text, s.typ.Bits()) // floatCode has parsed it
		v.SetFloat(f)
		return ""
	case kindNumber:
		v.SetString(text)
		return ""
	}
	if code := integerCode(text, s.typ); code != "" {
		return code
	}
	if s.kind == kindInt {
		n, _ := strconv.ParseInt(text, 10, 64) // integerCode has parsed it
		v.SetInt(n)
	} else {
		n, _ := strconv.ParseUint(text, 10, 64)
		v.SetUint(n)
	}
	return ""
}
