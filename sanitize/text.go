package sanitize

import (
	"strings"
	"unicode"

	"golang.org/x/net/html"
)

var textDrop = set(strings.Join(presetDrop, " "))

// Text returns what a reader would see of html as plain text: character references decoded, white space collapsed, words
// apart where elements kept them apart, lines where blocks began. The result is not HTML: it may hold '<' and '&' again.
func Text(html string) string {
	b := textBuilder{gap: -1}
	l := newLexer(html, textDrop)
	for t, ok := l.read(); ok; t, ok = l.read() {
		b.token(html, t)
	}
	return b.out.String()
}

// textBuilder holds white space back until a word follows.
type textBuilder struct {
	out strings.Builder
	gap int // 0 none, 1 a space, 2 a line; -1 before the first word
}

func (b *textBuilder) token(in string, t token) {
	switch t.kind {
	case textToken:
		b.words(html.UnescapeString(in[t.start:t.end]))
	case rawToken:
		if rcdata[t.name] && !textDrop[t.name] {
			b.words(html.UnescapeString(in[t.start:t.end]))
		} else if !textDrop[t.name] {
			b.words(in[t.start:t.end])
		}
	case startToken, endToken:
		if e := elements[t.name]; e != nil && (e.is(closesP) || e.name == "br" || e.name == "tr" || e.name == "caption") {
			b.space(2)
		} else if e == nil && !textDrop[t.name] || e != nil && (e.is(table|cell|rubyText) || e.is(void) && e.name != "wbr") {
			b.space(1)
		}
	}
}

func (b *textBuilder) space(gap int) {
	if b.gap >= 0 {
		b.gap = max(b.gap, gap)
	}
}

func (b *textBuilder) words(s string) {
	for _, r := range s {
		switch {
		case unicode.IsSpace(r):
			b.space(1)
			continue
		case b.gap == 1:
			b.out.WriteByte(' ')
		case b.gap == 2:
			b.out.WriteByte('\n')
		}
		b.gap = 0
		b.out.WriteRune(r)
	}
}
