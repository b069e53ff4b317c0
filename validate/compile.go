package validate

import (
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// maxFields is how many fields one struct may have: the scanner keeps one bit for each.
const maxFields = 256

// compiler turns the graph of types below a request type into shapes and rules, and collects every mistake that it
// finds there.
type compiler struct {
	root   reflect.Type
	engine *engine
	kinds  []Kind
	shapes map[reflect.Type]*shape
	errs   []error
}

// reason is what is wrong with a tag; fail says where.
type reason string

func (r reason) Error() string { return string(r) }

func reasonf(format string, args ...any) error { return reason(fmt.Sprintf(format, args...)) }

func (c *compiler) fail(t reflect.Type, name, format string, args ...any) {
	where := t.String()
	if name != "" {
		where += "." + name
	}
	c.errs = append(c.errs, fmt.Errorf("validate: %s: %s", where, fmt.Sprintf(format, args...)))
}

func (c *compiler) compile(t reflect.Type) (*shape, error) {
	if kindOf(t) != kindStruct {
		return nil, fmt.Errorf("validate: %s: a request type must be a struct", t)
	}
	s := c.shape(t)
	c.checkSources(s)
	for _, below := range c.shapes {
		below.deep = below.holdsStructs(len(c.shapes))
	}
	return s, errors.Join(c.errs...)
}

func (c *compiler) shape(t reflect.Type) *shape {
	if s, ok := c.shapes[t]; ok {
		return s
	}
	s := &shape{typ: t, kind: kindOf(t)}
	c.shapes[t] = s
	if t.Implements(valuerType) || reflect.PointerTo(t).Implements(valuerType) {
		c.fail(t, "", "has a ValidatorValue method, which would hide the decoded value from its rules")
	}
	switch s.kind {
	case kindInvalid:
		c.fail(t, "", "no request can fill this type")
	case kindOpt:
		inner := reflect.New(t).Interface().(optional).fill().Type()
		if s.elem = c.shape(inner); s.elem.kind == kindPointer || s.elem.kind == kindOpt || s.elem.kind == kindAny {
			c.fail(t, "", "an Opt says what null means; it must not hold another type that does")
		}
	case kindPointer:
		if s.elem = c.shape(t.Elem()); s.elem.kind == kindPointer || s.elem.kind == kindOpt {
			c.fail(t, "", "use one pointer or one Opt, not both")
			s.kind = kindInvalid // so that nothing looks for the end of a pointer to itself
		}
	case kindMap:
		if kindOf(t.Key()) != kindString {
			c.fail(t, "", "map keys must be plain strings")
		}
		s.elem = c.shape(t.Elem())
	case kindSlice, kindArray:
		s.elem = c.shape(t.Elem())
	case kindStruct:
		c.fields(s, t, nil, owner{t, 0})
		c.index(s)
	}
	return s
}

// owner is the struct in which the cross-field rules of a field look, and how many steps of its index lead there.
type owner struct {
	typ   reflect.Type
	depth int
}

// fields adds the fields of t to s; those of embedded structs are promoted, as encoding/json does.
func (c *compiler) fields(s *shape, t reflect.Type, index []int, in owner) {
	for i := range t.NumField() {
		sf := t.Field(i)
		at := append(index[:len(index):len(index)], i)
		if err := checkTag(sf.Tag); err != nil {
			c.fail(t, sf.Name, "%v", err)
			continue
		}
		if sf.Anonymous && sf.Tag.Get("json") == "" {
			if kindOf(sf.Type) != kindStruct {
				c.fail(t, sf.Name, "only plain structs can be embedded without a json tag")
				continue
			}
			if sf.Tag.Get("validate") != "" {
				c.fail(t, sf.Name, "rules on an embedded struct; put them on its fields")
			}
			inner := owner{sf.Type, len(at)}
			if !sf.IsExported() { // reflection cannot hand it to a rule; its fields are promoted to the one around
				inner = in
			}
			c.fields(s, sf.Type, at, inner)
			continue
		}
		if !sf.IsExported() {
			if sf.Tag.Get("json")+sf.Tag.Get("validate")+sf.Tag.Get("form") != "" {
				c.fail(t, sf.Name, "is tagged but not exported, so that nothing fills or checks it")
			}
			continue
		}
		if f := c.field(s, t, sf, in); f != nil {
			f.index = at
			s.fields = append(s.fields, f)
		}
	}
}

// field compiles one field, or returns nil when no request fills it.
func (c *compiler) field(s *shape, t reflect.Type, sf reflect.StructField, in owner) *field {
	f := &field{owner: in, in: inBody, secret: sf.Tag.Get("secret") == "true"}
	if secret, ok := sf.Tag.Lookup("secret"); ok && secret != "true" && secret != "false" {
		c.fail(t, sf.Name, `the secret tag is neither "true" nor "false"`)
	}
	if err := f.source(sf.Tag); err != nil {
		c.fail(t, sf.Name, "%v", err)
		return nil
	}
	if f.wire() == "" {
		return nil
	}
	if _, ok := sf.Tag.Lookup("json"); !ok {
		f.folded = sf.Name
	}
	if f.in != inBody && s.typ != c.root {
		c.fail(t, sf.Name, "only the request type itself can read from the %s", f.in)
	}
	f.shape = c.shape(sf.Type)
	if f.in != inBody && !f.shape.isText() {
		c.fail(t, sf.Name, "%s cannot be read from the %s", sf.Type, f.in)
	}
	f.rules = c.rules(f, ruleScope{owner: in.typ, name: sf.Name, typ: sf.Type}, sf.Tag.Get("validate"))
	return f
}

// source finds where the field is read from. A field that says nothing is refused: that is how a client reaches
// what the programmer forgot (mass assignment).
func (f *field) source(tag reflect.StructTag) error {
	sources := 0
	for _, in := range []string{inPath, inQuery, inHeader} {
		if name, ok := tag.Lookup(in); ok {
			sources++
			f.in, f.name = in, name
			if name == "" || strings.ContainsAny(name, ", ") {
				return reasonf("the %s tag is not a name", in)
			}
		}
	}
	if f.in == inHeader {
		f.name = http.CanonicalHeaderKey(f.name)
		if f.name == "Host" || f.name == "Transfer-Encoding" || f.name == "Trailer" {
			return reasonf("net/http takes %s out of the header, so that it never arrives", f.name)
		}
	}
	jsonTag, hasJSON := tag.Lookup("json")
	formName, hasForm := tag.Lookup("form")
	if sources > 0 {
		if sources > 1 || hasForm || hasJSON && jsonTag != "-" {
			return reason("a field has one source: one of path, query, header, or json and form")
		}
		return nil
	}
	if !hasJSON && !hasForm {
		return reason(`is exported without a source; tag it json:"name", or json:"-" if no request may set it`)
	}
	if strings.ContainsAny(formName, ", ") || hasForm && formName == "" {
		return reason("the form tag is not a name")
	}
	return f.bodyNames(jsonTag, hasJSON, formName)
}

func (f *field) bodyNames(jsonTag string, hasJSON bool, formName string) error {
	name, options, _ := strings.Cut(jsonTag, ",")
	switch {
	case jsonTag == "-":
		name = ""
	case name == "-":
		return reason(`json:"-," does not leave the field out, it names it "-"`)
	case hasJSON && name == "":
		return reason("the json tag has no name")
	case hasJSON && !validJSONName(name):
		return reason("encoding/json ignores this name, for a character in it")
	}
	if strings.Contains(","+options+",", ",string,") {
		return reason("the json option string is not supported")
	}
	f.name, f.form = name, name
	if formName != "" {
		f.form = formName
	}
	if f.form == "-" {
		f.form = ""
	}
	return nil
}

// validJSONName is the set of names that encoding/json accepts in a tag.
func validJSONName(name string) bool {
	for _, r := range name {
		if !strings.ContainsRune("!#$%&()*+-./:;<=>?@[]^_{|}~ ", r) && !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			return false
		}
	}
	return name != ""
}

