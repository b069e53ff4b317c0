package sanitize

import (
	"strings"

	"golang.org/x/net/html"
)

// asciiSpace is white space as HTML counts it.
const asciiSpace = " \t\n\f\r"

// token is a piece of the input. Concatenated, tokens give the input again.
type token struct {
	kind       tokenKind
	start, end int    // offsets in the input
	name       string // of a tag or of the element that raw text belongs to, in lower case
	attrs      string // between the name and the closing '>' of a start tag
}

type tokenKind uint8

const (
	textToken  tokenKind = iota
	rawToken             // content of an element that is not parsed as markup, or is dropped
	startToken           // <name attrs>
	endToken             // </name>
	otherToken           // comment, doctype, CDATA section, processing instruction
)

// lexer cuts HTML into tokens by the rules of the HTML standard, with one deliberate difference: a '<' that begins nothing a
// browser knows (<john@example.com>, a<b, I </3 it, an unclosed comment or quote) is text, so that nothing a person wrote
// is lost. The builder writes every token anew, so the safety of the output does not rest on where the lexer cuts.
type lexer struct {
	in      string
	pos     int
	drop    map[string]bool // further elements whose content is raw
	raw     string          // element whose raw content comes next
	rawEnd  int
	foreign bool // inside <svg> or <math>, where more names are markup
	next    token
	pending bool
	// budget is how many bytes may still be read in vain. Hostile input could make every '<' search to the end for what is
	// not there; once the budget is gone the rest is text. This is what keeps the time linear.
	budget int
}

func newLexer(in string, drop map[string]bool) lexer {
	return lexer{in: in, drop: drop, budget: 8*len(in) + 1024}
}

// read returns the next token, or false at the end.
func (l *lexer) read() (token, bool) {
	if l.pending {
		l.pending = false
		l.pos = l.next.end
		return l.next, true
	}
	if l.pos >= len(l.in) {
		return token{}, false
	}
	start := l.pos
	if l.raw != "" {
		t := token{kind: rawToken, start: start, end: l.rawEnd, name: l.raw}
		l.raw, l.pos = "", l.rawEnd
		return t, true
	}
	for i := start; ; i++ {
		n := strings.IndexByte(l.in[i:], '<')
		if n < 0 {
			l.pos = len(l.in)
			return token{kind: textToken, start: start, end: len(l.in)}, true
		}
		i += n
		t, ok := l.markup(i)
		if !ok {
			continue
		}
		if i == start {
			l.pos = t.end
			return t, true
		}
		l.next, l.pending = t, true
		return token{kind: textToken, start: start, end: i}, true
	}
}

// markup reads what begins with the '<' at i, if it is markup.
func (l *lexer) markup(i int) (token, bool) {
	if i+1 >= len(l.in) || l.budget <= 0 {
		return token{}, false
	}
	switch c := l.in[i+1]; {
	case isLetter(c):
		return l.tag(i, i+1, startToken)
	case c == '/':
		return l.tag(i, i+2, endToken)
	case strings.HasPrefix(l.in[i:], "<!--"):
		return l.comment(i)
	case c == '!' || c == '?':
		n := strings.IndexByte(l.in[i:], '>')
		if n < 0 {
			return l.vain(i)
		}
		return token{kind: otherToken, start: i, end: i + n + 1}, true
	}
	return token{}, false
}

func (l *lexer) comment(i int) (token, bool) {
	// "<!-->" and "<!--->" are whole comments.
	for _, short := range []string{"<!-->", "<!--->"} {
		if strings.HasPrefix(l.in[i:], short) {
			return token{kind: otherToken, start: i, end: i + len(short)}, true
		}
	}
	for p := i + 4; ; p++ {
		n := strings.Index(l.in[p:], "--")
		if n < 0 {
			return l.vain(i)
		}
		p += n
		if rest := l.in[p+2:]; strings.HasPrefix(rest, ">") {
			return token{kind: otherToken, start: i, end: p + 3}, true
		} else if strings.HasPrefix(rest, "!>") {
			return token{kind: otherToken, start: i, end: p + 4}, true
		}
	}
}

// vain charges a search that went from i to the end and found nothing.
func (l *lexer) vain(i int) (token, bool) {
	l.budget -= len(l.in) - i
	return token{}, false
}

func (l *lexer) tag(start, nameStart int, kind tokenKind) (token, bool) {
	nameEnd := nameStart
	for nameEnd < len(l.in) && nameEnd-nameStart <= 32 && !endsName(l.in[nameEnd]) {
		nameEnd++
	}
	name := lowerASCII(l.in[nameStart:nameEnd])
	if !knownName(name, l.foreign) {
		return token{}, false
	}
	end := nameEnd
	for end < len(l.in) && l.in[end] != '>' {
		if _, _, end = nextAttr(l.in, end); end < 0 {
			break
		}
	}
	if end < 0 || end >= len(l.in) {
		return l.vain(start)
	}
	t := token{kind: kind, start: start, end: end + 1, name: name, attrs: l.in[nameEnd:end]}
	if name == "svg" || name == "math" {
		l.foreign = kind == startToken
	}
	if kind == startToken && (rawText[name] || l.drop[name] && !isVoid(name)) {
		n := l.findEnd(t.end, name)
		if n < 0 {
			return l.vain(start)
		}
		if n > 0 {
			l.raw, l.rawEnd = name, t.end+n
		}
	}
	return t, true
}

