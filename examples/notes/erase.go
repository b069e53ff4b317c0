package main

import (
	"context"
	"net/http"
)

func eraseForm(name string) form {
	f := proofForm("/account/delete", "Delete my account and all notes", "/notes", name)
	f.Danger = true
	return f
}

func (a *app) erasePage(w http.ResponseWriter, r *http.Request) error {
	return a.showAccount(w, r, http.StatusOK, "erase", eraseForm(userName(r)), nil)
}

var errNotEnded = &problem{
	Status: 503, Title: "Your account is deleted, but",
	Detail: "the devices that were logged in could not be logged out just now. They have no notes to show any more, and are logged out within twelve hours.",
	Link:   "/", LinkText: "To the first page",
}

// erase deletes the account and its notes, then ends its sessions, also if the browser does not wait for the answer. A log-in
// whose password was checked before is stopped by the epoch, one that comes later finds no account.
func (a *app) erase(w http.ResponseWriter, r *http.Request) error {
	u, _, err := a.proved(w, r)
	if err != nil {
		return a.again(w, r, "erase", eraseForm(userName(r)), err)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), requestTime)
	defer cancel()
	if err := a.store.deleteUser(ctx, u); err != nil {
		return err
	}
	a.event(r, "user-deleted", "success", "", u.ID)
	if _, err := a.sessions.RevokeUser(ctx, u.ID); err != nil {
		return errNotEnded
	}
	if err := a.sessions.Logout(ctx); err != nil { // the cookie, and what the browser keeps of the notes
		return err
	}
	return a.show(w, r, http.StatusOK, page{Title: "Your account is deleted", Name: "erased"})
}