// index numbers the fields of a struct and refuses two of one name.
func (c *compiler) index(s *shape) {
	if len(s.fields) > maxFields {
		c.fail(s.typ, "", "has more than %d fields", maxFields)
	}
	s.json = make(map[string]*field, len(s.fields))
	seen := make(map[string]bool)
	for i, f := range s.fields {
		f.pos = i
		if f.in == inBody && f.name != "" {
			s.json[f.name] = f
		}
		names := []string{f.in + " " + f.name}
		if f.in == inBody {
			names = []string{"json " + f.name, "form " + f.form}
		}
		for _, n := range names {
			if seen[n] && !strings.HasSuffix(n, " ") {
				c.fail(s.typ, "", "two fields are named %q", n)
			}
			seen[n] = true
		}
	}
	for _, f := range s.fields {
		if f.folded != "" && s.json[f.folded] != nil {
			c.fail(s.typ, f.folded, `encoding/json could take this field for the member of that name; tag it json:"-" too`)
		}
	}
}

// checkSources refuses a request type whose body fields cannot arrive by the kinds of body that are configured.
func (c *compiler) checkSources(s *shape) {
	for _, f := range s.fields {
		if f.in != inBody {
			continue
		}
		byForm := f.form != "" && c.accepts(Form)
		if byForm && !f.shape.isText() {
			c.fail(s.typ, f.wire(), `%s cannot be read from a form; tag it form:"-" if forms do without it`, f.shape.typ)
		}
		if !byForm && (f.name == "" || !c.accepts(JSON)) {
			c.fail(s.typ, f.wire(), "no kind of body in Config.Kinds can fill this field")
		}
		if f.present && (f.form == "" && c.accepts(Form) || f.name == "" && c.accepts(JSON)) {
			c.fail(s.typ, f.wire(), "must be present, but one of the kinds in Config.Kinds cannot send it")
		}
	}
}

func (c *compiler) accepts(k Kind) bool { return slices.Contains(c.kinds, k) }

// checkTag refuses a struct tag that reflect would read only in part, which drops rules without a word.
func checkTag(tag reflect.StructTag) error {
	seen := make(map[string]bool)
	for rest := strings.TrimLeft(string(tag), " "); rest != ""; rest = strings.TrimLeft(rest, " ") {
		key, after, ok := strings.Cut(rest, ":")
		if !ok || key == "" || strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r == '"' || r == 0x7f }) {
			return reason("the struct tag is not well-formed")
		}
		quoted, err := strconv.QuotedPrefix(after)
		if err != nil || quoted[0] != '"' {
			return reason("the struct tag is not well-formed")
		}
		if seen[key] {
			return reasonf("the struct tag has the key %s twice", key)
		}
		seen[key] = true
		rest = after[len(quoted):]
	}
	return nil
}
