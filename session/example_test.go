package session_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/pavise/pavise/crypto"
	"github.com/pavise/pavise/session"
)

// Cart is what a session of the shop holds.
type Cart struct {
	Items []string `json:"items"`
}

func checkPassword(user, password string) bool { return user == "ann" && password == "correct horse" }

// newShop is a small service: a cart for everybody, orders for users.
func newShop() (http.Handler, error) {
	sessions, err := session.New[Cart](session.NewMemoryStore(0))
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /cart", func(w http.ResponseWriter, r *http.Request) {
		err := sessions.Update(r.Context(), func(c *Cart) error {
			c.Items = append(c.Items, r.PostFormValue("item"))
			return nil
		})
		if err != nil {
			http.Error(w, "please log out and start again", http.StatusConflict)
		}
	})
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		user := r.PostFormValue("user")
		epoch, err := sessions.Epoch(r.Context(), user)
		if err != nil || !checkPassword(user, r.PostFormValue("password")) {
			http.Error(w, "wrong user or password", http.StatusUnauthorized)
			return
		}
		auth := session.Auth{User: user, Methods: []string{"pwd"}, Epoch: epoch}
		if err := sessions.Login(r.Context(), auth, nil); err != nil {
			http.Error(w, "please log in again", http.StatusConflict)
		}
	})
	mux.HandleFunc("POST /logout", func(w http.ResponseWriter, r *http.Request) {
		if err := sessions.Logout(r.Context()); err != nil {
			http.Error(w, "you are still logged in", http.StatusServiceUnavailable)
		}
	})
	orders := func(w http.ResponseWriter, r *http.Request) {
		s, err := sessions.Get(r.Context())
		if err != nil {
			http.Error(w, "try again later", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintf(w, "%s orders %s", s.User, strings.Join(s.Data.Items, ", "))
	}
	mux.Handle("GET /orders", sessions.Require(session.Policy{})(http.HandlerFunc(orders)))
	return sessions.Handler(mux), nil
}

func Example() {
	shop, err := newShop()
	if err != nil {
		log.Fatal(err)
	}
	var cookie string
	send := func(method, path, form string) {
		r := httptest.NewRequest(method, path, strings.NewReader(form))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin") // as a browser does
		r.Header.Set("Cookie", cookie)
		w := httptest.NewRecorder()
		shop.ServeHTTP(w, r)
		if line := w.Header().Get("Set-Cookie"); line != "" {
			cookie, _, _ = strings.Cut(line, ";")
		}
		fmt.Printf("%s %s %d %q\n", method, path, w.Code, strings.TrimSpace(w.Body.String()))
	}
	send("POST", "/cart", "item=tea")
	send("GET", "/orders", "")
	send("POST", "/login", "user=ann&password=correct+horse")
	send("GET", "/orders", "")
	send("POST", "/logout", "")
	send("GET", "/orders", "")
	// Output:
	// POST /cart 200 ""
	// GET /orders 401 "Unauthorized"
	// POST /login 200 ""
	// GET /orders 200 "ann orders tea"
	// POST /logout 200 ""
	// GET /orders 401 "Unauthorized"
}

// What an attacker gets who has another site, an old token, or a slow request.
func Example_attacks() {
	m, err := session.New[Cart](session.NewMemoryStore(0))
	if err != nil {
		log.Fatal(err)
	}
	do := func(site, cookie string, h http.HandlerFunc) (status int, newCookie string) {
		r := httptest.NewRequest("POST", "https://example.com/", nil)
		r.Header.Set("Sec-Fetch-Site", site)
		r.Header.Set("Cookie", cookie)
		w := httptest.NewRecorder()
		m.Handler(h).ServeHTTP(w, r)
		newCookie, _, _ = strings.Cut(w.Header().Get("Set-Cookie"), ";")
		return w.Code, newCookie
	}
	login := func(w http.ResponseWriter, r *http.Request) {
		if err := m.Login(r.Context(), session.Auth{User: "ann"}, nil); err != nil {
			log.Print(err)
		}
	}
	whoAmI := func(w http.ResponseWriter, r *http.Request) {
		s, err := m.Get(r.Context())
		fmt.Printf("user %q, error %v\n", s.User, err)
	}
	logout := func(w http.ResponseWriter, r *http.Request) { _ = m.Logout(r.Context()) }

	status, _ := do("cross-site", "", login)
	fmt.Println("form on another site:", status)

	_, before := do("same-origin", "__Host-session="+strings.Repeat("A", 46), login)
	fmt.Println("chosen token adopted:", strings.Contains(before, "AAAA"))

	_, after := do("same-origin", before, login)
	fmt.Print("token from before the login: ")
	do("same-origin", before, whoAmI)

	do("same-origin", after, func(w http.ResponseWriter, r *http.Request) {
		err := m.Update(r.Context(), func(c *Cart) error {
			do("same-origin", after, logout) // meanwhile, in another window
			return nil
		})
		fmt.Println("slow request after the logout:", errors.Is(err, session.ErrGone))
	})
	fmt.Print("and then: ")
	do("same-origin", after, whoAmI)
	// Output:
	// form on another site: 403
	// chosen token adopted: false
	// token from before the login: user "", error <nil>
	// slow request after the logout: true
	// and then: user "", error <nil>
}

func ExampleManager_RevokeUser() {
	m, err := session.New[Cart](session.NewMemoryStore(0))
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	epoch, err := m.Epoch(ctx, "ann") // a login begins: the old password is checked
	if err != nil {
		log.Fatal(err)
	}
	if _, err := m.RevokeUser(ctx, "ann"); err != nil { // the password is changed
		log.Fatal(err)
	}
	m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := m.Login(r.Context(), session.Auth{User: "ann", Epoch: epoch}, nil)
		fmt.Println(err)
	})).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	// Output: session: user was revoked during login
}

