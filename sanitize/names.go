package sanitize

import "strings"

// element is what the HTML standard's tree construction knows about a name.
type element struct {
	name string
	flag flags
}

type flags uint16

const (
	void     flags = 1 << iota // has no content and no end tag
	closesP                    // its start tag ends an open paragraph
	special                    // stops the search for an open list item
	heading                    // h1 to h6
	table                      // table and what stands between it and its cells
	cell                       // td, th, caption: flow content inside a table
	listItem                   // li, dd, dt
	rubyText                   // rt, rp
)

func (e *element) is(f flags) bool { return e.flag&f != 0 }

// elements holds every name that a policy may allow. None of them changes the state of a tokenizer or the namespace, and
// none acts on its own: that is what the safety of the output rests on.
var elements = func() map[string]*element {
	m := map[string]*element{}
	for f, names := range map[flags]string{
		0:                            "a abbr acronym audio b bdi bdo big cite code data del dfn em font i ins kbd map mark meter picture progress q ruby s samp small span strike strong sub sup time tt u var video",
		void | special:               "area br img source track wbr",
		void | special | closesP:     "hr",
		void | special | table:       "col",
		special | closesP:            "address article aside blockquote center details div dl figcaption figure footer header hgroup main menu nav ol p pre section summary ul",
		special | closesP | heading:  "h1 h2 h3 h4 h5 h6",
		special | closesP | listItem: "li dd dt",
		special | closesP | table:    "table",
		special | table:              "tbody thead tfoot tr colgroup",
		special | cell:               "td th caption",
		rubyText:                     "rt rp",
	} {
		for name := range strings.FieldsSeq(names) {
			m[name] = &element{name, f}
		}
	}
	return m
}()

// set makes a lookup table of a list of names.
func set(names string) map[string]bool {
	m := map[string]bool{}
	for name := range strings.FieldsSeq(names) {
		m[name] = true
	}
	return m
}

// refusedElements are the names for which Compile says why, by their reason.
var refusedElements = map[string]string{
	"script":    "it runs code",
	"style":     "it styles the whole page",
	"svg":       "it changes the namespace, in which other rules hold",
	"math":      "it changes the namespace, in which other rules hold",
	"template":  "its content is parsed by other rules",
	"noscript":  "its content is parsed by other rules with and without scripting",
	"select":    "its content is parsed by other rules",
	"textarea":  "its content is not parsed as markup",
	"title":     "its content is not parsed as markup",
	"iframe":    "it embeds a page",
	"frame":     "it embeds a page",
	"frameset":  "it replaces the page",
	"object":    "it embeds active content",
	"embed":     "it embeds active content",
	"applet":    "it embeds active content",
	"base":      "it changes what every URL of the page means",
	"link":      "it loads a resource into the page",
	"meta":      "it changes the page",
	"form":      "it sends the reader's input elsewhere",
	"input":     "it imitates the page's own controls",
	"button":    "it imitates the page's own controls",
	"xmp":       "its content is not parsed as markup",
	"noembed":   "its content is not parsed as markup",
	"noframes":  "its content is not parsed as markup",
	"plaintext": "everything after it is not parsed as markup",
}

// rawText are the elements whose content a browser does not parse as markup. In rcdata it decodes character references.
var (
	rawText = set("script style xmp iframe noembed noframes textarea title")
	rcdata  = set("textarea title")
)

// otherVoid are the elements without content that no policy may allow.
var otherVoid = set("base basefont bgsound embed frame image input keygen link meta param")

func isVoid(name string) bool {
	e := elements[name]
	return otherVoid[name] || e != nil && e.is(void)
}

// otherHTML and foreign complete the names that are markup, allowed or not. Any other name between angle brackets, such as
// <john@example.com> or <String>, is what somebody wrote: text.
var (
	otherHTML = set(`applet base basefont bgsound blink body button canvas command content datalist dialog dir embed fieldset form frame
		frameset head html iframe image input isindex keygen label legend link listing marquee menuitem meta multicol nextid nobr noembed noframes
		noscript object optgroup option output param plaintext portal rb rtc script search select shadow slot spacer style svg math template
		textarea title xmp`)
	foreign = set(`animate animatemotion animatetransform annotation annotation-xml circle clippath defs desc ellipse feblend fecolormatrix
		fecomposite feflood fegaussianblur feimage femerge feoffset filter foreignobject g image line lineargradient maction malignmark marker mask
		menclose merror metadata mfrac mglyph mi mmultiscripts mn mo mover mpadded mpath mphantom mprescripts mroot mrow ms mspace msqrt mstyle msub
		msubsup msup mtable mtd mtext mtr munder munderover path pattern polygon polyline radialgradient rect semantics set stop switch symbol text
		textpath tspan use view`)
)

// urlAttrs are the attributes that hold a URL. refusedAttrs hold one too, or code, and no policy may allow them.
var (
	urlAttrs     = set("href src cite poster longdesc")
	refusedAttrs = map[string]string{
		"style":           "it can cover the page and load from anywhere",
		"srcdoc":          "it holds a page",
		"action":          "it sends the reader's input elsewhere",
		"formaction":      "it sends the reader's input elsewhere",
		"ping":            "it reports the reader's clicks",
		"background":      "it loads from anywhere",
		"data":            "it embeds active content",
		"xlink:href":      "it belongs to a refused namespace",
		"rel":             "Links writes it",
		"is":              "it turns an element into one of the page's own",
		"slot":            "it moves an element into one of the page's own",
		"http-equiv":      "it changes the page",
		"autofocus":       "it moves the reader's focus",
		"accesskey":       "it takes the page's keys",
		"contenteditable": "it lets the reader change the page",
		"popover":         "it covers the page",
		"form":            "it joins a form of the page",
	}
	// idAttrs hold one id or name, idListAttrs several.
	idAttrs     = set("id name")
	idListAttrs = set("headers aria-labelledby aria-describedby aria-controls aria-owns aria-details aria-flowto aria-activedescendant itemref")
	// plainAttrs are the other attributes without an effect of their own; data-* and aria-* come on top.
	plainAttrs = set(`abbr align alt bgcolor border cellpadding cellspacing char charoff class clear color cols colspan compact controls coords
		crossorigin datetime decoding default dir download face frame height high hreflang hspace itemprop itemscope itemtype kind label lang
		loading loop low max media min muted noshade nowrap open optimum playsinline preload referrerpolicy reversed role rows rowspan rules scope shape
		size sizes span srclang srcset start summary target title translate type usemap valign value vspace width`)
)
