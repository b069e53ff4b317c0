package browser

import (
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"net/http"
	"sync"
	"testing"

	"github.com/pavise/pavise/session"
)

// counter counts the requests that reach a handler behind the Manager, by what they are.
type counter struct {
	mu sync.Mutex
	n  map[string]int
}

func (c *counter) add(what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n[what]++
}

// take returns the counts and forgets them.
func (c *counter) take() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	said := fmt.Sprint(c.n)
	c.n = map[string]int{}
	return said
}

// change is what other sites want to reach.
func (c *counter) change(m *session.Manager[data]) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s, err := m.Get(r.Context())
		answer(w, err)
		c.add(r.Method + " " + r.URL.Path + " as " + s.User)
		if r.URL.Path == "/socket" {
			accept(w, r)
		} else {
			html(w, "changed")
		}
	}
}

// accept completes the handshake of a WebSocket (RFC 6455 section 4.2.2), and no more.
func accept(w http.ResponseWriter, r *http.Request) {
	sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	w.Header().Set("Upgrade", "websocket")
	w.Header().Set("Connection", "Upgrade")
	w.Header().Set("Sec-WebSocket-Accept", base64.StdEncoding.EncodeToString(sum[:]))
	w.WriteHeader(http.StatusSwitchingProtocols)
	if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
		conn.Close()
	}
}

// What a page of another site, of a sibling host, and of the site itself gets.
func TestCrossSite(t *testing.T) {
	m := newManager(t)
	var reached counter
	reached.take()
	mux := routes(m)
	for _, pattern := range []string{"POST /change", "POST /signin", "GET /socket", "GET /look"} {
		mux.HandleFunc(pattern, reached.change(m))
	}
	b := serve(t, m.Handler(mux)).open(t)
	b.open(app, "/")
	b.must("/login")

	for _, tc := range []struct {
		host, enctype string
		want          string
	}{
		{evil, "application/x-www-form-urlencoded", "map[]"},
		{evil, "multipart/form-data", "map[]"},
		{evil, "text/plain", "map[]"},
		{sub, "application/x-www-form-urlencoded", "map[]"},
		{sub, "text/plain", "map[]"},
		{app, "application/x-www-form-urlencoded", "map[POST /change as ann:1]"},
		{app, "multipart/form-data", "map[POST /change as ann:1]"},
	} {
		b.open(tc.host, "/")
		eval[string](b, `document.body.innerHTML = "<form method=post><input name=a value=b><button>go</button></form>",
			document.forms[0].action = %q, document.forms[0].enctype = %q`, b.site.url(app, "/change"), tc.enctype)
		b.click("form button")
		if got := reached.take(); got != tc.want {
			t.Errorf("a form of %s with %s: %s, want %s", tc.host, tc.enctype, got, tc.want)
		}
		if shown := b.text(); tc.host != app && shown != "Forbidden" {
			t.Errorf("a form of %s with %s: the page shows %q", tc.host, tc.enctype, shown)
		}
	}

	for host, want := range map[string]string{
		evil: "map[GET /look as :1]", // a picture: nothing changes, and there is no session
		sub:  "map[GET /look as ann:1]",
		app:  "map[GET /look as ann:1 POST /change as ann:2 POST /signin as :1]", // the control
	} {
		b.open(host, "/")
		eval[bool](b, `Promise.allSettled([
			fetch(%[1]q, {method: "POST", mode: "no-cors", credentials: "include", body: "a=b"}),
			fetch(%[1]q, {method: "POST", mode: "no-cors", credentials: "include", body: new URLSearchParams("a=b")}),
			fetch(%[2]q, {method: "POST", mode: "no-cors", credentials: "omit", body: new FormData()}),
			new Promise(done => { const i = new Image(); i.onload = i.onerror = done; i.src = %[3]q }),
		]).then(() => true)`, b.site.url(app, "/change"), b.site.url(app, "/signin"), b.site.url(app, "/look"))
		if got := reached.take(); got != want {
			t.Errorf("requests of %s: %s, want %s", host, got, want)
		}
	}

	for host, want := range map[string]string{
		evil: "closed map[]",
		sub:  "closed map[]",
		app:  "open map[GET /socket as ann:1]",
	} {
		b.open(host, "/")
		state := eval[string](b, `new Promise(done => {
			const s = new WebSocket(%q); s.onopen = () => done("open"); s.onerror = () => done("closed")
		})`, "wss"+b.site.url(app, "/socket")[len("https"):])
		if got := state + " " + reached.take(); got != want {
			t.Errorf("a WebSocket of %s: %s, want %s", host, got, want)
		}
	}
}
