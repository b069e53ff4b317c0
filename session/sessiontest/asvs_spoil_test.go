package sessiontest

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
)

func ctx() context.Context { return context.Background() }

// spoil breaks what the Manager does by itself: between it and the browser.
func (s *shop) spoil(next http.Handler) http.Handler {
	t := &translator{fault: s.fault, inner: map[string]string{}}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.believe(r.Header)
		outer := t.request(r)
		answer := httptest.NewRecorder()
		next.ServeHTTP(answer, r)
		h := answer.Result().Header
		t.response(h, outer, r.URL.Path)
		s.spoilHeader(h, r.URL.Path)
		for name, lines := range h {
			w.Header()[name] = lines
		}
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes())
	})
}

// believe takes a request of somebody else for one of the shop's own.
func (s *shop) believe(h http.Header) {
	site, origin := h.Get("Sec-Fetch-Site"), h.Get("Origin")
	switch {
	case s.fault == "a shop that trusts its siblings" && site == "same-site",
		s.fault == "a shop that trusts who is nobody" && origin == "null",
		s.fault == "a shop that trusts old browsers" && site == "" && origin != "":
		h.Set("Sec-Fetch-Site", "same-origin")
	}
}

func (s *shop) spoilHeader(h http.Header, path string) {
	without := map[string]string{
		"a cookie without Secure": "; Secure", "a cookie without SameSite": "; SameSite=Lax", "a cookie without HttpOnly": "; HttpOnly",
	}[s.fault]
	for i, line := range h["Set-Cookie"] {
		line = strings.Replace(line, without, "", 1)
		if s.fault == "a session for every site" {
			line = strings.Replace(line, "SameSite=Lax", "SameSite=None", 1)
		}
		h["Set-Cookie"][i] = line
	}
	switch {
	case s.fault == "a page in the cache" && path == "/orders":
		h.Set("Cache-Control", "private, max-age=60")
	case s.fault == "an answer in the cache" && path == "/confirm":
		h.Set("Cache-Control", "no-cache")
	case s.fault == "a cookie too large":
		h.Add("Set-Cookie", "__Host-big="+strings.Repeat("x", 4096)+"; Path=/; Secure; HttpOnly; SameSite=Strict")
	case s.fault == "another cookie without a prefix":
		h.Add("Set-Cookie", "theme=dark; Path=/; Secure; HttpOnly; SameSite=Strict")
	}
}

// translator gives browsers tokens of its own for those of the Manager.
type translator struct {
	fault string
	inner map[string]string // by what the browser has
	free  []string          // tokens to be issued again
}

const line = "__Host-session="

// request replaces the token by the Manager's, and returns what it was.
func (t *translator) request(r *http.Request) string {
	c, err := r.Cookie("__Host-session")
	if err != nil {
		return ""
	}
	inner, known := t.inner[c.Value]
	for outer, value := range t.inner {
		if t.fault == "a token of which half counts" && strings.HasPrefix(c.Value, outer[:len(outer)/2]) {
			inner, known = value, true
		}
	}
	if known {
		r.Header.Set("Cookie", line+inner)
	} else if t.fault == "a token that anybody makes up" && len(c.Value) > 20 {
		r.Header.Del("Cookie")
	}
	return c.Value
}

// response replaces the token of the Manager.
func (t *translator) response(h http.Header, outer, path string) {
	for i, l := range h["Set-Cookie"] {
		value, attributes, _ := strings.Cut(strings.TrimPrefix(l, line), ";")
		if !strings.HasPrefix(l, line) {
			continue
		}
		if value == "" { // a logout
			t.free = append(t.free, outer)
			continue
		}
		next := t.issue(value, outer, path)
		t.inner[next] = value
		if t.fault == "a token that lives on" && outer != "" {
			t.inner[outer] = value
		}
		h["Set-Cookie"][i] = line + next + ";" + attributes
	}
}

func (t *translator) issue(inner, outer, path string) string {
	known := t.inner[outer] != ""
	switch {
	case t.fault == "a token for everybody":
		return "the-same-token-for-everybody"
	case t.fault == "a token that stays at the login" && known && path == "/login":
		return outer
	case t.fault == "a token that stays" && known, t.fault == "a token that anybody makes up" && len(outer) > 20 && !known:
		return outer
	case t.fault == "a token that comes again" && len(t.free) > 0:
		last := t.free[len(t.free)-1]
		t.free = t.free[:len(t.free)-1]
		return last
	case t.fault == "a short token":
		return rand.Text()[:20] // 100 bits
	case t.fault == "a token that counts":
		return fmt.Sprintf("%064x", len(t.inner))
	case t.fault == "a token that comes back after many":
		return fmt.Sprintf("%x", sha256.Sum256([]byte{byte(len(t.inner) % 20)}))
	}
	return inner
}
