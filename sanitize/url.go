package sanitize

import (
	"slices"
	"strings"
)

// siteURL is a URL as a browser would read it on an https page.
type siteURL struct {
	text   string // in a form that every parser reads alike
	scheme string // lower case; "" if relative or scheme-relative
	host   string // lower case, without port; "" if the page's own
}

// parseURL follows the WHATWG URL Standard as far as scheme and host go: white space and controls at the ends go, TAB and
// newlines go anywhere, a backslash is a slash, and any number of slashes leads to a host. What has no certain meaning is
// refused: other controls, user names, an empty host, a colon in the first path segment.
func parseURL(raw string) (siteURL, bool) {
	raw = strings.TrimFunc(raw, func(r rune) bool { return r <= ' ' })
	raw = newlineless.Replace(raw)
	if raw == "" || strings.ContainsFunc(raw, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return siteURL{}, false
	}
	scheme, rest, ok := cutScheme(raw)
	if !ok {
		return siteURL{}, false
	}
	switch scheme {
	case "", "http", "https", "ftp":
		return hierarchical(scheme, rest)
	}
	ok = rest != "" && !strings.Contains(rest, `\`)
	return siteURL{text: scheme + ":" + strings.ReplaceAll(rest, " ", "%20"), scheme: scheme}, ok
}

var newlineless = strings.NewReplacer("\t", "", "\n", "", "\r", "")

// cutScheme returns the scheme in lower case, "" for a relative URL, or false if there is a colon that might end one.
func cutScheme(s string) (scheme, rest string, ok bool) {
	end := strings.IndexAny(s, `:/\?#`)
	if end < 0 || s[end] != ':' {
		return "", s, true
	}
	if end == 0 {
		return "", "", false
	}
	for i := range end {
		c := s[i]
		if !isLetter(c) && (i == 0 || (c < '0' || c > '9') && c != '+' && c != '-' && c != '.') {
			return "", "", false
		}
	}
	return lowerASCII(s[:end]), s[end+1:], true
}

// hierarchical reads what follows a scheme that has a host, or the whole of a relative URL.
func hierarchical(scheme, s string) (siteURL, bool) {
	path, suffix := s, ""
	if i := strings.IndexAny(s, "?#"); i >= 0 {
		path, suffix = s[:i], s[i:]
	}
	path = strings.ReplaceAll(path, `\`, "/")
	prefix := ""
	if scheme != "" {
		prefix = scheme + ":"
	}
	if !strings.HasPrefix(path, "//") {
		// "https:evil.example" is a host on some pages and a path on others.
		return siteURL{text: strings.ReplaceAll(path+suffix, " ", "%20")}, scheme == ""
	}
	path = strings.TrimLeft(path, "/")
	authority, path, slash := strings.Cut(path, "/")
	if slash {
		path = "/" + path
	}
	host, port, _ := strings.Cut(authority, ":")
	if host == "" || strings.ContainsAny(host, "@%[]<>^|`{}&'\" ") || strings.Trim(port, "0123456789") != "" {
		return siteURL{}, false
	}
	text := prefix + "//" + authority + strings.ReplaceAll(path+suffix, " ", "%20")
	return siteURL{text: text, scheme: scheme, host: lowerASCII(host)}, true
}

// allows reports whether u is within the rules.
func (r *URLRules) allows(u siteURL) bool {
	switch {
	case u.scheme == "" && u.host == "":
		return r.Relative
	case u.scheme == "" && !slices.Contains(r.Schemes, "https"):
		return false // scheme-relative: what it is depends on the page
	case u.scheme != "" && !slices.Contains(r.Schemes, u.scheme):
		return false
	}
	return u.host == "" || len(r.Hosts) == 0 || matchHost(r.Hosts, u.host)
}

func matchHost(hosts []string, host string) bool {
	for _, h := range hosts {
		suffix, wild := strings.CutPrefix(h, "*")
		if h == host || wild && len(host) > len(suffix) && strings.HasSuffix(host, suffix) {
			return true
		}
	}
	return false
}

var dataImageTypes = set("png jpeg gif webp avif")

// dataImage returns a data URL of an allowed image type in its one accepted form, data:image/T;base64,B.
func (r *URLRules) dataImage(raw string) (string, bool) {
	raw = newlineless.Replace(strings.Trim(raw, asciiSpace))
	head, body, ok := strings.Cut(raw, ",")
	head = lowerASCII(head)
	kind, base64 := strings.CutSuffix(strings.TrimPrefix(head, "data:image/"), ";base64")
	if !ok || !base64 || !strings.HasPrefix(head, "data:image/") || !slices.Contains(r.DataImages, kind) || body == "" {
		return "", false
	}
	if strings.ContainsFunc(body, func(c rune) bool {
		return !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '+' || c == '/' || c == '=')
	}) {
		return "", false
	}
	return head + "," + body, true
}

// srcSet returns the allowed candidates of a srcset, in the form "url descriptor, url descriptor".
func (r *URLRules) srcSet(raw string) (string, bool) {
	var out []string
	for raw = strings.TrimLeft(raw, asciiSpace+","); raw != ""; raw = strings.TrimLeft(raw, asciiSpace+",") {
		ref, rest := raw, ""
		if end := strings.IndexAny(raw, asciiSpace); end >= 0 {
			ref, rest = raw[:end], raw[end:]
		}
		descriptor := ""
		if trimmed := strings.TrimRight(ref, ","); trimmed != ref {
			ref, raw = trimmed, rest
		} else {
			descriptor, raw, _ = strings.Cut(rest, ",")
			descriptor = strings.Trim(descriptor, asciiSpace)
		}
		u, ok := parseURL(ref)
		if !ok || !r.allows(u) || !isDescriptor(descriptor) || strings.HasPrefix(u.text, ",") || strings.HasSuffix(u.text, ",") {
			continue
		}
		if descriptor != "" {
			u.text += " " + descriptor
		}
		out = append(out, u.text)
	}
	return strings.Join(out, ", "), len(out) > 0
}

// isDescriptor accepts none, a width such as 640w and a density such as 1.5x.
func isDescriptor(s string) bool {
	if s == "" {
		return true
	}
	number, unit := s[:len(s)-1], s[len(s)-1]
	whole, fraction, dot := strings.Cut(number, ".")
	if unit != 'x' && (unit != 'w' || dot) || whole == "" || dot && fraction == "" {
		return false
	}
	return strings.Trim(whole+fraction, "0123456789") == ""
}
