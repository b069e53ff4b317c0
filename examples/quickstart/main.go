// Command quickstart shows the six packages at work, in the order in which a
// request meets them. It needs no server and no file: it plays the browser and
// prints what each package did with what it was sent.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"time"

	"github.com/pavise/pavise/crypto"
	"github.com/pavise/pavise/ratelimit"
	"github.com/pavise/pavise/sanitize"
	"github.com/pavise/pavise/secrets"
	"github.com/pavise/pavise/session"
	"github.com/pavise/pavise/validate"
)

// Comment is what a client may send: nothing else, and nothing twice.
type Comment struct {
	Author string `json:"author" validate:"required,email"`
	Stars  int    `json:"stars"  validate:"present,gte=0,lte=5"`
	Text   string `json:"text"   validate:"required,max=1000"`
}

// Account is what the session remembers of whoever is logged in.
type Account struct{ Name string }

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, w io.Writer) error {
	// secrets: a key comes from where the operator put it, and no print shows it.
	// A service reads secrets.Dir("/run/secrets"); Static stands in for it here.
	source := secrets.Static(map[string]string{"COMMENTS_KEY": crypto.GenerateKey().Export().Reveal()})
	var config struct {
		Key secrets.Secret `secret:"COMMENTS_KEY,required"`
	}
	if err := secrets.Load(ctx, source, &config); err != nil {
		return err
	}
	fmt.Fprintf(w, "secrets:   the configuration prints as %+v\n", config)

	// ratelimit: five at once, then one each 12 seconds, for each address.
	limiter, err := ratelimit.New([]ratelimit.Limit{{Name: "comments", Rate: 5, Per: time.Minute, Burst: 5}})
	if err != nil {
		return err
	}
	client := ratelimit.NewKey("address", "192.0.2.7")
	for n := 0; ; n++ {
		decision, err := limiter.Allow(ctx, client)
		if err != nil {
			return err
		}
		if !decision.Allowed {
			fmt.Fprintf(w, "ratelimit: 429 after %d, retry in %v\n", n, decision.RetryAfter.Round(time.Second))
			break
		}
	}

	// session: logged out stays logged out. No option is the safe choice.
	sessions, err := session.New[Account](session.NewMemoryStore(10_000))
	if err != nil {
		return err
	}
	site := routes(sessions)
	login := send(site, "POST", "/login", "", "")
	cookie := login.Header.Get("Set-Cookie")
	before := send(site, "GET", "/me", "", cookie)
	send(site, "POST", "/logout", "", cookie)
	after := send(site, "GET", "/me", "", cookie)
	fmt.Fprintf(w, "session:   logged in %d, the same cookie after logout %d\n", before.StatusCode, after.StatusCode)

	// validate: everything that is wrong is said at once, and no value is repeated.
	comments := validate.Must(validate.For[Comment](validate.Config{}))
	accept := comments.Handler(func(w http.ResponseWriter, r *http.Request, in Comment) error {
		w.WriteHeader(http.StatusCreated)
		return nil
	})
	good := send(accept, "POST", "/comments", `{"author":"ann@example.com","stars":0,"text":"Hello"}`, "")
	bad := send(accept, "POST", "/comments", `{"author":"ann","text":"Hello","Text":"again","admin":true}`, "")
	fmt.Fprintf(w, "validate:  %d for a good comment, %d for one with a wrong, a missing and two unknown members\n", good.StatusCode, bad.StatusCode)

	// sanitize: rich text keeps its form and loses what is not text.
	clean := sanitize.MustCompile(sanitize.Comment())
	html := clean.HTML(`<b>Nice</b></div><img src=x onerror=alert(1)><a href="javascript:alert(1)">1 < 2</a>`)
	fmt.Fprintf(w, "sanitize:  %s\n", html)

	// crypto: what is stored is encrypted, and opens only where it belongs.
	key, err := crypto.ParseKey(config.Key)
	if err != nil {
		return err
	}
	keys, err := crypto.NewKeyring(key)
	if err != nil {
		return err
	}
	sealed, err := keys.Seal(nil, []byte(html), crypto.Bind("comment", "42"))
	if err != nil {
		return err
	}
	opened, err := keys.Open(nil, sealed, crypto.Bind("comment", "42"))
	if err != nil {
		return err
	}
	_, moved := keys.Open(nil, sealed, crypto.Bind("comment", "43"))
	fmt.Fprintf(w, "crypto:    %d bytes sealed to %d and opened; copied to another row: %v\n", len(opened), len(sealed), moved)
	return nil
}

// routes is a site with a login that believes everybody.
func routes(sessions *session.Manager[Account]) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		err := sessions.Login(r.Context(), session.Auth{User: "ann"}, func(a *Account) error {
			a.Name = "Ann"
			return nil
		})
		if err != nil {
			http.Error(w, "cannot log in now", http.StatusServiceUnavailable)
		}
	})
	mux.HandleFunc("POST /logout", func(w http.ResponseWriter, r *http.Request) {
		if err := sessions.Logout(r.Context()); err != nil {
			http.Error(w, "cannot log out now", http.StatusServiceUnavailable)
		}
	})
	mux.Handle("GET /me", sessions.Require(session.Policy{})(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "hello")
	})))
	return sessions.Handler(mux)
}

// send plays the browser.
func send(site http.Handler, method, path, body, cookie string) *http.Response {
	r := httptest.NewRequest(method, "https://comments.example"+path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	if cookie != "" {
		value, _, _ := strings.Cut(cookie, ";")
		r.Header.Set("Cookie", value)
	}
	w := httptest.NewRecorder()
	site.ServeHTTP(w, r)
	return w.Result()
}
