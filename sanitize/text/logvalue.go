package text

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

const hexDigits = "0123456789abcdef"

// LogValue returns s with every character escaped that could forge a line, a column or an order, or change the state of a
// terminal: controls (C0, C1, DEL, TAB included), line separators, bidirectional and zero-width characters, private use and
// unassigned code points, and bytes that are not UTF-8. The escapes are those of Go: \n, \x1b, \u202e, \U000e0001.
//
// A backslash in s stays as it is, so the result is to be read, not decoded.
func LogValue(s string) string {
	i := firstUnsafe(s)
	if i == len(s) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s) + 16)
	for {
		b.WriteString(s[:i])
		s = s[i:]
		if s == "" {
			return b.String()
		}
		r, size := utf8.DecodeRuneInString(s)
		if r == utf8.RuneError && size == 1 {
			writeHex(&b, 'x', uint32(s[0]), 2)
		} else {
			writeEscape(&b, r)
		}
		s = s[size:]
		i = firstUnsafe(s)
	}
}

// firstUnsafe returns the offset of the first character that must be escaped, or len(s).
func firstUnsafe(s string) int {
	for i := 0; i < len(s); {
		if c := s[i]; c < utf8.RuneSelf {
			if c < ' ' || c == 0x7f {
				return i
			}
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if size == 1 || !unicode.IsGraphic(r) {
			return i
		}
		i += size
	}
	return len(s)
}

func writeEscape(b *strings.Builder, r rune) {
	switch {
	case r == '\n':
		b.WriteString(`\n`)
	case r == '\r':
		b.WriteString(`\r`)
	case r == '\t':
		b.WriteString(`\t`)
	case r < 0x80:
		writeHex(b, 'x', uint32(r), 2)
	case r < 0x10000:
		writeHex(b, 'u', uint32(r), 4)
	default:
		writeHex(b, 'U', uint32(r), 8)
	}
}

func writeHex(b *strings.Builder, kind byte, v uint32, digits int) {
	b.WriteByte('\\')
	b.WriteByte(kind)
	for shift := 4 * (digits - 1); shift >= 0; shift -= 4 {
		b.WriteByte(hexDigits[v>>shift&0xf])
	}
}