// findEnd returns how far from i the end tag of name begins, or -1. Elements that hold markup may hold others of their name.
func (l *lexer) findEnd(i int, name string) int {
	inner := 0
	for p := i; ; p++ {
		n := strings.IndexByte(l.in[p:], '<')
		if n < 0 {
			return -1
		}
		p += n
		closing := strings.HasPrefix(l.in[p:], "</")
		switch {
		case closing && !hasName(l.in[p+2:], name), !closing && (rawText[name] || !hasName(l.in[p+1:], name)):
		case !closing:
			inner++
		case inner > 0:
			inner--
		default:
			return p - i
		}
	}
}

// hasName reports whether s begins with the whole of a tag's name.
func hasName(s, name string) bool {
	return len(s) > len(name) && endsName(s[len(name)]) && strings.EqualFold(s[:len(name)], name)
}

// nextAttr reads white space and one attribute from s at i. It returns the name as written, the value without its quotes
// and the offset after it, which is -1 if a quote or the tag does not end. At '>' the name is empty.
func nextAttr(s string, i int) (name, value string, next int) {
	for i < len(s) && (isSpace(s[i]) || s[i] == '/') {
		i++
	}
	start := i
	for i < len(s) && (!endsName(s[i]) && s[i] != '=' || i == start && s[i] == '=') {
		i++
	}
	name = s[start:i]
	if name == "" {
		return "", "", i
	}
	after := i
	for i < len(s) && isSpace(s[i]) {
		i++
	}
	if i >= len(s) || s[i] != '=' {
		return name, "", after
	}
	for i++; i < len(s) && isSpace(s[i]); {
		i++
	}
	if i < len(s) && (s[i] == '"' || s[i] == '\'') {
		n := strings.IndexByte(s[i+1:], s[i])
		if n < 0 {
			return name, "", -1
		}
		return name, s[i+1 : i+1+n], i + n + 2
	}
	start = i
	for i < len(s) && !isSpace(s[i]) && s[i] != '>' {
		i++
	}
	return name, s[start:i], i
}

// knownName reports whether a lower-case name is one that browsers treat as markup, or that word processors write.
func knownName(name string, inForeign bool) bool {
	if elements[name] != nil || otherHTML[name] || inForeign && foreign[name] {
		return true
	}
	prefix, local, ok := strings.Cut(name, ":")
	return ok && (len(prefix) == 1 || prefix == "st1" || prefix == "xml" || prefix == "svg" || prefix == "math") && isAttrName(local)
}

// lowerASCII folds case as HTML and URLs do. strings.ToLower would also make an ASCII k of the Kelvin sign.
func lowerASCII(s string) string {
	for i := range len(s) {
		if 'A' <= s[i] && s[i] <= 'Z' {
			return strings.Map(func(r rune) rune {
				if 'A' <= r && r <= 'Z' {
					r += 'a' - 'A'
				}
				return r
			}, s)
		}
	}
	return s
}

func isLetter(c byte) bool { c |= 0x20; return 'a' <= c && c <= 'z' }
func isSpace(c byte) bool  { return c == ' ' || c == '\t' || c == '\n' || c == '\f' || c == '\r' }
func endsName(c byte) bool { return c == '>' || c == '/' || isSpace(c) }

// decodeValue decodes the character references of an attribute value. There, unlike in text, a reference without its
// semicolon is none if '=' or a letter or digit follows: "?a=1&copy=2" holds no copyright sign.
func decodeValue(s string) string {
	amp := strings.IndexByte(s, '&')
	if amp < 0 {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	for ; amp >= 0; amp = strings.IndexByte(s, '&') {
		b.WriteString(s[:amp])
		s = s[amp:]
		end := 1
		for end < len(s) && (isLetter(s[end]) || '0' <= s[end] && s[end] <= '9' || end == 1 && s[end] == '#') {
			end++
		}
		if end < len(s) && s[end] == ';' {
			end++
		}
		b.WriteString(decodeReference(s[:end], s[end:]))
		s = s[end:]
	}
	b.WriteString(s)
	return b.String()
}

func decodeReference(ref, rest string) string {
	decoded := html.UnescapeString(ref)
	last := decoded[len(decoded)-1]
	switch {
	case len(ref) > 1 && ref[1] == '#', decoded == ";":
		return decoded
	case ref[len(ref)-1] == ';' && last == ';': // not, or not all of it, a name
		return ref
	case ref[len(ref)-1] != ';' && (isLetter(last) || '0' <= last && last <= '9' || strings.HasPrefix(rest, "=")):
		return ref
	}
	return decoded
}
