package sanitize

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// Policy says which markup survives. It is plain data: print it, diff it, keep it as JSON, derive one from another with
// [Policy.With] and [Policy.Minus]. It takes effect through [Compile], which copies it and refuses what is unsafe.
//
// The zero Policy allows no markup and keeps all text.
type Policy struct {
	// Elements lists the allowed elements by lower-case name, with their attributes.
	Elements map[string]Attrs `json:"elements,omitempty"`
	// Global lists the attributes allowed on every element of Elements.
	Global Attrs `json:"global,omitempty"`
	// Drop lists elements that are removed with their content. script and style always are.
	Drop []string `json:"drop,omitempty"`
	// URL rules every attribute of kind url and srcset.
	URL URLRules `json:"url,omitzero"`
	// Links rules what <a> and <area> say about other hosts.
	Links LinkRules `json:"links,omitzero"`
	// IDPrefix stands before each id and name and before what refers to one, so that none of them can shadow a property
	// of window or document (DOM clobbering). Empty means "user-content-".
	IDPrefix string `json:"idPrefix,omitempty"`
	// InsecureRawIDs lets id and name through as written.
	InsecureRawIDs bool `json:"insecureRawIDs,omitempty"`
	// Limits bounds the work; a zero field means its default.
	Limits Limits `json:"limits,omitzero"`
}

// Attrs maps lower-case attribute names to the kind of value each takes.
type Attrs map[string]Attr

// URLRules are applied to a URL as a browser reads it (WHATWG URL Standard).
type URLRules struct {
	// Schemes are those of absolute URLs: any of http, https, mailto, tel, sms, xmpp, irc, ircs, matrix, magnet, ftp.
	Schemes []string `json:"schemes,omitempty"`
	// Hosts, if not empty, are the only hosts of absolute URLs: "example.com", or "*.example.com" for its subdomains.
	Hosts []string `json:"hosts,omitempty"`
	// Relative allows paths, queries and fragments.
	Relative bool `json:"relative,omitempty"`
	// DataImages are the types that <img src="data:..."> may carry: png, jpeg, gif, webp, avif.
	DataImages []string `json:"dataImages,omitempty"`
}

// LinkRules are applied to each link to another host, whatever rel and target its author wrote.
type LinkRules struct {
	// Rel replaces the author's rel. Nil means nofollow noopener ugc; noopener is always added.
	Rel []string `json:"rel,omitempty"`
	// Target is "" or "_blank".
	Target string `json:"target,omitempty"`
	// Own lists hosts whose links count as links within the site.
	Own []string `json:"own,omitempty"`
}

// Limits bounds the work that one input can cause. A zero field means the default in brackets, a negative one is an error.
type Limits struct {
	// Input is the size of the input in bytes, at most 256 MiB [1 MiB].
	Input int `json:"input,omitempty"`
	// Depth is how deep elements nest, at most 100 [100]. Deeper elements go, their text stays.
	Depth int `json:"depth,omitempty"`
	// Attributes is how many attributes of an element are looked at, at most 64 [64].
	Attributes int `json:"attributes,omitempty"`
}

const (
	defaultInput      = 1 << 20
	maxInput          = 1 << 28 // six times as much is an int everywhere
	maxDepth          = 100
	maxAttributes     = 64
	defaultIDPrefix   = "user-content-"
	outputFactor      = 6
	outputSlack       = 1 << 10
	fingerprintEngine = "pavise-sanitize-1"
)

// With returns a copy of p that also allows element el with the attributes a, besides those it had.
func (p Policy) With(el string, a Attrs) Policy {
	p = p.clone()
	if p.Elements == nil {
		p.Elements = map[string]Attrs{}
	}
	attrs := maps.Clone(p.Elements[el])
	if attrs == nil {
		attrs = Attrs{}
	}
	maps.Copy(attrs, a)
	p.Elements[el] = attrs
	return p
}

// Minus returns a copy of p without the elements els. Their text stays.
func (p Policy) Minus(els ...string) Policy {
	p = p.clone()
	for _, el := range els {
		delete(p.Elements, el)
	}
	return p
}

