package sanitize

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"github.com/microcosm-cc/bluemonday"
	"github.com/pavise/pavise/sanitize/internal/verify"
)

// Option configures a [Sanitizer].
type Option func(*Sanitizer)

// WithLogger sends security events to l. See the package comment for what they are.
func WithLogger(l *slog.Logger) Option { return func(s *Sanitizer) { s.log = l } }

// Compile makes a policy ready for use. It copies p. Every name that it does not know to be harmless and every combination
// that is unsafe is an error that says why.
func Compile(p Policy, opts ...Option) (*Sanitizer, error) {
	p = p.clone()
	if err := p.complete(); err != nil {
		return nil, err
	}
	if err := p.check(); err != nil {
		return nil, err
	}
	return build(p, bluemondayPolicy(p), opts)
}

// MustCompile is [Compile] for package variables. It panics if the policy is refused.
func MustCompile(p Policy, opts ...Option) *Sanitizer {
	s, err := Compile(p, opts...)
	if err != nil {
		panic(err)
	}
	return s
}

// complete fills in the defaults.
func (p *Policy) complete() error {
	if p.IDPrefix == "" && !p.InsecureRawIDs {
		p.IDPrefix = defaultIDPrefix
	}
	if p.Links.Rel == nil {
		p.Links.Rel = []string{"nofollow", "noopener", "ugc"}
	} else if !slices.Contains(p.Links.Rel, "noopener") {
		p.Links.Rel = append(p.Links.Rel, "noopener")
	}
	for _, name := range []string{"script", "style"} {
		if !slices.Contains(p.Drop, name) {
			p.Drop = append(p.Drop, name)
		}
	}
	for _, l := range []struct {
		n            *int
		fallback, at int
		name         string
	}{
		{&p.Limits.Input, defaultInput, maxInput, "Input"},
		{&p.Limits.Depth, maxDepth, maxDepth, "Depth"},
		{&p.Limits.Attributes, maxAttributes, maxAttributes, "Attributes"},
	} {
		if *l.n == 0 {
			*l.n = l.fallback
		}
		if *l.n < 0 || *l.n > l.at {
			return fmt.Errorf("sanitize: Limits.%s is not between 0 and %d", l.name, l.at)
		}
	}
	return nil
}

func (p *Policy) check() error {
	if p.IDPrefix != "" && (p.InsecureRawIDs || !isToken(p.IDPrefix) || len(p.IDPrefix) > 32 || strings.ContainsAny(p.IDPrefix, "#/")) {
		return errors.New("sanitize: IDPrefix is up to 32 letters, digits, '-', '_' and '.', and contradicts InsecureRawIDs")
	}
	if err := p.checkURLs(); err != nil {
		return err
	}
	for _, el := range slices.Sorted(maps.Keys(p.Elements)) {
		if err := checkElement(el); err != nil {
			return err
		}
		if err := p.checkAttrs(el, p.Elements[el]); err != nil {
			return err
		}
	}
	for _, el := range p.Drop {
		if _, both := p.Elements[el]; both {
			return fmt.Errorf("sanitize: <%s> is in Elements and in Drop", el)
		}
		if !knownName(el, true) {
			return fmt.Errorf("sanitize: Drop has %q, which is not the name of an element", el)
		}
	}
	return p.checkAttrs("*", p.Global)
}

func checkElement(name string) error {
	if why, ok := refusedElements[name]; ok {
		return fmt.Errorf("sanitize: <%s> cannot be allowed: %s", name, why)
	}
	if elements[name] == nil {
		return fmt.Errorf("sanitize: %q is not an element that a policy can allow", name)
	}
	return nil
}

// tableParts must come together: a table is repaired by adding the parts that its author left out.
var tableParts = strings.Fields("table tbody tr td")

func (p *Policy) checkURLs() error {
	known := set("http https mailto tel sms xmpp irc ircs matrix magnet ftp")
	for _, s := range p.URL.Schemes {
		if !known[s] {
			return fmt.Errorf("sanitize: URL.Schemes has %q: it can run code, or is not known", s)
		}
	}
	for _, t := range p.URL.DataImages {
		if !dataImageTypes[t] {
			return fmt.Errorf("sanitize: URL.DataImages has %q: only png, jpeg, gif, webp and avif cannot run code", t)
		}
	}
	for _, h := range slices.Concat(p.URL.Hosts, p.Links.Own) {
		if !isHostPattern(h) {
			return fmt.Errorf(`sanitize: a host is written as "example.com" or "*.example.com"`)
		}
	}
	if t := p.Links.Target; t != "" && t != "_blank" {
		return fmt.Errorf(`sanitize: Links.Target is "" or "_blank": any other would load into a frame of the page`)
	}
	for _, r := range p.Links.Rel {
		if !isToken(r) || r == "opener" {
			return fmt.Errorf("sanitize: Links.Rel holds link types, and opener hands the page to the other host")
		}
	}
	some := slices.ContainsFunc(slices.Collect(maps.Keys(p.Elements)), func(el string) bool {
		e := elements[el]
		return e != nil && e.is(table|cell)
	})
	for _, el := range tableParts {
		if _, ok := p.Elements[el]; some && !ok {
			return fmt.Errorf("sanitize: parts of tables are allowed but not <%s>, which repairing a table needs", el)
		}
	}
	return nil
}

