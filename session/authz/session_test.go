package authz_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/pavise/pavise/session"
	"github.com/pavise/pavise/session/authz"
)

type visitor struct{}

// The subject comes from the session, its roles from the table of users: what is taken
// away there is gone at the next request, and after the logout nobody is left.
func TestFromSession(t *testing.T) {
	m, err := session.New[visitor](session.NewMemoryStore(0))
	if err != nil {
		t.Fatal(err)
	}
	users, asked := map[string]authz.Subject{"ann": {ID: "root", Tenant: "acme", Roles: []string{"reader"}}}, 0
	who := authz.FromSession(m, func(_ context.Context, s session.Session[visitor]) (authz.Subject, error) {
		asked++
		u, ok := users[s.User]
		if !ok {
			return u, errors.New("no such user")
		}
		return u, nil
	})
	login := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if err := m.Login(r.Context(), session.Auth{User: r.Header.Get("X-Who")}, nil); err != nil {
			t.Error(err)
		}
	})
	logout := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if err := m.Logout(r.Context()); err != nil {
			t.Error(err)
		}
	})
	mux, err := authz.NewMux(newPolicy(t, config()), who, []authz.Route{
		{Pattern: "GET /notes", Access: authz.Require(read), Handler: okHandler},
		{Pattern: "POST /login", Access: authz.Public(), Handler: login},
		{Pattern: "POST /logout", Access: authz.Public(), Handler: logout},
	})
	if err != nil {
		t.Fatal(err)
	}
	cookie := ""
	do := func(method, path, user string) (int, string) {
		r := httptest.NewRequest(method, path, nil)
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		r.Header.Set("Cookie", cookie)
		r.Header.Set("X-Who", user)
		w := httptest.NewRecorder()
		m.Handler(mux).ServeHTTP(w, r)
		if line := w.Header().Get("Set-Cookie"); line != "" {
			cookie, _, _ = strings.Cut(line, ";")
		}
		return w.Code, w.Body.String()
	}
	want := func(step string, status int) {
		t.Helper()
		if code, _ := do("GET", "/notes", ""); code != status {
			t.Errorf("%s: %d, want %d", step, code, status)
		}
	}
	want("anonymous", 401)
	if asked != 0 {
		t.Error("load was asked about nobody")
	}
	do("POST", "/login", "ann")
	if code, body := do("GET", "/notes", ""); code != 200 || !strings.Contains(body, " ann ") {
		t.Errorf("%d %q, want the ID of the session", code, body)
	}
	users["ann"] = authz.Subject{Tenant: "acme"}
	want("role taken away", 403)
	delete(users, "ann")
	want("user not found", 503)
	users["ann"] = authz.Subject{Tenant: "acme", Roles: []string{"reader"}}
	want("role given back", 200)
	do("POST", "/logout", "")
	want("logged out", 401)

	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest("GET", "/notes", nil)) // without session.Manager.Handler
	if w.Code != 503 {
		t.Errorf("without a session handler: %d", w.Code)
	}
}
