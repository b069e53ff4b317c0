package sessiontest

import (
	"fmt"
	"html"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pavise/pavise/session"
)

// shop is a small service that keeps every requirement. Each fault breaks one.
type shop struct {
	fault    string
	sessions *session.Manager[basket]
	password string
	disabled bool
	paid     bool
	bought   []string
}

type basket struct{ Seen int }

const shopFresh = 5 * time.Minute

func openShop(t *testing.T, fault string) App {
	s := &shop{fault: fault, password: "correct horse"}
	opts := []session.Option{session.Timeouts(30*time.Minute, 12*time.Hour)}
	switch fault {
	case "no idle timeout":
		opts = append(opts, session.Timeouts(12*time.Hour, 12*time.Hour))
	case "no absolute timeout":
		opts = append(opts, session.Timeouts(30*time.Minute, 30*24*time.Hour))
	case "a cookie for every host of the domain":
		opts = append(opts, session.CookieDomain("app.example"))
	case "a change that any site can send":
		opts = append(opts, session.InsecureCSRFBypass("POST /buy"))
	case "a login that any site can send":
		opts = append(opts, session.InsecureCSRFBypass("POST /login"))
	}
	var err error
	if s.sessions, err = session.New[basket](session.NewMemoryStore(0), opts...); err != nil {
		t.Fatal(err)
	}
	return s.app()
}

func (s *shop) app() App {
	app := App{
		Handler: s.handler(), Login: Form("/login", "password", "correct horse"), Logout: Form("/logout"),
		Page: "/account", Text: "Hello, ann", Pages: []string{"/orders"},
		Change: Form("/buy", "what", "a teapot"), Changed: "You bought a teapot",
		Idle: 30 * time.Minute, Absolute: 12 * time.Hour,
		Reauthenticate: Form("/confirm", "password", "correct horse"), Fresh: shopFresh,
		ChangePassword: Sensitive{Do: Form("/password", "new", "battery staple")},
		Transaction: Sensitive{Do: Form("/pay"), Done: func(b *Browser) bool {
			return strings.Contains(b.Get("/orders").Body, "You have paid")
		}},
		Sessions: "/sessions", PerSession: "<li>",
		EndSession: Sensitive{Do: endOneSession}, EndOthers: Sensitive{Do: Form("/sessions/end-others")},
		Disable: func(*Browser) { s.disable() }, EndSessions: func(*Browser) { s.endSessions() },
	}
	if s.fault == "a password that ends nothing" {
		app.EndOthers = Sensitive{} // nor is there another way
	}
	return app
}

var otherSession = regexp.MustCompile(`name="other" value="(\w+)"`)

func endOneSession(b *Browser) *http.Request {
	found := otherSession.FindStringSubmatch(b.Get("/sessions").Body)
	if found == nil {
		return nil
	}
	return Form("/sessions/end", "handle", found[1])(b)
}

func (s *shop) handler() http.Handler {
	mux := http.NewServeMux()
	route := func(pattern string, maxAge time.Duration, h http.HandlerFunc) {
		if method, path, _ := strings.Cut(pattern, " "); s.fault == "any method for "+path && method == "POST" {
			pattern = path
		}
		if s.fault == "no credentials for "+pattern {
			maxAge = 0
		}
		mux.Handle(pattern, s.sessions.Require(session.Policy{MaxAge: maxAge})(h))
	}
	login := "POST /login"
	if s.fault == "a login by a link" {
		login = "/login"
	}
	mux.HandleFunc(login, s.login)
	mux.HandleFunc("GET /{$}", s.home)
	mux.HandleFunc("POST /logout", s.logout)
	route("GET /account", 0, s.account)
	route("GET /orders", 0, s.orders)
	route("GET /sessions", 0, s.list)
	route("POST /buy", 0, s.buy)
	route("POST /confirm", 0, s.confirm)
	route("POST /password", shopFresh, s.changePassword)
	route("POST /pay", shopFresh, s.pay)
	route("POST /sessions/end", shopFresh, s.end)
	route("POST /sessions/end-others", shopFresh, s.endOthers)
	return s.spoil(s.sessions.Handler(mux))
}

// home gives everybody a session.
func (s *shop) home(_ http.ResponseWriter, r *http.Request) {
	s.must(s.sessions.Update(r.Context(), func(b *basket) error { b.Seen++; return nil }))
}

