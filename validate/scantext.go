package validate

import (
	"encoding/base64"
	"reflect"
	"strconv"
	"time"
	"unicode/utf16"
	"unicode/utf8"
)

// quoted reads a string and returns what is between its quotes, as sent.
func (s *scanner) quoted() (raw []byte, escaped, ok bool) {
	s.pos++
	start := s.pos
	for s.pos < len(s.data) {
		switch c := s.data[s.pos]; {
		case c == '"':
			raw = s.data[start:s.pos]
			s.pos++
			return raw, escaped, true
		case c == '\\':
			escaped = true
			if !s.escape() {
				return nil, false, false
			}
		case c < ' ':
			return nil, false, s.syntax()
		case c < utf8.RuneSelf:
			s.pos++
		default:
			r, n := utf8.DecodeRune(s.data[s.pos:])
			if r == utf8.RuneError && n == 1 {
				return nil, false, s.stop(codeEncoding, "")
			}
			s.pos += n
		}
	}
	return nil, false, s.syntax()
}

// escape reads one escape sequence; a surrogate must come with its other half (RFC 7493, section 2.1).
func (s *scanner) escape() bool {
	if s.pos+1 >= len(s.data) {
		return s.syntax()
	}
	switch s.data[s.pos+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		s.pos += 2
		return true
	case 'u':
	default:
		return s.syntax()
	}
	r, ok := hex4(s.data, s.pos)
	if !ok {
		return s.syntax()
	}
	s.pos += 6
	if !utf16.IsSurrogate(r) {
		return true
	}
	low, ok := hex4(s.data, s.pos)
	if !ok || utf16.DecodeRune(r, low) == utf8.RuneError {
		return s.stop(codeEncoding, "")
	}
	s.pos += 6
	return true
}

// hex4 reads \uXXXX at i.
func hex4(b []byte, i int) (r rune, ok bool) {
	if i+6 > len(b) || b[i] != '\\' || b[i+1] != 'u' {
		return 0, false
	}
	for _, c := range b[i+2 : i+6] {
		switch {
		case isDigit(c):
			r = r<<4 | rune(c-'0')
		case isHex(c | 0x20):
			r = r<<4 | rune(c|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	return r, true
}

// unescape appends the text of a string that quoted has accepted.
func unescape(dst, raw []byte) []byte {
	for i := 0; i < len(raw); {
		if raw[i] != '\\' {
			dst = append(dst, raw[i])
			i++
			continue
		}
		switch c := raw[i+1]; c {
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'n':
			dst = append(dst, '\n')
		case 'r':
			dst = append(dst, '\r')
		case 't':
			dst = append(dst, '\t')
		case 'u':
			r, _ := hex4(raw, i)
			if i += 4; utf16.IsSurrogate(r) {
				low, _ := hex4(raw, i+2)
				r = utf16.DecodeRune(r, low)
				i += 6
			}
			dst = utf8.AppendRune(dst, r)
		default:
			dst = append(dst, c)
		}
		i += 2
	}
	return dst
}

func (s *scanner) stringLimit(raw []byte) bool {
	if len(raw) > s.limits.String {
		return s.stop(codeLimit, "string")
	}
	return true
}

// text reads a string into a string, []byte or time.Time.
func (s *scanner) text(sh *shape) bool {
	raw, escaped, ok := s.quoted()
	if !ok || !s.stringLimit(raw) || !s.charge(len(raw)) {
		return false
	}
	if sh.kind == kindString {
		return true
	}
	if escaped {
		raw = unescape(nil, raw)
	}
	if sh.kind == kindTime && !validTime(raw) || sh.kind == kindBytes && !validBase64(raw) {
		s.misfit(codeFormat, "")
		s.rep.partial = s.rep.partial || sh.kind == kindTime // where encoding/json stops
	}
	return true
}

// validTime is RFC 3339 as time.Time decodes it, without the comma that it lets pass for the decimal point.
func validTime(b []byte) bool {
	for _, c := range b {
		if c == ',' {
			return false
		}
	}
	return new(time.Time).UnmarshalText(b) == nil
}

// validBase64 is RFC 4648, section 4, with padding and without line breaks.
func validBase64(b []byte) bool {
	for _, c := range b {
		if c == '\n' || c == '\r' {
			return false
		}
	}
	_, err := base64.StdEncoding.Strict().Decode(make([]byte, base64.StdEncoding.DecodedLen(len(b))), b)
	return err == nil
}

// numeral reads a number by the grammar of RFC 8259.
func (s *scanner) numeral() (lit []byte, ok bool) {
	start := s.pos
	s.pos += numeralLen(s.data[start:])
	if s.pos == start {
		return nil, s.syntax()
	}
	if s.pos-start > s.limits.Number {
		return nil, s.stop(codeLimit, "number")
	}
	return s.data[start:s.pos], true
}

// numeralLen is the length of the number that b begins with, 0 if it begins with none.
func numeralLen[S []byte | string](b S) int {
	i := 0
	digits := func() bool {
		start := i
		for i < len(b) && isDigit(b[i]) {
			i++
		}
		return i > start
	}
	if i < len(b) && b[i] == '-' {
		i++
	}
	if i < len(b) && b[i] == '0' {
		i++
	} else if !digits() {
		return 0
	}
	if i < len(b) && b[i] == '.' {
		if i++; !digits() {
			return 0
		}
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		if i++; i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		if !digits() {
			return 0
		}
	}
	return i
}

func (s *scanner) number(sh *shape) bool {
	lit, ok := s.numeral()
	if !ok {
		return false
	}
	switch sh.kind {
	case kindInt, kindUint:
		if code := integerCode(string(lit), sh.typ); code != "" {
			s.misfit(code, typeParam(code, sh))
		}
	case kindFloat:
		s.checkFloat(lit, sh.typ.Bits())
	case kindNumber:
		return s.charge(len(lit))
	}
	return true
}

func (s *scanner) checkFloat(lit []byte, bits int) {
	if code := floatCode(string(lit), bits); code != "" {
		s.misfit(code, "")
	}
}

// typeParam names the type that was expected, where that is what is wrong.
func typeParam(code string, sh *shape) string {
	if code == codeType {
		return sh.name()
	}
	return ""
}

// integerCode says why the numeral lit does not fit an integer type, or "".
func integerCode(lit string, t reflect.Type) string {
	if lit == "-0" || !isInteger(lit) {
		return codeType
	}
	var err error
	if t.Kind() >= reflect.Uint && t.Kind() <= reflect.Uint64 {
		_, err = strconv.ParseUint(lit, 10, t.Bits())
	} else {
		_, err = strconv.ParseInt(lit, 10, t.Bits())
	}
	if err != nil {
		return codeRange
	}
	return ""
}

func isInteger(lit string) bool {
	for i := range len(lit) {
		if !isDigit(lit[i]) && lit[i] != '-' {
			return false
		}
	}
	return true
}

// maxExact bounds the integers that a float64 and a float32 keep exactly.
var maxExact = map[int]int64{64: 1 << 53, 32: 1 << 24}

// floatCode says why the numeral lit does not fit a float type, or "". Fractions may be rounded, integers not.
func floatCode(lit string, bits int) string {
	if _, err := strconv.ParseFloat(lit, bits); err != nil {
		return codeRange
	}
	if len(lit) > 7 && isInteger(lit) {
		if n, err := strconv.ParseInt(lit, 10, 64); err != nil || n > maxExact[bits] || n < -maxExact[bits] {
			return codePrecision
		}
	}
	return ""
}
