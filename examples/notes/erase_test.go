package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestErase(t *testing.T) { testErase(t, start(t)) }

func TestEraseOnPostgres(t *testing.T) {
	dsn := os.Getenv("PAVISE_POSTGRES")
	if dsn == "" {
		t.Skip("PAVISE_POSTGRES is not set")
	}
	testErase(t, startIn(t, t.TempDir(), ownSchema(t, dsn)))
}

func testErase(t *testing.T, s *service) {
	anna, bert := s.signUp("anna"), s.signUp("bert")
	two := s.logIn(anna)
	anna.write("Hers", "text")
	his := bert.write("His", "text")

	anna.get("/account/password").want(t, 200, `href="/account/delete"`)
	anna.get("/account/delete").want(t, 200, "cannot be undone", `class="danger"`)
	anna.post("/account/delete", "name", bert.name, "password", "a wrong one that is long").want(t, 403, "This is not your password.")
	anna.post("/account/delete", "name", anna.name, "password", "").want(t, 422, "This is needed.")
	if !anna.loggedIn() || s.rows("users") != 2 || s.rows("notes") != 2 {
		t.Fatal("without the password something was deleted")
	}

	done := anna.post("/account/delete", "name", bert.name, "password", goodPassword) // the name is for password managers
	done.want(t, 200, "Your account is deleted", `href="/login"`)
	if done.header.Get("Clear-Site-Data") == "" {
		t.Error("the browser keeps what it has of the notes")
	}
	if anna.loggedIn() || two.loggedIn() {
		t.Error("a device is still logged in")
	}
	s.browser().post("/login", "name", anna.name, "password", goodPassword).want(t, 401)
	if users, notes := s.rows("users"), s.rows("notes"); users != 1 || notes != 1 {
		t.Errorf("%d users and %d notes are left, want bert and his", users, notes)
	}
	bert.get(his).want(t, 200, "<h1>His</h1>")
	if !strings.Contains(s.log.String(), `"event.action":"user-deleted"`) {
		t.Error("no event")
	}
}

func (s *service) rows(table string) (n int) {
	s.t.Helper()
	if err := s.store.db.QueryRowContext(s.t.Context(), "SELECT count(*) FROM "+table).Scan(&n); err != nil {
		s.t.Fatal(err)
	}
	return n
}

// An operator ends the sessions of one account while the service runs.
func TestEndSessions(t *testing.T) {
	s := start(t)
	anna, bert := s.signUp("anna"), s.signUp("bert")
	two := s.logIn(anna)
	var events, said bytes.Buffer
	args := []string{"-data", s.dir, "-end-sessions"}
	if err := run(t.Context(), append(args, " "+strings.ToUpper(anna.name)), &events, &said); err != nil {
		t.Fatal(err)
	}
	if anna.loggedIn() || two.loggedIn() || !bert.loggedIn() {
		t.Error("both of anna's devices end, and not bert's")
	}
	if said.String() != "Ended sessions: 2\n" || !strings.Contains(events.String(), `"event.action":"session-revoked"`) {
		t.Errorf("it said %q with the events %s", said.String(), events.String())
	}
	s.logIn(anna)
	if err := run(t.Context(), append(args, "nobody-xxxx"), &events, &said); err == nil || !strings.Contains(err.Error(), "nobody has this log-in name") {
		t.Errorf("an unknown name: %v", err)
	}
}

// Some time after the log-in, the list of devices asks for the password before it logs one out.
func TestConfirm(t *testing.T) {
	bubbleClock()
	synctest.Test(t, func(t *testing.T) {
		h, name := serveTLS(t, t.TempDir())
		var session string
		send := func(path string, form url.Values) *httptest.ResponseRecorder {
			r := httptest.NewRequest("POST", "https://notes.example"+path, strings.NewReader(form.Encode()))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set("Sec-Fetch-Site", "same-origin")
			r.Header.Set("Cookie", session)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			for _, c := range w.Result().Cookies() {
				if c.Name == "__Host-session" {
					session = c.Name + "=" + c.Value
				}
			}
			return w
		}
		proof := url.Values{"name": {name}, "password": {goodPassword}}
		send("/login", proof)
		if w := send("/devices/revoke-others", nil); w.Code != http.StatusSeeOther {
			t.Errorf("right after the log-in: %d", w.Code)
		}
		time.Sleep(proofTime + time.Second)
		w := send("/devices/revoke-others", nil)
		answer{w.Code, w.Header(), "", w.Body.String()}.want(t, 401, "Please type your password again", `action="/devices/confirm"`, "Logged in as <strong>"+name)
		if got := w.Header().Get("WWW-Authenticate"); !strings.Contains(got, `max_age="300"`) {
			t.Errorf("WWW-Authenticate: %s", got)
		}
		w = send("/devices/confirm", url.Values{"name": {name}, "password": {"a wrong one that is long"}})
		answer{w.Code, w.Header(), "", w.Body.String()}.want(t, 403, "This is not your password.")
		if w := send("/devices/revoke-others", nil); w.Code != http.StatusUnauthorized {
			t.Errorf("after a wrong password: %d", w.Code)
		}
		before := session
		if w := send("/devices/confirm", proof); w.Code != http.StatusSeeOther || session == before {
			t.Errorf("the right password: %d, a new token: %t", w.Code, session != before)
		}
		if w := send("/devices/revoke-others", nil); w.Code != http.StatusSeeOther {
			t.Errorf("after the right password: %d", w.Code)
		}
	})
}