func (s *shop) login(w http.ResponseWriter, r *http.Request) {
	if r.FormValue("password") != s.password || s.disabled {
		http.Error(w, "no", http.StatusUnauthorized)
		return
	}
	s.must(s.sessions.Login(r.Context(), session.Auth{User: "ann"}, nil))
	http.Redirect(w, r, "/account", http.StatusSeeOther)
}

func (s *shop) logout(w http.ResponseWriter, r *http.Request) {
	if s.fault == "a logout that only deletes the cookie" {
		http.SetCookie(w, &http.Cookie{Name: "__Host-session", Path: "/", MaxAge: -1, Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
		return
	}
	s.must(s.sessions.Logout(r.Context()))
}

func (s *shop) confirm(w http.ResponseWriter, r *http.Request) {
	if r.PostFormValue("password") != s.password {
		http.Error(w, "no", http.StatusForbidden)
		return
	}
	s.must(s.sessions.Reauthenticate(r.Context(), session.Auth{}))
	fmt.Fprintln(w, "Hello, ann")
}

func (s *shop) page(w http.ResponseWriter, r *http.Request, text string) {
	if s.fault != "a page without a logout" || r.URL.Path != "/orders" {
		text += `<form method=post action=/logout><button>Log out</button></form>`
	}
	if s.fault == "a token in the page" {
		c, _ := r.Cookie("__Host-session")
		text += c.Value
	}
	fmt.Fprintln(w, text)
}

func (s *shop) account(w http.ResponseWriter, r *http.Request) {
	text := "Hello, ann. "
	for _, what := range s.bought {
		text += "You bought " + html.EscapeString(what) + ". "
	}
	s.page(w, r, text)
}

func (s *shop) orders(w http.ResponseWriter, r *http.Request) {
	text := "Orders. "
	if s.paid {
		text += "You have paid."
	}
	s.page(w, r, text)
}

func (s *shop) buy(w http.ResponseWriter, r *http.Request) {
	s.bought = append(s.bought, r.FormValue("what"))
	http.Redirect(w, r, "/account", http.StatusSeeOther)
}

func (s *shop) pay(http.ResponseWriter, *http.Request) { s.paid = true }

func (s *shop) changePassword(w http.ResponseWriter, r *http.Request) {
	s.password = r.FormValue("new")
	if s.fault == "a password that ends nothing" {
		return
	}
	_, err := s.sessions.RevokeUser(r.Context(), "ann", s.here(r).Handle)
	s.must(err)
}

func (s *shop) list(w http.ResponseWriter, r *http.Request) {
	here, text := s.here(r), "<ul>"
	devices, err := s.sessions.Devices(r.Context(), "ann")
	s.must(err)
	for _, d := range devices {
		switch {
		case d.Handle == here.Handle:
			text += "<li>this one"
		case s.fault == "a list of one session":
			text += fmt.Sprintf(`<b>another <input name="other" value="%s">`, d.Handle)
		default:
			text += fmt.Sprintf(`<li>another <input name="other" value="%s">`, d.Handle)
		}
	}
	s.page(w, r, text)
}

func (s *shop) end(_ http.ResponseWriter, r *http.Request) {
	if s.fault != "an end that ends nothing" {
		s.must(s.sessions.Revoke(r.Context(), "ann", session.Handle(r.PostFormValue("handle"))))
	}
}

func (s *shop) endOthers(_ http.ResponseWriter, r *http.Request) {
	_, err := s.sessions.RevokeUser(r.Context(), "ann", s.here(r).Handle)
	s.must(err)
}

func (s *shop) disable() {
	s.disabled = s.fault != "a disabled account that logs in"
	if s.fault != "a disabled account that stays" {
		_, err := s.sessions.RevokeUser(ctx(), "ann")
		s.must(err)
	}
}

func (s *shop) endSessions() {
	devices, err := s.sessions.Devices(ctx(), "ann")
	s.must(err)
	if s.fault == "an administrator who ends one" {
		devices = slices.Delete(devices, 1, len(devices))
	}
	for _, d := range devices {
		s.must(s.sessions.Revoke(ctx(), "ann", d.Handle))
	}
}

func (s *shop) here(r *http.Request) session.Session[basket] {
	here, err := s.sessions.Get(r.Context())
	s.must(err)
	return here
}

func (s *shop) must(err error) {
	if err != nil {
		panic(err)
	}
}