// isHostPattern reports whether h is a host in lower case or, with "*." in front, stands for its subdomains.
func isHostPattern(h string) bool {
	return h == strings.ToLower(h) && isToken(strings.TrimPrefix(h, "*.")) && !strings.ContainsAny(h, "/#_")
}

func (p *Policy) checkAttrs(el string, attrs Attrs) error {
	for _, name := range slices.Sorted(maps.Keys(attrs)) {
		if why := p.refusal(el, name, attrs[name]); why != "" {
			return fmt.Errorf("sanitize: %q on <%s> cannot be allowed: %s", name, el, why)
		}
		if _, err := attrs[name].compile(); err != nil {
			return fmt.Errorf("%w (%q on <%s>)", err, name, el)
		}
	}
	return nil
}

// refusal says why el may not have an attribute of that name and kind, or "".
func (p *Policy) refusal(el, name string, kind Attr) string {
	if why, ok := refusedAttrs[name]; ok {
		return why
	}
	custom, isCustom := strings.CutPrefix(name, "data-")
	aria, isARIA := strings.CutPrefix(name, "aria-")
	switch {
	case strings.HasPrefix(name, "on"):
		return "it is an event handler"
	case !urlAttrs[name] && !idAttrs[name] && !idListAttrs[name] && !plainAttrs[name] && !(isCustom && isAttrName(custom)) && !(isARIA && isAttrName(aria)):
		return "it is not an attribute that a policy can allow"
	case urlAttrs[name] != (kind == AttrURL) && !isCustom:
		return "href, src, cite, poster and longdesc are of kind url, and no other attribute is"
	case (name == "srcset") != (kind == AttrSrcSet):
		return "srcset is of kind srcset, and no other attribute is"
	case name == "class" && !strings.HasPrefix(string(kind), "classes:"):
		return "any class would let the author borrow the page's styles and scripts: use AttrClasses"
	case name == "target" && kind != AttrEnum("_blank"):
		return `any target but "_blank" loads into a frame of the page`
	case (idAttrs[name] || idListAttrs[name] || name == "usemap") && kind != AttrText && !strings.HasPrefix(string(kind), "regexp:"):
		return "ids are of kind text or regexp: they are prefixed"
	case kind == AttrURL && len(p.URL.Schemes) == 0 && !p.URL.Relative:
		return "URL allows neither a scheme nor relative URLs"
	}
	return ""
}

func isAttrName(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' })
}

// build turns a completed and checked policy into a sanitizer whose engine ends with filter.
func build(p Policy, filter *bluemonday.Policy, opts []Option) (*Sanitizer, error) {
	rules := &rules{
		policy: p,
		els:    map[string]*elementRule{},
		drop:   set(strings.Join(p.Drop, " ")),
		rel:    strings.Join(p.Links.Rel, " "),
	}
	for el, attrs := range p.Elements {
		er := &elementRule{element: elements[el], attrs: map[string]*attrRule{}}
		for _, set := range []Attrs{p.Global, attrs} {
			for name, a := range set {
				rule, err := a.compile()
				if err != nil {
					return nil, err
				}
				er.attrs[name] = rule
			}
		}
		rules.els[el] = er
	}
	s := &Sanitizer{rules: rules, filter: filter, lang: language(p, rules)}
	for _, o := range opts {
		o(s)
	}
	return s, nil
}

// language describes to the verifier what the policy can put out.
func language(p Policy, r *rules) *verify.Language {
	lang := &verify.Language{
		Elements:   map[string]*verify.Element{},
		Schemes:    p.URL.Schemes,
		Hosts:      p.URL.Hosts,
		Relative:   p.URL.Relative,
		DataImages: p.URL.DataImages,
		IDPrefix:   p.IDPrefix,
		Depth:      p.Limits.Depth,
	}
	kinds := map[attrKind]verify.Kind{
		kindURL: verify.URL, kindSrcSet: verify.SrcSet, kindEnum: verify.Enum, kindInt: verify.Int, kindClasses: verify.Classes,
	}
	for name, er := range r.els {
		el := verify.NewElement(name, er.element.is(void))
		for attr, rule := range er.attrs {
			el.Attrs[attr] = &verify.Attr{Kind: kinds[rule.kind], Values: rule.values, ID: idAttrs[attr]}
		}
		if er.links() {
			el.Attrs["rel"] = &verify.Attr{Kind: verify.Classes, Values: p.Links.Rel}
			el.Attrs["target"] = &verify.Attr{Kind: verify.Enum, Values: []string{"_blank"}}
		}
		lang.Elements[name] = el
	}
	return lang
}

// bluemondayPolicy allows the same names to bluemonday. Values are settled before it sees them.
func bluemondayPolicy(p Policy) *bluemonday.Policy {
	bm := bluemonday.NewPolicy()
	for el, attrs := range p.Elements {
		bm.AllowElements(el)
		bm.AllowNoAttrs().OnElements(el)
		for _, set := range []Attrs{p.Global, attrs} {
			for name := range set {
				bm.AllowAttrs(name).OnElements(el)
			}
		}
		if el == "a" || el == "area" {
			bm.AllowAttrs("rel", "target").OnElements(el)
		}
	}
	bm.Sanitize("x") // settles what bluemonday prepares on first use, before goroutines share it
	return bm
}
