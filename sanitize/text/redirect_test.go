package text_test

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/pavise/pavise/sanitize/text"
)

var hosts = []string{"app.example.com", "example.com:8443"}

func TestRedirectTarget(t *testing.T) {
	for in, want := range map[string]string{
		"/":                                  "/",
		"/inbox?page=2&next=//x#top":         "/inbox?page=2&next=//x#top",
		"/a//b/https://x":                    "/a//b/https://x",
		"/café":                              "/caf%C3%A9",
		"/a%2fb":                             "/a%2fb",
		"/..a/.well-known/x...":              "/..a/.well-known/x...",
		"https://app.example.com":            "https://app.example.com",
		"HTTPS://App.Example.com:443/x?y":    "HTTPS://App.Example.com:443/x?y",
		"https://example.com:8443/p":         "https://example.com:8443/p",
		"https://app.example.com?next=/#a@b": "https://app.example.com?next=/#a@b",
	} {
		if got, err := text.RedirectTarget(in, hosts...); got != want || err != nil {
			t.Errorf("RedirectTarget(%q) = %q, %v; want %q", in, got, err, want)
		}
	}
}

var leaving = []string{
	"", " ", "inbox", "?x", "#x", "//evil.com", "///evil.com", "////evil.com", `/\evil.com`, `\\evil.com`, `\/evil.com`,
	"/\t/evil.com", "\t//evil.com", "/\n/evil.com", "/%2f/evil.com", "/%2Fevil.com", "/%5cevil.com", "/.//evil.com", "/a/..//evil.com",
	"/%2e%2E//evil.com", "/./x", "/x/..", "https:evil.com", "https:/evil.com", `https:\\evil.com`, "https:///evil.com", "https://",
	"http://app.example.com", "ftp://app.example.com", "javascript:alert(1)", "JaVa\tScript:alert(1)", "data:text/html,x",
	"https://evil.com", "https://app.example.com.evil.com", "https://evil.com#app.example.com", "https://app.example.com@evil.com",
	"https://evil.com@app.example.com", `https://evil.com\@app.example.com`, `https://app.example.com\.evil.com`,
	"https://app.example.com.", "https://sub.app.example.com", "https://example.com", "https://example.com:443", "https://example.com:84430",
	"https://app.example.com:8443", "https://app%2eexample.com", "https://аpp.example.com", "https://app.example.com:", "https://app.example.com:+443",
	"/x\x00", "/x\u202ey", "/x y", "/x\xff", "/x\u2028", "https://[::1]/", "/" + strings.Repeat("a", 8<<10), "/" + strings.Repeat("é", 3<<10),
}

func TestRedirectTargetRefuses(t *testing.T) {
	for _, in := range leaving {
		if got, err := text.RedirectTarget(in, hosts...); !errors.Is(err, text.ErrRedirect) {
			t.Errorf("RedirectTarget(%q) = %q, %v; want ErrRedirect", in, got, err)
		}
	}
	for _, h := range []string{"", "https://a.com", "*.a.com", "a.com/", "a.com:x", ".a.com", "[::1]", "ä.com"} {
		if _, err := text.RedirectTarget("/", h); err == nil || errors.Is(err, text.ErrRedirect) {
			t.Errorf("host %q: error %v", h, err)
		}
	}
}

func FuzzRedirectTarget(f *testing.F) {
	for _, s := range append(leaving, "/ok", "https://app.example.com/é") {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		out, err := text.RedirectTarget(in, hosts...)
		if err != nil {
			return
		}
		if again, err := text.RedirectTarget(out, hosts...); again != out || err != nil {
			t.Errorf("not idempotent: %q then %q, %v", out, again, err)
		}
		if scheme, host := browserOrigin(out); scheme != "https" || host != "" && host != "app.example.com" && host != "app.example.com:443" && host != "example.com:8443" {
			t.Errorf("%q leads to %s://%s", in, scheme, host)
		}
		if u, err := url.Parse(out); err == nil && u.Host != "" && !strings.HasPrefix(strings.ToLower(out), "https://") {
			t.Errorf("net/url reads a host in %q", out)
		}
	})
}

// browserOrigin follows the states of the WHATWG URL parser for a URL on an https page, as far as scheme and host go. The
// empty host is the page's own.
func browserOrigin(s string) (scheme, host string) {
	s = strings.TrimFunc(s, func(r rune) bool { return r <= ' ' })
	s = strings.NewReplacer("\t", "", "\n", "", "\r", "", `\`, "/").Replace(s)
	scheme = "https"
	if name, rest, ok := strings.Cut(s, ":"); ok && name != "" && !strings.ContainsAny(name, "/?#") {
		if scheme = strings.ToLower(name); scheme != "https" && scheme != "http" {
			return scheme, rest
		}
		s = "//" + strings.TrimLeft(rest, "/")
	}
	if !strings.HasPrefix(s, "//") {
		return scheme, ""
	}
	s = strings.TrimLeft(s, "/")
	if i := strings.IndexAny(s, "/?#"); i >= 0 {
		s = s[:i]
	}
	return scheme, strings.ToLower(s[strings.LastIndexByte(s, '@')+1:])
}
