package main

import (
	"errors"
	"net/http"
	"time"

	"github.com/pavise/pavise/session"
)

// What a thief could do lasting harm with asks for the password again: a session that was stolen, or left open, does not have it.

// proofTime is how long a password that was typed is proof enough for confirmed routes.
const proofTime = 5 * time.Minute

// confirmed lets only those through who have typed their password a short time ago; see app.unproved for the others.
func (a *app) confirmed(h handler) handler {
	return func(w http.ResponseWriter, r *http.Request) (err error) {
		next := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { err = h(w, r) })
		a.sessions.Require(session.Policy{MaxAge: proofTime})(next).ServeHTTP(w, r)
		return err
	}
}

// proofForm has the name for password managers only.
func proofForm(action, submit, cancel, name string) form {
	return form{Action: action, Submit: submit, Cancel: cancel, Fields: []field{
		{Name: "name", Label: "Log-in name", Value: name, Autocomplete: "username", Verbatim: true, ReadOnly: true},
		{Name: "password", Label: "Password", Type: "password", Autocomplete: "current-password"},
	}}
}

// proved reads a proofForm and returns who has sent it, if the password is theirs, with the epoch from before it was checked.
func (a *app) proved(w http.ResponseWriter, r *http.Request) (user, uint64, error) {
	in, err := a.schemas.login.Request(w, r)
	if err != nil {
		return user{}, 0, err
	}
	u, epoch, err := a.verify(w, r, userName(r), in.Password)
	if errors.Is(err, errWrongPassword) {
		err = wrong(http.StatusForbidden, "password", "This is not your password.")
	}
	return u, epoch, err
}

func confirmForm(name string) form {
	return proofForm("/devices/confirm", "Go on", "/devices", name)
}

func (a *app) confirmPage(w http.ResponseWriter, r *http.Request) error {
	return a.showAccount(w, r, http.StatusOK, "confirm", confirmForm(userName(r)), nil)
}

// unproved is the page for those whom a confirmed route does not let through.
func (a *app) unproved(w http.ResponseWriter, r *http.Request) {
	if err := a.showAccount(w, r, http.StatusUnauthorized, "confirm", confirmForm(userName(r)), nil); err != nil {
		a.fail(w, r, err)
	}
}

func (a *app) confirm(w http.ResponseWriter, r *http.Request) error {
	u, epoch, err := a.proved(w, r)
	if err != nil {
		return a.again(w, r, "confirm", confirmForm(userName(r)), err)
	}
	if err := a.sessions.Reauthenticate(r.Context(), byPassword(u, epoch)); err != nil {
		return err
	}
	return see(w, r, "/devices")
}
