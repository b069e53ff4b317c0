package sessiontest

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestASVS(t *testing.T) {
	ASVS(t, func(t *testing.T) App { return openShop(t, "") }, Bubble())
}

// audits runs every requirement on what open makes and returns what was said about
// each that is not kept.
func audits(t *testing.T, open func(t *testing.T) App) map[string]string {
	t.Helper()
	said := map[string]string{}
	for _, q := range requirements {
		var r recorder
		synctest.Test(t, func(t *testing.T) {
			app := open(t)
			if q.lacks(&app, true) != "" {
				return
			}
			var done sync.WaitGroup
			done.Go(func() { q.run(newAudit(&r, app)) })
			done.Wait()
		})
		if len(r.said) > 0 {
			said[q.number] = strings.Join(r.said, "\n")
		}
	}
	return said
}

// The positive control of the requirements: each broken shop fails exactly the one
// that is there for it, and for that reason.
func TestBrokenShops(t *testing.T) {
	for _, tt := range []struct{ fault, number, says string }{
		{"a cookie without Secure", "3.3.1", `sets the cookie "__Host-session" without Secure`},
		{"a cookie without SameSite", "3.3.2", "without SameSite"},
		{"a session for every site", "3.3.2", "with SameSite=None"},
		{"a cookie for every host of the domain", "3.3.3", `"__Secure-session" without the prefix __Host-`},
		{"a cookie without HttpOnly", "3.3.4", "without HttpOnly"},
		{"a token in the page", "3.3.4", `/account tells the value of the cookie "__Host-session"`},
		{"a cookie too large", "3.3.5", `"__Host-big" with more than 4096 bytes`},
		{"a change that any site can send", "3.5.1", "App.Change works from another site: it ended at /account with 200"},
		{"a login that any site can send", "3.5.1", "App.Login works from a sibling host"},
		{"a shop that trusts its siblings", "3.5.1", "App.Change works from a sibling host"},
		{"a shop that trusts who is nobody", "3.5.1", "App.Change works from a sandboxed frame"},
		{"a shop that trusts old browsers", "3.5.1", "App.Change works from another site, in a browser without Sec-Fetch-Site"},
		{"any method for /buy", "3.5.3", "App.Change works by GET"},
		{"any method for /password", "3.5.3", "App.ChangePassword works by GET"},
		{"any method for /pay", "3.5.3", "App.Transaction works by GET"},
		{"a token of which half counts", "7.2.1", "with another character at its end is accepted"},
		{"a token that comes again", "7.2.2", "a login got the token of a session that has ended"},
		{"a short token", "7.2.3", "at most 103 bits"},
		{"a token that counts", "7.2.3", "at most "},
		{"a token that comes back after many", "7.2.3", "two of 21 sessions have the same token"},
		{"a token that stays", "7.2.4", "App.Reauthenticate does not renew the token"},
		{"a token that stays at the login", "7.2.4", "App.Login does not renew the token"},
		{"a token that lives on", "7.2.4", "the token from before App.Reauthenticate is still accepted"},
		{"a token that anybody makes up", "7.2.4", "adopts a token that somebody has made up"},
		{"no idle timeout", "7.3.1", "not used for longer than App.Idle"},
		{"no absolute timeout", "7.3.2", "began longer ago than App.Absolute"},
		{"a logout that only deletes the cookie", "7.4.1", "still logged in after App.Logout, for whoever kept the cookies\nApp.Change works after"},
		{"a disabled account that stays", "7.4.2", "still logged in after App.Disable"},
		{"a disabled account that logs in", "7.4.2", "App.Login works after App.Disable"},
		{"a password that ends nothing", "7.4.3", "in another browser after App.ChangePassword"},
		{"a page without a logout", "7.4.4", `/orders offers no logout: "/logout" is not on it`},
		{"an administrator who ends one", "7.4.5", "still logged in after App.EndSessions"},
		{"no credentials for POST /password", "7.5.1", "App.ChangePassword works without the credentials: it ended at /password with 200"},
		{"a list of one session", "7.5.2", "/sessions shows 1 sessions of the user, who has 3"},
		{"an end that ends nothing", "7.5.2", "2 other sessions are left after App.EndSession, want 1"},
		{"no credentials for POST /sessions/end", "7.5.2", "1 other sessions are left after App.EndSession without the credentials, want 2"},
		{"no credentials for POST /sessions/end-others", "7.5.2", "0 other sessions are left after App.EndOthers without the credentials, want 2"},
		{"no credentials for POST /pay", "7.5.3", "App.Transaction works without the credentials"},
		{"a login by a link", "7.6.2", "App.Login works by a link"},
		{"a page in the cache", "14.3.2", `/orders is answered with Cache-Control "private, max-age=60"`},
		{"an answer in the cache", "14.3.2", "/confirm shows App.Text without Cache-Control: no-store"},
	} {
		t.Run(tt.fault, func(t *testing.T) {
			said := audits(t, func(t *testing.T) App { return openShop(t, tt.fault) })
			if failed := slices.Sorted(maps.Keys(said)); !slices.Equal(failed, []string{tt.number}) {
				t.Errorf("it fails %q, want %s", failed, tt.number)
			}
			if !strings.Contains(said[tt.number], tt.says) {
				t.Errorf("%s said:\n%s\nwant %q in it", tt.number, said[tt.number], tt.says)
			}
		})
	}
}

