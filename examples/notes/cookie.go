package main

import "net/http"

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
