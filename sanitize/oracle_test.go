package sanitize_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// parseIn parses s as a page would have it: inside a container of the host page, with something after it.
func parseIn(t *testing.T, open, s, closing string) *html.Node {
	t.Helper()
	doc, err := html.Parse(strings.NewReader("<!DOCTYPE html><html><head></head><body>" + open + s + closing + "<footer id=after></footer></body></html>"))
	if err != nil {
		t.Fatalf("the page does not parse: %v", err)
	}
	return doc
}

func find(n *html.Node, id string) *html.Node {
	for d := range n.Descendants() {
		for _, a := range d.Attr {
			if a.Key == "id" && a.Val == id {
				return d
			}
		}
	}
	return nil
}

// render writes what is in n. The parser sorts the attributes of formatting elements, so
// all are sorted.
func render(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		slices.SortFunc(d.Attr, func(a, b html.Attribute) int { return strings.Compare(a.Key, b.Key) })
	}
	for c := range n.ChildNodes() {
		html.Render(&b, c)
	}
	return b.String()
}

// staysIn reports whether s, put into the container, leaves it: the tree inside must be written exactly as s is, and what
// follows the container must follow it still.
func staysIn(t *testing.T, open, s, closing string) string {
	t.Helper()
	doc := parseIn(t, open, s, closing)
	box, after := find(doc, "box"), find(doc, "after")
	if box == nil || after == nil {
		return "container gone"
	}
	if got := render(box); got != asRendered(s) {
		return "parsed as " + got
	}
	top := box
	for top.Parent.DataAtom != atom.Body {
		top = top.Parent
	}
	if after.Parent != top.Parent || top.NextSibling != after {
		return "what follows moved"
	}
	return ""
}

var attributes = regexp.MustCompile(`(?: [a-z-]+="[^"]*"){2,}`)

// asRendered rewrites our output the way render spells the same tree.
func asRendered(s string) string {
	s = attributes.ReplaceAllStringFunc(s, func(list string) string {
		all := strings.SplitAfter(list, `"`) // ` a="`, `x"`, ` b="`, `y"`, ``
		pairs := slices.Collect(slices.Chunk(all[:len(all)-1], 2))
		slices.SortFunc(pairs, func(a, b []string) int {
			return strings.Compare(strings.TrimSuffix(a[0], `="`), strings.TrimSuffix(b[0], `="`))
		})
		return strings.Join(slices.Concat(pairs...), "")
	})
	for _, name := range strings.Fields("area br col hr img source track wbr") {
		for i := 0; ; {
			n := strings.Index(s[i:], "<"+name)
			if n < 0 {
				break
			}
			i += n
			end := i + strings.IndexByte(s[i:], '>')
			if c := s[i+1+len(name)]; c == '>' || c == ' ' {
				s = s[:end] + "/" + s[end:]
			}
			i = end
		}
	}
	return s
}

// dangerous reports whether a tree holds what could run: an element or attribute that acts, or a URL with another scheme
// than those of the presets.
func dangerous(n *html.Node) bool {
	for d := range n.Descendants() {
		switch d.Data {
		case "script", "style", "svg", "math", "iframe", "object", "embed", "form", "base", "link", "meta", "template":
			if d.Type == html.ElementNode {
				return true
			}
		}
		for _, a := range d.Attr {
			value := strings.ToLower(strings.Map(func(r rune) rune {
				if r <= ' ' {
					return -1
				}
				return r
			}, a.Val))
			if strings.HasPrefix(a.Key, "on") || a.Key == "style" || a.Key != "alt" && a.Key != "title" && strings.HasPrefix(value, "javascript:") {
				return true
			}
		}
	}
	return false
}

func fragment(s string) *html.Node {
	root := &html.Node{Type: html.ElementNode, Data: "div", DataAtom: atom.Div}
	nodes, err := html.ParseFragment(strings.NewReader(s), root)
	if err != nil {
		return nil
	}
	box := &html.Node{Type: html.ElementNode, Data: "div", DataAtom: atom.Div}
	for _, n := range nodes {
		box.AppendChild(n)
	}
	return box
}
