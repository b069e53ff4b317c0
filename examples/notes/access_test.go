package main

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/pavise/pavise/session/authz"
)

// What a stranger gets from each route: the log-in, or what is meant for everybody.
func TestStranger(t *testing.T) {
	s := start(t)
	a, err := newApp(s.vault, options{log: newLogger(s.log), plain: true})
	if err != nil {
		t.Fatal(err)
	}
	public := []string{"GET /{$}", "GET /healthz", "GET /style.css", "GET /icon.svg", "GET /signup", "POST /signup", "GET /login", "POST /login", "POST /logout"}
	h := a.build(options{plain: true})
	for _, rt := range a.routes() {
		method, path, _ := strings.Cut(rt.pattern, " ")
		r := httptest.NewRequest(method, "http://localhost"+strings.ReplaceAll(strings.ReplaceAll(path, "{$}", ""), "{id}", "1"), nil)
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		t.Logf("%-33s %d %s", rt.pattern, w.Code, w.Header().Get("Location"))
		refused := w.Code == http.StatusUnauthorized || w.Code == http.StatusSeeOther && w.Header().Get("Location") == "/login"
		if refused == slices.Contains(public, rt.pattern) {
			t.Errorf("%s answers a stranger with %d", rt.pattern, w.Code)
		}
	}
}

// A route that nobody thought about stops the start.
func TestForgottenRoute(t *testing.T) {
	s := start(t)
	a, err := newApp(s.vault, options{log: newLogger(s.log), plain: true})
	if err != nil {
		t.Fatal(err)
	}
	mux, err := a.newMux(append(a.routes(),
		route{pattern: "GET /export", handler: a.apiNotes},
		route{pattern: "GET /notes/{name}", who: authz.Public(), handler: a.readNote}))
	if mux != nil || err == nil {
		t.Fatal("the service starts")
	}
	t.Log(err)
	for _, want := range []string{`"GET /export": neither a permission nor Public`, `"GET /notes/{name}"`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %s in %v", want, err)
		}
	}
}