// Some break several at once.
func TestBrokenManifold(t *testing.T) {
	for _, tt := range []struct {
		fault   string
		numbers []string
		says    string
	}{
		{"another cookie without a prefix", []string{"3.3.1", "3.3.3"}, `/ sets the cookie "theme" without one of the prefixes`},
		{"a token for everybody", []string{"7.2.2", "7.2.3", "7.2.4", "7.4.3", "7.5.2"}, "two logins in two browsers got the same token"},
	} {
		said := audits(t, func(t *testing.T) App { return openShop(t, tt.fault) })
		if failed := slices.Sorted(maps.Keys(said)); !slices.Equal(failed, tt.numbers) {
			t.Errorf("%s fails %q, want %q", tt.fault, failed, tt.numbers)
		}
		if first := said[tt.numbers[0]]; !strings.Contains(first, tt.says) {
			t.Errorf("%s: %s", tt.fault, first)
		}
	}
}

// Other shapes of a correct app: credentials in the sensitive requests themselves, no
// re-authentication, a named cookie.
func TestCorrectVariants(t *testing.T) {
	for name, change := range map[string]func(*App){
		"a second login":          func(a *App) { a.Reauthenticate = nil },
		"a named cookie":          func(a *App) { a.Cookie = "__Host-session" },
		"another URL":             func(a *App) { a.URL = "https://www.app.example:8443" },
		"credentials in the form": func(a *App) { inForm(&a.ChangePassword); inForm(&a.EndSession) },
	} {
		t.Run(name, func(t *testing.T) {
			said := audits(t, func(t *testing.T) App {
				app := openShop(t, "")
				change(&app)
				return app
			})
			if len(said) > 0 {
				t.Errorf("it fails: %q", said)
			}
		})
	}
}

// inForm makes Bare a request that lacks what Do has.
func inForm(s *Sensitive) { s.Bare = Form("/confirm", "password", "wrong") }

// What the app does not say makes a requirement skip, never pass.
func TestLacks(t *testing.T) {
	full := openShop(t, "")
	for field, want := range map[string][]string{
		"Change": {"3.5.1", "3.5.3"}, "Changed": {"3.5.1", "3.5.3"}, "Idle": {"7.3.1", "7.3.2"}, "Absolute": {"7.3.2"}, "Logout": {"7.4.1", "7.4.4"},
		"Disable": {"7.4.2"}, "ChangePassword": {"7.4.3", "7.5.1"}, "EndSessions": {"7.4.5"}, "Reauthenticate": {"7.5.1", "7.5.2", "7.5.3"},
		"Sessions": {"7.5.2"}, "PerSession": {"7.5.2"}, "EndSession": {"7.5.2"}, "Transaction": {"7.5.3"},
	} {
		app := full
		f := reflect.ValueOf(&app).Elem().FieldByName(field)
		f.SetZero()
		var skipped []string
		for _, q := range requirements {
			if why := q.lacks(&app, true); strings.Contains(why, "App."+field) {
				skipped = append(skipped, q.number)
			} else if why != "" {
				t.Errorf("%s without %s: %s", q.number, field, why)
			}
		}
		if !slices.Equal(skipped, want) {
			t.Errorf("without %s these skip: %q, want %q", field, skipped, want)
		}
	}
	for _, q := range requirements {
		long := slices.Contains([]string{"7.3.1", "7.3.2", "7.5.1", "7.5.2", "7.5.3"}, q.number)
		if why := q.lacks(&full, false); long != strings.Contains(why, "App.Wait, or the option Bubble, for ") {
			t.Errorf("%s in real time: %q", q.number, why)
		}
	}
}

