package headers_test

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/pavise/pavise/sanitize/headers"
)

// get serves one request and returns its response's headers and the nonce that the handler saw.
func get(p headers.Policy, overTLS bool) (h http.Header, nonce string) {
	w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil)
	if overTLS {
		r.TLS = &tls.ConnectionState{}
	}
	p.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		defer func() { recover() }()
		nonce = string(headers.Nonce(r.Context()))
	})).ServeHTTP(w, r)
	return w.Header(), nonce
}

func TestZeroPolicyIsStrict(t *testing.T) {
	h, nonce := get(headers.Policy{}, true)
	value := regexp.MustCompile(`^nonce="([A-Za-z0-9_-]{22})"$`).FindStringSubmatch(nonce)
	if value == nil {
		t.Fatalf("nonce attribute %q", nonce)
	}
	csp := "default-src 'self'; script-src 'nonce-N' 'strict-dynamic'; style-src 'self' 'nonce-N'; connect-src 'self'; img-src 'self'; " +
		"font-src 'self'; media-src 'self'; frame-src 'none'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
	for name, want := range map[string]string{
		"Content-Security-Policy":      strings.ReplaceAll(csp, "N", value[1]),
		"X-Content-Type-Options":       "nosniff",
		"Referrer-Policy":              "strict-origin-when-cross-origin",
		"Cross-Origin-Opener-Policy":   "same-origin",
		"Cross-Origin-Resource-Policy": "same-origin",
		"X-Frame-Options":              "DENY",
		"Strict-Transport-Security":    "max-age=63072000",
		"X-Xss-Protection":             "",
		"Cross-Origin-Embedder-Policy": "",
		"Cache-Control":                "",
	} {
		if got := h.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if got := h.Get("Permissions-Policy"); !strings.Contains(got, "camera=()") {
		t.Errorf("Permissions-Policy: %q", got)
	}
	if _, second := get(headers.Policy{}, true); second == nonce {
		t.Error("two responses share a nonce")
	}
}

func TestHSTS(t *testing.T) {
	for _, c := range []struct {
		p    headers.Policy
		tls  bool
		want string
	}{
		{headers.Policy{}, false, ""},
		{headers.Policy{BehindTLS: true}, false, "max-age=63072000"},
		{headers.Policy{HSTS: headers.HSTS{Off: true}}, true, ""},
		{headers.Policy{HSTS: headers.HSTS{Subdomains: true}}, true, "max-age=63072000; includeSubDomains"},
		{headers.Policy{HSTS: headers.HSTS{Subdomains: true, Preload: true}}, true, "max-age=63072000; includeSubDomains; preload"},
	} {
		if h, _ := get(c.p, c.tls); h.Get("Strict-Transport-Security") != c.want {
			t.Errorf("%+v: %q, want %q", c.p.HSTS, h.Get("Strict-Transport-Security"), c.want)
		}
	}
}

func TestLoosenedByName(t *testing.T) {
	h, _ := get(headers.Policy{
		Script:       []headers.Src{"'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='", headers.Unsafe("'unsafe-eval'")},
		Img:          []headers.Src{"data:", "https://img.example:8443/a/"},
		Frame:        []headers.Src{"https://player.example"},
		Embeddable:   []headers.Src{"https://portal.example"},
		TrustedTypes: []string{"app", "dompurify"},
		COEP:         true,
	}, true)
	csp := h.Get("Content-Security-Policy")
	for _, want := range []string{
		"'strict-dynamic' 'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=' 'unsafe-eval';",
		"img-src 'self' data: https://img.example:8443/a/;",
		"frame-src https://player.example;",
		"frame-ancestors https://portal.example;",
		"require-trusted-types-for 'script'; trusted-types app dompurify",
	} {
		if !strings.Contains(csp, want) {
			t.Errorf("no %q in %q", want, csp)
		}
	}
	if strings.Contains(csp, "unsafe:") || h.Get("X-Frame-Options") != "" || h.Get("Cross-Origin-Embedder-Policy") != "require-corp" {
		t.Errorf("headers %v", h)
	}
	if h, _ := get(headers.Policy{TrustedTypes: []string{}}, true); !strings.HasSuffix(h.Get("Content-Security-Policy"), "trusted-types 'none'") {
		t.Errorf("no policy allowed: %q", h.Get("Content-Security-Policy"))
	}
}

func TestAPI(t *testing.T) {
	h, nonce := get(headers.API(), false)
	if got := h.Get("Content-Security-Policy"); got != "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'" {
		t.Errorf("CSP %q", got)
	}
	if nonce != "" || h.Get("Cache-Control") != "no-store" || h.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("nonce %q, headers %v", nonce, h)
	}
}

func TestValidate(t *testing.T) {
	for _, s := range []headers.Src{
		"'unsafe-inline'", "'unsafe-eval'", "'unsafe-hashes'", "'none'", "'strict-dynamic'", "*", "https:", "https://*", "https://*.example.com",
		"http://example.com", "http:", "ws://example.com", "data:", "blob:", "example.com", "", "'sha256-x'", "'nonce-abc'", "filesystem:",
		"https://", "https://.example.com", "https://a b", "https://a.example;script-src *", "https://a.example,b", "https://a.example\r\nX: y",
		"https://a.example:x", "https://u@a.example", "https://ä.example", "https://a.example/?q", "'self",
	} {
		err := headers.Policy{Script: []headers.Src{"https://ok.example", s}}.Validate()
		if err == nil || !strings.HasPrefix(err.Error(), "headers: Script[1]: ") {
			t.Errorf("%q: error %v", s, err)
		}
	}
	for _, s := range []string{"", "a;b", "a b", "a,b", "x\n", "'nonce-abc'", "'Nonce-abc'"} {
		if (headers.Policy{Img: []headers.Src{headers.Unsafe(s)}}).Validate() == nil {
			t.Errorf("Unsafe(%q) is accepted", s)
		}
	}
	api := headers.API()
	api.Script = []headers.Src{"'self'"}
	for name, p := range map[string]headers.Policy{
		"preload":       {HSTS: headers.HSTS{Preload: true}},
		"off and on":    {HSTS: headers.HSTS{Off: true, Subdomains: true}},
		"trusted types": {TrustedTypes: []string{"a; script-src *"}},
		"api":           api,
	} {
		if p.Validate() == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

func TestPanics(t *testing.T) {
	for name, f := range map[string]func(){
		"Handler of an invalid policy": func() { headers.Policy{Script: []headers.Src{"*"}}.Handler(http.NotFoundHandler()) },
		"Nonce without Handler":        func() { headers.Nonce(t.Context()) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s does not panic", name)
				}
			}()
			f()
		}()
	}
}

func FuzzValidate(f *testing.F) {
	for _, s := range []string{"https://a.example", "'self'", "unsafe:*", "x;y", "\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p := headers.Policy{Img: []headers.Src{headers.Src(s)}}
		if p.Validate() != nil {
			return
		}
		h, _ := get(p, false)
		if csp := h.Get("Content-Security-Policy"); strings.Count(csp, ";") != 11 || strings.ContainsAny(csp, ",\r\n\x00") {
			t.Errorf("%q breaks out: %q", s, csp)
		}
	})
}
