package main

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"strings"

	"github.com/pavise/pavise/secrets"
)

// There is no e-mail here, so a name that is taken could not be kept secret if people chose it freely. They choose the first
// half, and the service adds the other: no name is ever refused, and no answer tells who is here.

type signupInput struct {
	Name     string         `json:"name" validate:"required,max=24,slug"`
	Password secrets.Secret `json:"password" validate:"required" secret:"true"`
}

type loginInput struct {
	Name     string         `json:"name" validate:"required,max=64"`
	Password secrets.Secret `json:"password" validate:"required" secret:"true"`
}

type passwordInput struct {
	Name    string         `json:"name" validate:"max=64"` // for password managers only
	Current secrets.Secret `json:"current" validate:"required" secret:"true"`
	New     secrets.Secret `json:"new" validate:"required" secret:"true"`
}

const passwordHint = "At least 15 characters. Four or five words that do not belong together are easy to remember."

func signupForm(name string) form {
	return form{Action: "/signup", Submit: "Sign up", Fields: []field{
		{Name: "name", Label: "Name", Value: name, Autocomplete: "nickname", Verbatim: true, Hint: "Lower-case letters, digits and hyphens. We add four characters to it, so that nobody can find out who is here; you see your log-in name on the next page."},
		{Name: "password", Label: "Password", Type: "password", Autocomplete: "new-password", Hint: passwordHint},
	}}
}

func loginForm(name string) form {
	return form{Action: "/login", Submit: "Log in", Fields: []field{
		{Name: "name", Label: "Log-in name", Value: name, Autocomplete: "username", Verbatim: true},
		{Name: "password", Label: "Password", Type: "password", Autocomplete: "current-password"},
	}}
}

func passwordForm(name string) form {
	return form{Action: "/account/password", Submit: "Change password", Cancel: "/notes", Fields: []field{
		{Name: "name", Label: "Log-in name", Value: name, Autocomplete: "username", Verbatim: true, ReadOnly: true},
		{Name: "current", Label: "Current password", Type: "password", Autocomplete: "current-password"},
		{Name: "new", Label: "New password", Type: "password", Autocomplete: "new-password", Hint: passwordHint},
	}}
}

func (a *app) signupPage(w http.ResponseWriter, r *http.Request) error {
	return a.showAccount(w, r, http.StatusOK, "signup", signupForm(""), nil)
}

func (a *app) loginPage(w http.ResponseWriter, r *http.Request) error {
	return a.showAccount(w, r, http.StatusOK, "login", loginForm(""), nil)
}

func (a *app) passwordPage(w http.ResponseWriter, r *http.Request) error {
	return a.showAccount(w, r, http.StatusOK, "password", passwordForm(userName(r)), nil)
}

var accountTitles = map[string]string{
	"signup": "Sign up", "login": "Log in", "password": "Change your password",
	"confirm": "Please type your password again", "erase": "Delete your account",
}

func (a *app) showAccount(w http.ResponseWriter, r *http.Request, status int, name string, f form, errs map[string]string) error {
	return a.show(w, r, status, page{Title: accountTitles[name], Here: name, User: userName(r), Name: name, Data: f.with(errs)})
}

// mistake is an error that the form is shown again with: what is wrong with each field, and "" with the form itself.
type mistake struct {
	status int
	fields map[string]string
}

func (m *mistake) Error() string { return "notes: mistake in a form" }

func wrong(status int, field, advice string) error {
	return &mistake{status, map[string]string{field: advice}}
}

// again shows a form with what is wrong in it, or returns an error that no other input would mend.
func (a *app) again(w http.ResponseWriter, r *http.Request, name string, f form, err error) error {
	if m, ok := errors.AsType[*mistake](err); ok {
		return a.showAccount(w, r, m.status, name, f, m.fields)
	}
	switch p := problemOf(err); p.Status {
	case http.StatusUnprocessableEntity:
		return a.showAccount(w, r, p.Status, name, f, fieldErrors(err))
	case http.StatusTooManyRequests:
		setRetry(w, p)
		return a.showAccount(w, r, p.Status, name, f, map[string]string{"": p.Detail})
	}
	return err
}

func (a *app) signup(w http.ResponseWriter, r *http.Request) error {
	in, err := a.schemas.signup.Request(w, r)
	f := signupForm(r.PostForm.Get("name"))
	if err != nil {
		return a.again(w, r, "signup", f, err)
	}
	if err := checkPassword(in.Password, in.Name); err != nil {
		return a.again(w, r, "signup", f, wrong(http.StatusUnprocessableEntity, "password", sentence(err)))
	}
	hash, err := a.hasher.Hash(r.Context(), composed(in.Password))
	if err != nil {
		return err
	}
	u, err := a.addUser(r.Context(), in.Name, hash)
	if err != nil {
		return err
	}
	a.event(r, "user-created", "success", "", u.ID)
	if err := a.sessions.Login(r.Context(), byPassword(u, 0), remember(u)); err != nil {
		return err
	}
	return see(w, r, "/notes")
}

// addUser completes the name. The same half is drawn twice about once in a million accounts of the same first half.
func (a *app) addUser(ctx context.Context, name, hash string) (user, error) {
	for range 10 {
		u := user{ID: newID(), Name: name + "-" + strings.ToLower(rand.Text()[:4]), Password: hash}
		if err := a.store.addUser(ctx, u); !errors.Is(err, errNameTaken) {
			return u, err
		}
	}
	return user{}, errBusy
}

// sentence is an error as a sentence for people.
func sentence(err error) string {
	text := strings.TrimPrefix(err.Error(), "notes: ")
	return strings.ToUpper(text[:1]) + text[1:] + "."
}
