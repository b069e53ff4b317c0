package authz_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/pavise/pavise/session"
	"github.com/pavise/pavise/session/authz"
)

const (
	ReadInvoice  authz.Perm = "invoice.read"
	WriteInvoice authz.Perm = "invoice.write"
)

// newBilling is the policy of a service with many tenants.
func newBilling() (*authz.Policy, error) {
	return authz.New(authz.Config{
		Permissions: []authz.Perm{ReadInvoice, WriteInvoice},
		Roles: map[string]authz.Role{
			"clerk":      {Perms: []authz.Perm{ReadInvoice}},
			"accountant": {Perms: []authz.Perm{WriteInvoice}, Inherits: []string{"clerk"}},
		},
		Conditions: map[authz.Perm][]authz.Condition{
			WriteInvoice: {{Name: "draft", Holds: func(_ context.Context, q authz.Query) bool {
				return authz.Attr[string](q, "state") == "draft"
			}}},
		},
	})
}

// newRoutes says for each route who may use it. Without one of the Access fields it
// returns an error, and the service does not start.
func newRoutes(policy *authz.Policy, sessions *session.Manager[visitor]) (http.Handler, error) {
	who := authz.FromSession(sessions, func(ctx context.Context, s session.Session[visitor]) (authz.Subject, error) {
		u, err := userByID(ctx, s.User)
		return authz.Subject{Tenant: u.Tenant, Roles: u.Roles}, err
	})
	mux, err := authz.NewMux(policy, who, []authz.Route{
		{Pattern: "GET /{$}", Access: authz.Public(), Handler: page("welcome")},
		{Pattern: "POST /login", Access: authz.Public(), Handler: login(sessions)},
		{Pattern: "GET /invoices/{id}", Access: authz.Require(ReadInvoice), Resource: invoice, Handler: page("an invoice")},
		{Pattern: "PUT /invoices/{id}", Access: authz.Require(WriteInvoice), Resource: invoice, Handler: page("saved")},
	})
	if err != nil {
		return nil, err
	}
	return sessions.Handler(mux), nil
}

// invoice finds what a request is about, as a handler would.
func invoice(r *http.Request) (authz.Resource, error) {
	in, ok := invoices[r.PathValue("id")]
	if !ok {
		return authz.Resource{}, authz.ErrNotFound
	}
	return authz.Resource{Tenant: in.Tenant, Attrs: map[string]any{"state": in.State}, Value: in}, nil
}

type user struct {
	Tenant string
	Roles  []string
}

func userByID(_ context.Context, id string) (user, error) {
	u, ok := map[string]user{"ann": {"acme", []string{"accountant"}}, "bob": {"acme", []string{"clerk"}}}[id]
	if !ok {
		return u, errors.New("shop: no such user")
	}
	return u, nil
}

var invoices = map[string]struct{ Tenant, State string }{"1": {"acme", "draft"}, "2": {"acme", "sent"}, "3": {"zeta", "draft"}}

func page(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, text) }
}

func login(sessions *session.Manager[visitor]) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { // a password was checked before
		if err := sessions.Login(r.Context(), session.Auth{User: r.PostFormValue("user")}, nil); err != nil {
			http.Error(w, "please log in again", http.StatusConflict)
		}
	}
}

// What people get who try the invoices of others, by their numbers.
func Example() {
	policy, err := newBilling()
	if err != nil {
		log.Fatal(err)
	}
	sessions, err := session.New[visitor](session.NewMemoryStore(0))
	if err != nil {
		log.Fatal(err)
	}
	service, err := newRoutes(policy, sessions)
	if err != nil {
		log.Fatal(err)
	}
	cookies := map[string]string{}
	send := func(user, method, path, form string) {
		r := httptest.NewRequest(method, path, strings.NewReader(form))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin") // as a browser does
		r.Header.Set("Cookie", cookies[user])
		w := httptest.NewRecorder()
		service.ServeHTTP(w, r)
		if line := w.Header().Get("Set-Cookie"); line != "" {
			cookies[user], _, _ = strings.Cut(line, ";")
		}
		if form == "" {
			fmt.Printf("%-7s %-4s %s: %d %s\n", user, method, path, w.Code, strings.TrimSpace(w.Body.String()))
		}
	}
	send("ann", "POST", "/login", "user=ann")
	send("bob", "POST", "/login", "user=bob")
	send("nobody", "GET", "/invoices/1", "")
	send("ann", "GET", "/invoices/1", "")
	send("ann", "PUT", "/invoices/1", "")
	send("ann", "PUT", "/invoices/2", "")    // was sent: the condition does not hold
	send("ann", "GET", "/invoices/3", "")    // another tenant's
	send("ann", "GET", "/invoices/4", "")    // does not exist
	send("bob", "PUT", "/invoices/1", "")    // no role of his may
	send("bob", "PUT", "/invoices/3", "")    // the same, whatever the number
	send("bob", "DELETE", "/invoices/1", "") // nobody may
	// Output:
	// nobody  GET  /invoices/1: 401 Unauthorized
	// ann     GET  /invoices/1: 200 an invoice
	// ann     PUT  /invoices/1: 200 saved
	// ann     PUT  /invoices/2: 404 Not Found
	// ann     GET  /invoices/3: 404 Not Found
	// ann     GET  /invoices/4: 404 Not Found
	// bob     PUT  /invoices/1: 403 Forbidden
	// bob     PUT  /invoices/3: 403 Forbidden
	// bob     DELETE /invoices/1: 405 Method Not Allowed
}

