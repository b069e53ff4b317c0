// Package headers sets the security headers that browsers obey. The zero [Policy] is strict; you loosen it by name.
//
// Most services wrap their mux once and put the nonce into their templates:
//
//	handler := headers.Policy{}.Handler(mux)
//
//	<script {{.Nonce}} src="/app.js"></script>   with Nonce: headers.Nonce(r.Context())
//
// # Security
//
// The Content-Security-Policy (CSP Level 3) runs a script only if it carries the nonce of its response, 128 random bits, or was
// loaded by one that does ('strict-dynamic'). Plugins, <base> and framing are off. The other headers isolate the page from
// other origins (COOP, CORP), stop content sniffing, trim the referrer, switch off powerful features and, over TLS, forbid
// plain HTTP for two years (OWASP ASVS 5.0, V3.4). X-XSS-Protection is never sent: the filters it controls were a defect.
//
// The headers are a second line. They stop an injected script, not an injected link, form or text.
//
// # Errors
//
// [Policy.Validate] names the field and says why a source is unsafe. No error holds the source.
//
// # Events
//
// None.
//
// # Performance
//
// The headers are composed once; a request costs one nonce and one string.
package headers

import (
	"net/http"
	"strings"
)

// Policy says what a page may load. Every list adds to what the zero Policy allows, which is the page's own origin, and for
// scripts only those with the nonce.
type Policy struct {
	// Script adds sources of scripts for browsers that do not know 'strict-dynamic', and hashes of inline scripts.
	Script []Src
	// Style adds sources of style sheets. Inline ones need the nonce, style attributes are refused.
	Style []Src
	// Connect adds where scripts may connect to (fetch, WebSocket).
	Connect []Src
	// Img, Font and Media add sources of images, fonts, audio and video.
	Img, Font, Media []Src
	// Frame adds pages that may be embedded here.
	Frame []Src
	// FormAction adds where forms may be sent.
	FormAction []Src
	// Embeddable lists the pages that may embed this one. Empty means none.
	Embeddable []Src

	// TrustedTypes makes the browser refuse plain strings where they would become script (innerHTML and the like), except
	// through the Trusted Types policies named here. Nil leaves it off; an empty list allows no policy.
	TrustedTypes []string

	HSTS HSTS
	// BehindTLS says that a proxy terminates TLS, so that every request counts as one over TLS.
	BehindTLS bool
	// COEP also demands consent of everything that is embedded, which gives the page SharedArrayBuffer and precise timers.
	COEP bool

	api bool
}

// HSTS rules Strict-Transport-Security (RFC 6797), which is sent over TLS only. The zero HSTS covers this host for two years.
type HSTS struct {
	// Off sends none.
	Off bool
	// Subdomains covers every subdomain, present and future.
	Subdomains bool
	// Preload consents to being built into browsers. It needs Subdomains and takes months to take back.
	Preload bool
}

// API is the policy of an interface for programs: its responses load nothing, are not embedded and not cached unless the
// handler says so.
func API() Policy { return Policy{api: true} }

// Handler sets the headers and calls next, which may still replace one. It panics if [Policy.Validate] returns an error.
func (p Policy) Handler(next http.Handler) http.Handler {
	if err := p.Validate(); err != nil {
		panic(err)
	}
	fixed, hsts := p.fixed(), p.hsts()
	csp := strings.Split(p.csp(), nonceMark)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		for _, f := range fixed {
			h.Set(f[0], f[1])
		}
		if hsts != "" && (p.BehindTLS || r.TLS != nil) {
			h.Set("Strict-Transport-Security", hsts)
		}
		value := csp[0]
		if len(csp) > 1 {
			var nonce string
			nonce, r = withNonce(r)
			value = strings.Join(csp, nonce)
		}
		h.Set("Content-Security-Policy", value)
		next.ServeHTTP(w, r)
	})
}

// permissions switches off what a page must ask for by name.
const permissions = "accelerometer=(), browsing-topics=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), hid=(), " +
	"magnetometer=(), microphone=(), midi=(), payment=(), serial=(), usb=()"

// fixed returns the headers that are the same in each response.
func (p Policy) fixed() [][2]string {
	h := [][2]string{
		{"X-Content-Type-Options", "nosniff"},
		{"Referrer-Policy", "strict-origin-when-cross-origin"},
		{"Cross-Origin-Opener-Policy", "same-origin"},
		{"Cross-Origin-Resource-Policy", "same-origin"},
		{"Permissions-Policy", permissions},
	}
	if len(p.Embeddable) == 0 {
		h = append(h, [2]string{"X-Frame-Options", "DENY"}) // for browsers that do not know frame-ancestors
	}
	if p.COEP {
		h = append(h, [2]string{"Cross-Origin-Embedder-Policy", "require-corp"})
	}
	if p.api {
		h = append(h, [2]string{"Cache-Control", "no-store"})
	}
	return h
}

func (p Policy) hsts() string {
	value := "max-age=63072000"
	switch {
	case p.HSTS.Off:
		return ""
	case p.HSTS.Preload:
		return value + "; includeSubDomains; preload"
	case p.HSTS.Subdomains:
		return value + "; includeSubDomains"
	}
	return value
}
