package text

import (
	"errors"
	"strings"
	"unicode/utf8"
)

// ErrRedirect says that a redirect target leaves the site or could be read so by some browser. Send the user to "/" instead.
var ErrRedirect = errors.New("text: redirect target is not on this site")

// maxRedirect is the length in bytes that servers and proxies commonly accept for a header line.
const maxRedirect = 8 << 10

// RedirectTarget returns raw as the value of a Location header if it cannot lead anywhere but to a path of this site
// ("/inbox?page=2") or to an https URL of a listed host.
//
// hosts are names such as "app.example.com", or with a port "app.example.com:8443": ASCII (xn-- form), no wildcard. Neither
// a subdomain nor a trailing dot matches.
//
// It is judged by the rules of browsers (WHATWG URL Standard), where \ is / and TAB, CR and LF vanish: what would need one of
// those repairs is refused, as are user names, dot segments and a path that starts with an encoded slash. Characters
// outside ASCII come out percent-encoded. The limit is 8 KiB.
func RedirectTarget(raw string, hosts ...string) (string, error) {
	for _, h := range hosts {
		if !isHost(h) {
			return "", errors.New(`text: a redirect host is written as "example.com" or "example.com:8443"`)
		}
	}
	if raw == "" || !utf8.ValidString(raw) || strings.ContainsFunc(raw, notInURL) {
		return "", ErrRedirect
	}
	path := raw
	if raw[0] != '/' {
		host, rest, ok := splitHTTPS(raw)
		if !ok || !allowedHost(host, hosts) {
			return "", ErrRedirect
		}
		path = rest
	}
	if !isRedirectPath(path) {
		return "", ErrRedirect
	}
	target := escapeNonASCII(raw)
	if len(target) > maxRedirect {
		return "", ErrRedirect
	}
	return target, nil
}

// notInURL matches what a browser drops, folds into a slash, or shows as something else.
func notInURL(r rune) bool {
	return r <= ' ' || r == '\\' || r == 0x7f || r >= 0x80 && firstUnsafe(string(r)) == 0
}

func splitHTTPS(raw string) (host, rest string, ok bool) {
	const scheme = "https://"
	if len(raw) < len(scheme) || !strings.EqualFold(raw[:len(scheme)], scheme) {
		return "", "", false
	}
	host = raw[len(scheme):]
	if end := strings.IndexAny(host, "/?#"); end >= 0 {
		host, rest = host[:end], host[end:]
	}
	return host, rest, isHost(host)
}

// isHost reports whether s is a name with an optional port. Anything else (user names, percent-encoding, IPv6) has no
// spelling that all parsers read alike.
func isHost(s string) bool {
	name, port, hasPort := strings.Cut(s, ":")
	if hasPort && (port == "" || len(port) > 5 || strings.Trim(port, "0123456789") != "") {
		return false
	}
	if name == "" || len(name) > 253 || name[0] == '.' || name[0] == '-' {
		return false
	}
	return !strings.ContainsFunc(name, notInHost)
}

func notInHost(r rune) bool {
	switch {
	case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '-', r == '.':
		return false
	}
	return true
}

func allowedHost(host string, hosts []string) bool {
	host = strings.TrimSuffix(host, ":443")
	for _, h := range hosts {
		if strings.EqualFold(host, strings.TrimSuffix(h, ":443")) {
			return true
		}
	}
	return false
}

// isRedirectPath refuses a second slash at the start, which makes a host of what follows, in each form that a proxy or a
// framework might decode or resolve before a browser sees it.
func isRedirectPath(s string) bool {
	if end := strings.IndexAny(s, "?#"); end >= 0 {
		s = s[:end]
	}
	if s == "" {
		return true
	}
	if len(s) > 1 && s[1] == '/' {
		return false
	}
	if len(s) > 3 && s[1] == '%' && (strings.EqualFold(s[2:4], "2f") || strings.EqualFold(s[2:4], "5c")) {
		return false
	}
	for segment := range strings.SplitSeq(s[1:], "/") {
		if isDotSegment(segment) {
			return false
		}
	}
	return true
}

func isDotSegment(s string) bool {
	n := 0
	for ; s != ""; n++ {
		switch {
		case s[0] == '.':
			s = s[1:]
		case len(s) >= 3 && strings.EqualFold(s[:3], "%2e"):
			s = s[3:]
		default:
			return false
		}
	}
	return n == 1 || n == 2
}

func escapeNonASCII(s string) string {
	const upperHex = "0123456789ABCDEF"
	var b strings.Builder
	last := 0
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			b.WriteString(s[last:i])
			b.Write([]byte{'%', upperHex[s[i]>>4], upperHex[s[i]&0xf]})
			last = i + 1
		}
	}
	if last == 0 {
		return s
	}
	b.WriteString(s[last:])
	return b.String()
}
