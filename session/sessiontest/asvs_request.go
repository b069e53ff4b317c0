package sessiontest

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// origins are from where a request comes that the user's browser sends with the
// cookies, although no page of the service made it. SameSite stops some of them; the
// service has to refuse all: a sibling host is the same site.
var origins = []struct {
	name   string
	header map[string]string
}{
	{"another site", map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://attacker.example"}},
	{"a sibling host", map[string]string{"Sec-Fetch-Site": "same-site", "Origin": "https://sibling.example"}},
	{"a sandboxed frame", map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "null"}},
	{"another site, in a browser without Sec-Fetch-Site", map[string]string{"Origin": "https://attacker.example"}},
}

// from returns m as the page of another site can make the browser send it: with no
// header and no type of body for which browsers would ask the service first.
func (m message) from(header map[string]string) message {
	forged := http.Header{}
	if t := m.header.Get("Content-Type"); formType(t) {
		forged.Set("Content-Type", t)
	} else {
		forged.Set("Content-Type", "text/plain;charset=UTF-8")
	}
	forged.Set("Accept", m.header.Get("Accept"))
	if header["Sec-Fetch-Site"] != "" {
		forged.Set("Sec-Fetch-Mode", "navigate")
		forged.Set("Sec-Fetch-Dest", "document")
	}
	for name, value := range header {
		forged.Set(name, value)
	}
	m.header = forged
	return m
}

// linked returns m as a link of another site sends it: by a safe method, the fields
// of a form in the query.
func (m message) linked(method string) message {
	m = m.from(map[string]string{"Sec-Fetch-Site": "cross-site"})
	if strings.HasPrefix(m.header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		m.url.RawQuery = strings.Trim(m.url.RawQuery+"&"+m.body, "&")
	}
	m.header.Del("Content-Type")
	m.method, m.body = method, ""
	return m
}

// checkForged sends the user's change, and a login, from other sites. The attacker
// has a session as well: an anti-forgery token of that one must not help.
func checkForged(a *audit) {
	for _, o := range origins {
		victim, attacker := a.user(), a.user()
		last := victim.send(attacker.build(a.Change).from(o.header))
		if a.changed(victim) {
			a.Errorf("App.Change works from %s: it ended at %s with %d", o.name, last.Path, last.Status)
			break // from here on it is always there
		}
		visitor := a.browser()
		visitor.send(a.browser().build(a.Login).from(o.header))
		if a.in(visitor) {
			a.Errorf("App.Login works from %s, which can log a visitor in to an account of its own", o.name)
		}
	}
	a.wantChange()
}

// checkSafeMethods follows links of another site to what changes something.
func checkSafeMethods(a *audit) {
	b := a.user()
	m := b.build(a.Change)
	if slices.Contains(safeMethods, m.method) {
		a.Errorf("App.Change itself is a %s", m.method)
		return
	}
	for _, method := range safeMethods {
		last := b.send(m.linked(method))
		if a.changed(b) {
			a.Errorf("App.Change works by %s: it ended at %s with %d", method, last.Path, last.Status)
			break
		}
	}
	a.wantChange()
	a.wantUnlinked("App.ChangePassword", a.ChangePassword)
	a.wantUnlinked("App.Transaction", a.Transaction)
}

// wantUnlinked is for what the user has just given the credentials for.
func (a *audit) wantUnlinked(name string, op Sensitive) {
	a.Helper()
	if op.Do == nil {
		return
	}
	for _, method := range safeMethods {
		b := a.proven()
		b.send(b.build(op.Do).linked(method))
		if a.done(op, b) {
			a.Errorf("%s works by %s", name, method)
			return
		}
	}
}

// checkConsent visits pages, the login among them, by links of another site.
func checkConsent(a *audit) {
	visitor := a.browser()
	for _, path := range append([]string{"/"}, a.pages()...) {
		visitor.send(message{method: http.MethodGet, url: url.URL{Path: path}, header: http.Header{"Accept": {"*/*"}}}.linked(http.MethodGet))
		if a.in(visitor) {
			a.Fatalf("a visit to %s logs in", path)
		}
	}
	visitor.send(a.browser().build(a.Login).linked(http.MethodGet))
	if a.in(visitor) {
		a.Errorf("App.Login works by a link: it can log a visitor in who did nothing but follow it")
	}
	b := a.user()
	if a.Logout != nil {
		b.Do(a.Logout)
		a.wantOut(b, "after App.Logout and a visit to a page")
	}
}

// checkNoStore looks at the pages of a user, and at whatever else shows App.Text.
func checkNoStore(a *audit) {
	personal := a.pages()
	b := a.user()
	for _, path := range personal {
		if got := b.Get(path); !noStore(got.Header) {
			a.Errorf("%s is answered with Cache-Control %q, without no-store", path, got.Header.Get("Cache-Control"))
		}
	}
	told := map[string]bool{}
	for _, answer := range a.tour() {
		if strings.Contains(answer.Body, a.Text) && !noStore(answer.Header) && !slices.Contains(personal, answer.Path) {
			told[answer.Path] = true
		}
	}
	for _, path := range slices.Sorted(maps.Keys(told)) {
		a.Errorf("%s shows App.Text without Cache-Control: no-store", path)
	}
}

func noStore(h http.Header) bool {
	for directive := range strings.SplitSeq(strings.Join(h["Cache-Control"], ","), ",") {
		if strings.EqualFold(strings.TrimSpace(directive), "no-store") {
			return true
		}
	}
	return false
}
