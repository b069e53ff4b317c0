// Package verify accepts one closed language of HTML and nothing else. It shares no code with what writes HTML, so that a
// mistake there does not repeat itself here, and it is small enough to be read in one sitting.
//
// The language:
//
//	document = *( text / void / open document close )
//	void     = "<" name *attribute ">"
//	open     = "<" name *attribute ">"
//	close    = "</" name ">"
//	attribute = SP name "=" DQUOTE text DQUOTE
//	text     = UTF-8 without < > " ' & and without control characters of C0 but TAB and LF / reference
//	reference = "&lt;" / "&gt;" / "&amp;" / "&#34;" / "&#39;"
//
// Names are listed by the [Language], elements nest as a browser would nest them and to a limited depth, no attribute repeats, and the values of
// attributes that lead somewhere are within its rules. No listed name changes the state of a tokenizer, so every HTML parser
// reads back these tokens and no others.
package verify

import "unicode/utf8"

// Language lists what may occur. It is not changed after its making.
type Language struct {
	Elements   map[string]*Element
	Schemes    []string // of absolute URLs, in lower case
	Hosts      []string // of absolute URLs; none means any
	Relative   bool
	DataImages []string // subtypes of image/ for data: in the src of img
	IDPrefix   string   // of every id and name
	Depth      int      // at most MaxDepth
}

// Element is an allowed element, made by [NewElement].
type Element struct {
	Name  string
	Void  bool
	Attrs map[string]*Attr

	role    role
	parents []string // one of which it must stand in directly
	homes   []string // one of which must be open around it
	ends    []string // which it would end
}

// Attr is an allowed attribute.
type Attr struct {
	Kind   Kind
	Values []string // of Enum and Classes
	ID     bool     // holds an id or a name
}

// Kind is what the value of an attribute is checked for, besides being text.
type Kind uint8

// Text is not checked further.
const (
	Text Kind = iota
	URL
	SrcSet
	Enum
	Int
	Classes
)

// MaxDepth and maxAttrs bound what is held on the goroutine's stack.
const (
	MaxDepth = 100
	maxAttrs = 72 // the 64 of a policy and what is added to a link
)

// Accepts reports whether s is in the language. It allocates nothing.
func (l *Language) Accepts(s string) bool {
	var open [MaxDepth]*Element
	depth := 0
	for i := 0; i < len(s); {
		if s[i] != '<' {
			start := i
			if i = skipText(s, i); i < 0 || i < len(s) && s[i] != '<' || depth > 0 && !open[depth-1].holds(s[start:i]) {
				return false
			}
			continue
		}
		if i+1 < len(s) && s[i+1] == '/' {
			end := skipName(s, i+2)
			if depth == 0 || end >= len(s) || s[end] != '>' || s[i+2:end] != open[depth-1].Name {
				return false
			}
			depth--
			i = end + 1
			continue
		}
		el, next := l.tag(s, i+1)
		if el == nil || !el.fits(open[:depth]) || el.Name == "pre" && next < len(s) && s[next] == '\n' { // a browser drops that newline
			return false
		}
		i = next
		if !el.Void {
			if depth == l.Depth || depth == MaxDepth {
				return false
			}
			open[depth] = el
			depth++
		}
	}
	return depth == 0
}

// skipText returns the end of the text at i, or -1 if it holds what must not stand there.
func skipText(s string, i int) int {
	for i < len(s) {
		switch c := s[i]; {
		case plain[c]:
			i++
		case c >= utf8.RuneSelf:
			r, size := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && size == 1 {
				return -1
			}
			i += size
		case c == '&':
			n := reference(s[i:])
			if n == 0 {
				return -1
			}
			i += n
		case c == '<' || c == '"': // the end of text and the end of a value
			return i
		default:
			return -1
		}
	}
	return i
}

// plain marks the ASCII characters that stand for themselves.
var plain = [256]bool{
	'\t': true, '\n': true, ' ': true, '!': true, '#': true, '$': true, '%': true, '(': true, ')': true, '*': true, '+': true,
	',': true, '-': true, '.': true, '/': true, '0': true, '1': true, '2': true, '3': true, '4': true, '5': true, '6': true,
	'7': true, '8': true, '9': true, ':': true, ';': true, '=': true, '?': true, '@': true, 'A': true, 'B': true, 'C': true,
	'D': true, 'E': true, 'F': true, 'G': true, 'H': true, 'I': true, 'J': true, 'K': true, 'L': true, 'M': true, 'N': true,
	'O': true, 'P': true, 'Q': true, 'R': true, 'S': true, 'T': true, 'U': true, 'V': true, 'W': true, 'X': true, 'Y': true,
	'Z': true, '[': true, '\\': true, ']': true, '^': true, '_': true, '`': true, 'a': true, 'b': true, 'c': true, 'd': true,
	'e': true, 'f': true, 'g': true, 'h': true, 'i': true, 'j': true, 'k': true, 'l': true, 'm': true, 'n': true, 'o': true,
	'p': true, 'q': true, 'r': true, 's': true, 't': true, 'u': true, 'v': true, 'w': true, 'x': true, 'y': true, 'z': true,
	'{': true, '|': true, '}': true, '~': true, 0x7f: true,
}

// reference returns the length of the reference that s begins with, or 0.
func reference(s string) int {
	switch {
	case len(s) >= 4 && (s[:4] == "&lt;" || s[:4] == "&gt;"):
		return 4
	case len(s) >= 5 && (s[:5] == "&amp;" || s[:5] == "&#34;" || s[:5] == "&#39;"):
		return 5
	}
	return 0
}

// skipName returns the end of the lower-case name at i.
func skipName(s string, i int) int {
	for i < len(s) && ('a' <= s[i] && s[i] <= 'z' || '0' <= s[i] && s[i] <= '9' || s[i] == '-') {
		i++
	}
	return i
}

// tag reads the rest of a start tag at i. The element is nil if the tag is not in the language.
func (l *Language) tag(s string, i int) (*Element, int) {
	end := skipName(s, i)
	el := l.Elements[s[i:end]]
	if el == nil {
		return nil, 0
	}
	var seen [maxAttrs]*Attr
	n := 0
	for i = end; i < len(s) && s[i] == ' '; n++ {
		end = skipName(s, i+1)
		a := el.Attrs[s[i+1:end]]
		if a == nil || n == maxAttrs || contains(seen[:n], a) || end+1 >= len(s) || s[end:end+2] != `="` {
			return nil, 0
		}
		seen[n] = a
		start := end + 2
		end = skipText(s, start)
		if end < 0 || end >= len(s) || s[end] != '"' || !l.value(el, a, s[start:end]) {
			return nil, 0
		}
		i = end + 1
	}
	if i >= len(s) || s[i] != '>' {
		return nil, 0
	}
	return el, i + 1
}

func contains(seen []*Attr, a *Attr) bool {
	for _, s := range seen {
		if s == a {
			return true
		}
	}
	return false
}
