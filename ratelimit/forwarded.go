package ratelimit

import (
	"slices"
	"strings"
)

// forwardedBackward yields the "for" of each element of a Forwarded field line (RFC 7239 section 4), last
// first. An element without one, or a line that does not follow the grammar, yields
// "", which is no address.
func forwardedBackward(line string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		hops, ok := parseForwarded(line)
		if !ok {
			yield("")
			return
		}
		for _, hop := range slices.Backward(hops) {
			if !yield(hop) {
				return
			}
		}
	}
}

// parseForwarded reads from the left, since a quoted string can hold commas. No part of a line that
// breaks the grammar is believed: an open quote could have swallowed what a proxy appended.
func parseForwarded(s string) (hops []string, ok bool) {
	for {
		hop, rest, ok := parseElement(s)
		if !ok {
			return nil, false
		}
		hops = append(hops, hop)
		if rest == "" {
			return hops, true
		}
		s = rest[1:] // rest begins with a comma
	}
}

// parseElement reads pairs up to a comma or the end.
func parseElement(s string) (hop, rest string, ok bool) {
	seen := false
	for {
		name, value, rest, ok := parsePair(strings.TrimLeft(s, " \t"))
		if !ok {
			return "", "", false
		}
		if strings.EqualFold(name, "for") {
			if seen {
				return "", "", false
			}
			hop, seen = value, true
		}
		rest = strings.TrimLeft(rest, " \t")
		if rest == "" || rest[0] == ',' {
			return hop, rest, true
		}
		if rest[0] != ';' {
			return "", "", false
		}
		s = rest[1:]
	}
}

// parsePair reads token "=" ( token / quoted-string ).
func parsePair(s string) (name, value, rest string, ok bool) {
	n := tokenLen(s)
	if n == 0 || n == len(s) || s[n] != '=' {
		return "", "", "", false
	}
	name, s = s[:n], s[n+1:]
	if strings.HasPrefix(s, `"`) {
		value, rest, ok = parseQuoted(s[1:])
		return name, value, rest, ok
	}
	n = tokenLen(s)
	return name, s[:n], s[n:], n > 0
}

// parseQuoted reads a quoted-string (RFC 9110 section 5.6.4) after its opening quote.
func parseQuoted(s string) (value, rest string, ok bool) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '"':
			return b.String(), s[i+1:], true
		case '\\':
			if i++; i == len(s) {
				return "", "", false
			}
		}
		b.WriteByte(s[i])
	}
	return "", "", false
}

// tokenLen is the length of the token (RFC 9110 section 5.6.2) that s begins with. The colon is let in, because
// many proxies write for=192.0.2.1:80 without the quotes that it needs.
func tokenLen(s string) int {
	for i := range len(s) {
		c := s[i]
		alnum := '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !alnum && !strings.ContainsRune("!#$%&'*+-.^_`|~:", rune(c)) {
			return i
		}
	}
	return len(s)
}
