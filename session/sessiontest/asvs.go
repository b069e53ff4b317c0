package sessiontest

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// App is a service as [ASVS] uses it: through its handler, with the requests that
// its own pages would send. Without Handler, Login, Page and Text everything fails;
// whatever else is missing makes the requirements that need it skip, by name.
type App struct {
	Handler http.Handler
	URL     string // of the service as a browser sees it; "https://app.example" if empty

	Login  Step   // logs a user in; the credentials are in the request
	Logout Step   // ends the session
	Page   string // path of a page for users who are logged in
	Text   string // what nobody else sees there, such as the name of the account

	Pages      []string // paths of the other pages for users who are logged in
	LogoutText string   // by what a page is known to offer the logout; the path of Logout if empty

	Change  Step   // changes something by an unsafe method...
	Changed string // ...so that this text stands on Page afterwards, and not before

	// The documented timeouts (7.1.1), and how time passes. Wait is time.Sleep if nil;
	// then timeouts of more than ten seconds need [Bubble].
	Idle, Absolute time.Duration
	Wait           func(time.Duration)

	// Reauthenticate gives the credentials again in a session. Fresh is for how long
	// that, or a login, is enough for what is Sensitive. Without Reauthenticate the
	// sensitive requests carry the credentials themselves.
	Reauthenticate Step
	Fresh          time.Duration

	ChangePassword Sensitive
	Transaction    Sensitive // the most dangerous thing that a user can do here

	Sessions   string    // path of the page that lists the user's sessions
	PerSession string    // what stands there once for each of them
	EndSession Sensitive // ends one of the user's other sessions; Done is not used
	EndOthers  Sensitive // ends all of them; Done is not used

	// What administrators do, in whatever way they do it: the Browser is logged out.
	Disable     func(*Browser) // disables or deletes the account of the user
	EndSessions func(*Browser) // ends the sessions of the user

	Cookie        string   // name of the session cookie, if it cannot be found out
	SharedCookies []string // cookies that are meant for other hosts, too (3.3.3)
	ScriptCookies []string // cookies that scripts are meant to read (3.3.4)
}

// Step makes a request of the app's own pages. What has to be read from a page
// before, such as an anti-forgery token or the id of a session, it can get with b.
// Cookies and the headers of a browser are added to what it returns.
type Step func(b *Browser) *http.Request

// Sensitive is what the app does only for somebody who has just shown who they are.
type Sensitive struct {
	// Do is the request that works. It is sent right after App.Reauthenticate, if there
	// is one.
	Do Step
	// Bare is what somebody can send who has nothing but the session: Do without the
	// credentials. If nil, it is Do, sent App.Fresh after the last authentication.
	Bare Step
	// Done reports whether it took effect. If nil, it did when Login does not log in any
	// more, as after a change of the password.
	Done func(b *Browser) bool
}

// ASVS drives a service through those requirements of the OWASP Application Security
// Verification Standard 5.0 about sessions that a program can check. Each is a subtest
// named by its number, such as 7.4.1. open makes the service, with one user, anew for
// each of them: some end with an account that nobody can use. Everything runs in
// this process. Of the options only [Bubble] has a meaning here: timeouts cost no time
// then, if all that the service asks for the time is the time package.
//
// A requirement that passes was kept in what was tried. Randomness (7.2.3) can be
// refuted from outside, not proven, and no program sees whether a logout button is
// visible (7.4.4) or a timeout fits the risk (7.3.1, 7.3.2).
func ASVS(t *testing.T, open func(t *testing.T) App, opts ...Option) {
	t.Helper()
	c := newConfig(opts)
	for _, q := range requirements {
		t.Run(q.number, func(t *testing.T) {
			var skipped string
			run := func(t *testing.T) {
				app := open(t)
				if skipped = q.lacks(&app, c.bubble); skipped == "" {
					t.Logf("%s: %s", q.number, q.title)
					q.run(newAudit(t, app))
				}
			}
			if c.bubble {
				synctest.Test(t, run)
			} else {
				run(t)
			}
			if skipped != "" { // from outside the bubble: inside, the skip would be lost
				t.Skipf("%s: needs %s", q.title, skipped)
			}
		})
	}
}

// requirement is one line of the standard.
type requirement struct {
	number string
	title  string   // in our words
	needs  []string // fields of App
	waits  func(*App) time.Duration
	run    func(*audit)
}

var requirements = []requirement{
	{"3.3.1", "cookies are Secure and named __Host- or __Secure-", nil, nil, checkSecure},
	{"3.3.2", "cookies say SameSite", nil, nil, checkSameSite},
	{"3.3.3", "cookies are for one host", nil, nil, checkHostOnly},
	{"3.3.4", "cookies are out of reach for scripts", nil, nil, checkHTTPOnly},
	{"3.3.5", "cookies fit into a browser", nil, nil, checkCookieSize},
	{"3.5.1", "requests of other sites change nothing", []string{"Change", "Changed"}, nil, checkForged},
	{"3.5.3", "safe methods change nothing", []string{"Change", "Changed"}, nil, checkSafeMethods},
	{"7.2.1", "the server verifies the token", nil, nil, checkVerified},
	{"7.2.2", "tokens are made for each session", nil, nil, checkDynamic},
	{"7.2.3", "tokens are unique and have 128 bits", nil, nil, checkEntropy},
	{"7.2.4", "authentication renews the token", nil, nil, checkRenewed},
	{"7.3.1", "a session that is not used ends", []string{"Idle"}, func(a *App) time.Duration { return a.Idle }, checkIdleTimeout},
	{"7.3.2", "a session that is used ends, too", []string{"Idle", "Absolute"}, func(a *App) time.Duration { return a.Absolute }, checkAbsoluteTimeout},
	{"7.4.1", "logout ends the session", []string{"Logout"}, nil, checkLogout},
	{"7.4.2", "the end of an account ends its sessions", []string{"Disable"}, nil, checkDisable},
	{"7.4.3", "a new password can end the other sessions", []string{"ChangePassword"}, nil, checkPasswordChange},
	{"7.4.4", "every page of a user offers the logout", []string{"Logout"}, nil, checkLogoutOffered},
	{"7.4.5", "administrators can end a user's sessions", []string{"EndSessions"}, nil, checkAdministrator},
	{"7.5.1", "the session alone changes no password", []string{"ChangePassword", "ChangePassword.Bare"}, fresh, checkChangePassword},
	{"7.5.2", "users see their sessions, and end them by their credentials", []string{"Sessions", "PerSession", "EndSession", "EndSession.Bare"}, fresh, checkSessions},
	{"7.5.3", "the session alone does nothing dangerous", []string{"Transaction", "Transaction.Bare"}, fresh, checkTransaction},
	{"7.6.2", "nobody is logged in without doing something", nil, nil, checkConsent},
	{"14.3.2", "no cache keeps what a user sees", nil, nil, checkNoStore},
}

func fresh(a *App) time.Duration { return a.Fresh }
