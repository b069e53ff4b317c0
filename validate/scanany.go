package validate

import (
	"encoding/json"
	"reflect"
)

// What a Go map takes for its first member: its header, and a group of slots. A slot that is larger than mapSlot would
// hold a pointer instead.
const (
	mapBase  = 64
	mapGroup = 8
	mapSlot  = 144
)

// members reads an object whose names are free but unique. elem is nil where nothing is known of the values; size is
// what one member occupies in a Go map, and shown says whether names appear in pointers.
func (s *scanner) members(elem *shape, size int, shown bool) bool {
	if !s.enter() {
		return false
	}
	if s.begin('}') {
		s.depth--
		return true
	}
	if size > 0 && !s.charge(mapBase+mapGroup*min(size, mapSlot)) {
		return false
	}
	seen := make(map[string]struct{})
	for end, ok := false, true; !end; {
		if len(seen) == s.limits.Members {
			return s.stop(codeLimit, "members")
		}
		raw, ok2 := s.member()
		if !ok2 {
			return false
		}
		name := string(raw)
		if shown {
			s.at.push(step{name: name, index: -1})
		}
		if _, twice := seen[name]; twice {
			return s.stop(codeDuplicate, "")
		}
		seen[name] = struct{}{}
		if !s.charge(2*size + len(name)) {
			return false
		}
		if elem != nil {
			ok = s.value(elem)
		} else {
			ok = s.token() && s.anything(size > 0)
		}
		if !ok {
			return false
		}
		if shown {
			s.at.pop()
		}
		if end, ok = s.next('}'); !ok {
			return false
		}
	}
	s.depth--
	return true
}

// anySize is what one value in an interface occupies: the interface and what it points to.
const anySize = 32

// anything reads a value of which the type says nothing. kept is whether it will be decoded into an interface, where
// a number is a float64.
func (s *scanner) anything(kept bool) bool {
	size := 0
	if kept {
		size = anySize
	}
	switch c := s.peek(); {
	case c == '{':
		return s.members(nil, size, false)
	case c == '[':
		return s.anyArray(kept, size)
	case c == '"':
		raw, _, ok := s.quoted()
		return ok && s.stringLimit(raw) && (!kept || s.charge(len(raw)))
	case c == 't':
		return s.literal("true")
	case c == 'f':
		return s.literal("false")
	case c == 'n':
		return s.literal("null")
	}
	lit, ok := s.numeral()
	if ok && kept {
		s.checkFloat(lit, 64)
	}
	return ok
}

func (s *scanner) anyArray(kept bool, size int) bool {
	if !s.enter() {
		return false
	}
	if !s.begin(']') {
		n := 0
		for end, ok := false, true; !end; n++ {
			if n == s.limits.Array {
				return s.stop(codeLimit, "array")
			}
			if !s.charge(2*size) || !s.token() || !s.anything(kept) {
				return false
			}
			if end, ok = s.next(']'); !ok {
				return false
			}
		}
	}
	s.depth--
	return true
}

// custom reads a value whose type decodes itself, and asks the type whether it can: encoding/json stops at the first
// one that cannot, and does not say where.
func (s *scanner) custom(sh *shape) bool {
	start := s.pos
	if !s.anything(false) {
		return false
	}
	raw := s.data[start:s.pos]
	if !s.charge(2 * len(raw)) {
		return false
	}
	if json.Unmarshal(raw, reflect.New(sh.typ).Interface()) != nil {
		s.misfit(codeFormat, "")
		s.rep.partial = true
	}
	return true
}