// A read across tenants is denied, whatever the role, and says why in the log only.
func ExamplePolicy_Check() {
	policy, err := newBilling()
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	eve := authz.Subject{ID: "eve", Tenant: "zeta", Roles: []string{"accountant"}}
	d := policy.Check(ctx, eve, ReadInvoice, authz.Resource{Tenant: "acme"})
	fmt.Println("another tenant's:", d.Allow, d.Reason, "- the client gets", d.Status())

	d = policy.Check(ctx, eve, WriteInvoice, authz.Resource{Tenant: "zeta"})
	fmt.Println("state not known: ", d.Allow, d.Reason, "- the client gets", d.Status())

	if err := policy.Check(ctx, eve, ReadInvoice, authz.Resource{Tenant: "zeta"}).Err(); err != nil {
		log.Fatal(err)
	}
	fmt.Println("her own:          true")
	// Output:
	// another tenant's: false other-tenant - the client gets 404
	// state not known:  false missing-attribute - the client gets 404
	// her own:          true
}

func ExampleNewMux() {
	policy, err := newBilling()
	if err != nil {
		log.Fatal(err)
	}
	nobody := func(*http.Request) (authz.Subject, error) { return authz.Subject{}, nil }
	_, err = authz.NewMux(policy, nobody, []authz.Route{
		{Pattern: "GET /invoices", Access: authz.Require(ReadInvoice), Handler: page("list")},
		{Pattern: "GET /invoices/export", Handler: page("all of them")},
		{Pattern: "PUT /invoices/{id}", Access: authz.Require(WriteInvoice), Handler: page("saved")},
		{Pattern: "GET /reports", Access: authz.Require("invoice.raed"), Handler: page("report")},
	})
	fmt.Println(err)
	// Output:
	// authz: route "GET /invoices/export": neither a permission nor Public
	// authz: route "PUT /invoices/{id}": permission "invoice.write" has conditions, the route no Resource to decide them by
	// authz: route "GET /reports": unknown permission "invoice.raed"
}

// In a test, reviewed is a file under version control: it fails for whoever widens the
// policy without changing the file, and a reviewer sees the change of the file.
func ExampleDiff() {
	const reviewed = `[
		{"role": "accountant", "perm": "invoice.read", "isolated": true},
		{"role": "accountant", "perm": "invoice.write", "isolated": true, "conditions": ["draft", "own-region"]},
		{"role": "clerk", "perm": "invoice.read", "isolated": true},
		{"role": "trainee", "perm": "invoice.read", "isolated": true}
	]`
	policy, err := newBilling()
	if err != nil {
		log.Fatal(err)
	}
	var before []authz.Grant
	if err := json.Unmarshal([]byte(reviewed), &before); err != nil {
		log.Fatal(err)
	}
	widened, narrowed := authz.Diff(before, policy.Grants())
	for _, change := range widened {
		fmt.Println("widened: ", change) // t.Errorf
	}
	for _, change := range narrowed {
		fmt.Println("narrowed:", change)
	}
	// Output:
	// widened:  role "accountant", invoice.write: condition own-region removed
	// narrowed: role "trainee", invoice.read: revoked
}

// remote stands for an adapter of Cedar, OpenFGA or OPA.
type remote struct{}

func (remote) Authorize(_ context.Context, s authz.Subject, perm authz.Perm, _ authz.Resource) (bool, error) {
	if s.ID == "ann" && perm == ReadInvoice {
		return true, nil
	}
	return false, errors.New("engine: connection refused")
}

func ExampleEngine() {
	policy, err := authz.New(authz.Config{Permissions: []authz.Perm{ReadInvoice, WriteInvoice}, Engine: remote{}})
	if err != nil {
		log.Fatal(err)
	}
	ann := authz.Subject{ID: "ann", Tenant: "acme"}
	for _, perm := range []authz.Perm{ReadInvoice, WriteInvoice} {
		d := policy.Check(context.Background(), ann, perm, authz.Resource{Tenant: "acme"})
		fmt.Println(perm, d.Allow, d.Reason, d.Status())
	}
	d := policy.Check(context.Background(), ann, ReadInvoice, authz.Resource{Tenant: "zeta"})
	fmt.Println("another tenant's, and the engine is not asked:", d.Allow, d.Reason, d.Status())
	// Output:
	// invoice.read true granted 200
	// invoice.write false engine-failed 503
	// another tenant's, and the engine is not asked: false other-tenant 404
}
