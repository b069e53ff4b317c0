package authz_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/pavise/pavise/session/authz"
)

func ok(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintf(w, "%s %s %v", r.PathValue("id"), authz.SubjectOf(r.Context()).ID, authz.ResourceOf(r.Context()).Value)
}

var okHandler = http.HandlerFunc(ok)

// whoIs is a subject function for tests: "X-Who: ann acme editor".
func whoIs(r *http.Request) (authz.Subject, error) {
	who := strings.Fields(r.Header.Get("X-Who"))
	switch {
	case len(who) == 0:
		return authz.Subject{}, nil
	case who[0] == "down":
		return subject("ann", "acme", "admin"), errors.New("connection refused")
	case len(who) == 1:
		return subject(who[0], ""), nil
	}
	return subject(who[0], strings.Trim(who[1], "-"), who[2:]...), nil
}

// noteOf finds three notes.
func noteOf(r *http.Request) (authz.Resource, error) {
	switch id := r.PathValue("id"); id {
	case "acme1", "zeta1":
		n := note(id[:4], "owner", "ann", "locked", false)
		n.Value = "value of " + id
		return n, nil
	case "bare":
		return note("acme"), nil
	case "broken":
		return note("acme"), errors.New("connection refused")
	}
	return authz.Resource{}, fmt.Errorf("table: %w", authz.ErrNotFound)
}

func routes() []authz.Route {
	return []authz.Route{
		{Pattern: "GET /{$}", Access: authz.Public(), Handler: okHandler},
		{Pattern: "GET /notes", Access: authz.Require(read), Handler: okHandler},
		{Pattern: "GET /notes/{id}", Access: authz.Require(read), Resource: noteOf, Handler: okHandler},
		{Pattern: "PUT /notes/{id}", Access: authz.Require(write), Resource: noteOf, Handler: okHandler},
		{Pattern: "GET /audit/{id}", Access: authz.Require(audit), Resource: noteOf, Handler: okHandler},
	}
}

func newMux(t testing.TB, opts ...authz.Option) *authz.Mux {
	t.Helper()
	m, err := authz.NewMux(newPolicy(t, config()), whoIs, routes(), opts...)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// Each of these is a service that must not start.
func TestMuxRefusesToStart(t *testing.T) {
	for _, tc := range []struct {
		name, want string
		route      authz.Route
	}{
		{"no access", `"GET /x": neither a permission nor Public`, authz.Route{Pattern: "GET /x", Handler: okHandler}},
		{"empty permission", `"GET /x": neither a permission nor Public`, authz.Route{Pattern: "GET /x", Access: authz.Require(""), Handler: okHandler}},
		{"unknown permission", `"GET /x": unknown permission "note.raed"`, authz.Route{Pattern: "GET /x", Access: authz.Require("note.raed"), Handler: okHandler}},
		{"conditions without a resource", `"GET /x": permission "note.write" has conditions`, authz.Route{Pattern: "GET /x", Access: authz.Require(write), Handler: okHandler}},
		{"public resource", `"GET /x": public, and yet it has a Resource`, authz.Route{Pattern: "GET /x", Access: authz.Public(), Resource: noteOf, Handler: okHandler}},
		{"registered twice", `"GET /notes": pattern "GET /notes" conflicts with pattern "GET /notes"`, authz.Route{Pattern: "GET /notes", Access: authz.Require(read), Handler: okHandler}},
		{"the same, named otherwise", `"GET /notes/{n}": pattern "GET /notes/{n}" conflicts`, authz.Route{Pattern: "GET /notes/{n}", Access: authz.Public(), Handler: okHandler}},
		{"overlap", `conflicts with pattern "GET /notes/{id}"`, authz.Route{Pattern: "GET /{a}/acme1", Access: authz.Public(), Handler: okHandler}},
		{"empty pattern", `"": http: invalid pattern`, authz.Route{Access: authz.Public(), Handler: okHandler}},
		{"no path", `"GET notes": parsing "GET notes"`, authz.Route{Pattern: "GET notes", Access: authz.Public(), Handler: okHandler}},
		{"bad wildcard", `"/a/{b": parsing`, authz.Route{Pattern: "/a/{b", Access: authz.Public(), Handler: okHandler}},
		{"unclean path", `"GET /a//b": parsing`, authz.Route{Pattern: "GET /a//b", Access: authz.Public(), Handler: okHandler}},
		{"no handler", `"GET /x": no handler`, authz.Route{Pattern: "GET /x", Access: authz.Public()}},
		{"nil function", `"GET /x": no handler`, authz.Route{Pattern: "GET /x", Access: authz.Require(read), Handler: http.HandlerFunc(nil)}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m, err := authz.NewMux(newPolicy(t, config()), whoIs, append(routes(), tc.route))
			if m != nil || err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("started: %v, error %v, want one with %s", m != nil, err, tc.want)
			}
			if err != nil && (strings.Contains(err.Error(), ".go:") || !strings.HasPrefix(err.Error(), "authz: route ")) {
				t.Errorf("error %v", err)
			}
		})
	}
	if m, err := authz.NewMux(nil, whoIs, routes()); m != nil || err == nil {
		t.Error("a mux without a policy")
	}
	if m, err := authz.NewMux(newPolicy(t, config()), nil, routes()); m != nil || err == nil {
		t.Error("a mux without a subject function")
	}
}