// An app that cannot be used as it says is a failure, never a pass.
func TestUnusable(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*App)
		number string
		says   string
	}{
		"the login":         {func(a *App) { a.Login = Form("/login", "password", "wrong") }, "7.2.1", "App.Login does not log in: it ended at /login with 401"},
		"no handler":        {func(a *App) { a.Handler = nil }, "7.2.1", "App needs a Handler, Login, Page and Text"},
		"no text":           {func(a *App) { a.Text = "" }, "7.2.1", "App needs a Handler, Login, Page and Text"},
		"the text":          {func(a *App) { a.Text = "\n" }, "7.2.1", "App.Text is on App.Page before the login"},
		"the change":        {func(a *App) { a.Change = Form("/nowhere") }, "3.5.1", "App.Change changes nothing: it ended at /nowhere with 404"},
		"the change, safe":  {func(a *App) { a.Change = Form("/nowhere") }, "3.5.3", "App.Change changes nothing"},
		"a safe change":     {func(a *App) { a.Change = getPage }, "3.5.3", "App.Change itself is a GET"},
		"the password":      {func(a *App) { a.ChangePassword.Do = Form("/nowhere") }, "7.4.3", "does not change the password"},
		"a sensitive thing": {func(a *App) { a.Transaction.Do = Form("/nowhere") }, "7.5.3", "does not work with the credentials either"},
		"a page":            {func(a *App) { a.Pages = []string{"/nowhere"} }, "7.4.4", "/nowhere is no page of a user: it ended at /nowhere with 404"},
		"the idle timeout":  {func(a *App) { a.Idle = 2 * time.Hour }, "7.3.1", "the session is over after half of App.Idle"},
		"the end":           {func(a *App) { a.Absolute = 48 * time.Hour }, "7.3.2", "the session is over after half of App.Absolute"},
		"a cookie":          {func(a *App) { a.Cookie = "sid" }, "7.2.3", `no cookie "sid" after App.Login`},
		"no request":        {func(a *App) { a.Logout = func(*Browser) *http.Request { return nil } }, "7.4.1", "returned no request"},
		"the URL":           {func(a *App) { a.URL = "app.example" }, "7.4.1", "App.URL is no URL"},
	} {
		t.Run(name, func(t *testing.T) {
			said := audits(t, func(t *testing.T) App {
				app := openShop(t, "")
				tt.change(&app)
				return app
			})
			if !strings.Contains(said[tt.number], tt.says) {
				t.Errorf("%s said:\n%s\nwant %q in it", tt.number, said[tt.number], tt.says)
			}
		})
	}
}

func getPage(*Browser) *http.Request { return httptest.NewRequest("GET", "/account", nil) }

func TestMaxBits(t *testing.T) {
	make24 := func(f func(i int) string) (tokens []string) {
		for i := range samples {
			tokens = append(tokens, f(i))
		}
		return tokens
	}
	cycle := func(alphabet string, n int) func(int) string {
		return func(i int) string {
			var b strings.Builder
			for j := range n {
				b.WriteByte(alphabet[(i*7+j*5)%len(alphabet)])
			}
			return b.String()
		}
	}
	for name, tt := range map[string]struct {
		f    func(int) string
		want float64
	}{
		"a constant":            {func(int) string { return "always the same" }, 0},
		"a counter":             {func(i int) string { return fmt.Sprintf("id-%08d", i) }, 5.32}, // two digits, one of which had three values
		"32 hexadecimal digits": {cycle("0123456789abcdef", 32), 128},
		"16 hexadecimal digits": {cycle("0123456789ABCDEF", 16), 64},
		"22 of base64":          {cycle(base64url, 22), 132},
	} {
		if got := maxBits(make24(tt.f)); got < tt.want-.01 || got > tt.want+.01 {
			t.Errorf("%s: %.2f bits, want %.2f", name, got, tt.want)
		}
	}
}
