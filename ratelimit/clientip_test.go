package ratelimit_test

import (
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/pavise/pavise/ratelimit"
)

var trusted = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}

func request(peer, header string, lines ...string) *http.Request {
	r := &http.Request{RemoteAddr: peer, Header: http.Header{}}
	for _, l := range lines {
		r.Header.Add(header, l)
	}
	return r
}

func TestClientIP(t *testing.T) {
	const xff, fwd = "X-Forwarded-For", "Forwarded"
	for _, c := range []struct {
		peer, header string
		lines        []string
		want         string // "" for ErrClientIP
	}{
		{"192.0.2.1:99", xff, nil, "192.0.2.1"},
		{"192.0.2.1:99", xff, []string{"198.51.100.7"}, "192.0.2.1"}, // the peer is no proxy of ours
		{"[2001:db8::1]:99", xff, []string{"198.51.100.7"}, "2001:db8::1"},
		{"[::ffff:192.0.2.1]:99", xff, nil, "192.0.2.1"},
		{"[fe80::1%eth0]:99", xff, nil, "fe80::1"},
		{"@", xff, []string{"198.51.100.7"}, ""}, // a Unix socket
		{"", xff, nil, ""},

		{"10.0.0.1:99", xff, nil, "10.0.0.1"},
		{"10.0.0.1:99", xff, []string{"198.51.100.7"}, "198.51.100.7"},
		{"[::ffff:10.0.0.1]:99", xff, []string{"198.51.100.7"}, "198.51.100.7"},
		{"10.0.0.1:99", xff, []string{"6.6.6.6, 198.51.100.7"}, "198.51.100.7"},
		{"10.0.0.1:99", xff, []string{"6.6.6.6, 198.51.100.7 ,\t10.9.9.9, fd00::2"}, "198.51.100.7"},
		{"10.0.0.1:99", xff, []string{"6.6.6.6", "198.51.100.7", "10.9.9.9"}, "198.51.100.7"},
		{"10.0.0.1:99", xff, []string{"10.2.2.2, 10.3.3.3"}, "10.2.2.2"},
		{"10.0.0.1:99", xff, []string{"198.51.100.7:1234"}, "198.51.100.7"},
		{"10.0.0.1:99", xff, []string{"[2001:db8::7]:1234"}, "2001:db8::7"},
		{"10.0.0.1:99", xff, []string{"[2001:db8::7]"}, "2001:db8::7"},
		{"10.0.0.1:99", xff, []string{"2001:db8::7%eth0"}, "2001:db8::7"},
		{"10.0.0.1:99", xff, []string{"::ffff:198.51.100.7"}, "198.51.100.7"},
		{"10.0.0.1:99", xff, []string{"not an address, 198.51.100.7"}, "198.51.100.7"},
		{"10.0.0.1:99", xff, []string{"198.51.100.7, not an address"}, ""},
		{"10.0.0.1:99", xff, []string{"198.51.100.7,"}, ""},
		{"10.0.0.1:99", xff, []string{"198.51.100.7, "}, ""},
		{"10.0.0.1:99", xff, []string{""}, ""},
		{"10.0.0.1:99", xff, []string{"unknown"}, ""},
		{"10.0.0.1:99", xff, []string{"198.51.100.256"}, ""},
		{"10.0.0.1:99", xff, []string{"198.51.100.07"}, ""},
		{"10.0.0.1:99", xff, []string{"[198.51.100.7]"}, ""},
		{"10.0.0.1:99", "x-real-ip", []string{"198.51.100.7"}, "198.51.100.7"},

		{"192.0.2.1:99", fwd, []string{"for=198.51.100.7"}, "192.0.2.1"},
		{"10.0.0.1:99", fwd, []string{"for=198.51.100.7"}, "198.51.100.7"},
		{"10.0.0.1:99", fwd, []string{`For="[2001:db8::7]:47011"`}, "2001:db8::7"},
		{"10.0.0.1:99", fwd, []string{"for=198.51.100.7:80;proto=http"}, "198.51.100.7"},
		{"10.0.0.1:99", fwd, []string{`for=6.6.6.6, for=198.51.100.7;by=203.0.113.43 , proto=https;for="10.1.1.1"`}, "198.51.100.7"},
		{"10.0.0.1:99", fwd, []string{`for=6.6.6.6;host="`, "for=198.51.100.7"}, "198.51.100.7"},
		{"10.0.0.1:99", fwd, []string{`for=6.6.6.6;host=", for=198.51.100.7`}, ""},
		{"10.0.0.1:99", fwd, []string{`for=6.6.6.6;host=", for="[2001:db8::7]"`}, ""},
		{"10.0.0.1:99", fwd, []string{`for="6.6.6.6, for=198.51.100.7"`}, ""},
		{"10.0.0.1:99", fwd, []string{`for="198.51.\100.7"`}, "198.51.100.7"},
		{"10.0.0.1:99", fwd, []string{"for=198.51.100.7;for=6.6.6.6"}, ""},
		{"10.0.0.1:99", fwd, []string{"for=198.51.100.7, proto=https"}, ""},
		{"10.0.0.1:99", fwd, []string{"for=_hidden"}, ""},
		{"10.0.0.1:99", fwd, []string{"for=unknown"}, ""},
		{"10.0.0.1:99", fwd, []string{"for=198.51.100.7,"}, ""},
		{"10.0.0.1:99", fwd, []string{"for"}, ""},
		{"10.0.0.1:99", fwd, []string{"for="}, ""},
		{"10.0.0.1:99", fwd, []string{`for="\`}, ""},
		{"10.0.0.1:99", fwd, []string{""}, ""},
	} {
		got, err := ratelimit.ClientIP{Trusted: trusted, Header: c.header}.Resolve(request(c.peer, c.header, c.lines...))
		if c.want == "" && !errors.Is(err, ratelimit.ErrClientIP) || c.want != "" && (err != nil || got.String() != c.want) {
			t.Errorf("peer %s, %s %q: got %v, %v, want %q", c.peer, c.header, c.lines, got, err, c.want)
		}
	}
}

// The zero value reads no field at all.
func TestClientIPZeroValue(t *testing.T) {
	got, err := ratelimit.ClientIP{}.Resolve(request("10.0.0.1:99", "X-Forwarded-For", "6.6.6.6"))
	if err != nil || got.String() != "10.0.0.1" {
		t.Errorf("got %v, %v", got, err)
	}
}

func FuzzClientIP(f *testing.F) {
	for _, s := range []string{"6.6.6.6", "for=6.6.6.6", `for="[::1]:80";by=_x, for="a\"b"`, "1.1.1.1, , [::]", `for=1.1.1.1;host="`, "::ffff:1.2.3.4%a"} {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		for _, header := range []string{"X-Forwarded-For", "Forwarded"} {
			c := ratelimit.ClientIP{Trusted: trusted, Header: header}
			own := func(ip string) string {
				if header == "Forwarded" {
					return "for=" + ip
				}
				return ip
			}
			// Whatever a stranger sends, a stranger stays.
			if got, err := c.Resolve(request("192.0.2.1:99", header, a, b)); err != nil || got.String() != "192.0.2.1" {
				t.Errorf("%s %q %q from a stranger: %v, %v", header, a, b, got, err)
			}
			// Our proxy adds a line of its own.
			if got, err := c.Resolve(request("10.0.0.1:99", header, a, b, own("192.0.2.1"))); err != nil || got.String() != "192.0.2.1" {
				t.Errorf("%s %q %q and a line: %v, %v", header, a, b, got, err)
			}
			// Our proxy appends to the line that it got.
			got, err := c.Resolve(request("10.0.0.1:99", header, a+", "+own("192.0.2.1")))
			if err == nil && got.String() != "192.0.2.1" || err != nil && header != "Forwarded" {
				t.Errorf("%s %q and an element: %v, %v", header, a, got, err)
			}
			// All of it from our proxy: any answer is fine that is an address.
			got, err = c.Resolve(request("10.0.0.1:99", header, a))
			if (err == nil) != got.IsValid() || got.Zone() != "" || got.Is4In6() {
				t.Errorf("%s %q: %v, %v", header, a, got, err)
			}
		}
	})
}

