package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"github.com/pavise/pavise/crypto/password"
	"github.com/pavise/pavise/secrets"
	"github.com/pavise/pavise/session"
)

var errWrongPassword = errors.New("notes: wrong name or password")

func (a *app) login(w http.ResponseWriter, r *http.Request) error {
	in, err := a.schemas.login.Request(w, r)
	f := loginForm(r.PostForm.Get("name"))
	if err != nil {
		return a.again(w, r, "login", f, err)
	}
	u, epoch, err := a.verify(w, r, in.Name, in.Password)
	if errors.Is(err, errWrongPassword) {
		err = &mistake{http.StatusUnauthorized, map[string]string{
			"":         "The name or the password is not right. Please check both.",
			"password": "Please type it again.",
		}}
	}
	if err != nil {
		return a.again(w, r, "login", f, err)
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
	result, err := a.check(ctx, u, pass)
	if err != nil {
		return u, 0, err
	}
	if !result.OK {
		a.event(r, "user-login", "failure", "wrong password", u.ID)
		return u, 0, errors.Join(errWrongPassword, attempt.Fail(ctx))
	}
	a.event(r, "password-verified", "success", "", u.ID)
	u = a.rehash(ctx, u, result)
	err = attempt.Succeed(ctx)
	a.setDeviceCookie(w, attempt.DeviceCookie())
	return u, epoch, err
}

// check compares the password. A stored hash that cannot be checked, after a botched import or without its pepper, is a wrong
// password to whoever asks, or it would tell that the name exists; the operator reads of it in the log.
func (a *app) check(ctx context.Context, u user, pass secrets.Secret) (password.Result, error) {
	result, err := a.hasher.Verify(ctx, composed(pass), u.Password)
	if errors.Is(err, password.ErrFormat) || errors.Is(err, password.ErrCeiling) || errors.Is(err, password.ErrPepper) {
		a.log.LogAttrs(ctx, slog.LevelError, "stored password cannot be checked", slog.String("user.id", u.ID), slog.String("error.message", err.Error()))
		err = nil
	}
	return result, err
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

// rehash keeps the hash of a password up to date with the parameters of the hasher, and returns the user with the hash that is
// stored then. The log-in does not depend on it.
func (a *app) rehash(ctx context.Context, u user, result password.Result) user {
	if result.Rehash == "" {
		return u
	}
	if err := a.store.setPassword(ctx, u, result.Rehash); err != nil {
		a.log.LogAttrs(ctx, slog.LevelWarn, "rehash failed", slog.String("user.id", u.ID), slog.String("error.message", err.Error()))
		return u
	}
	u.Password = result.Rehash
	return u
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

// The device cookie tells ratelimit.Login that this browser has logged in to the account before, so that strangers who guess
// at it cannot lock its owner out. It opens nothing.

func (a *app) deviceCookieName() string {
	if a.plain {
		return "device"
	}
	return "__Host-device"
}

func (a *app) deviceCookie(r *http.Request) string {
	if c, err := r.Cookie(a.deviceCookieName()); err == nil {
		return c.Value
	}
	return ""
}

func (a *app) setDeviceCookie(w http.ResponseWriter, value string) {
	http.SetCookie(w, &http.Cookie{
		Name: a.deviceCookieName(), Value: value, Path: "/", MaxAge: 180 * 24 * 60 * 60,
		Secure: !a.plain, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}
