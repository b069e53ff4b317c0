package browser

import (
	"net/http"
	"strings"
	"testing"
)

const private = "the diagnosis of patient 4711"

// After the logout the back button shows nothing of what was there, and the browser has
// dropped what it kept for the origin, except cookies that are not the session.
func TestBackButtonAfterLogout(t *testing.T) {
	for _, tc := range []struct {
		name  string
		wrap  func(http.Handler) http.Handler
		shows bool
	}{
		{"pavise", func(h http.Handler) http.Handler { return h }, false},
		{"control: answers that may be kept", forgetful, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := newManager(t)
			mux := routes(m)
			mux.HandleFunc("GET /private", func(w http.ResponseWriter, r *http.Request) {
				s, err := m.Get(r.Context())
				if err != nil || !s.LoggedIn() {
					html(w, "please log in")
					return
				}
				html(w, private+`<form method=post action=/bye><button>log out</button></form>`)
			})
			mux.HandleFunc("POST /bye", func(w http.ResponseWriter, r *http.Request) {
				answer(w, m.Logout(r.Context()))
				http.Redirect(w, r, "/", http.StatusSeeOther)
			})
			b := serve(t, tc.wrap(m.Handler(mux))).open(t)
			b.open("localhost", "/")
			b.must("/login")
			eval[string](b, `localStorage.draft = "kept", document.cookie = "theme=dark; Secure"`)
			b.open("localhost", "/private")
			if shown := b.text(); !strings.HasPrefix(shown, private) {
				t.Fatalf("logged in, the page shows %q", shown)
			}
			b.click("form button")
			b.back("/private")
			shown := b.text()
			if strings.HasPrefix(shown, private) != tc.shows {
				t.Errorf("back shows %q", shown)
			}
			if kept := eval[bool](b, `localStorage.draft == "kept"`); kept != tc.shows {
				t.Errorf("what the page had stored is kept: %v", kept)
			}
			if c := b.cookie("localhost", "/", "theme"); c == nil || c.Value != "dark" {
				t.Error("a cookie that is not the session has gone")
			}
			if c := b.cookie("localhost", "/", name); c != nil {
				t.Errorf("the session cookie is still there: %+v", c)
			}
		})
	}
}

// forgetful undoes what the Manager says about caches.
func forgetful(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(forgetfulWriter{w}, r) })
}

type forgetfulWriter struct{ http.ResponseWriter }

func (w forgetfulWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w forgetfulWriter) WriteHeader(code int) {
	w.Header().Set("Cache-Control", "private, max-age=600")
	w.Header().Del("Clear-Site-Data")
	w.ResponseWriter.WriteHeader(code)
}

func (w forgetfulWriter) Write(b []byte) (int, error) {
	w.Header().Set("Cache-Control", "private, max-age=600")
	w.Header().Del("Clear-Site-Data")
	return w.ResponseWriter.Write(b)
}
