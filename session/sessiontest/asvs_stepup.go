package sessiontest

import "strings"

// proven returns a browser in which the user has just given the credentials again.
func (a *audit) proven() *Browser {
	a.Helper()
	b := a.user()
	a.prove(b)
	return b
}

func (a *audit) prove(b *Browser) {
	a.Helper()
	if a.Reauthenticate != nil {
		b.Do(a.Reauthenticate)
		a.wantIn(b, "after App.Reauthenticate")
	}
}

// bare sends what a thief of b's session could, some time after the credentials.
func (a *audit) bare(op Sensitive, b *Browser, others ...*Browser) Answer {
	a.Helper()
	if a.Fresh > 0 {
		a.pass(a.Fresh+a.Fresh/10, append(others, b)...)
	}
	a.wantIn(b, "after App.Fresh, though it was used")
	if op.Bare != nil {
		return b.Do(op.Bare)
	}
	return b.Do(op.Do)
}

// done reports whether op took effect in b.
func (a *audit) done(op Sensitive, b *Browser) bool {
	a.Helper()
	if op.Done != nil {
		return op.Done(b)
	}
	other := a.browser()
	other.Do(a.Login)
	return !a.in(other)
}

// checkSensitive sends op without, then with the credentials.
func (a *audit) checkSensitive(name string, op Sensitive) {
	a.Helper()
	b := a.user()
	last := a.bare(op, b)
	if a.done(op, b) {
		a.Errorf("%s works without the credentials: it ended at %s with %d", name, last.Path, last.Status)
		return
	}
	a.prove(b)
	last = b.Do(op.Do)
	if !a.done(op, b) {
		a.Fatalf("%s does not work with the credentials either: it ended at %s with %d", name, last.Path, last.Status)
	}
}

func checkChangePassword(a *audit) { a.checkSensitive("App.ChangePassword", a.ChangePassword) }
func checkTransaction(a *audit)    { a.checkSensitive("App.Transaction", a.Transaction) }

// checkSessions: a user sees three sessions, ends one of them and then the others.
func checkSessions(a *audit) {
	b, others := a.user(), []*Browser{a.user(), a.user()}
	a.wantListed(b, 3)
	a.bare(a.EndSession, b, others...)
	a.wantLeft(others, 2, "App.EndSession without the credentials")
	a.prove(b)
	b.Do(a.EndSession.Do)
	a.wantLeft(others, 1, "App.EndSession")
	a.wantListed(b, 2)

	last := a.EndSession
	if a.EndOthers.Do != nil {
		last = a.EndOthers
		others = append(others, a.user())
		if last.Bare != nil || a.Reauthenticate != nil {
			a.bare(last, b, others...)
			a.wantLeft(others, 2, "App.EndOthers without the credentials")
		}
	}
	a.prove(b)
	b.Do(last.Do)
	a.wantLeft(others, 0, "what ends all other sessions")
	a.wantIn(b, "after it has ended the others")
}

// wantListed counts the sessions on the page that lists them.
func (a *audit) wantListed(b *Browser, want int) {
	a.Helper()
	if got := strings.Count(b.Get(a.Sessions).Body, a.PerSession); got != want {
		a.Errorf("%s shows %d sessions of the user, who has %d", a.Sessions, got, want)
	}
}

// wantLeft counts the browsers that are still logged in.
func (a *audit) wantLeft(bs []*Browser, want int, after string) {
	a.Helper()
	got := 0
	for _, b := range bs {
		if a.in(b) {
			got++
		}
	}
	if got != want {
		a.Fatalf("%d other sessions are left after %s, want %d", got, after, want)
	}
}
