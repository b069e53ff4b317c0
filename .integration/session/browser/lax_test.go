package browser

import (
	"net/http"
	"testing"
)

// A link of another site brings the session's cookie, so that people who follow one are
// still logged in. What a page of another site embeds does not. A cookie with
// SameSite=None, which is sent in every case, is the control.
func TestLaxCookie(t *testing.T) {
	m := newManager(t)
	var reached counter
	reached.take()
	mux := routes(m)
	mux.HandleFunc("GET /look", func(w http.ResponseWriter, r *http.Request) {
		s, err := m.Get(r.Context())
		answer(w, err)
		_, err = r.Cookie("loose")
		if err != nil {
			reached.add("no control")
		}
		reached.add("as " + s.User)
		html(w, "")
	})
	b := serve(t, planter(m.Handler(mux))).open(t)
	b.open(app, "/")
	b.must("/login")
	b.plant("loose=1; Secure; Path=/; SameSite=None")
	look := b.site.url(app, "/look")

	for _, tc := range []struct{ host, link, frame string }{
		{evil, "map[as ann:1]", "map[as :1]"},
		{sub, "map[as ann:1]", "map[as ann:1]"},
		{app, "map[as ann:1]", "map[as ann:1]"},
	} {
		b.open(tc.host, "/")
		eval[bool](b, `new Promise(done => {
			const f = document.createElement("iframe"); f.onload = () => done(true); f.src = %q; document.body.append(f)
		})`, look)
		if got := reached.take(); got != tc.frame {
			t.Errorf("a frame in a page of %s: %s, want %s", tc.host, got, tc.frame)
		}
		b.open(tc.host, "/")
		eval[bool](b, `(document.body.innerHTML = "<a>go</a>", document.querySelector("a").href = %q, true)`, look)
		b.click("a")
		if got := reached.take(); got != tc.link {
			t.Errorf("a link of %s: %s, want %s", tc.host, got, tc.link)
		}
	}
}
