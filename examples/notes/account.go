package main

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/pavise/pavise/crypto/password"
	"github.com/pavise/pavise/secrets"
	"github.com/pavise/pavise/session"
	"github.com/pavise/pavise/validate"
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

var accountTitles = map[string]string{"signup": "Sign up", "login": "Log in", "password": "Change your password"}

func (a *app) showAccount(w http.ResponseWriter, r *http.Request, status int, name string, f form, errs map[string]string) error {
	return a.show(w, r, status, page{Title: accountTitles[name], Here: name, User: userName(r), Name: name, Data: f.with(errs)})
}

// again shows a form with what is wrong in it, or returns an error that is not about its fields.
func (a *app) again(w http.ResponseWriter, r *http.Request, name string, f form, err error) error {
	if e, ok := errors.AsType[*validate.Error](err); ok && e.Status == http.StatusUnprocessableEntity {
		return a.showAccount(w, r, e.Status, name, f, fieldErrors(err))
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
		return a.showAccount(w, r, http.StatusUnprocessableEntity, "signup", f, map[string]string{"password": sentence(err)})
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

var errWrongPassword = errors.New("notes: wrong name or password")

func (a *app) login(w http.ResponseWriter, r *http.Request) error {
	in, err := a.schemas.login.Request(w, r)
	f := loginForm(r.PostForm.Get("name"))
	if err != nil {
		return a.again(w, r, "login", f, err)
	}
	u, epoch, err := a.verify(w, r, in.Name, in.Password)
	if errors.Is(err, errWrongPassword) {
		return a.showAccount(w, r, http.StatusUnauthorized, "login", f, map[string]string{"": "The name or the password is not right. Please check both.", "password": "Please type it again."})
	}
	if p, ok := errors.AsType[*problem](err); ok && p.Status == http.StatusTooManyRequests {
		setRetry(w, p)
		return a.showAccount(w, r, p.Status, "login", f, map[string]string{"": p.Detail})
	}
	if err != nil {
		return err
	}
	if err := a.sessions.Login(r.Context(), byPassword(u, epoch), remember(u)); err != nil {
		return err
	}
	return see(w, r, "/notes")
}

// verify checks a password, slowly for who guesses. Whether the name exists changes neither the answer nor the time: the same
// queries run, and an empty hash costs as much as a real one.
func (a *app) verify(w http.ResponseWriter, r *http.Request, name string, pass secrets.Secret) (user, uint64, error) {
	ctx, account := r.Context(), strings.ToLower(strings.TrimSpace(name))
	ip, _ := a.clientIP.Resolve(r) // who has no address shares one count with all who have none
	attempt, decision, err := a.logins.Begin(ctx, account, ip, a.deviceCookie(r))
	if err != nil {
		return user{}, 0, err
	}
	if !decision.Allowed {
		return user{}, 0, tooMany(decision)
	}
	u, epoch, err := a.findUser(ctx, account)
	if err != nil {
		return u, 0, err
	}
	result, err := a.hasher.Verify(ctx, composed(pass), u.Password)
	if err != nil {
		return u, 0, err
	}
	if !result.OK {
		a.event(r, "user-login", "failure", "wrong password", u.ID)
		return u, 0, errors.Join(errWrongPassword, attempt.Fail(ctx))
	}
	a.event(r, "password-verified", "success", "", u.ID)
	a.rehash(ctx, u, result)
	err = attempt.Succeed(ctx)
	a.setDeviceCookie(w, attempt.DeviceCookie())
	return u, epoch, err
}

// findUser reads the epoch of the user's sessions before the hash. A log-in that was checked against a hash which is replaced
// in this very moment then fails, because the replacement advances the epoch.
func (a *app) findUser(ctx context.Context, name string) (user, uint64, error) {
	u, err := a.store.userByName(ctx, name)
	if errors.Is(err, errNotFound) {
		u.ID = "nobody" // and on, through the same queries
	} else if err != nil {
		return user{}, 0, err
	}
	epoch, err := a.sessions.Epoch(ctx, u.ID)
	if err != nil {
		return user{}, 0, err
	}
	u, err = a.store.userByID(ctx, u.ID)
	if errors.Is(err, errNotFound) {
		err = nil // no hash: Verify says no
	}
	return u, epoch, err
}

// rehash keeps the hash of a password up to date with the parameters of the hasher. The log-in does not depend on it.
func (a *app) rehash(ctx context.Context, u user, result password.Result) {
	if result.Rehash == "" {
		return
	}
	if err := a.store.setPassword(ctx, u, result.Rehash); err != nil {
		a.log.LogAttrs(ctx, slog.LevelWarn, "rehash failed", slog.String("user.id", u.ID), slog.String("error.message", err.Error()))
	}
}

func byPassword(u user, epoch uint64) session.Auth {
	return session.Auth{User: u.ID, AAL: 1, Methods: []string{"pwd"}, Epoch: epoch}
}

func remember(u user) func(*visitor) error {
	return func(v *visitor) error {
		v.Name = u.Name
		return nil
	}
}

func (a *app) logout(w http.ResponseWriter, r *http.Request) error {
	if err := a.sessions.Logout(r.Context()); err != nil {
		return err
	}
	return see(w, r, "/")
}

func (a *app) changePassword(w http.ResponseWriter, r *http.Request) error {
	in, err := a.schemas.password.Request(w, r)
	f := passwordForm(userName(r))
	if err != nil {
		return a.again(w, r, "password", f, err)
	}
	wrong := func(status int, errs map[string]string) error {
		return a.showAccount(w, r, status, "password", f, errs)
	}
	if err := checkPassword(in.New, userName(r)); err != nil {
		return wrong(http.StatusUnprocessableEntity, map[string]string{"new": sentence(err)})
	}
	u, _, err := a.verify(w, r, userName(r), in.Current)
	if errors.Is(err, errWrongPassword) {
		return wrong(http.StatusForbidden, map[string]string{"current": "This is not your current password."})
	}
	if p, ok := errors.AsType[*problem](err); ok && p.Status == http.StatusTooManyRequests {
		setRetry(w, p)
		return wrong(p.Status, map[string]string{"": p.Detail})
	}
	if err != nil {
		return err
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

// passwordChanged logs every other device out. The hash was replaced before: who logs in with the old password from now on
// fails, and who was about to is stopped by the epoch.
func (a *app) passwordChanged(w http.ResponseWriter, r *http.Request, u user) error {
	s, err := a.sessions.Get(r.Context())
	if err != nil {
		return errNotRevoked
	}
	others, err := a.sessions.RevokeUser(r.Context(), u.ID, s.Handle)
	if err != nil {
		return errNotRevoked
	}
	if err := a.sessions.Reauthenticate(r.Context(), byPassword(u, 0)); err != nil { // a new token for this device, too
		return err
	}
	return a.show(w, r, http.StatusOK, page{
		Title: "Your password is changed", Here: "password", User: u.Name, Name: "password-changed",
		Data: struct{ Others int }{others},
	})
}

// sentence is an error as a sentence for people.
func sentence(err error) string {
	text := strings.TrimPrefix(err.Error(), "notes: ")
	return strings.ToUpper(text[:1]) + text[1:] + "."
}
