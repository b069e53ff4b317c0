package sanitize

import (
	"strings"
)

// rules is a compiled Policy. It does not change.
type rules struct {
	policy Policy
	els    map[string]*elementRule
	drop   map[string]bool
	rel    string
}

type elementRule struct {
	element *element
	attrs   map[string]*attrRule
}

// links reports whether the element takes the reader to its href.
func (e *elementRule) links() bool { return e.element.name == "a" || e.element.name == "area" }

// value returns the value that attribute name of el may be written with, given its decoded value, or why it may not. The
// last result reports whether it leads to another host.
func (r *rules) value(el *elementRule, name, v string) (string, Reason, bool) {
	a := el.attrs[name]
	switch {
	case a == nil:
		return "", NotAllowed, false
	case a.kind == kindURL:
		return r.url(el, name, v)
	case a.kind == kindSrcSet:
		v, ok := r.policy.URL.srcSet(v)
		return v, refused(ok, UnsafeURL), false
	}
	if idAttrs[name] {
		v = strings.TrimPrefix(v, r.policy.IDPrefix) // a pattern is about the id as its author wrote it
	}
	v, ok := a.value(v)
	if !ok {
		return "", UnsafeValue, false
	}
	switch {
	case idAttrs[name]:
		v, ok = r.prefixID(v)
	case idListAttrs[name]:
		v, ok = r.prefixIDs(v)
	case name == "usemap":
		v, ok = r.prefixID(strings.TrimPrefix(v, "#"))
		v = "#" + v
	}
	return v, refused(ok, UnsafeValue), false
}

func refused(ok bool, why Reason) Reason {
	if ok {
		return ""
	}
	return why
}

func (r *rules) url(el *elementRule, name, v string) (string, Reason, bool) {
	if el.element.name == "img" && name == "src" {
		if data, ok := r.policy.URL.dataImage(v); ok {
			return data, "", false
		}
	}
	u, ok := parseURL(v)
	if !ok || !r.policy.URL.allows(u) {
		return "", UnsafeURL, false
	}
	if id, ok := strings.CutPrefix(u.text, "#"); ok && id != "" {
		if id, ok = r.prefixID(id); !ok {
			return "", UnsafeURL, false
		}
		u.text = "#" + id
	}
	external := u.host != "" && !matchHost(r.policy.Links.Own, u.host)
	return u.text, "", external
}

// prefixID puts the prefix before an id, once. Control characters would not be written,
// and may be all there is.
func (r *rules) prefixID(id string) (string, bool) {
	if id == "" || strings.ContainsFunc(id, func(c rune) bool { return c <= ' ' }) {
		return "", false
	}
	return r.policy.IDPrefix + strings.TrimPrefix(id, r.policy.IDPrefix), true
}

// maxIDs bounds how much a list of ids grows by its prefixes.
const maxIDs = 64

func (r *rules) prefixIDs(list string) (string, bool) {
	ids := strings.Fields(list)
	if len(ids) > maxIDs {
		return "", false
	}
	for i, id := range ids {
		var ok bool
		if ids[i], ok = r.prefixID(id); !ok {
			return "", false
		}
	}
	return strings.Join(ids, " "), len(ids) > 0
}
