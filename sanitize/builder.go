package sanitize

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/net/html"
)

// builder writes the allowed tokens anew, nested as a browser would nest them.
type builder struct {
	rules  *rules
	dst    []byte
	stack  []*element // open elements
	report *Report    // nil if nobody asked
	seen   []string   // attribute names of the current tag
	inPre  bool       // <pre> has just been opened: a browser drops a newline here
}

// build returns the sanitized form of in, and whether it had to be cut. The report may be nil.
func (r *rules) build(in string, report *Report) (out string, truncated bool) {
	b := builder{rules: r, dst: make([]byte, 0, len(in)+len(in)/8+16), report: report}
	limit := outputFactor*len(in) + outputSlack
	l := newLexer(in, r.drop)
	for t, ok := l.read(); ok; t, ok = l.read() {
		if truncated = len(b.dst) > limit; truncated {
			break
		}
		b.token(in, t)
	}
	b.closeTo(0)
	if report != nil {
		report.Truncated = truncated
	}
	return string(b.dst), truncated
}

func (b *builder) token(in string, t token) {
	switch t.kind {
	case textToken:
		b.text(html.UnescapeString(in[t.start:t.end]))
	case rawToken:
		b.raw(t.name, in[t.start:t.end])
	case startToken:
		b.start(t)
	case endToken:
		b.end(t)
	case otherToken:
		b.report.add(Removal{Offset: t.start, Reason: NotAllowed})
	}
}

func (b *builder) raw(name, s string) {
	switch {
	case b.rules.drop[name]:
	case rcdata[name]:
		b.text(html.UnescapeString(s))
	default:
		b.text(s)
	}
}

func (b *builder) text(s string) {
	if b.inTable() && strings.Trim(s, asciiSpace) != "" {
		b.impliedCell()
	}
	from := len(b.dst)
	b.dst = appendText(b.dst, s)
	if !b.inPre || len(b.dst) == from {
		return
	}
	lines := from
	for lines < len(b.dst) && b.dst[lines] == '\n' {
		lines++
	}
	b.dst = append(b.dst[:from], b.dst[lines:]...)
	b.inPre = len(b.dst) == from
}

func (b *builder) start(t token) {
	el := b.rules.els[t.name]
	switch {
	case el == nil:
		b.report.add(Removal{t.start, t.name, "", NotAllowed})
	case !b.place(el.element):
		b.report.add(Removal{t.start, t.name, "", Misplaced})
	case len(b.stack) >= b.room(el.element):
		b.report.add(Removal{t.start, t.name, "", TooDeep})
	default:
		b.open(el, t)
	}
}

// room is how many elements may be open around e: a table keeps room for the parts that may have to be added.
func (b *builder) room(e *element) int {
	depth := b.rules.policy.Limits.Depth
	switch {
	case e.is(void):
		return depth + 1
	case e.name == "table":
		return depth - len(tableParts) + 1
	}
	return depth
}

func (b *builder) open(el *elementRule, t token) {
	b.dst = append(b.dst, '<')
	b.dst = append(b.dst, t.name...)
	b.attrs(el, t)
	b.dst = append(b.dst, '>')
	b.inPre = t.name == "pre"
	if !el.element.is(void) {
		b.stack = append(b.stack, el.element)
	}
}

func (b *builder) attrs(el *elementRule, t token) {
	b.seen = b.seen[:0]
	external, target := false, ""
	for n, i := 0, 0; ; n++ {
		name, raw, next := nextAttr(t.attrs, i)
		if name == "" || next < 0 {
			break
		}
		i = next
		if n == b.rules.policy.Limits.Attributes {
			b.report.add(Removal{t.start, t.name, "", TooMany})
			break
		}
		name = lowerASCII(name)
		value, why, leaves := b.rules.value(el, name, decodeValue(raw))
		if why == "" && b.repeated(name) {
			why = Repeated
		}
		if why != "" {
			b.report.add(Removal{t.start, t.name, reportable(name), why})
			continue
		}
		external = external || leaves
		if el.links() && name == "target" {
			target = value
			continue
		}
		b.attr(name, value)
	}
	if el.links() {
		b.link(external, target)
	}
}

// repeated reports whether an attribute of the name has been written. A browser keeps the first.
func (b *builder) repeated(name string) bool {
	for _, s := range b.seen {
		if s == name {
			return true
		}
	}
	b.seen = append(b.seen, name)
	return false
}

func (b *builder) link(external bool, target string) {
	if external && b.rules.policy.Links.Target != "" {
		target = b.rules.policy.Links.Target
	}
	if external || target != "" {
		b.attr("rel", b.rules.rel)
	}
	if target != "" {
		b.attr("target", target)
	}
}

func (b *builder) attr(name, value string) {
	b.dst = append(b.dst, ' ')
	b.dst = append(b.dst, name...)
	b.dst = append(b.dst, `="`...)
	b.dst = appendText(b.dst, value)
	b.dst = append(b.dst, '"')
}

func (b *builder) end(t token) {
	if b.rules.drop[t.name] {
		return // its start tag has been reported
	}
	if e := elements[t.name]; e == nil || e.is(void) || !b.closeNearest(e) {
		b.report.add(Removal{t.start, t.name, "", Misplaced})
	}
}

// closeTo ends the elements from the i-th on.
func (b *builder) closeTo(i int) {
	for j := len(b.stack) - 1; j >= i; j-- {
		b.dst = append(b.dst, "</"...)
		b.dst = append(b.dst, b.stack[j].name...)
		b.dst = append(b.dst, '>')
		b.inPre = false
	}
	b.stack = b.stack[:i]
}

// reportable returns an attribute's name if it is one, so that a report holds nothing made up by an attacker.
func reportable(name string) string {
	if len(name) <= 32 && isAttrName(name) {
		return name
	}
	return ""
}

// plainByte marks the bytes that appendText copies as they are. Those from 0x80 on depend on their neighbours.
var plainByte = func() (t [256]bool) {
	for c := ' '; c < 0x80; c++ {
		t[c] = !strings.ContainsRune(`<>"'&`, c)
	}
	t['\t'], t['\n'] = true, true
	return t
}()

// appendText appends s escaped, as valid UTF-8, with LF for line ends and without other control characters of C0.
func appendText(dst []byte, s string) []byte {
	last := 0
	for i := 0; i < len(s); {
		c := s[i]
		if plainByte[c] {
			i++
			continue
		}
		size := 1
		if c >= utf8.RuneSelf {
			var r rune
			if r, size = utf8.DecodeRuneInString(s[i:]); r != utf8.RuneError || size > 1 {
				i += size
				continue
			}
		}
		dst = append(dst, s[last:i]...)
		dst = append(dst, escape(c, strings.HasPrefix(s[i+1:], "\n"))...)
		i += size
		last = i
	}
	return append(dst, s[last:]...)
}

func escape(c byte, beforeLF bool) string {
	switch {
	case c == '<':
		return "&lt;"
	case c == '>':
		return "&gt;"
	case c == '&':
		return "&amp;"
	case c == '"':
		return "&#34;"
	case c == '\'':
		return "&#39;"
	case c == '\r' && !beforeLF:
		return "\n"
	case c >= utf8.RuneSelf:
		return "\ufffd"
	}
	return ""
}
