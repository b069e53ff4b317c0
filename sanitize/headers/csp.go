package headers

import (
	"errors"
	"fmt"
	"strings"
)

// Src is a source of a Content-Security-Policy: "https://cdn.example.com", "wss://live.example.com:8443/feed", "'self'", a hash
// such as "'sha256-...'", or, except for scripts, styles and frames, "data:" or "blob:".
type Src string

// unsafeMark cannot begin a source: it would be a scheme that no browser loads from.
const unsafeMark = "unsafe:"

// Unsafe returns a source that [Policy.Validate] would refuse: a wildcard, http:, 'unsafe-inline', 'unsafe-eval'. It says in
// the code that somebody weighed it.
func Unsafe(source string) Src { return Src(unsafeMark + source) }

// nonceMark stands for the nonce in a composed policy. No source can contain it.
const nonceMark = "\x00"

// directive is one line of the policy.
type directive struct {
	field, name string
	base        string // what the zero Policy allows
	add         []Src
	local       bool // data: and blob: are harmless here
}

func (p Policy) directives() []directive {
	return []directive{
		{"", "default-src", "'self'", nil, false},
		{"Script", "script-src", nonceMark + " 'strict-dynamic'", p.Script, false},
		{"Style", "style-src", "'self' " + nonceMark, p.Style, false},
		{"Connect", "connect-src", "'self'", p.Connect, true},
		{"Img", "img-src", "'self'", p.Img, true},
		{"Font", "font-src", "'self'", p.Font, true},
		{"Media", "media-src", "'self'", p.Media, true},
		{"Frame", "frame-src", "'none'", p.Frame, false},
		{"", "object-src", "'none'", nil, false},
		{"", "base-uri", "'none'", nil, false},
		{"FormAction", "form-action", "'self'", p.FormAction, false},
		{"Embeddable", "frame-ancestors", "'none'", p.Embeddable, false},
	}
}

// csp returns the policy with a nonceMark for each nonce.
func (p Policy) csp() string {
	if p.api {
		return "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	}
	var lines []string
	for _, d := range p.directives() {
		lines = append(lines, d.String())
	}
	if p.TrustedTypes != nil {
		names := strings.Join(p.TrustedTypes, " ")
		if names == "" {
			names = "'none'"
		}
		lines = append(lines, "require-trusted-types-for 'script'", "trusted-types "+names)
	}
	return strings.Join(lines, "; ")
}

func (d directive) String() string {
	sources := []string{d.base}
	if d.base == "'none'" && len(d.add) > 0 {
		sources = nil
	}
	for _, s := range d.add {
		sources = append(sources, strings.TrimPrefix(string(s), unsafeMark))
	}
	return d.name + " " + strings.Join(sources, " ")
}

// Validate reports what is unsafe or contradictory in p, by field. Handler panics with the same error, so a program calls it
// only if its policy comes from outside.
func (p Policy) Validate() error {
	for _, d := range p.directives() {
		if p.api && len(d.add) > 0 {
			return fmt.Errorf("headers: an API policy loads nothing, so %s must be empty", d.field)
		}
		for i, s := range d.add {
			if why := d.refusal(string(s)); why != "" {
				return fmt.Errorf("headers: %s[%d]: %s", d.field, i, why)
			}
		}
	}
	switch {
	case p.api && (p.TrustedTypes != nil || p.COEP):
		return errors.New("headers: an API policy has no page for TrustedTypes or COEP")
	case p.HSTS.Preload && !p.HSTS.Subdomains:
		return errors.New("headers: HSTS.Preload needs HSTS.Subdomains")
	case p.HSTS.Off && p.HSTS.Subdomains:
		return errors.New("headers: HSTS.Off contradicts the other fields of HSTS")
	}
	for i, name := range p.TrustedTypes {
		if name == "" || strings.ContainsFunc(name, func(r rune) bool { return !isAlnum(r) && !strings.ContainsRune("-#=_/@.%", r) }) {
			return fmt.Errorf("headers: TrustedTypes[%d]: not the name of a Trusted Types policy", i)
		}
	}
	return nil
}

// refusal says why s is not a source of d, or "".
func (d directive) refusal(s string) string {
	bare, weighed := strings.CutPrefix(s, unsafeMark)
	if bare == "" || strings.ContainsFunc(bare, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == ';' || r == ',' }) {
		return "a source is printable ASCII without spaces, ';' and ','"
	}
	if strings.HasPrefix(strings.ToLower(bare), "'nonce-") {
		return "a nonce serves one response: Handler makes it"
	}
	if weighed {
		return ""
	}
	switch {
	case bare == "'self'", strings.HasPrefix(bare, "'sha") && isHash(bare):
		return ""
	case bare == "data:" || bare == "blob:":
		if d.local {
			return ""
		}
		return "anybody can write a data: or blob: URL: wrap it in Unsafe"
	case bare[0] == '\'':
		return "this keyword weakens the policy or is set already: wrap it in Unsafe"
	case strings.Contains(bare, "*"):
		return "a wildcard trusts hosts that you do not know: wrap it in Unsafe"
	case strings.HasPrefix(bare, "https://"), strings.HasPrefix(bare, "wss://"):
		return hostRefusal(bare)
	}
	return `a source begins with "https://" or "wss://": wrap any other in Unsafe`
}

func hostRefusal(s string) string {
	_, rest, _ := strings.Cut(s, "://")
	host, _, _ := strings.Cut(rest, "/")
	name, port, hasPort := strings.Cut(host, ":")
	if name == "" || name[0] == '.' || strings.ContainsFunc(name, func(r rune) bool { return !isAlnum(r) && r != '-' && r != '.' }) ||
		hasPort && (port == "" || strings.Trim(port, "0123456789") != "") || strings.ContainsAny(s, "?#'\"\\@") {
		return "the host is not one"
	}
	return ""
}

// isHash reports whether s is 'sha256-B', 'sha384-B' or 'sha512-B' with B in base64.
func isHash(s string) bool {
	sizes := map[string]int{"'sha256": 44, "'sha384": 64, "'sha512": 88}
	alg, sum, _ := strings.Cut(s, "-")
	sum, quoted := strings.CutSuffix(sum, "'")
	return quoted && sizes[alg] == len(sum) && !strings.ContainsFunc(sum, func(r rune) bool {
		return !isAlnum(r) && !strings.ContainsRune("+/=-_", r)
	})
}

func isAlnum(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
}
