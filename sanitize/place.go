package sanitize

// This file holds the tree construction rules of the HTML standard (13.2.6, "in body" and the table modes) that can make a
// browser nest differently from what is written. Applying them while writing makes the output mean the same to the writer
// and to every reader.

// top returns the innermost open element, or nil.
func (b *builder) top() *element {
	if len(b.stack) == 0 {
		return nil
	}
	return b.stack[len(b.stack)-1]
}

// inTable reports whether what comes next would stand directly in a table, outside its cells.
func (b *builder) inTable() bool {
	e := b.top()
	return e != nil && e.is(table)
}

// nearest returns the index of the innermost open element for which match holds, or -1. The search ends with the element
// for which stop holds.
func (b *builder) nearest(match, stop func(*element) bool) int {
	for i := len(b.stack) - 1; i >= 0; i-- {
		if match(b.stack[i]) {
			return i
		}
		if stop(b.stack[i]) {
			break
		}
	}
	return -1
}

func named(names ...string) func(*element) bool {
	return func(e *element) bool {
		for _, n := range names {
			if e.name == n {
				return true
			}
		}
		return false
	}
}

// scoped ends a search at what the standard calls a scope: a cell or its table.
func scoped(e *element) bool { return e.is(table | cell) }

func isTable(e *element) bool { return e.name == "table" }

func (b *builder) closeIf(i int) {
	if i >= 0 {
		b.closeTo(i)
	}
}

// place ends what the start tag of e ends and opens what it needs. It reports false if e has no place here.
func (b *builder) place(e *element) bool {
	if e.is(table|cell) && e.name != "table" {
		return b.placePart(e)
	}
	if b.inTable() {
		if e.name == "table" {
			b.closeTo(b.nearest(isTable, isTable)) // a browser starts a second table, not one within the first
		} else {
			b.impliedCell()
		}
	}
	if e.is(listItem) && !b.placeItem(e) || e.is(rubyText) && !b.placeRuby() {
		return false
	}
	if e.is(closesP) {
		b.closeIf(b.nearest(named("p"), scoped))
	}
	if e.is(heading) && b.top() != nil && b.top().is(heading) {
		b.closeTo(len(b.stack) - 1)
	}
	if e.name == "a" {
		b.closeIf(b.nearest(named("a"), scoped))
	}
	return true
}

// placeItem ends the item before it. An item without a list of its own could end one of the host page.
func (b *builder) placeItem(e *element) bool {
	item, list := named("li"), named("ul", "ol", "menu")
	if e.name != "li" {
		item, list = named("dd", "dt"), named("dl")
	}
	if b.nearest(list, scoped) < 0 {
		return false
	}
	b.closeIf(b.nearest(item, func(e *element) bool {
		return e.is(special|cell) && e.name != "address" && e.name != "div" && e.name != "p"
	}))
	return true
}

// placeRuby ends what a ruby annotation ends: the one before it and other elements whose end tag may be left out.
func (b *builder) placeRuby() bool {
	if b.nearest(named("ruby"), scoped) < 0 {
		return false
	}
	for b.top().is(listItem|rubyText) || b.top().name == "p" {
		b.closeTo(len(b.stack) - 1)
	}
	return true
}

// placePart makes the innermost table ready for one of its parts. Without a table it has no place.
func (b *builder) placePart(e *element) bool {
	i := b.nearest(isTable, isTable)
	if i < 0 || e.name == "col" && b.rules.els["colgroup"] == nil {
		return false
	}
	at := i + 1
	switch e.name {
	case "tr":
		at = b.ready(at, "tbody")
	case "td", "th":
		at = b.ready(b.ready(at, "tbody"), "tr")
	case "col":
		at = b.ready(at, "colgroup")
	}
	b.closeTo(at)
	return true
}

// ready makes sure that the i-th open element is the table part of that name, or one that does as well, and returns i+1.
func (b *builder) ready(i int, part string) int {
	if len(b.stack) <= i || !fits(b.stack[i].name, part) {
		b.closeTo(i)
		b.imply(part)
	}
	return i + 1
}

// imply opens an element that the author left out.
func (b *builder) imply(name string) {
	b.dst = append(append(append(b.dst, '<'), name...), '>')
	b.stack = append(b.stack, elements[name])
}

func fits(name, part string) bool {
	return name == part || part == "tbody" && (name == "thead" || name == "tfoot")
}

// impliedCell opens a cell for what stands in a table outside its cells. A browser would move it before the table, where
// it can no longer be written.
func (b *builder) impliedCell() {
	b.placePart(elements["td"])
	b.imply("td")
}

// closeNearest ends the innermost open element of e's name and what is open within it, unless the table or list that it
// would have to leave forbids that.
func (b *builder) closeNearest(e *element) bool {
	stop := scoped
	switch {
	case e.is(table | cell):
		stop = isTable
	case e.is(heading):
		i := b.nearest(func(o *element) bool { return o.is(heading) }, stop)
		b.closeIf(i)
		return i >= 0
	case e.name == "li":
		stop = func(o *element) bool { return scoped(o) || named("ul", "ol", "menu")(o) }
	}
	i := b.nearest(named(e.name), stop)
	b.closeIf(i)
	return i >= 0
}
