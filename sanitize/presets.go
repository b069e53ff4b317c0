package sanitize

import "strings"

// presetDrop are removed with their content: what a reader never sees as text.
var presetDrop = []string{"script", "style", "noscript", "iframe", "noembed", "noframes", "template", "title"}

// Plain allows no markup: the output is text, escaped for HTML.
func Plain() Policy { return preset("") }

// Inline allows phrasing content only and no links, so that the output may stand inside a <p>, a heading, a link or a table
// cell of the host page.
func Inline() Policy {
	return preset("abbr b bdi br cite code del dfn em i ins kbd mark q s samp small span strong sub sup u var wbr").
		With("abbr", Attrs{"title": AttrText}).
		With("bdi", Attrs{"dir": attrDir})
}

// Comment allows what a discussion needs: paragraphs, emphasis, code, quotations, lists and links. No images, which would
// tell their host who reads.
func Comment() Policy {
	p := preset("a b blockquote br code del em hr i ins kbd li ol p pre q s samp small span strong sub sup u ul")
	return linked(p).
		With("ol", Attrs{"start": AttrInt(1 << 20), "reversed": attrFlag("reversed")})
}

// Article allows what [Comment] does and headings, sections, figures with images, definition lists, ruby and tables: the
// markup of a blog post or a rendered Markdown document.
func Article() Policy {
	p := Comment()
	for name := range strings.FieldsSeq(`abbr address article aside bdi bdo caption center cite col colgroup data dd details dfn div dl
		dt figcaption figure footer h1 h2 h3 h4 h5 h6 header hgroup img main mark rp rt ruby section strike summary table tbody td tfoot th
		thead time tr tt var wbr`) {
		p = p.With(name, nil)
	}
	p.Global = Attrs{"dir": attrDir, "id": AttrText, "lang": AttrRegexp("[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*"), "title": AttrText}
	cells := Attrs{
		"align": AttrEnum("left", "center", "right", "justify"), "valign": AttrEnum("top", "middle", "bottom", "baseline"),
		"colspan": AttrInt(1000), "rowspan": AttrInt(65534), "headers": AttrText,
	}
	return p.
		With("img", Attrs{
			"src": AttrURL, "srcset": AttrSrcSet, "sizes": AttrText, "alt": AttrText, "width": AttrInt(10000), "height": AttrInt(10000),
			"loading": AttrEnum("lazy", "eager"), "decoding": AttrEnum("sync", "async", "auto"),
		}).
		With("blockquote", Attrs{"cite": AttrURL}).
		With("q", Attrs{"cite": AttrURL}).
		With("del", Attrs{"cite": AttrURL, "datetime": AttrText}).
		With("ins", Attrs{"cite": AttrURL, "datetime": AttrText}).
		With("time", Attrs{"datetime": AttrText}).
		With("data", Attrs{"value": AttrText}).
		With("details", Attrs{"open": attrFlag("open")}).
		With("li", Attrs{"value": AttrInt(1 << 20)}).
		With("col", Attrs{"span": AttrInt(1000)}).
		With("colgroup", Attrs{"span": AttrInt(1000)}).
		With("td", cells).
		With("th", cells).
		With("th", Attrs{"scope": AttrEnum("row", "col", "rowgroup", "colgroup"), "abbr": AttrText})
}

// Email allows what [Article] does and the presentational attributes that mail programs write. Its images load from
// anywhere, which tells the sender that the mail was read: remove img, or restrict URL.Hosts to an image proxy.
func Email() Policy {
	size := AttrRegexp("[0-9]{1,4}%?")
	color := AttrRegexp("#[0-9A-Fa-f]{3,8}|[A-Za-z]{3,20}")
	align := AttrEnum("left", "center", "right", "justify")
	p := Article()
	for name := range strings.FieldsSeq("p div h1 h2 h3 h4 h5 h6 tr") {
		p = p.With(name, Attrs{"align": align})
	}
	return p.
		With("big", nil).
		With("font", Attrs{"color": color, "face": AttrText, "size": AttrRegexp("[-+]?[1-7]")}).
		With("table", Attrs{
			"align": align, "bgcolor": color, "border": AttrInt(100), "cellpadding": AttrInt(100), "cellspacing": AttrInt(100), "width": size,
		}).
		With("tr", Attrs{"bgcolor": color}).
		With("td", Attrs{"bgcolor": color, "width": size, "height": size}).
		With("th", Attrs{"bgcolor": color, "width": size, "height": size})
}

var attrDir = AttrEnum("ltr", "rtl", "auto")

// attrFlag is a boolean attribute, which is written empty or as its own name.
func attrFlag(name string) Attr { return AttrEnum("", name) }

func preset(names string) Policy {
	p := Policy{Elements: map[string]Attrs{}, Drop: append([]string(nil), presetDrop...)}
	for name := range strings.FieldsSeq(names) {
		p.Elements[name] = Attrs{}
	}
	return p
}

func linked(p Policy) Policy {
	p.URL = URLRules{Schemes: []string{"https", "http", "mailto", "tel"}, Relative: true}
	return p.With("a", Attrs{"href": AttrURL, "title": AttrText})
}
