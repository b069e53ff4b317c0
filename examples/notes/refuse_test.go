package main

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/pavise/pavise/ratelimit"
)

// Whatever is sent, the answer is a page or a problem document with the right status, and does not repeat the value.
func TestRefusals(t *testing.T) {
	s := start(t)
	anna := s.signUp("anna")
	path := anna.write("One", "first")
	const form, json, mark = "application/x-www-form-urlencoded", "application/json", "zq7mark"
	for _, c := range []struct {
		name, method, path, kind, body string
		status                         int
	}{
		{"bad escape", "POST", "/notes", form, "title=%zz" + mark, 400},
		{"invalid UTF-8", "POST", "/login", form, "name=%ff" + mark + "&password=x", 400},
		{"repeated field", "POST", "/login", form, "name=" + mark + "&name=b&password=x", 400},
		{"broken JSON", "POST", "/api/v1/notes", json, `{"title":"` + mark, 400},
		{"duplicate member", "POST", "/api/v1/notes", json, `{"title":"` + mark + `","title":"b","text":"t"}`, 400},
		{"unknown page", "GET", "/" + mark, "", "", 404},
		{"unknown note", "GET", "/notes/" + mark, "", "", 404},
		{"unknown note of the API", "GET", "/api/v1/notes/" + mark, "", "", 404},
		{"unknown path of the API", "GET", "/api/v2/" + mark, "", "", 404},
		{"wrong method", "PUT", "/notes", form, mark, 405},
		{"wrong method of the API", "PATCH", "/api/v1/notes", json, mark, 405},
		{"stale version", "PUT", "/api/v1" + path, json, `{"title":"` + mark + `","text":"t","version":7}`, 409},
		{"stale deletion", "POST", path + "/delete", form, "version=7", 409},
		{"huge form", "POST", "/signup", form, "name=" + strings.Repeat(mark, 1<<18), 413},
		{"huge document", "POST", "/api/v1/notes", json, `{"title":"` + strings.Repeat(mark, 1<<18) + `"}`, 413},
		{"form to the API", "POST", "/api/v1/notes", form, "title=" + mark, 415},
		{"JSON to a page", "POST", "/login", json, `{"name":"` + mark + `"}`, 415},
		{"no type", "POST", "/login", "", "name=" + mark, 415},
		{"unknown field", "POST", "/signup", form, "name=anna&password=" + mark + mark + mark + "&admin=" + mark, 422},
		{"bad name, never the password", "POST", "/signup", form, "name=A+B&password=" + mark, 422},
		{"short password", "POST", "/signup", form, "name=bert&password=" + mark, 422},
		{"empty log-in", "POST", "/login", form, "name=&password=" + mark, 422},
		{"wrong type", "POST", "/api/v1/notes", json, `{"title":7,"text":"` + mark + `"}`, 422},
		{"unknown member", "POST", "/api/v1/notes", json, `{"` + mark + `":1,"title":"t","text":"t"}`, 422},
		{"no version", "DELETE", "/api/v1" + path, "", "", 422},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := anna.do(c.method, c.path, c.kind, c.body)
			kind := "text/html"
			if strings.HasPrefix(c.path, "/api/") {
				kind = "application/problem+json"
			}
			a.want(t, c.status)
			if !strings.HasPrefix(a.header.Get("Content-Type"), kind) {
				t.Errorf("Content-Type %q, want %s", a.header.Get("Content-Type"), kind)
			}
			if strings.Contains(a.body, mark) {
				t.Errorf("the answer repeats the value:\n%s", a.body)
			}
		})
	}
	anna.get(path).want(t, 200, "<h1>One</h1>", "first")
}

func TestForgedRequests(t *testing.T) {
	s := start(t)
	anna := s.signUp("anna")
	for name, change := range map[string]func(*http.Request){
		"another site":          func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
		"an old browser":        func(r *http.Request) { r.Header.Del("Sec-Fetch-Site"); r.Header.Set("Origin", "https://evil.example") },
		"neither header at all": func(r *http.Request) { r.Header.Del("Sec-Fetch-Site") },
	} {
		const form = "application/x-www-form-urlencoded"
		anna.do("POST", "/notes", form, "title=forged&text=forged", change).want(t, 403, "came from elsewhere", "Nothing was changed")
		s.browser().do("POST", "/login", form, "name=a&password=b", change).want(t, 403)
		if strings.Contains(anna.get("/notes").body, "forged") {
			t.Errorf("%s has written a note", name)
		}
	}
	anna.do("GET", "/", "", "", func(r *http.Request) { r.Host = "notes.example" }).want(t, 421, "this machine only")
}

func TestLimits(t *testing.T) {
	s := start(t)
	for i := range 11 {
		a := s.browser().post("/signup", "name", "x", "password", "short")
		if i == 10 {
			a.want(t, 429, "Please try again in ")
		} else {
			a.want(t, 422)
		}
	}
	b := s.browser()
	for range 300 {
		if a := b.get("/icon.svg"); a.status != 200 {
			a.want(t, 429, "Please try again in ")
			b.get("/api/v1/notes").want(t, 429, `"status":429`)
			return
		}
	}
	t.Error("300 requests at once from one address, and no limit")
}

// What a text of Postgres cannot hold is in no row: nobody but the client is to blame.
func TestBytesThatNoDatabaseHolds(t *testing.T) { testBytes(t, start(t)) }

func TestBytesThatPostgresRefuses(t *testing.T) {
	dsn := os.Getenv("PAVISE_POSTGRES")
	if dsn == "" {
		t.Skip("PAVISE_POSTGRES is not set")
	}
	testBytes(t, startIn(t, t.TempDir(), ownSchema(t, dsn)))
}

func testBytes(t *testing.T, s *service) {
	anna := s.signUp("anna")
	for _, path := range []string{"/notes/%00", "/notes/%ff", "/api/v1/notes/%00", "/api/v1/notes/%ff"} {
		anna.get(path).want(t, 404)
	}
	anna.post("/notes/%ff/delete", "version", "1").want(t, 404)
	s.browser().post("/login", "name", "a\x00b", "password", "wrong but long enough").want(t, 401)
	if strings.Contains(s.log.String(), `"log.level":"ERROR"`) {
		t.Error("the operator is called for nothing")
	}
}

// When the proxy speaks TLS, who comes past it would send passwords in the clear.
func TestPastTheProxy(t *testing.T) {
	s := start(t)
	o := options{log: newLogger(s.log), proxied: true, clientIP: ratelimit.ClientIP{Trusted: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}}
	a, err := newApp(s.vault, o)
	if err != nil {
		t.Fatal(err)
	}
	h := a.build(o)
	for peer, want := range map[string]int{"10.1.2.3:4444": 200, "[::ffff:10.1.2.3]:4444": 200, "192.0.2.1:4444": 421, "": 421} {
		r := httptest.NewRequest("GET", "/login", nil)
		r.RemoteAddr = peer
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("%q gets %d, want %d", peer, w.Code, want)
		}
	}
}
