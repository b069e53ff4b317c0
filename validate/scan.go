package validate

import (
	"net/http"
	"strconv"
)

// scanner reads a JSON text once, before anything is decoded, and holds it against the compiled type: the grammar of
// RFC 8259, the restrictions of RFC 7493 (UTF-8, no lone surrogates, unique names), the limits, and whether each
// value fits its Go type without loss. What it accepts, encoding/json decodes without a surprise. It allocates for
// map keys and for what is wrong only.
//
// Methods return false when reading cannot go on; the reason is then in the report. A value that is well-formed but
// does not fit is reported and skipped.
type scanner struct {
	data   []byte
	pos    int
	limits *Limits
	budget int64 // bytes of memory left
	tokens int
	depth  int
	stops  bool // encoding/json stops at a value here that does not fit
	at     trail
	rep    *report
	name   []byte // of the last member, when it has escapes
}

func (p *plan) scan(data []byte, rep *report) {
	s := scanner{data: data, limits: &p.limits, budget: p.limits.memory(len(data)), rep: rep, at: rep.room[:0]}
	s.space()
	rep.partial = s.peek() != '{' // nothing to judge then
	if !s.value(p.shape) {
		return
	}
	if s.space(); s.pos != len(data) {
		s.syntax()
	}
}

func (s *scanner) space() {
	for s.pos < len(s.data) {
		switch s.data[s.pos] {
		case ' ', '\n', '\t', '\r':
			s.pos++
		default:
			return
		}
	}
}

// peek is the next byte, or 0 at the end, which begins nothing.
func (s *scanner) peek() byte {
	if s.pos < len(s.data) {
		return s.data[s.pos]
	}
	return 0
}

func (s *scanner) violate(status int, code, param string) {
	pointer, secret := s.at.pointer()
	v := Violation{In: inBody, Pointer: pointer, Code: code}
	if param != "" && !secret {
		v.Params = map[string]string{code: param}
	}
	s.rep.add(status, v)
}

// stop reports what makes the text unreadable.
func (s *scanner) stop(code, param string) bool {
	s.violate(http.StatusBadRequest, code, param)
	return false
}

func (s *scanner) syntax() bool { return s.stop(codeSyntax, "") }

// misfit reports a well-formed value that does not fit its type.
func (s *scanner) misfit(code, param string) {
	s.violate(http.StatusUnprocessableEntity, code, param)
	s.rep.partial = s.rep.partial || s.stops
}

// charge takes memory from the budget.
func (s *scanner) charge(n int) bool {
	if s.budget -= int64(n); s.budget < 0 {
		s.violate(http.StatusRequestEntityTooLarge, codeLimit, "memory")
		return false
	}
	return true
}

// token counts a value. Once there is no room for more violations, the rest is not worth reading.
func (s *scanner) token() bool {
	if s.rep.truncated {
		s.rep.partial = true
		return false
	}
	if s.tokens++; s.tokens > s.limits.Tokens {
		return s.stop(codeLimit, "values")
	}
	return true
}

func (s *scanner) enter() bool {
	if s.depth++; s.depth > s.limits.Depth {
		return s.stop(codeLimit, "depth")
	}
	return true
}

// value reads one value of the shape.
func (s *scanner) value(sh *shape) bool {
	if !s.token() {
		return false
	}
	c := s.peek()
	if c == 'n' && sh.kind != kindAny {
		if !s.literal("null") {
			return false
		}
		if sh.kind != kindPointer && sh.kind != kindOpt {
			s.misfit(codeNull, "")
		}
		return true
	}
	if sh.kind == kindPointer {
		if sh = sh.elem; !s.charge(int(sh.typ.Size())) {
			return false
		}
	}
	if sh.kind == kindOpt {
		return s.inside(sh.elem)
	}
	return s.fill(sh)
}

// inside reads the value of an Opt. encoding/json stops at the first one that cannot be decoded.
func (s *scanner) inside(sh *shape) bool {
	outer := s.stops
	s.stops = true
	ok := s.fill(sh)
	s.stops = outer
	return ok
}

