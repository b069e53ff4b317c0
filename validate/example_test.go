package validate_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/pavise/pavise/validate"
)

type createUser struct {
	Org     string   `path:"org"   validate:"required,slug"`
	DryRun  bool     `query:"dry_run"`
	Name    string   `json:"name"  validate:"required,max=100,text"`
	Email   string   `json:"email" validate:"required,email"`
	Age     int      `json:"age"   validate:"present,gte=0,lte=130"`
	Tags    []string `json:"tags"  validate:"max=10,unique,dive,slug"`
	IsAdmin bool     `json:"-"`
}

func Example() {
	users := validate.Must(validate.For[createUser](validate.Config{}))

	mux := http.NewServeMux()
	mux.Handle("POST /orgs/{org}/users", users.Handler(
		func(w http.ResponseWriter, r *http.Request, in createUser) error {
			_, err := fmt.Fprintf(w, "hello %s of %s", in.Name, in.Org)
			return err
		}))

	send := func(body string) {
		r := httptest.NewRequest("POST", "/orgs/acme/users", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		fmt.Println(w.Code, w.Body)
	}
	send(`{"name":"Ada","email":"ada@example.com","age":36}`)
	send(`{"name":"Eve","email":"eve@example.com","age":36,"IsAdmin":true}`)
	send(`{"name":"Eve","name":"Ada","email":"eve@example.com","age":36}`)
	send(`{"name":"","email":"<script>"}`)
	// Output:
	// 200 hello Ada of acme
	// 422 {"title":"Unprocessable Entity","status":422,"errors":[{"in":"body","pointer":"","code":"unknown","detail":"has a member that is not known here"}]}
	// 400 {"title":"Bad Request","status":400,"errors":[{"in":"body","pointer":"/name","code":"duplicate","detail":"is given more than once"}]}
	// 422 {"title":"Unprocessable Entity","status":422,"errors":[{"in":"body","pointer":"/age","code":"present","detail":"must be sent"},{"in":"body","pointer":"/name","code":"required","detail":"is required"},{"in":"body","pointer":"/email","code":"email","detail":"must be an email address"}]}
}

type signup struct {
	Email  string `json:"email"  validate:"required,email"`
	Start  int    `json:"start"`
	End    int    `json:"end"`
	Invite string `json:"invite" validate:"required" secret:"true"`
}

// One route for an HTML form and for JSON. The page is shown again with each error beside its field.
func ExampleSchema_Request_form() {
	signups := validate.Must(validate.For(
		validate.Config{Kinds: []validate.Kind{validate.JSON, validate.Form}},
		validate.Cross("order", func(s *signup) bool { return s.Start <= s.End }, "/start", "/end"),
	))

	handle := func(w http.ResponseWriter, r *http.Request) {
		in, err := signups.Request(w, r)
		if bad, ok := errors.AsType[*validate.Error](err); ok {
			for _, v := range bad.Violations {
				field := strings.TrimPrefix(v.Pointer, "/")
				fmt.Printf("%s: %s %s\n", field, r.PostFormValue(field), v.Detail)
			}
			return
		}
		fmt.Println("welcome", in.Email)
	}
	for _, form := range []string{"email=ada%40example.com&start=1&end=2&invite=x", "email=ada&start=3&end=2&invite=x"} {
		r := httptest.NewRequest("POST", "/signup", strings.NewReader(form))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		handle(httptest.NewRecorder(), r)
	}
	// Output:
	// welcome ada@example.com
	// email: ada must be an email address
	// start: 3 does not pass the rule order
	// end: 2 does not pass the rule order
}
