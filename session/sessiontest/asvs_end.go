package sessiontest

import (
	"html"
	"strings"
)

// checkIdleTimeout uses a session within its idle timeout, then lets it pass once.
func checkIdleTimeout(a *audit) {
	b := a.user()
	a.Wait(a.Idle / 2)
	a.wantIn(b, "after half of App.Idle")
	a.Wait(a.Idle + a.Idle/10)
	a.wantOut(b, "though it was not used for longer than App.Idle")
}

// checkAbsoluteTimeout keeps using a session.
func checkAbsoluteTimeout(a *audit) {
	b := a.user()
	a.pass(a.Absolute/2, b)
	a.wantIn(b, "after half of App.Absolute, though it was used")
	a.pass(a.Absolute/2+a.Absolute/20, b)
	a.wantOut(b, "though it began longer ago than App.Absolute")
}

// checkLogout keeps the cookies of before, as the browser's back button, another
// program or a thief may.
func checkLogout(a *audit) {
	b := a.user()
	kept := b.stolen()
	a.wantIn(kept, "before App.Logout")
	b.Do(a.Logout)
	a.wantOut(b, "after App.Logout")
	a.wantOut(kept, "after App.Logout, for whoever kept the cookies")
	if a.Change == nil || a.Changed == "" {
		return
	}
	kept.Do(a.Change)
	if a.changed(a.user()) {
		a.Errorf("App.Change works after App.Logout, for whoever kept the cookies")
	}
}

func checkDisable(a *audit) {
	one, two := a.user(), a.user()
	a.Disable(a.browser())
	a.wantOut(one, "after App.Disable")
	a.wantOut(two, "after App.Disable, as a second one of the user")
	later := a.browser()
	later.Do(a.Login)
	if a.in(later) {
		a.Errorf("App.Login works after App.Disable: the account is not disabled")
	}
}

// checkPasswordChange: the others have to end with the change, or by the option after
// it.
func checkPasswordChange(a *audit) {
	thief, b := a.user(), a.proven()
	b.Do(a.ChangePassword.Do)
	if !a.done(a.ChangePassword, b) {
		a.Fatalf("App.ChangePassword does not change the password")
	}
	if a.EndOthers.Do != nil && a.in(thief) {
		b.Do(a.EndOthers.Do)
	}
	a.wantOut(thief, "in another browser after App.ChangePassword")
}

func checkAdministrator(a *audit) {
	one, two := a.user(), a.user()
	a.EndSessions(a.browser())
	a.wantOut(one, "after App.EndSessions")
	a.wantOut(two, "after App.EndSessions, as a second one of the user")
}

// checkLogoutOffered looks for where the logout leads to.
func checkLogoutOffered(a *audit) {
	b := a.user()
	text := a.LogoutText
	if text == "" {
		m := b.build(a.Logout)
		text = m.url.Path
	}
	for _, path := range a.pages() {
		got := b.Get(path)
		if got.Status != 200 || got.Path != path {
			a.Errorf("%s is no page of a user: it ended at %s with %d", path, got.Path, got.Status)
		} else if !strings.Contains(got.Body, text) && !strings.Contains(got.Body, html.EscapeString(text)) {
			a.Errorf("%s offers no logout: %q is not on it", path, text)
		}
	}
}
