package browser

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"

	"github.com/pavise/pavise/session"
)

const name = "__Host-session"

func TestCookieFlags(t *testing.T) {
	m := newManager(t)
	b := serve(t, m.Handler(routes(m))).open(t)
	b.open("localhost", "/")
	b.must("/login")
	c := b.cookie("localhost", "/any", name)
	if c == nil {
		t.Fatal("the browser has no session cookie")
	}
	if !c.Secure || !c.HTTPOnly || c.SameSite != network.CookieSameSiteLax || c.Path != "/" || c.Domain != "localhost" || !c.Session || c.PartitionKey != nil {
		t.Errorf("the browser reports %+v", c)
	}
	if seen := eval[string](b, `document.cookie`); seen != "" {
		t.Errorf("a script sees %q", seen)
	}
	b.must("/remember")
	c = b.cookie("localhost", "/", name)
	if left := time.Until(time.Unix(int64(c.Expires), 0)); c.Session || left < 29*24*time.Hour || left > 30*24*time.Hour {
		t.Errorf("remembered: %+v", c)
	}
	if c.Size > 4096 {
		t.Errorf("it has %d bytes", c.Size)
	}
	b.must("/logout")
	if c := b.cookie("localhost", "/", name); c != nil {
		t.Errorf("after the logout there is %+v", c)
	}
}

// planter sets what its query says as a cookie, on any host.
func planter(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/plant" {
			w.Header().Set("Set-Cookie", r.URL.Query().Get("line"))
			html(w, "")
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (b *tab) plant(line string) {
	b.t.Helper()
	eval[int](b, `fetch("/plant?line=" + encodeURIComponent(%q)).then(r => r.status)`, line)
}

// Nobody but the host itself, over TLS, can put a __Host- cookie where the session is.
func TestHostPrefixIsEnforced(t *testing.T) {
	m := newManager(t)
	b := serve(t, planter(m.Handler(routes(m)))).open(t)
	b.open(app, "/")
	b.must("/login")
	good := b.cookie(app, "/", name).Value
	unchanged := func(after string) {
		t.Helper()
		for _, path := range []string{"/", "/deep/who"} {
			if c := b.cookie(app, path, name); c == nil || c.Value != good {
				t.Errorf("%s the cookie for %s is %+v", after, path, c)
			}
		}
		if user := b.user(); user != "ann" {
			t.Errorf("%s the session is %q", after, user)
		}
	}
	for i, attrs := range []string{"; Secure; Path=/; Domain=app.test", "; Path=/", "; Secure; Path=/deep", "; Secure"} {
		b.plant(name + "=evil" + attrs)
		unchanged("after a cookie with " + attrs)
		free := fmt.Sprint("free", i)
		b.plant(free + "=evil" + attrs)
		if b.cookie(app, "/deep/who", free) == nil {
			t.Errorf("control: without the prefix a cookie with %s is not set either", attrs)
		}
	}
	eval[string](b, `document.cookie = "__Host-session=evil; Secure; Path=/"`)
	unchanged("after a script's cookie")

	b.open(sub, "/")
	b.plant(name + "=evil; Secure; Path=/; Domain=app.test")
	b.plant("session=evil; Secure; Path=/; Domain=app.test")
	b.open(app, "/")
	unchanged("after a cookie of a subdomain")
	if c := b.cookie(app, "/", "session"); c == nil {
		t.Error("control: a subdomain cannot set a cookie without the prefix either")
	}

	plain := httptest.NewServer(planter(http.NotFoundHandler()))
	defer plain.Close()
	_, port, _ := net.SplitHostPort(plain.Listener.Addr().String())
	b.visit("http://" + net.JoinHostPort(app, port) + "/plant?line=plain%3Devil")
	b.plant(name + "=evil; Secure; Path=/")
	b.plant(name + "=evil; Path=/")
	b.open(app, "/")
	unchanged("after a cookie over plain http")
	if c := b.cookie(app, "/", "plain"); c == nil {
		t.Error("control: plain http sets no cookie at all")
	}
}

// Where another host may set the cookie, because the application shares it, the browser
// sends two: both are refused.
func TestDuplicateCookies(t *testing.T) {
	const shared = "__Secure-session"
	m := newManager(t, session.CookieDomain(app))
	b := serve(t, planter(m.Handler(routes(m)))).open(t)
	b.open(app, "/")
	b.must("/login")
	whoIsDeep := `fetch("/deep/who").then(r => r.text()).then(s => s.match(/<main>(.*)<\/main>/)[1])`
	if user := eval[string](b, "%s", whoIsDeep); user != "ann" {
		t.Fatalf("control: the session is %q", user)
	}
	b.open(sub, "/")
	b.plant(shared + "=evil; Secure; Path=/deep; Domain=app.test")
	b.open(app, "/")
	if user := eval[string](b, "%s", whoIsDeep); user != "" {
		t.Errorf("with two cookies the session is %q", user)
	}
	if user := b.user(); user != "ann" {
		t.Errorf("control: where one cookie is sent the session is %q", user)
	}
}
