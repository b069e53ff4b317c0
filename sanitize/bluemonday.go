package sanitize

import (
	"errors"
	"fmt"
	"strings"

	"github.com/microcosm-cc/bluemonday"
)

// Bluemonday puts a policy of bluemonday that you have already under the same guarantees: limits, bluemonday, then the
// builder and the verifier with one fixed policy that allows every harmless element, so that what comes out nests, holds no
// URL that runs code and no id that shadows a property of the page.
//
// The policy cannot be looked into. It is probed with dangerous elements and attributes and refused, by name, if it lets one
// through; what the probes miss the builder removes. Do not change the policy afterwards.
//
// Offsets in a [Report] count in bluemonday's output, and what bluemonday removed is not in it.
func Bluemonday(p *bluemonday.Policy, opts ...Option) (*Sanitizer, error) {
	if p == nil {
		return nil, errors.New("sanitize: the policy is nil")
	}
	if err := probe(p); err != nil {
		return nil, err
	}
	all := everything()
	if err := all.complete(); err != nil {
		return nil, err
	}
	s, err := build(all, nil, opts)
	if err != nil {
		return nil, err
	}
	s.first = p
	return s, nil
}

// everything allows all that can be verified.
func everything() Policy {
	p := Policy{
		Elements: map[string]Attrs{},
		Global:   Attrs{"target": AttrEnum("_blank"), "srcset": AttrSrcSet},
		Drop:     append([]string(nil), presetDrop...),
		URL: URLRules{
			Schemes: strings.Fields("https http mailto tel sms xmpp irc ircs matrix magnet ftp"), Relative: true,
			DataImages: strings.Fields("png jpeg gif webp avif"),
		},
	}
	for name := range elements {
		p.Elements[name] = Attrs{}
	}
	for _, names := range []map[string]bool{idAttrs, idListAttrs, plainAttrs} {
		for name := range names {
			if _, done := p.Global[name]; !done {
				p.Global[name] = AttrText
			}
		}
	}
	for name := range urlAttrs {
		p.Global[name] = AttrURL
	}
	return p
}

// probe refuses a policy that lets a dangerous name through. The first call also settles what bluemonday prepares on first
// use, before goroutines share it.
func probe(p *bluemonday.Policy) error {
	for name, why := range refusedElements {
		out := p.Sanitize("<" + name + ` id="a" title="a" href="/" src="/" name="a" value="1" type="text">x</` + name + ">")
		if strings.Contains(out, "<"+name) {
			return fmt.Errorf("sanitize: the bluemonday policy allows <%s>: %s", name, why)
		}
	}
	for name, why := range refusedAttrs {
		if name != "rel" && keepsAttr(p, name) {
			return fmt.Errorf("sanitize: the bluemonday policy allows %q: %s", name, why)
		}
	}
	for _, name := range strings.Fields("onclick onload onerror onmouseover onfocus ontoggle onanimationstart") {
		if keepsAttr(p, name) {
			return fmt.Errorf("sanitize: the bluemonday policy allows %q: it is an event handler", name)
		}
	}
	return nil
}

func keepsAttr(p *bluemonday.Policy, name string) bool {
	for el := range elements {
		for _, value := range []string{"x", "1", "/x", "color: red"} {
			if strings.Contains(p.Sanitize("<"+el+" "+name+`="`+value+`">x`), " "+name+"=") {
				return true
			}
		}
	}
	return false
}

// escapeStray makes text of each '<' that begins no markup, which bluemonday would take for a tag and drop.
func escapeStray(in string) string {
	if strings.IndexByte(in, '<') < 0 {
		return in
	}
	var b strings.Builder
	l := newLexer(in, nil)
	for t, ok := l.read(); ok; t, ok = l.read() {
		if t.kind == textToken {
			b.WriteString(strings.ReplaceAll(in[t.start:t.end], "<", "&lt;"))
		} else {
			b.WriteString(in[t.start:t.end])
		}
	}
	return b.String()
}
