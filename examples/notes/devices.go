package main

import (
	"cmp"
	"net/http"
	"slices"

	"github.com/pavise/pavise/session"
)

type device struct {
	session.Info
	Current bool
}

func (a *app) devices(w http.ResponseWriter, r *http.Request) error {
	s := member(r)
	all, err := a.sessions.Devices(r.Context(), s.User)
	if err != nil {
		return err
	}
	list := make([]device, 0, len(all))
	for _, info := range all { // last used first
		list = append(list, device{Info: info, Current: info.Handle == s.Handle})
	}
	slices.SortStableFunc(list, func(x, y device) int { return cmp.Compare(rank(x), rank(y)) })
	return a.show(w, r, http.StatusOK, page{Title: "Devices", Here: "devices", User: s.Data.Name, Name: "devices", Data: struct{ Devices []device }{list}})
}

// rank puts this device above the others.
func rank(d device) int {
	if d.Current {
		return 0
	}
	return 1
}

func (a *app) revoke(w http.ResponseWriter, r *http.Request) error {
	if err := a.sessions.Revoke(r.Context(), userID(r), session.Handle(r.PathValue("handle"))); err != nil {
		return err
	}
	return see(w, r, "/devices")
}

func (a *app) revokeOthers(w http.ResponseWriter, r *http.Request) error {
	s := member(r)
	if _, err := a.sessions.RevokeUser(r.Context(), s.User, s.Handle); err != nil {
		return err
	}
	return see(w, r, "/devices")
}