func TestIPKey(t *testing.T) {
	key := func(s string) ratelimit.Key { return ratelimit.IPKey(netip.MustParseAddr(s)) }
	same := [][2]string{
		{"192.0.2.1", "::ffff:192.0.2.1"},
		{"2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff"},
		{"fe80::1%eth0", "fe80::1%eth1"},
	}
	for _, c := range same {
		if key(c[0]) != key(c[1]) {
			t.Errorf("%v differ", c)
		}
	}
	for _, c := range [][2]string{{"192.0.2.1", "192.0.2.2"}, {"2001:db8:1:2::1", "2001:db8:1:3::1"}, {"::", "0.0.0.0"}} {
		if key(c[0]) == key(c[1]) {
			t.Errorf("%v are the same", c)
		}
	}
	if ratelimit.IPKey(netip.Addr{}) != (ratelimit.Key{}) {
		t.Error("no address has a key")
	}
}

func TestNewKeyIsInjective(t *testing.T) {
	seen := map[ratelimit.Key][]string{}
	parts := []string{"", "a", "b", "ab", "\x01a\x01b", "\x00", "\x01", "\x01a", strings.Repeat("a", 200)}
	for _, x := range parts {
		for _, ps := range [][]string{{x}, {x, "", ""}, {x, ""}, {"", x, ""}, {x, "a"}, {x, "b", "a"}, {"ab", x}} {
			k := ratelimit.NewKey(ps...)
			if old, ok := seen[k]; ok && strings.Join(old, "|") != strings.Join(ps, "|") {
				t.Errorf("%q and %q have the same key", old, ps)
			}
			seen[k] = ps
		}
	}
}
