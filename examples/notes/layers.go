package main

import (
	"net/http"
	"net/netip"
	"slices"

	"github.com/pavise/pavise/ratelimit"
)

// The layers between the server and the handlers, from the outside in, see app.build.

// viaProxy refuses connections past the proxy that speaks TLS: they would carry passwords in the clear.
func (a *app) viaProxy(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		peer, _ := netip.ParseAddrPort(r.RemoteAddr)
		if !slices.ContainsFunc(a.clientIP.Trusted, func(p netip.Prefix) bool { return p.Contains(peer.Addr().Unmap().WithZone("")) }) {
			a.fail(w, r, errDirect)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (a *app) counted(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := allow(r, a.requests, a.address(r)); err != nil {
			a.fail(w, r, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// foreign is the page for what the session manager refuses: requests that this site's pages have not sent, without TLS those
// for another host, and on confirmed routes who has not typed the password for a while.
func (a *app) foreign(w http.ResponseWriter, r *http.Request, status int) {
	switch status {
	case http.StatusForbidden:
		a.fail(w, r, errForeign)
	case http.StatusMisdirectedRequest:
		a.fail(w, r, errHost)
	case http.StatusUnauthorized:
		a.unproved(w, r)
	default:
		a.fail(w, r, errBusy)
	}
}

func allow(r *http.Request, l *ratelimit.Limiter, key ratelimit.Key) error {
	d, err := l.Allow(r.Context(), key)
	if err == nil && !d.Allowed {
		return tooMany(d)
	}
	return err
}

// address is what a client is counted by. Those that have none are counted together.
func (a *app) address(r *http.Request) ratelimit.Key {
	key, err := a.clientIP.Key(r)
	if err != nil {
		return ratelimit.NewKey("no address")
	}
	return key
}