func (p Policy) clone() Policy {
	p.Elements = maps.Clone(p.Elements)
	for el, a := range p.Elements {
		p.Elements[el] = maps.Clone(a)
	}
	p.Global = maps.Clone(p.Global)
	p.Drop = slices.Clone(p.Drop)
	p.URL.Schemes = slices.Clone(p.URL.Schemes)
	p.URL.Hosts = slices.Clone(p.URL.Hosts)
	p.URL.DataImages = slices.Clone(p.URL.DataImages)
	p.Links.Rel = slices.Clone(p.Links.Rel)
	p.Links.Own = slices.Clone(p.Links.Own)
	return p
}

// Fingerprint identifies what the policy does: 64 hexadecimal digits that change with the policy and with a release whose
// output differs. Store it beside cached HTML and sanitize again when it changes.
func (p Policy) Fingerprint() string {
	data, err := json.Marshal(p)
	if err != nil { // maps of strings, strings, ints and bools always marshal
		panic("sanitize: " + err.Error())
	}
	sum := sha256.Sum256(append([]byte(fingerprintEngine+"\n"), data...))
	return hex.EncodeToString(sum[:])
}

// CSP returns the Content-Security-Policy directives that a page needs for the policy's output and no more, to be merged
// with the page's own: img-src and media-src from the URL rules, frame-src and object-src 'none'.
func (p Policy) CSP() string {
	return "img-src " + p.sources("img") + "; media-src " + p.sources("audio", "video", "source", "track") +
		"; frame-src 'none'; object-src 'none'"
}

func (p Policy) sources(els ...string) string {
	if !slices.ContainsFunc(els, func(el string) bool { _, ok := p.Elements[el]; return ok }) {
		return "'none'"
	}
	var out []string
	if p.URL.Relative {
		out = append(out, "'self'")
	}
	for _, scheme := range p.URL.Schemes {
		switch {
		case scheme != "http" && scheme != "https":
		case len(p.URL.Hosts) == 0:
			out = append(out, scheme+":")
		default:
			for _, h := range p.URL.Hosts {
				if isHostPattern(h) { // Compile refuses any other; here it could add a directive
					out = append(out, scheme+"://"+h)
				}
			}
		}
	}
	if len(p.URL.DataImages) > 0 && els[0] == "img" {
		out = append(out, "data:")
	}
	if out == nil {
		return "'none'"
	}
	return strings.Join(out, " ")
}

// UnmarshalJSON accepts the form that json.Marshal writes and nothing else: an unknown or repeated member is an error,
// because a policy that silently lost a line is not the one that was reviewed.
func (p *Policy) UnmarshalJSON(data []byte) error {
	if err := uniqueMembers(json.NewDecoder(bytes.NewReader(data))); err != nil {
		return err
	}
	type plain Policy
	var q plain
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&q); err != nil {
		return fmt.Errorf("sanitize: policy: %w", err)
	}
	*p = Policy(q)
	return nil
}

// uniqueMembers reads one JSON value. encoding/json folds case, so members that differ in case only are repeated too; beyond
// ASCII, where it folds further, no member has a letter.
func uniqueMembers(dec *json.Decoder) error {
	tok, err := dec.Token()
	if err != nil {
		return fmt.Errorf("sanitize: policy: %w", err)
	}
	delim, ok := tok.(json.Delim)
	if !ok {
		return nil
	}
	seen := map[string]bool{}
	for dec.More() {
		if delim == '{' {
			tok, err := dec.Token()
			if err != nil {
				return fmt.Errorf("sanitize: policy: %w", err)
			}
			key := strings.ToLower(tok.(string))
			if seen[key] || strings.ContainsFunc(key, func(r rune) bool { return r >= utf8.RuneSelf }) {
				return errors.New("sanitize: policy: a JSON member is repeated or unknown")
			}
			seen[key] = true
		}
		if err := uniqueMembers(dec); err != nil {
			return err
		}
	}
	_, err = dec.Token()
	return err
}
