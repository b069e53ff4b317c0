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

func main() { run(context.Background(), os.Stdout) }

func run(ctx context.Context, w io.Writer) {
	// secrets: a key comes from where the operator put it, and no print shows it.
	// A service reads secrets.Dir("/run/secrets"); Static stands in for it here.
	source := secrets.Static(map[string]string{"COMMENTS_KEY": crypto.GenerateKey().Export().Reveal()})
	var config struct {
		Key secrets.Secret `secret:"COMMENTS_KEY,required"`
	}
	check(secrets.Load(ctx, source, &config))
	fmt.Fprintf(w, "secrets:   the configuration prints as %+v\n", config)

	// validate: everything that is wrong is said at once, and no value is repeated.
	comments := validate.Must(validate.For[Comment](validate.Config{}))
	accept := comments.Handler(func(w http.ResponseWriter, r *http.Request, in Comment) error {
		w.WriteHeader(http.StatusCreated)
		return nil
	})
	good := send(accept, "POST /comments", `{"author":"ann@example.com","stars":0,"text":"Hello"}`, nil)
	bad := send(accept, "POST /comments", `{"author":"ann","text":"Hello","Text":"again","admin":true}`, nil)
	fmt.Fprintf(w, "validate:  %d for a good comment, %d for one with a wrong, a missing and two unknown members\n", good.StatusCode, bad.StatusCode)

	// ratelimit: five at once, then one each 12 seconds, for each address.
	limiter := must(ratelimit.New([]ratelimit.Limit{{Name: "comments", Rate: 5, Per: time.Minute, Burst: 5}}))
	client, admitted := ratelimit.NewKey("address", "192.0.2.7"), 0
	decision := must(limiter.Allow(ctx, client))
	for ; decision.Allowed; decision = must(limiter.Allow(ctx, client)) {
		admitted++
	}
	fmt.Fprintf(w, "ratelimit: 429 after %d, retry in %v\n", admitted, decision.RetryAfter.Round(time.Second))

	// session: logged out stays logged out. No option is the safe choice.
	sessions := must(session.New[struct{}](session.NewMemoryStore(10_000)))
	do := func(f func(context.Context) error) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if err := f(r.Context()); err != nil {
				http.Error(w, "please try again later", http.StatusServiceUnavailable)
			}
		}
	}
	mux := http.NewServeMux()
	mux.Handle("POST /login", do(func(ctx context.Context) error { return sessions.Login(ctx, session.Auth{User: "ann"}, nil) }))
	mux.Handle("POST /logout", do(sessions.Logout))
	mux.Handle("GET /me", sessions.Require(session.Policy{})(do(func(context.Context) error { return nil })))
	site := sessions.Handler(mux)
	cookies := send(site, "POST /login", "", nil).Cookies()
	before := send(site, "GET /me", "", cookies)
	send(site, "POST /logout", "", cookies)
	after := send(site, "GET /me", "", cookies)
	fmt.Fprintf(w, "session:   logged in %d, the same cookie after logout %d\n", before.StatusCode, after.StatusCode)

	// sanitize: rich text keeps its form and loses what is not text.
	clean := sanitize.MustCompile(sanitize.Comment())
	html := clean.HTML(`<b>Nice</b></div><img src=x onerror=alert(1)><a href="javascript:alert(1)">1 < 2</a>`)
	fmt.Fprintf(w, "sanitize:  %s\n", html)

	// crypto: what is stored is encrypted, and opens only where it belongs.
	keys := must(crypto.NewKeyring(must(crypto.ParseKey(config.Key))))
	sealed := must(keys.Seal(nil, []byte(html), crypto.Bind("comment", "42")))
	opened := must(keys.Open(nil, sealed, crypto.Bind("comment", "42")))
	_, moved := keys.Open(nil, sealed, crypto.Bind("comment", "43"))
	fmt.Fprintf(w, "crypto:    %d bytes sealed to %d and opened; copied to another row: %v\n", len(opened), len(sealed), moved)
}

// send plays the browser.
func send(site http.Handler, route, body string, cookies []*http.Cookie) *http.Response {
	method, path, _ := strings.Cut(route, " ")
	r := httptest.NewRequest(method, "https://comments.example"+path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	for _, c := range cookies {
		r.AddCookie(c)
	}
	w := httptest.NewRecorder()
	site.ServeHTTP(w, r)
	return w.Result()
}

// A service that cannot be put together must not start.
func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func must[T any](v T, err error) T {
	check(err)
	return v
}
