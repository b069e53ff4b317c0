package verify

import "slices"

// This file reads the rules of tree construction (HTML standard, 13.2.6) as conditions: a browser must nest elements as they
// are written, so that none ends another one, or one of the page around it.

// role is what matters of an element for those rules.
type role uint8

const (
	block   role = 1 << iota // ends an open paragraph
	barrier                  // keeps an item within it from ending an item around it
	heading                  // ends a heading that it would stand in directly
	implied                  // is ended without its end tag by some that follow
	rows                     // holds parts of a table and white space only
	cell                     // part of a table that holds anything
)

// NewElement returns the element of that name, without attributes.
func NewElement(name string, void bool) *Element {
	e := &Element{Name: name, Void: void, Attrs: map[string]*Attr{}}
	switch name {
	case "address", "div", "hr":
		e.role = block
	case "p":
		e.role = block | implied
	case "article", "aside", "blockquote", "center", "details", "dl", "figcaption", "figure", "footer", "header", "hgroup", "main",
		"menu", "nav", "ol", "pre", "section", "summary", "ul":
		e.role = block | barrier
	case "h1", "h2", "h3", "h4", "h5", "h6":
		e.role = block | barrier | heading
	case "li":
		e.role, e.homes, e.ends = block|barrier|implied, []string{"ul", "ol", "menu"}, []string{"li"}
	case "dd", "dt":
		e.role, e.homes, e.ends = block|barrier|implied, []string{"dl"}, []string{"dd", "dt"}
	case "rt", "rp":
		e.role, e.homes = implied, []string{"ruby"}
	case "table":
		e.role = block | rows
	case "caption":
		e.role, e.parents = cell, []string{"table"}
	case "td", "th":
		e.role, e.parents = cell, []string{"tr"}
	case "tr":
		e.role, e.parents = rows, []string{"tbody", "thead", "tfoot"}
	case "tbody", "thead", "tfoot", "colgroup":
		e.role, e.parents = rows, []string{"table"}
	case "col":
		e.parents = []string{"colgroup"}
	}
	return e
}

// fits reports whether a browser leaves e where it is written, within the open elements.
func (e *Element) fits(open []*Element) bool {
	var parent *Element
	if len(open) > 0 {
		parent = open[len(open)-1]
	}
	switch {
	case e.parents != nil:
		return parent != nil && slices.Contains(e.parents, parent.Name)
	case parent != nil && (parent.role&rows != 0 || parent.role&e.role&heading != 0):
		return false
	case parent != nil && e.role&(implied|block) == implied && parent.role&implied != 0: // rt and rp
		return false
	case e.role == 0 && e.Name != "a":
		return true
	}
	return e.fitsWithin(open)
}

// fitsWithin looks at the open elements of the innermost cell: none may be ended by e, and one must be a home of e.
func (e *Element) fitsWithin(open []*Element) bool {
	home, behind := e.homes == nil, false
	for i := len(open) - 1; i >= 0 && open[i].role&(rows|cell) == 0; i-- {
		o := open[i]
		switch {
		case o.Name == "p" && e.role&block != 0, o.Name == "a" && e.Name == "a":
			return false
		case !behind && slices.Contains(e.ends, o.Name):
			return false
		}
		home = home || slices.Contains(e.homes, o.Name)
		behind = behind || o.role&barrier != 0
	}
	return home
}

// holds reports whether text may stand in e at all, and as it is written.
func (e *Element) holds(text string) bool {
	if e.role&rows == 0 {
		return true
	}
	for i := range len(text) {
		if text[i] != ' ' && text[i] != '\t' && text[i] != '\n' {
			return false
		}
	}
	return true
}
