package sessiontest

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// echo says what a handler gets to see, and leads around.
func echo(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	switch r.URL.Path {
	case "/see":
		http.Redirect(w, r, "/end?q=1", http.StatusSeeOther)
	case "/again":
		http.Redirect(w, r, "end", http.StatusTemporaryRedirect)
	case "/away":
		http.Redirect(w, r, "https://elsewhere.example/end", http.StatusSeeOther)
	case "/round":
		http.Redirect(w, r, "/round", http.StatusSeeOther)
	case "/set":
		http.SetCookie(w, &http.Cookie{Name: "a", Value: "1", MaxAge: 60})
		http.SetCookie(w, &http.Cookie{Name: "b", Value: "2"})
	case "/unset":
		http.SetCookie(w, &http.Cookie{Name: "a", MaxAge: -1})
	}
	h := r.Header
	fmt.Fprintf(w, "%s https://%s%s tls=%t from=%s site=%s mode=%s cookies=%d body=%s",
		r.Method, r.Host, r.URL.RequestURI(), r.TLS != nil, h.Get("Origin"), h.Get("Sec-Fetch-Site"), h.Get("Sec-Fetch-Mode"), len(r.Cookies()), body)
}

func TestBrowser(t *testing.T) {
	a := newAudit(t, App{Handler: http.HandlerFunc(echo), URL: "https://app.example", Login: Form("/login"), Page: "/", Text: "nowhere"})
	json := func(*Browser) *http.Request {
		r := httptest.NewRequest("PUT", "http://somewhere.example/end", strings.NewReader("{}"))
		r.Header.Set("Content-Type", "application/json")
		return r
	}
	b := a.browser()
	for _, tt := range []struct {
		step   Step
		status int
		want   string
	}{
		{Form("/end", "x", "a b", "x", "&"), 200, "POST https://app.example/end tls=true from=https://app.example site=same-origin mode=navigate cookies=0 body=x=a+b&x=%26"},
		{Form("/see", "x", "1"), 200, "GET https://app.example/end?q=1 tls=true from= site=same-origin mode=navigate cookies=0 body="},
		{Form("/again", "x", "1"), 200, "POST https://app.example/end tls=true from=https://app.example site=same-origin mode=navigate cookies=0 body=x=1"},
		{Form("/away", "x", "1"), 303, "POST https://app.example/away"},
		{Form("/round"), 303, ""},
		{json, 200, "PUT https://app.example/end tls=true from=https://app.example site=same-origin mode=cors cookies=0 body={}"},
		{Form("/set"), 200, "cookies=0"},
		{Form("/unset"), 200, "cookies=2"},
		{Form("/end"), 200, "cookies=1"},
	} {
		if got := b.Do(tt.step); got.Status != tt.status || !strings.Contains(got.Body, tt.want) {
			t.Errorf("%d %s\nwant %d %s", got.Status, got.Body, tt.status, tt.want)
		}
	}
	forged := b.build(json).from(origins[0].header)
	if got := forged.header.Get("Content-Type"); got != "text/plain;charset=UTF-8" || forged.header.Get("Referer") != "" {
		t.Errorf("another site sends %q without asking first", forged.header)
	}
}
