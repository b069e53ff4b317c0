package session_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pavise/pavise/session"
)

func TestRequire(t *testing.T) {
	const acr2 = `acr_values="http://idmanagement.gov/ns/assurance/aal/2"`
	const insufficient = `Bearer error="insufficient_user_authentication", `
	synctest.Test(t, func(t *testing.T) {
		m := newManager(t, session.NewMemoryStore(0))
		b := newBrowser(t, m)
		for _, tc := range []struct {
			name      string
			before    func(context.Context) error
			wait      time.Duration
			policy    session.Policy
			challenge string // "" passes
		}{
			{"anonymous", nil, 0, session.Policy{}, "Bearer"},
			{"anonymous with data", func(ctx context.Context) error {
				return m.Update(ctx, func(d *data) error { d.N = 1; return nil })
			}, 0, session.Policy{}, "Bearer"},
			{"logged in", func(ctx context.Context) error {
				return m.Login(ctx, session.Auth{User: "ann"}, nil)
			}, 0, session.Policy{}, ""},
			{"AAL too low", nil, 0, session.Policy{AAL: 2}, insufficient + acr2},
			{"recent enough", nil, 5 * time.Minute, session.Policy{MaxAge: 5 * time.Minute}, ""},
			{"too old", nil, time.Microsecond, session.Policy{MaxAge: 5 * time.Minute}, insufficient + `max_age="300"`},
			{"both", nil, 0, session.Policy{AAL: 2, MaxAge: 5 * time.Minute}, insufficient + acr2 + `, max_age="300"`},
			{"stepped up", func(ctx context.Context) error {
				return m.Reauthenticate(ctx, session.Auth{AAL: 2})
			}, 0, session.Policy{AAL: 2, MaxAge: 5 * time.Minute}, ""},
			{"never enough", nil, 0, session.Policy{AAL: 4}, insufficient + `acr_values="http://idmanagement.gov/ns/assurance/aal/4"`},
			{"logged out", m.Logout, 0, session.Policy{}, "Bearer"},
		} {
			if tc.before != nil {
				b.must(tc.before)
			}
			time.Sleep(tc.wait)
			passed := false
			w := b.do(m.Require(tc.policy)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { passed = true })).ServeHTTP)
			if passed != (tc.challenge == "") || w.Header().Get("WWW-Authenticate") != tc.challenge || !passed && w.Code != 401 {
				t.Errorf("%s: passed %v, %d %v", tc.name, passed, w.Code, w.Header())
			}
		}
	})
}

func TestRequireRedirectsNavigation(t *testing.T) {
	m := newManager(t, session.NewMemoryStore(0), session.Redirect(func(_ *http.Request, c session.Challenge) string {
		if c.LoggedIn {
			return "/step-up"
		}
		return "/login"
	}))
	b := newBrowser(t, m)
	req := func(method, mode string, p session.Policy) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, "https://example.com/", nil)
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		r.Header.Set("Sec-Fetch-Mode", mode)
		return b.send(r, m.Require(p)(http.NotFoundHandler()))
	}
	if w := req("GET", "navigate", session.Policy{}); w.Code != 303 || w.Header().Get("Location") != "/login" {
		t.Errorf("navigation: %d %v", w.Code, w.Header())
	}
	if w := req("GET", "cors", session.Policy{}); w.Code != 401 {
		t.Errorf("script: %d", w.Code)
	}
	if w := req("POST", "navigate", session.Policy{}); w.Code != 401 {
		t.Errorf("form: %d", w.Code)
	}
	b.login("ann")
	if w := req("GET", "navigate", session.Policy{AAL: 2}); w.Code != 303 || w.Header().Get("Location") != "/step-up" {
		t.Errorf("step-up: %d %v", w.Code, w.Header())
	}
}

func TestRedirectStaysOnThisHost(t *testing.T) {
	for to, want := range map[string]int{
		"/login?next=//a/": 303, "//evil.example": 401, `/\evil.example`: 401, "/\t/evil.example": 401, `/a\..\\b`: 401,
		"https://evil.example/": 401, "javascript:alert(1)": 401, "login": 401, "///evil.example": 401, "": 401,
	} {
		m := newManager(t, session.NewMemoryStore(0), session.Redirect(func(*http.Request, session.Challenge) string { return to }))
		w := newBrowser(t, m).send(httptest.NewRequest("GET", "https://example.com/a/b", nil), m.Require(session.Policy{})(nil))
		if w.Code != want || want == 303 && w.Header().Get("Location") != to {
			t.Errorf("%q: %d %q", to, w.Code, w.Header().Get("Location"))
		}
	}
}

func TestRequireWithoutHandlerFailsClosed(t *testing.T) {
	m := newManager(t, session.NewMemoryStore(0))
	w := httptest.NewRecorder()
	m.Require(session.Policy{})(http.NotFoundHandler()).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if w.Code != 500 {
		t.Errorf("status %d", w.Code)
	}
}
