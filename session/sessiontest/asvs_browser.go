package sessiontest

import (
	"crypto/tls"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
)

// Browser sends requests to App.Handler, keeps cookies and follows redirects within
// the service. It adds what browsers say about requests of the service's own pages:
// Origin, Referer and Sec-Fetch-*.
type Browser struct {
	a       *audit
	cookies map[string]string
	seen    []Answer
}

// Answer is a response.
type Answer struct {
	Status int
	Header http.Header
	Body   string
	Path   string // of the request, after redirects
}

// Get fetches a page.
func (b *Browser) Get(path string) Answer {
	b.a.Helper()
	return b.Do(func(*Browser) *http.Request { return httptest.NewRequest(http.MethodGet, path, nil) })
}

// Do sends the request of a step.
func (b *Browser) Do(s Step) Answer {
	b.a.Helper()
	return b.send(b.build(s))
}

// Form is a step that sends a form: pairs of name and value.
func Form(path string, pairs ...string) Step {
	return func(*Browser) *http.Request {
		form := url.Values{}
		for i := 0; i+1 < len(pairs); i += 2 {
			form.Add(pairs[i], pairs[i+1])
		}
		r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		return r
	}
}

// safeMethods are those of RFC 9110 section 9.2.1 that browsers send.
var safeMethods = []string{http.MethodGet, http.MethodHead, http.MethodOptions}

// message is a request as a value, that can be sent again and altered.
type message struct {
	method string
	url    url.URL
	header http.Header
	body   string
}

// build makes the request of s.
func (b *Browser) build(s Step) message {
	b.a.Helper()
	r := s(b)
	if r == nil {
		b.a.Fatalf("a Step of the App returned no request")
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		b.a.Fatalf("the body of a Step's request: %v", err)
	}
	m := message{method: r.Method, header: r.Header.Clone(), body: string(body)}
	m.url = url.URL{Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: r.URL.RawQuery}
	m.fromOwnPage(b.a.origin())
	return m
}

func (a *audit) origin() string { return a.base.Scheme + "://" + a.base.Host }

// fromOwnPage adds the headers of a browser that are not there.
func (m *message) fromOwnPage(origin string) {
	add := map[string]string{
		"Accept": "text/html,*/*;q=0.8", "Referer": origin + "/",
		"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document",
	}
	if !slices.Contains(safeMethods, m.method) {
		add["Origin"] = origin
		if !formType(m.header.Get("Content-Type")) {
			add["Sec-Fetch-Mode"], add["Sec-Fetch-Dest"] = "cors", "empty"
		}
	}
	for name, value := range add {
		if m.header.Get(name) == "" {
			m.header.Set(name, value)
		}
	}
}

// formType reports whether any site may send such a body without asking first.
func formType(contentType string) bool {
	t, _, _ := mime.ParseMediaType(contentType)
	return t == "application/x-www-form-urlencoded" || t == "multipart/form-data" || t == "text/plain"
}

// send sends m and follows redirects as a browser does.
func (b *Browser) send(m message) Answer {
	b.a.Helper()
	answer := b.exchange(m)
	for range 10 {
		to, err := m.url.Parse(answer.Header.Get("Location"))
		if answer.Status < 300 || answer.Status > 399 || answer.Header.Get("Location") == "" || err != nil || to.Host != "" && to.Host != b.a.base.Host {
			break
		}
		if answer.Status != http.StatusTemporaryRedirect && answer.Status != http.StatusPermanentRedirect {
			m.body, m.header = "", m.header.Clone()
			m.header.Del("Content-Type")
			m.header.Del("Origin")
			if m.method != http.MethodHead {
				m.method = http.MethodGet
			}
		}
		m.url = url.URL{Path: to.Path, RawPath: to.RawPath, RawQuery: to.RawQuery}
		answer = b.exchange(m)
	}
	return answer
}

// exchange makes one request, as net/http gives it to a handler, and takes over the
// cookies of its answer.
func (b *Browser) exchange(m message) Answer {
	path := m.url.RequestURI()
	r := httptest.NewRequest(m.method, path, strings.NewReader(m.body))
	r.Host, r.Header = b.a.base.Host, m.header.Clone()
	if b.a.base.Scheme == "https" {
		r.TLS = &tls.ConnectionState{Version: tls.VersionTLS13, HandshakeComplete: true, ServerName: b.a.base.Hostname()}
	}
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	w := httptest.NewRecorder()
	b.a.Handler.ServeHTTP(w, r)
	answer := Answer{Status: w.Code, Header: w.Result().Header, Body: w.Body.String(), Path: m.url.Path}
	for _, c := range setCookies(answer) {
		b.keep(c)
	}
	b.seen = append(b.seen, answer)
	return answer
}

// keep does what a browser does with a cookie, but forgets none because it is old:
// who has stolen one would not either.
func (b *Browser) keep(c *http.Cookie) {
	if deletes(c) {
		delete(b.cookies, c.Name)
	} else {
		b.cookies[c.Name] = c.Value
	}
}

// with returns a copy of b that has another cookie, or without a value none.
func (b *Browser) with(name, value string) *Browser {
	other := b.stolen()
	other.cookies[name] = value
	if value == "" {
		delete(other.cookies, name)
	}
	return other
}

// stolen returns what somebody has who has copied the cookies of b.
func (b *Browser) stolen() *Browser { return &Browser{a: b.a, cookies: maps.Clone(b.cookies)} }