// fill reads a value that is not null into a shape that is what it holds.
func (s *scanner) fill(sh *shape) bool {
	c := s.peek()
	if sh.kind == kindCustom {
		return s.custom(sh)
	}
	if sh.kind == kindAny {
		return s.anything(true)
	}
	switch {
	case c == '{' && sh.kind == kindStruct:
		return s.object(sh)
	case c == '{' && sh.kind == kindMap:
		return s.members(sh.elem, int(sh.typ.Elem().Size()+sh.typ.Key().Size()), true)
	case c == '[' && (sh.kind == kindSlice || sh.kind == kindArray):
		return s.array(sh)
	case c == '"' && (sh.kind == kindString || sh.kind == kindBytes || sh.kind == kindTime):
		return s.text(sh)
	case (c == '-' || isDigit(c)) && (sh.kind == kindInt || sh.kind == kindUint || sh.kind == kindFloat || sh.kind == kindNumber):
		return s.number(sh)
	case c == 't' && sh.kind == kindBool:
		return s.literal("true")
	case c == 'f' && sh.kind == kindBool:
		return s.literal("false")
	}
	if !s.anything(false) {
		return false
	}
	s.misfit(codeType, sh.name())
	return true
}

func (s *scanner) literal(word string) bool {
	if end := s.pos + len(word); end <= len(s.data) && string(s.data[s.pos:end]) == word {
		s.pos = end
		return true
	}
	return s.syntax()
}

// next moves past a comma, or past the closing byte and reports the end.
func (s *scanner) next(closing byte) (end, ok bool) {
	s.space()
	switch s.peek() {
	case ',':
		s.pos++
		s.space()
		return false, true
	case closing:
		s.pos++
		return true, true
	}
	return false, s.syntax()
}

// begin moves past an opening byte and reports whether the closing one follows at once.
func (s *scanner) begin(closing byte) (empty bool) {
	s.pos++
	s.space()
	if s.peek() == closing {
		s.pos++
		return true
	}
	return false
}

func (s *scanner) array(sh *shape) bool {
	if !s.enter() {
		return false
	}
	n := 0
	s.at.push(step{})
	if !s.begin(']') {
		for end, ok := false, true; !end; n++ {
			if n == s.limits.Array {
				return s.stop(codeLimit, "array")
			}
			s.at.at(n)
			if sh.kind == kindSlice && !s.charge(2*int(sh.elem.typ.Size())) || !s.value(sh.elem) {
				return false
			}
			if end, ok = s.next(']'); !ok {
				return false
			}
		}
	}
	s.at.pop()
	if sh.kind == kindArray && n != sh.typ.Len() {
		s.misfit(codeLength, strconv.Itoa(sh.typ.Len()))
	}
	s.depth--
	return true
}

// object reads a struct: only the names that it has, each once.
func (s *scanner) object(sh *shape) bool {
	if !s.enter() {
		return false
	}
	var seen fieldSet
	if !s.begin('}') {
		for end, ok, n := false, true, 0; !end; n++ {
			if n == s.limits.Members {
				return s.stop(codeLimit, "members")
			}
			name, ok2 := s.member()
			if !ok2 {
				return false
			}
			f := sh.json[string(name)]
			if f == nil {
				s.misfit(codeUnknown, "")
				if !s.token() || !s.anything(false) {
					return false
				}
			} else if !s.fieldValue(f, &seen) {
				return false
			}
			if end, ok = s.next('}'); !ok {
				return false
			}
		}
	}
	for _, f := range sh.fields {
		if f.present && f.in == inBody && f.name != "" && !seen.has(f.pos) {
			s.at.push(f.step(false))
			s.misfit(codePresent, "")
			s.at.pop()
		}
	}
	s.depth--
	return true
}

// fieldSet is the set of fields of one struct that have been sent.
type fieldSet [maxFields / 64]uint64

func (set *fieldSet) has(i int) bool { return set[i/64]&(1<<(i%64)) != 0 }
func (set *fieldSet) add(i int)      { set[i/64] |= 1 << (i % 64) }

func (s *scanner) fieldValue(f *field, seen *fieldSet) bool {
	s.at.push(f.step(false))
	if seen.has(f.pos) {
		return s.stop(codeDuplicate, "")
	}
	seen.add(f.pos)
	if s.peek() == 'n' && (f.present || f.notNull) {
		code := codePresent
		if f.notNull {
			code = codeNotNull
		}
		s.misfit(code, "")
	}
	ok := s.value(f.shape)
	s.at.pop()
	return ok
}

// member reads a name and the colon behind it. The name is valid until the next call.
func (s *scanner) member() (name []byte, ok bool) {
	if s.peek() != '"' {
		return nil, s.syntax()
	}
	raw, escaped, ok := s.quoted()
	if !ok {
		return nil, false
	}
	if len(raw) > s.limits.Name {
		return nil, s.stop(codeLimit, "name")
	}
	if escaped {
		s.name = unescape(s.name[:0], raw)
		raw = s.name
	}
	s.space()
	if s.peek() != ':' {
		return nil, s.syntax()
	}
	s.pos++
	s.space()
	return raw, true
}
