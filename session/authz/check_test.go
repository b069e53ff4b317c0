package authz_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/pavise/pavise/session/authz"
)

func TestCheck(t *testing.T) {
	c := config()
	c.Permissions = append(c.Permissions, "note.break")
	c.Roles["breaker"] = authz.Role{Perms: []authz.Perm{"note.break"}}
	c.Conditions["note.break"] = []authz.Condition{broken}
	p := newPolicy(t, c)
	mine := note("acme", "owner", "ann", "locked", false)
	for _, tc := range []struct {
		name   string
		who    authz.Subject
		perm   authz.Perm
		what   authz.Resource
		reason authz.Reason
		rule   string
		status int
	}{
		{"own role", subject("ann", "acme", "reader"), read, mine, authz.Granted, "reader", 200},
		{"inherited", subject("ann", "acme", "admin"), read, mine, authz.Granted, "admin", 200},
		{"second role", subject("ann", "acme", "support", "editor"), read, mine, authz.Granted, "editor", 200},
		{"conditions hold", subject("ann", "acme", "editor"), write, mine, authz.Granted, "editor", 200},

		{"zero subject", authz.Subject{}, read, mine, authz.Anonymous, "", 401},
		{"roles without an ID", subject("", "acme", "admin"), read, mine, authz.Anonymous, "", 401},
		{"no role", subject("ann", "acme"), read, mine, authz.NotGranted, "", 403},
		{"unknown role", subject("ann", "acme", "owner", "", "ADMIN", "(engine)"), read, mine, authz.NotGranted, "", 403},
		{"children are not parents", subject("ann", "acme", "reader"), write, mine, authz.NotGranted, "", 403},
		{"undeclared permission", subject("ann", "acme", "admin"), "note.raed", mine, authz.UnknownPermission, "", 403},
		{"empty permission", subject("ann", "acme", "admin"), "", mine, authz.UnknownPermission, "", 403},

		{"other tenant", subject("eve", "zeta", "admin"), read, mine, authz.OtherTenant, "", 404},
		{"other tenant, own note", subject("ann", "zeta", "admin"), write, mine, authz.OtherTenant, "", 404},
		{"tenant in other case", subject("ann", "Acme", "admin"), read, mine, authz.OtherTenant, "", 404},
		{"resource without tenant", subject("ann", "acme", "admin"), read, note(""), authz.MissingTenant, "", 404},
		{"subject without tenant", subject("ann", "", "admin"), read, mine, authz.MissingTenant, "", 404},
		{"nobody has a tenant", subject("ann", "", "admin"), read, note(""), authz.MissingTenant, "", 404},
		{"cross-tenant", subject("sam", "ops", "support"), audit, mine, authz.CrossTenant, "support", 200},
		{"cross-tenant permission at home", subject("sam", "ops", "support"), audit, note("ops"), authz.Granted, "support", 200},
		{"cross-tenant, no tenant", subject("sam", "ops", "support"), audit, note(""), authz.MissingTenant, "", 404},
		{"cross-tenant, another permission", subject("sam", "ops", "support", "reader"), read, mine, authz.OtherTenant, "", 404},

		{"somebody else's", subject("bob", "acme", "editor"), write, mine, authz.ConditionFailed, "owner", 404},
		{"locked", subject("ann", "acme", "editor"), write, note("acme", "owner", "ann", "locked", true), authz.ConditionFailed, "unlocked", 404},
		{"no attributes", subject("ann", "acme", "editor"), write, authz.Resource{Tenant: "acme"}, authz.MissingAttribute, "owner", 404},
		{"negation of a missing one", subject("ann", "acme", "editor"), write, note("acme", "owner", "ann"), authz.MissingAttribute, "unlocked", 404},
		{"attribute of another type", subject("ann", "acme", "editor"), write, note("acme", "owner", "ann", "locked", "no"), authz.MissingAttribute, "unlocked", 404},
		{"nil attribute", subject("ann", "acme", "editor"), write, note("acme", "owner", nil, "locked", false), authz.MissingAttribute, "owner", 404},
		{"panic", subject("ann", "acme", "breaker"), "note.break", mine, authz.ConditionPanicked, "broken", 404},
	} {
		d := p.Check(t.Context(), tc.who, tc.perm, tc.what)
		allow := tc.status == http.StatusOK
		if d.Allow != allow || d.Reason != tc.reason || d.Rule != tc.rule || d.Status() != tc.status || (d.Err() == nil) != allow {
			t.Errorf("%s: %+v %d %v, want %s %q %d", tc.name, d, d.Status(), d.Err(), tc.reason, tc.rule, tc.status)
		}
	}
}

func TestSingleTenant(t *testing.T) {
	c := config()
	c.CrossTenant, c.SingleTenant = nil, true
	p := newPolicy(t, c)
	for _, tc := range []struct {
		who, what string
		allow     bool
	}{{"", "", true}, {"acme", "", false}, {"", "acme", false}, {"acme", "acme", false}, {"acme", "zeta", false}} {
		if d := p.Check(t.Context(), subject("ann", tc.who, "reader"), read, note(tc.what)); d.Allow != tc.allow {
			t.Errorf("subject of %q, resource of %q: %+v", tc.who, tc.what, d)
		}
	}
}