func ExampleManager_Require() {
	m, err := session.New[Cart](session.NewMemoryStore(0))
	if err != nil {
		log.Fatal(err)
	}
	pay := func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "paid") }
	stepUp := m.Require(session.Policy{AAL: 2})
	h := m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := m.Login(r.Context(), session.Auth{User: "ann", AAL: 1}, nil); err != nil {
			log.Print(err)
		}
		stepUp(http.HandlerFunc(pay)).ServeHTTP(w, r)
	}))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	fmt.Println(w.Code, w.Header().Get("WWW-Authenticate"))
	// Output: 401 Bearer error="insufficient_user_authentication", acr_values="http://idmanagement.gov/ns/assurance/aal/2"
}

// A message that the page after a redirect shows once.
func ExampleManager_TakeFlash() {
	type data struct {
		Flash session.Flash `json:"flash,omitempty"`
	}
	sessions, err := session.New[data](session.NewMemoryStore(0))
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /profile", func(w http.ResponseWriter, r *http.Request) {
		err := sessions.Update(r.Context(), func(d *data) error {
			d.Flash.Add("success", "Your profile is saved.")
			return nil
		})
		if err != nil {
			http.Error(w, "please start again", http.StatusConflict)
			return
		}
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		messages, err := sessions.TakeFlash(r.Context(), func(d *data) *session.Flash { return &d.Flash })
		if err != nil {
			http.Error(w, "try again later", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, len(messages), messages)
	})
	service := sessions.Handler(mux)

	cookie := ""
	for _, request := range []string{"POST /profile", "GET /", "GET /"} {
		method, path, _ := strings.Cut(request, " ")
		r := httptest.NewRequest(method, "https://shop.example"+path, nil)
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		r.Header.Set("Cookie", cookie)
		w := httptest.NewRecorder()
		service.ServeHTTP(w, r)
		if method == "POST" {
			cookie, _, _ = strings.Cut(w.Header().Get("Set-Cookie"), ";")
			continue
		}
		fmt.Print(w.Body)
	}
	// Output:
	// 1 [{success Your profile is saved.}]
	// 0 []
}

// A session that needs no database of its own: a few hundred bytes, in the cookie.
func ExampleSealedManager() {
	type cart struct {
		Items []string `json:"items"`
	}
	newCarts := func(keys *crypto.Keyring, store session.Store) (*session.SealedManager[cart], error) {
		revocations, err := session.NewRevocations(store) // sqlstore or redisstore: logged out stays logged out
		if err != nil {
			return nil, err
		}
		return session.NewSealed[cart](keys, revocations)
	}
	keys, err := crypto.NewKeyring(crypto.GenerateKey()) // in a service: a LiveKeyring
	if err != nil {
		log.Fatal(err)
	}
	carts, err := newCarts(keys, session.NewMemoryStore(0))
	if err != nil {
		log.Fatal(err)
	}
	do := func(cookie string, h http.HandlerFunc) (newCookie string) {
		r := httptest.NewRequest("POST", "https://shop.example/", nil)
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		r.Header.Set("Cookie", cookie)
		w := httptest.NewRecorder()
		carts.Handler(h).ServeHTTP(w, r)
		newCookie, _, _ = strings.Cut(w.Header().Get("Set-Cookie"), ";")
		return newCookie
	}
	cookie := do("", func(w http.ResponseWriter, r *http.Request) {
		if err := carts.Login(r.Context(), session.Auth{User: "ann"}, func(c *cart) error {
			c.Items = []string{"tea"}
			return nil
		}); err != nil {
			log.Print(err)
		}
	})
	who := func(w http.ResponseWriter, r *http.Request) {
		s, err := carts.Get(r.Context())
		fmt.Printf("%q %v %v\n", s.User, s.Data.Items, err)
	}
	do(cookie, who)
	do(cookie, func(w http.ResponseWriter, r *http.Request) { _ = carts.Logout(r.Context()) })
	do(cookie, who) // somebody kept a copy
	// Output:
	// "ann" [tea] <nil>
	// "" [] <nil>
}
