package session

import (
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
)

// csrf refuses requests that another site made the browser send. It is
// [http.CrossOriginProtection] plus rules for what that lets through: a WebSocket
// handshake, which is a GET; an unsafe request that carries neither Sec-Fetch-Site
// nor Origin although it could come from a browser; and, from a browser without
// Sec-Fetch-Site, the page that somebody on the network served as this host over
// plain http.
type csrf struct {
	std     *http.CrossOriginProtection
	bypass  *http.ServeMux
	cookie  string
	plain   bool // plain http is expected
	trusted []string
}

func newCSRF(o *options) (c *csrf, err error) {
	c = &csrf{std: http.NewCrossOriginProtection(), bypass: http.NewServeMux(), cookie: o.cookieName, plain: o.development, trusted: o.origins}
	for _, origin := range o.origins {
		if err := c.std.AddTrustedOrigin(origin); err != nil {
			return nil, fmt.Errorf("session: trusted origin: %w", err)
		}
	}
	defer func() {
		if recover() != nil { // ServeMux has no other way to refuse
			c, err = nil, errors.New("session: bad or conflicting pattern for InsecureCSRFBypass")
		}
	}()
	for _, pattern := range o.bypass {
		c.bypass.Handle(pattern, bypassed{})
	}
	return c, nil
}

// bypassed marks a match: ServeMux also answers with redirects of its own.
type bypassed struct{}

func (bypassed) ServeHTTP(http.ResponseWriter, *http.Request) {}

// check returns why r is refused, as an event.reason, or "".
func (c *csrf) check(r *http.Request) string {
	unsafe := r
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		if !isWebSocket(r) {
			return ""
		}
		unsafe = new(http.Request) // the standard check, as if r were unsafe
		*unsafe = *r
		unsafe.Method = http.MethodPatch
	}
	reason := c.refusal(unsafe)
	if reason != "" && c.bypasses(r) {
		return ""
	}
	return reason
}

// bypasses matches as ServeMux does, by escaped path, but not where the path that
// another router sees lies elsewhere: /hooks/..%2Fpay is not below /hooks/, nor is
// /hooks/a%2Fb one segment of /hooks/{id}.
func (c *csrf) bypasses(r *http.Request) bool {
	clean := path.Clean(r.URL.Path)
	if clean != r.URL.Path && clean+"/" != r.URL.Path {
		return false
	}
	decoded := *r.URL
	decoded.RawPath = ""
	return c.matches(r, r.URL) && c.matches(r, &decoded)
}

func (c *csrf) matches(r *http.Request, at *url.URL) bool {
	h, _ := c.bypass.Handler(&http.Request{Method: r.Method, Host: r.Host, URL: at})
	return h == bypassed{}
}

func (c *csrf) refusal(r *http.Request) string {
	if c.std.Check(r) != nil || c.fromPlainHTTP(r) {
		return "cross-origin"
	}
	if !saysOrigin(r) && (c.carriesCookie(r) || formCanSend(r)) {
		return "unknown-origin"
	}
	return ""
}

func (c *csrf) fromPlainHTTP(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	return strings.HasPrefix(origin, "http://") && r.Header.Get("Sec-Fetch-Site") == "" &&
		!c.plain && !slices.Contains(c.trusted, origin)
}

func saysOrigin(r *http.Request) bool {
	return r.Header.Get("Sec-Fetch-Site") != "" || r.Header.Get("Origin") != ""
}

func (c *csrf) carriesCookie(r *http.Request) bool {
	_, n := findCookie(r.Header, c.cookie)
	return n > 0
}

// formCanSend reports whether an HTML form of any site can produce the request,
// with cookies or without: that is how a visitor is logged in to an account of
// somebody else.
func formCanSend(r *http.Request) bool {
	if r.Method != http.MethodPost {
		return false
	}
	t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch t {
	case "application/x-www-form-urlencoded", "multipart/form-data", "text/plain":
		return true
	}
	return err != nil // none, or one that cannot be told
}

func isWebSocket(r *http.Request) bool {
	for _, v := range r.Header["Upgrade"] {
		for p := range strings.SplitSeq(v, ",") {
			if strings.EqualFold(strings.TrimSpace(p), "websocket") {
				return true
			}
		}
	}
	return false
}
