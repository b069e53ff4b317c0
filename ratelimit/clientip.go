package ratelimit

import (
	"errors"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// ErrClientIP is returned if a request's client cannot be told: its peer is not an IP address, or
// a trusted proxy sent a field in which the client's place does not hold one.
var ErrClientIP = errors.New("ratelimit: client address cannot be determined")

// ClientIP finds the address of the client behind proxies. The zero value trusts nobody
// and returns the peer of the connection.
//
// Anyone can send a forwarding field, so it is read only if the connection comes from a Trusted
// prefix, and from its right end, which is what our own proxies wrote: the first address that is not
// a trusted proxy is the client. What stands to the left of it is hearsay and is not even parsed.
type ClientIP struct {
	// Trusted are the prefixes of our own proxies, in plain IPv4 or IPv6 (not IPv4-mapped) form.
	// Everyone who can connect from them can claim any address.
	Trusted []netip.Prefix

	// Header is the one field that these proxies append to or overwrite: "X-Forwarded-For", which is the
	// default, "Forwarded" (RFC 7239) or another with the syntax of X-Forwarded-For, such as "X-Real-Ip".
	Header string
}

// Key is [IPKey] of Resolve, in the form that [Middleware] takes.
func (c ClientIP) Key(r *http.Request) (Key, error) {
	a, err := c.Resolve(r)
	if err != nil {
		return Key{}, err
	}
	return IPKey(a), nil
}

// Resolve returns the client's address, without a zone and not IPv4-mapped, or [ErrClientIP].
// It is the peer's own if the peer is not trusted or sent no field, and the leftmost address of
// the field if all in it are trusted.
func (c ClientIP) Resolve(r *http.Request) (netip.Addr, error) {
	addr, ok := parseAddr(r.RemoteAddr)
	if !ok {
		return netip.Addr{}, ErrClientIP
	}
	if !c.trusts(addr) {
		return addr, nil
	}
	for _, line := range slices.Backward(r.Header[c.header()]) {
		last := false
		addr, last, ok = c.walk(line, addr)
		if !ok {
			return netip.Addr{}, ErrClientIP
		}
		if last {
			return addr, nil
		}
	}
	return addr, nil
}

func (c ClientIP) header() string {
	if c.Header == "" {
		return "X-Forwarded-For"
	}
	return http.CanonicalHeaderKey(c.Header)
}

// walk goes through one field line from the right, until an address that is not trusted. Each line
// is parsed by itself: a proxy that adds a line is not affected by quotes left open in another.
func (c ClientIP) walk(line string, addr netip.Addr) (_ netip.Addr, last, ok bool) {
	hops := hopsBackward(line)
	if strings.EqualFold(c.Header, "Forwarded") {
		hops = forwardedBackward(line)
	}
	for hop := range hops {
		if addr, ok = parseAddr(hop); !ok {
			return netip.Addr{}, false, false
		}
		if !c.trusts(addr) {
			return addr, true, true
		}
	}
	return addr, false, true
}

func (c ClientIP) trusts(a netip.Addr) bool {
	for _, p := range c.Trusted {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// hopsBackward yields the elements of a comma-separated list, last first, empty ones included.
func hopsBackward(line string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for more := true; more; {
			i := strings.LastIndexByte(line, ',')
			hop := line[i+1:]
			if more = i >= 0; more {
				line = line[:i]
			}
			if !yield(strings.Trim(hop, " \t")) {
				return
			}
		}
	}
}

// parseAddr reads an address with or without a port, IPv6 with or without brackets (always
// with them before a port).
func parseAddr(s string) (netip.Addr, bool) {
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return plain(ap.Addr()), true
	}
	if len(s) > 2 && s[0] == '[' && s[len(s)-1] == ']' {
		a, err := netip.ParseAddr(s[1 : len(s)-1])
		return plain(a), err == nil && a.Is6()
	}
	a, err := netip.ParseAddr(s)
	return plain(a), err == nil
}

func plain(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }
