package main

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/pavise/pavise/secrets"
)

// The rules for a new password follow NIST SP 800-63B-4, section 3.1.1.2: at least 15 characters, since it is the only factor;
// long ones welcome, up to 1,024 bytes; no rules about kinds of characters; what everybody would try first is refused.
const minPassword = 15

var (
	errShort   = errors.New("notes: this password has fewer than 15 characters: add a word or two")
	errObvious = errors.New("notes: this password is one of the first that somebody would try: take words that do not belong together")
)

// checkPassword says what to do if pass is not fit to be a new password of somebody with that name.
func checkPassword(pass secrets.Secret, name string) error {
	text := composed(pass).Reveal()
	switch {
	case utf8.RuneCountInString(text) < minPassword:
		return errShort
	case obvious(strings.ToLower(text), strings.ToLower(name)):
		return errObvious
	}
	return nil
}

// obvious finds passwords that are long for their form only: one short piece again and again, characters in a row, or hardly
// anything beside the user's name and the words that many people begin with.
func obvious(text, name string) bool {
	for n := 1; n <= 5; n++ {
		if strings.HasPrefix(text, text[n:]) { // it repeats after n bytes
			return true
		}
	}
	if inARow(text) {
		return true
	}
	for _, word := range []string{name, "notes", "password", "passwort", "qwertyuiop", "1234567890", "letmein", "welcome"} {
		if word != "" {
			text = strings.ReplaceAll(text, word, "")
		}
	}
	return utf8.RuneCountInString(text) < 8
}

// inARow reports whether every character but one or two is the successor of the one before it, as in abcdef or 123456.
func inARow(text string) bool {
	breaks, last := 0, rune(-1)
	for _, r := range text {
		if last >= 0 && r != last+1 && r != last-1 {
			breaks++
		}
		last = r
	}
	return breaks <= 2
}

// composed gives a password one Unicode form: the same keys make different bytes on different systems.
func composed(pass secrets.Secret) secrets.Secret {
	return secrets.New(norm.NFC.String(pass.Reveal()))
}

func (a *app) changePassword(w http.ResponseWriter, r *http.Request) error {
	in, err := a.schemas.password.Request(w, r)
	f := passwordForm(userName(r))
	if err != nil {
		return a.again(w, r, "password", f, err)
	}
	if err := checkPassword(in.New, userName(r)); err != nil {
		return a.again(w, r, "password", f, wrong(http.StatusUnprocessableEntity, "new", sentence(err)))
	}
	u, _, err := a.verify(w, r, userName(r), in.Current)
	if errors.Is(err, errWrongPassword) {
		err = wrong(http.StatusForbidden, "current", "This is not your current password.")
	}
	if err != nil {
		return a.again(w, r, "password", f, err)
	}
	hash, err := a.hasher.Hash(r.Context(), composed(in.New))
	if err != nil {
		return err
	}
	if err := a.store.setPassword(r.Context(), u, hash); err != nil {
		return err
	}
	a.event(r, "user-password-change", "success", "", u.ID)
	return a.passwordChanged(w, r, u)
}

var errNotRevoked = &problem{
	Status: 503, Title: "Your password is changed, but", Retry: 5 * time.Second,
	Detail: "your other devices could not be logged out just now. Please open the list of devices in a few seconds and log them out there.",
	Link:   "/devices", LinkText: "To your devices",
}

// passwordChanged logs every other device out, also if the browser does not wait for the answer. The hash was replaced before:
// who logs in with the old password from now on fails, and who was about to is stopped by the epoch.
func (a *app) passwordChanged(w http.ResponseWriter, r *http.Request, u user) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), requestTime)
	defer cancel()
	others, err := a.sessions.RevokeUser(ctx, u.ID, member(r).Handle)
	if err != nil {
		return errNotRevoked
	}
	if err := a.sessions.Reauthenticate(ctx, byPassword(u, 0)); err != nil { // a new token for this device, too
		return err
	}
	return a.show(w, r, http.StatusOK, page{
		Title: "Your password is changed", Here: "password", User: u.Name, Name: "password-changed",
		Data: struct{ Others int }{others},
	})
}
