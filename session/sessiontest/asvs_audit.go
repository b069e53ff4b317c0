package sessiontest

import (
	"net/url"
	"reflect"
	"slices"
	"strings"
	"time"
)

// patience is how long a check may really sleep.
const patience = 10 * time.Second

// lacks names what the app does not say, or is "".
func (q *requirement) lacks(app *App, bubble bool) string {
	fields := reflect.ValueOf(app).Elem()
	for _, name := range q.needs {
		outer, bare, _ := strings.Cut(name, ".")
		f := fields.FieldByName(outer)
		switch {
		case bare == "" && f.IsZero():
			return "App." + name
		case bare != "" && f.FieldByName(bare).IsZero() && app.Reauthenticate == nil:
			return "App." + name + " or App.Reauthenticate"
		}
	}
	if q.waits != nil && q.waits(app) > patience && app.Wait == nil && !bubble {
		return "App.Wait, or the option Bubble, for " + q.waits(app).String()
	}
	return ""
}

// audit is one requirement being checked on one app.
type audit struct {
	tb
	App
	base *url.URL
}

func newAudit(t tb, app App) *audit {
	t.Helper()
	if app.Handler == nil || app.Login == nil || app.Page == "" || app.Text == "" {
		t.Fatalf("App needs a Handler, Login, Page and Text")
	}
	a := &audit{tb: t, App: app}
	if app.URL == "" {
		app.URL = "https://app.example"
	}
	var err error
	if a.base, err = url.Parse(app.URL); err != nil || a.base.Host == "" {
		t.Fatalf("App.URL is no URL with a host")
	}
	if a.Wait == nil {
		a.Wait = time.Sleep
	}
	if a.in(a.browser()) {
		t.Fatalf("App.Text is on App.Page before the login: it has to be something that only the user sees")
	}
	return a
}

func (a *audit) browser() *Browser {
	return &Browser{a: a, cookies: map[string]string{}}
}

// user returns a browser that has logged in.
func (a *audit) user() *Browser {
	a.Helper()
	b := a.browser()
	last := b.Do(a.Login)
	if !a.in(b) {
		a.Fatalf("App.Login does not log in: it ended at %s with %d, and %s has no App.Text", last.Path, last.Status, a.Page)
	}
	return b
}

// in reports whether b is logged in.
func (a *audit) in(b *Browser) bool { return strings.Contains(b.Get(a.Page).Body, a.Text) }

// wantIn is the control without which the absence of a session would prove nothing.
func (a *audit) wantIn(b *Browser, when string) {
	a.Helper()
	if !a.in(b) {
		a.Fatalf("the session is over %s, so nothing can be learned from its end", when)
	}
}

func (a *audit) wantOut(b *Browser, when string) {
	a.Helper()
	if a.in(b) {
		a.Errorf("the session is still logged in %s", when)
	}
}

// pages are the paths for users who are logged in.
func (a *audit) pages() []string {
	paths := append([]string{a.Page}, a.Pages...)
	if a.Sessions != "" && !slices.Contains(paths, a.Sessions) {
		paths = append(paths, a.Sessions)
	}
	return paths
}

// tour uses the app once, from the first page to the logout, and returns every
// answer.
func (a *audit) tour() []Answer {
	a.Helper()
	b := a.browser()
	b.Get("/")
	b.Get(a.Page)
	b.Do(a.Login)
	a.wantIn(b, "after App.Login")
	for _, path := range a.pages() {
		b.Get(path)
	}
	for _, s := range []Step{a.Change, a.Reauthenticate, a.Logout} {
		if s != nil {
			b.Do(s)
		}
	}
	return b.seen
}

// pass lets time pass. The sessions of bs are used meanwhile.
func (a *audit) pass(d time.Duration, bs ...*Browser) {
	for step := d; d > 0; d -= step {
		if a.Idle > 0 && len(bs) > 0 {
			step = min(d, a.Idle/2)
		}
		a.Wait(step)
		for _, b := range bs {
			b.Get(a.Page)
		}
	}
}

// changed reports whether App.Change took effect.
func (a *audit) changed(b *Browser) bool {
	return strings.Contains(b.Get(a.Page).Body, a.Changed)
}

// wantChange is the control of checks in which App.Change must not work.
func (a *audit) wantChange() {
	a.Helper()
	b := a.user()
	last := b.Do(a.Change)
	if !a.changed(b) {
		a.Fatalf("App.Change changes nothing: it ended at %s with %d, and %s has no App.Changed", last.Path, last.Status, a.Page)
	}
}

// token returns the name and value of b's session cookie: the one without which it
// is logged out.
func (a *audit) token(b *Browser) (name, value string) {
	a.Helper()
	if name = a.Cookie; name == "" {
		var needed []string
		for n := range b.cookies {
			if without := b.with(n, ""); !a.in(without) {
				needed = append(needed, n)
			}
		}
		if len(needed) != 1 {
			a.Fatalf("cookies without which nobody is logged in: %q; name the one with the session in App.Cookie", needed)
		}
		name = needed[0]
	}
	if b.cookies[name] == "" {
		a.Fatalf("no cookie %q after App.Login", name)
	}
	return name, b.cookies[name]
}