func TestMuxListsAllMistakes(t *testing.T) {
	_, err := authz.NewMux(newPolicy(t, config()), whoIs, []authz.Route{
		{Pattern: "GET /a", Handler: okHandler},
		{Pattern: "GET /b", Access: authz.Public(), Handler: okHandler},
		{Pattern: "GET b", Access: authz.Require("x")},
		{Pattern: "GET /a", Handler: okHandler},
	})
	const want = `authz: route "GET /a": neither a permission nor Public
authz: route "GET b": unknown permission "x"
authz: route "GET b": no handler
authz: route "GET /a": neither a permission nor Public
authz: route "GET /a": pattern "GET /a" conflicts with pattern "GET /a": GET /a matches the same requests as GET /a`
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

func TestMux(t *testing.T) {
	m := newMux(t)
	for _, tc := range []struct {
		who, request string
		status       int
		body         string
	}{
		{"", "GET /", 200, "  <nil>"},
		{"down", "GET /", 200, "  <nil>"}, // nobody is asked who it is
		{"ann acme reader", "GET /notes", 200, " ann <nil>"},
		{"ann acme reader", "HEAD /notes", 200, " ann <nil>"}, // the server drops the body,
		{"ann acme reader", "GET /notes/acme1", 200, "acme1 ann value of acme1"},
		{"ann acme editor", "PUT /notes/acme1", 200, "acme1 ann value of acme1"},
		{"sam ops support", "GET /audit/acme1", 200, "acme1 sam value of acme1"},

		{"", "GET /notes", 401, "Unauthorized"},
		{"", "GET /notes/acme1", 401, "Unauthorized"},
		{"", "GET /notes/none", 401, "Unauthorized"},
		{"ann acme", "GET /notes", 403, "Forbidden"},
		{"ann", "GET /notes", 403, "Forbidden"},
		{"ann - reader", "GET /notes", 403, "Forbidden"},
		{"ann - reader", "GET /notes/acme1", 404, "Not Found"},
		{"ann acme reader", "PUT /notes/acme1", 403, "Forbidden"},
		{"ann acme reader", "PUT /notes/zeta1", 403, "Forbidden"},
		{"ann acme reader", "PUT /notes/none", 403, "Forbidden"},
		{"ann acme reader", "GET /notes/zeta1", 404, "Not Found"},
		{"ann acme reader", "GET /notes/none", 404, "Not Found"},
		{"bob acme editor", "PUT /notes/acme1", 404, "Not Found"},
		{"ann acme editor", "PUT /notes/bare", 404, "Not Found"},
		{"ann acme reader", "GET /nowhere", 404, "Not Found"},
		{"", "GET /nowhere", 404, "Not Found"},
		{"", "PATCH /notes/acme1", 405, "Method Not Allowed"},
		{"down", "GET /notes", 503, "Service Unavailable"},
		{"ann acme reader", "GET /notes/broken", 503, "Service Unavailable"},
		{"ann acme", "GET /notes/broken", 403, "Forbidden"},
	} {
		w := send(m, tc.who, tc.request)
		if w.Code != tc.status || strings.TrimSuffix(w.Body.String(), "\n") != tc.body {
			t.Errorf("%q %s: %d %q, want %d %q", tc.who, tc.request, w.Code, w.Body, tc.status, tc.body)
		}
		h := w.Header()
		if tc.status >= 400 && h.Get("Cache-Control") != "no-store" || (tc.status == 401) != (h.Get("WWW-Authenticate") != "") ||
			tc.status == 405 && h.Get("Allow") != "GET, HEAD, PUT" {
			t.Errorf("%q %s: header %v", tc.who, tc.request, h)
		}
	}
}

func send(h http.Handler, who, request string) *httptest.ResponseRecorder {
	method, path, _ := strings.Cut(request, " ")
	r := httptest.NewRequest(method, path, nil)
	r.Header.Set("X-Who", who)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// Byte for byte: another tenant's note, one that does not exist, a path that no route has.
func TestNotFoundTellsNothing(t *testing.T) {
	for name, opts := range map[string][]authz.Option{"default": nil, "own page": {authz.Refused(func(w http.ResponseWriter, r *http.Request, status int) {
		w.Header().Set("X-Page", "own")
		fmt.Fprintln(w, "own page", status)
	})}} {
		m := newMux(t, opts...)
		get := func(path string) string {
			w := send(m, "ann acme reader", "GET "+path)
			return fmt.Sprint(w.Code, w.Header(), w.Body)
		}
		missing := get("/notes/none")
		if !strings.HasPrefix(missing, "404") || get("/notes/acme1") == missing {
			t.Errorf("%s: the answers say nothing: %s", name, missing)
		}
		for _, path := range []string{"/notes/zeta1", "/nowhere"} {
			if got := get(path); got != missing {
				t.Errorf("%s: %s: %s, want %s", name, path, got, missing)
			}
		}
	}
}

func TestRefusedCannotAllow(t *testing.T) {
	for name, tc := range map[string]struct {
		render func(w http.ResponseWriter, r *http.Request, status int)
		want   int
	}{
		"nothing":    {func(http.ResponseWriter, *http.Request, int) {}, 401},
		"body only":  {func(w http.ResponseWriter, _ *http.Request, _ int) { fmt.Fprint(w, "page") }, 401},
		"a success":  {func(w http.ResponseWriter, _ *http.Request, _ int) { w.WriteHeader(200) }, 401},
		"no content": {func(w http.ResponseWriter, _ *http.Request, _ int) { w.WriteHeader(204) }, 401},
		"twice":      {func(w http.ResponseWriter, _ *http.Request, s int) { w.WriteHeader(s); w.WriteHeader(200) }, 401},
		"to a login": {func(w http.ResponseWriter, r *http.Request, _ int) {
			http.Redirect(w, r, "/login", http.StatusSeeOther)
		}, 303},
		"another status": {func(w http.ResponseWriter, _ *http.Request, _ int) { w.WriteHeader(404) }, 404},
	} {
		if w := send(newMux(t, authz.Refused(tc.render)), "", "GET /notes"); w.Code != tc.want {
			t.Errorf("%s: %d, want %d", name, w.Code, tc.want)
		}
	}
}

// One event for each decision on a route; none where nothing was decided.
func TestMuxEvents(t *testing.T) {
	var out bytes.Buffer
	c := config()
	c.Logger = newLog(&out)
	m, err := authz.NewMux(newPolicy(t, c), whoIs, routes())
	if err != nil {
		t.Fatal(err)
	}
	for request, want := range map[string]string{
		"ann acme reader GET /notes":        "level=INFO msg=authorization event.action=note.read event.outcome=success event.reason=granted user.id=ann organization.id=acme rule.name=reader\n",
		"ann acme reader GET /notes/zeta1":  "level=WARN msg=authorization event.action=note.read event.outcome=failure event.reason=other-tenant user.id=ann organization.id=zeta\n",
		"ann acme reader PUT /notes/acme1":  "level=WARN msg=authorization event.action=note.write event.outcome=failure event.reason=not-granted user.id=ann organization.id=acme\n",
		"down GET /notes":                   "level=ERROR msg=authorization event.action=note.read event.outcome=failure event.reason=subject-failed user.id=ann error.type=*errors.errorString\n",
		"ann acme reader GET /notes/broken": "level=ERROR msg=authorization event.action=note.read event.outcome=failure event.reason=resource-failed user.id=ann error.type=*errors.errorString\n",
		"ann acme reader GET /notes/none":   "",
		"ann acme reader GET /nowhere":      "",
		"ann acme reader GET /":             "",
	} {
		out.Reset()
		fields := strings.Fields(request)
		send(m, strings.Join(fields[:len(fields)-2], " "), strings.Join(fields[len(fields)-2:], " "))
		if out.String() != want {
			t.Errorf("%s: got %s, want %s", request, out.String(), want)
		}
	}
}

func TestMuxAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	nothing := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	var bare http.ServeMux
	bare.Handle("GET /notes", nothing)
	ann := subject("ann", "acme", "reader")
	m, err := authz.NewMux(newPolicy(t, config()), func(*http.Request) (authz.Subject, error) { return ann, nil },
		[]authz.Route{{Pattern: "GET /notes", Access: authz.Require(read), Handler: nothing}})
	if err != nil {
		t.Fatal(err)
	}
	r, w := httptest.NewRequest("GET", "/notes", nil), httptest.NewRecorder()
	run := func(h http.Handler) float64 { return testing.AllocsPerRun(200, func() { h.ServeHTTP(w, r) }) }
	if more := run(m) - run(&bare); more > 2 {
		t.Errorf("%v allocations more than http.ServeMux, at most 2", more)
	}
}
