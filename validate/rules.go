package validate

import (
	"context"
	"reflect"
	"strings"
)

// rules is the compiled validate tag of one position: a field, the elements below its dive, or its map keys.
type rules struct {
	list       []rule
	keys, elem *rules
	leaf       bool // structonly, nostructlevel or "-": nothing below is checked
}

type ruleOp uint8

const (
	opTest ruleOp = iota
	opOmitEmpty
	opOmitNil
	opOmitZero
)

// rule is one piece of a tag: native when test is set, validator/v10's otherwise.
type rule struct {
	op      ruleOp
	code    string
	param   string
	test    func(reflect.Value) bool // sees the value behind pointers
	piece   string                   // for validator
	whenNil bool                     // runs on a nil pointer too
}

// ruleScope is where a tag stands, for its cross-field rules and for what is said about it.
type ruleScope struct {
	owner reflect.Type
	name  string
	typ   reflect.Type
}

// rules compiles the tag of f. present and notnull are rules of decoding: they become marks of the field.
func (c *compiler) rules(f *field, at ruleScope, tag string) *rules {
	if tag == "" {
		return nil
	}
	if tag == "-" {
		return &rules{leaf: true}
	}
	pieces := strings.Split(tag, ",")
	kept := pieces[:0]
	for _, p := range pieces {
		switch p {
		case codePresent:
			f.present = true
		case codeNotNull:
			f.notNull = true
		default:
			kept = append(kept, p)
		}
	}
	if f.notNull && f.shape.kind != kindPointer && f.shape.kind != kindOpt && f.shape.kind != kindAny {
		c.fail(at.owner, at.name, "notnull on a type that never takes null")
	}
	return c.position(at, f.shape, kept)
}

// position compiles the pieces of a tag up to and below its dive.
func (c *compiler) position(at ruleScope, s *shape, pieces []string) *rules {
	r := &rules{}
	for i, p := range pieces {
		switch p {
		case "dive":
			c.dive(r, at, s.bare(), pieces[i+1:])
			r.list = lengthsFirst(r.list)
			return r
		case "structonly", "nostructlevel":
			if i+1 < len(pieces) {
				c.fail(at.owner, at.name, "the rules behind %s would not run", p)
			}
			r.leaf = true
			return r
		case "omitempty":
			r.list = append(r.list, rule{op: opOmitEmpty})
		case "omitnil":
			r.list = append(r.list, rule{op: opOmitNil})
		case "omitzero":
			r.list = append(r.list, rule{op: opOmitZero})
		default:
			if one, err := c.rule(at, s, p); err != nil {
				c.fail(at.owner, at.name, "rule %q: %v", p, err)
			} else {
				r.list = append(r.list, one)
			}
		}
	}
	r.list = lengthsFirst(r.list)
	return r
}

// dive compiles what stands behind dive: rules of the keys, if any, and of the elements.
func (c *compiler) dive(r *rules, at ruleScope, s *shape, pieces []string) {
	if s.kind != kindSlice && s.kind != kindArray && s.kind != kindMap {
		c.fail(at.owner, at.name, "dive into %s", s.typ)
		return
	}
	below := at
	if len(pieces) > 0 && pieces[0] == "keys" {
		end := 1
		for end < len(pieces) && pieces[end] != "endkeys" {
			end++
		}
		if end == len(pieces) || s.kind != kindMap {
			c.fail(at.owner, at.name, "keys without endkeys, or not in a map")
			return
		}
		below.typ = s.typ.Key()
		r.keys = c.position(below, &shape{typ: below.typ, kind: kindString}, pieces[1:end])
		pieces = pieces[end+1:]
	}
	below.typ = s.typ.Elem()
	r.elem = c.position(below, s.elem, pieces)
}

// lengthsFirst puts comparisons before rules of format, so that the length of a string is known before anything
// expensive reads it. The order between omitempty and the rules around it stays.
func lengthsFirst(list []rule) []rule {
	for i := 1; i < len(list); i++ {
		for j := i; j > 0 && list[j].cheap() && list[j-1].yields(); j-- {
			list[j], list[j-1] = list[j-1], list[j]
		}
	}
	return list
}

// yields reports whether a comparison may run before the rule. Not so one that is asked even about a nil pointer: it
// decides whether the others are.
func (r *rule) yields() bool { return r.op == opTest && !r.cheap() && !r.whenNil }

func (r *rule) cheap() bool {
	if r.op != opTest || r.test == nil {
		return false
	}
	_, isComparison := comparisons[r.code]
	return isComparison || r.code == "required"
}

// rule compiles one piece, which may hold alternatives separated by |. Its code then has their names and no
// parameters, which may be secret.
func (c *compiler) rule(at ruleScope, s *shape, piece string) (rule, error) {
	alternatives := strings.Split(piece, "|")
	if len(alternatives) == 1 {
		return c.single(at, s, piece)
	}
	r := rule{piece: piece}
	var names []string
	nilRules := 0
	for _, alt := range alternatives {
		one, err := c.single(at, s, alt)
		if err != nil {
			return r, err
		}
		names = append(names, one.code)
		if one.whenNil {
			nilRules++
		}
	}
	r.code, r.whenNil = strings.Join(names, "|"), nilRules > 0
	if r.whenNil && nilRules < len(alternatives) && s.behindPointer() {
		return r, reason("asks about other fields when the pointer is nil, which its alternatives cannot do")
	}
	return r, c.probe(at, s, r)
}

// single compiles a rule that stands alone or as one of several alternatives.
func (c *compiler) single(at ruleScope, s *shape, piece string) (rule, error) {
	name, param, hasParam := strings.Cut(piece, "=")
	r := rule{piece: piece, code: name, param: unescapeParam(param), whenNil: runsWhenNil[name]}
	if err := c.checkRule(at, s, name, r.param, hasParam); err != nil {
		return r, err
	}
	test, err := nativeRule(name, r.param, s)
	if r.test = test; test != nil || err != nil {
		return r, err
	}
	return r, c.probe(at, s, r)
}

// probe runs a rule once on zero values: a parameter that validator cannot read panics there, not in a request.
func (c *compiler) probe(at ruleScope, s *shape, r rule) error {
	name, _, _ := strings.Cut(r.piece, "=")
	if c.engine.custom[name] != nil {
		return nil
	}
	samples := []reflect.Value{reflect.Zero(s.bare().typ)}
	if k := samples[0].Kind(); k == reflect.String {
		samples = append(samples, reflect.ValueOf("x").Convert(s.bare().typ))
	}
	for _, sample := range samples {
		if _, err := c.engine.run(context.Background(), sample, reflect.New(at.owner), r.piece); err != nil {
			return reasonf("its parameter cannot be used with %s", s.bare().typ)
		}
	}
	return nil
}

// unescapeParam undoes validator's escapes for the two characters that separate rules.
func unescapeParam(p string) string {
	return strings.ReplaceAll(strings.ReplaceAll(p, "0x2C", ","), "0x7C", "|")
}
