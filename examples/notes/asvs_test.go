package main

import (
	"context"
	"database/sql/driver"
	"io"
	"net/http"
	"regexp"
	"sync"
	"testing"
	"time"

	"modernc.org/sqlite"

	"github.com/pavise/pavise/session/sessiontest"
)

// The requirements of OWASP ASVS 5.0 about sessions, each by its number: go test -v -run ASVS.
func TestASVS(t *testing.T) {
	bubbleClock()
	sessiontest.ASVS(t, func(t *testing.T) sessiontest.App {
		dir := t.TempDir()
		handler, name := serveTLS(t, dir)
		const next = "orange bicycles sleep at noon"
		return sessiontest.App{
			Handler: handler,
			Login:   sessiontest.Form("/login", "name", name, "password", goodPassword),
			Logout:  sessiontest.Form("/logout"),
			Page:    "/notes",
			Text:    name,
			Pages:   []string{"/notes/new", "/account/password", "/account/delete", "/devices/confirm"},
			Change:  sessiontest.Form("/notes", "title", "A note of hers", "text", "text"),
			Changed: "A note of hers",

			Idle: 30 * time.Minute, Absolute: 12 * time.Hour,
			Reauthenticate: sessiontest.Form("/devices/confirm", "name", name, "password", goodPassword),
			Fresh:          proofTime,

			ChangePassword: sessiontest.Sensitive{
				Do:   sessiontest.Form("/account/password", "name", name, "current", goodPassword, "new", next),
				Bare: sessiontest.Form("/account/password", "name", name, "current", "a guess that is long", "new", next),
			},
			Transaction: sessiontest.Sensitive{
				Do:   sessiontest.Form("/account/delete", "name", name, "password", goodPassword),
				Bare: sessiontest.Form("/account/delete", "name", name, "password", "a guess that is long"),
			},

			Sessions:   "/devices",
			PerSession: "Ends by itself",
			EndSession: sessiontest.Sensitive{Do: revokeFirst},
			EndOthers:  sessiontest.Sensitive{Do: sessiontest.Form("/devices/revoke-others")},

			Disable: func(b *sessiontest.Browser) {
				b.Do(sessiontest.Form("/login", "name", name, "password", goodPassword))
				b.Do(sessiontest.Form("/account/delete", "name", name, "password", goodPassword))
			},
			EndSessions: func(*sessiontest.Browser) {
				if err := run(context.Background(), []string{"-data", dir, "-end-sessions", name}, io.Discard, io.Discard); err != nil {
					t.Error(err)
				}
			},
		}
	}, sessiontest.Bubble())
}

// serveTLS returns the service as it is behind TLS, and the log-in name of its only user.
func serveTLS(t *testing.T, dir string) (http.Handler, string) {
	v, err := openVault(context.Background(), dir, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { v.Close() })
	o := options{log: newLogger(io.Discard)}
	a, err := newApp(v, o)
	if err != nil {
		t.Fatal(err)
	}
	hash, err := a.hasher.Hash(t.Context(), secretOf(goodPassword))
	if err != nil {
		t.Fatal(err)
	}
	u, err := a.addUser(t.Context(), "anna", hash)
	if err != nil {
		t.Fatal(err)
	}
	return a.build(o), u.Name
}

var revokePath = regexp.MustCompile(`/devices/[^/"]+/revoke`)

// revokeFirst presses the first button of the list.
func revokeFirst(b *sessiontest.Browser) *http.Request {
	return sessiontest.Form(revokePath.FindString(b.Get("/devices").Body))(b)
}

// bubbleClock makes SQLite ask Go for the time, so that in a bubble of testing/synctest its time passes like everybody's.
var bubbleClock = sync.OnceFunc(func() {
	sqlite.MustRegisterScalarFunction("unixepoch", 1, func(*sqlite.FunctionContext, []driver.Value) (driver.Value, error) {
		return float64(time.Now().UnixMicro()) / 1e6, nil
	})
})