func TestSubjectAttributes(t *testing.T) {
	c := config()
	c.Conditions[read] = []authz.Condition{{Name: "cleared", Holds: func(_ context.Context, q authz.Query) bool {
		return authz.SubjectAttr[int](q, "clearance") >= authz.Attr[int](q, "level") && q.Tenant() == "acme" && q.Perm() == read
	}}}
	p := newPolicy(t, c)
	for clearance, want := range map[any]authz.Reason{2: authz.Granted, 1: authz.ConditionFailed, "2": authz.MissingAttribute, nil: authz.MissingAttribute} {
		s := subject("ann", "acme", "reader")
		s.Attrs = map[string]any{"clearance": clearance}
		if d := p.Check(t.Context(), s, read, note("acme", "level", 2)); d.Reason != want {
			t.Errorf("clearance %v: %+v, want %s", clearance, d, want)
		}
	}
}

func TestZeroValuesDeny(t *testing.T) {
	d := new(authz.Policy).Check(t.Context(), subject("ann", "acme", "admin"), read, note("acme"))
	if d.Allow || d.Err() == nil {
		t.Errorf("the zero Policy: %+v", d)
	}
	if err := (authz.Decision{}).Err(); !errors.Is(err, authz.ErrForbidden) {
		t.Errorf("the zero Decision: %v", err)
	}
	if err := (authz.Decision{Reason: authz.Granted}).Err(); err == nil {
		t.Error("a reason without Allow allows")
	}
}

type engine func(s authz.Subject, perm authz.Perm, r authz.Resource) (bool, error)

func (e engine) Authorize(_ context.Context, s authz.Subject, perm authz.Perm, r authz.Resource) (bool, error) {
	return e(s, perm, r)
}

func TestEngine(t *testing.T) {
	yes, no := engine(func(authz.Subject, authz.Perm, authz.Resource) (bool, error) { return true, nil }),
		engine(func(authz.Subject, authz.Perm, authz.Resource) (bool, error) { return false, nil })
	secret := errors.New("dial postgres://user:hunter2@db")
	mine, locked := note("acme", "owner", "ann", "locked", false), note("acme", "owner", "ann", "locked", true)
	for _, tc := range []struct {
		name   string
		engine engine
		who    authz.Subject
		perm   authz.Perm
		what   authz.Resource
		want   authz.Reason
	}{
		{"yes", yes, subject("ann", "acme"), write, mine, authz.Granted},
		{"no", no, subject("ann", "acme"), write, mine, authz.EngineRefused},
		{"an error", func(authz.Subject, authz.Perm, authz.Resource) (bool, error) { return false, secret }, subject("ann", "acme"), write, mine, authz.EngineFailed},
		{"yes and an error", func(authz.Subject, authz.Perm, authz.Resource) (bool, error) { return true, secret }, subject("ann", "acme"), write, mine, authz.EngineFailed},
		{"a panic", func(authz.Subject, authz.Perm, authz.Resource) (bool, error) { panic("no connection") }, subject("ann", "acme"), write, mine, authz.EngineFailed},
		{"conditions hold beside it", yes, subject("ann", "acme"), write, locked, authz.ConditionFailed},
		{"anonymous", yes, subject("", "acme"), write, mine, authz.Anonymous},
		{"other tenant", yes, subject("ann", "zeta"), write, mine, authz.OtherTenant},
		{"cross-tenant", yes, subject("ann", "zeta"), audit, mine, authz.CrossTenant},
		{"undeclared", yes, subject("ann", "acme"), "x", mine, authz.UnknownPermission},
	} {
		c := config()
		asked := false
		c.Roles, c.Engine = nil, engine(func(s authz.Subject, perm authz.Perm, r authz.Resource) (bool, error) {
			asked = true
			return tc.engine(s, perm, r)
		})
		d := newPolicy(t, c).Check(t.Context(), tc.who, tc.perm, tc.what)
		if d.Reason != tc.want || d.Allow != (tc.want == authz.Granted || tc.want == authz.CrossTenant) {
			t.Errorf("%s: %+v, want %s", tc.name, d, tc.want)
		}
		if asked && (tc.want == authz.OtherTenant || tc.want == authz.Anonymous) {
			t.Errorf("%s: the engine was asked", tc.name)
		}
		if err := d.Err(); tc.want == authz.EngineFailed && (d.Status() != 503 || !errors.Is(err, authz.ErrUndecided) || strings.Contains(err.Error(), "hunter2")) {
			t.Errorf("%s: %d %v", tc.name, d.Status(), err)
		}
		if tc.name == "an error" && !errors.Is(d.Err(), secret) {
			t.Error("the cause is lost")
		}
	}
}

// Under the race detector: one policy, its logger and a mux from many goroutines.
func TestConcurrentChecks(t *testing.T) {
	c := config()
	c.Logger = newLog(io.Discard)
	p := newPolicy(t, c)
	m, err := authz.NewMux(p, whoIs, routes())
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 16 {
		id := string(rune('a' + i))
		wg.Go(func() {
			own, other := note("acme", "owner", id, "locked", false), note("acme", "owner", "?", "locked", false)
			s := subject(id, "acme", "editor")
			for range 200 {
				if w := send(m, id+" acme reader", "GET /notes/acme1"); w.Body.String() != "acme1 "+id+" value of acme1" {
					t.Errorf("%s got %s", id, w.Body)
				}
				if !p.Check(t.Context(), s, write, own).Allow || p.Check(t.Context(), s, write, other).Allow || p.Check(t.Context(), s, read, note("zeta")).Allow {
					t.Error("a decision of another goroutine")
				}
			}
		})
	}
	wg.Wait()
}
