package main

import (
	"context"
	"net/http"

	"github.com/pavise/pavise/session"
	"github.com/pavise/pavise/session/authz"
)

// What somebody can be allowed to do. Whose note it is, no route can know: notebook and store ask for every note by its owner.
const (
	readNotes     authz.Perm = "notes.read"
	writeNotes    authz.Perm = "notes.write"
	manageAccount authz.Perm = "account.manage"
)

// newMux guards the routes. One that says neither who may use it nor that everybody may stops the start.
func (a *app) newMux(routes []route) (*authz.Mux, error) {
	policy, err := authz.New(authz.Config{
		Permissions:  []authz.Perm{readNotes, writeNotes, manageAccount},
		Roles:        map[string]authz.Role{"member": {Perms: []authz.Perm{readNotes, writeNotes, manageAccount}}},
		SingleTenant: true,
		Logger:       a.log,
	})
	if err != nil {
		return nil, err
	}
	guarded := make([]authz.Route, len(routes))
	for i, rt := range routes {
		guarded[i] = authz.Route{Pattern: rt.pattern, Access: rt.who, Handler: a.admitted(rt)}
	}
	return authz.NewMux(policy, authz.FromSession(a.sessions, rolesOf), guarded, authz.Refused(a.refused))
}

// rolesOf makes everybody who has an account a member. A service with administrators would ask its table of users here.
func rolesOf(context.Context, session.Session[visitor]) (authz.Subject, error) {
	return authz.Subject{Roles: []string{"member"}}, nil
}

// refused is the page for what the mux refuses.
func (a *app) refused(w http.ResponseWriter, r *http.Request, status int) {
	switch status {
	case http.StatusUnauthorized:
		a.fail(w, r, errLogin)
	case http.StatusForbidden:
		a.fail(w, r, errDenied)
	case http.StatusNotFound:
		a.fail(w, r, errMissing)
	case http.StatusMethodNotAllowed:
		a.fail(w, r, errMethod)
	default:
		a.fail(w, r, errBusy)
	}
}
