package validate_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/pavise/pavise/validate"
)

func post(contentType, target, body string) *http.Request {
	r := httptest.NewRequest("POST", target, strings.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	return r
}

type profile struct {
	Name  string                  `json:"name" form:"full_name" validate:"required"`
	Age   *int                    `json:"age" validate:"omitempty,gte=1"`
	Score float64                 `json:"score" validate:"present"`
	News  bool                    `json:"news"`
	Born  time.Time               `json:"born"`
	Tags  []string                `json:"tags"`
	Nums  validate.Opt[[]int]     `json:"nums" validate:"max=2"`
	Nick  validate.Opt[string]    `json:"nick" validate:"omitempty,min=2"`
	Extra map[string]string       `json:"extra" form:"-"`
	Since validate.Opt[time.Time] `json:"since"`
}

// One type by two kinds of body gives the same value.
func TestFormAndJSONAgree(t *testing.T) {
	s := validate.Must(validate.For[profile](validate.Config{Kinds: []validate.Kind{validate.JSON, validate.Form}}))
	for _, c := range []struct{ form, json string }{
		{"full_name=Ada+L&score=1.5", `{"name":"Ada L","score":1.5}`},
		{
			"full_name=Ada&age=36&score=-0.5e2&news=on&born=2026-01-02T03%3A04%3A05Z&tags=a&tags=&nums=1&nums=2&nick=&since=2026-01-02T03%3A04%3A05Z",
			`{"name":"Ada","age":36,"score":-0.5e2,"news":true,"born":"2026-01-02T03:04:05Z","tags":["a",""],"nums":[1,2],"nick":"","since":"2026-01-02T03:04:05Z"}`,
		},
		{"full_name=Ada&age=&score=1&born=&since=&news=false", `{"name":"Ada","score":1,"news":false}`},
	} {
		a, err := s.Request(httptest.NewRecorder(), post(formType+"; charset=UTF-8", "/", c.form))
		if err != nil {
			t.Errorf("%s: %s", c.form, codes(err))
		}
		b, err := s.Request(httptest.NewRecorder(), post(jsonType, "/", c.json))
		if err != nil {
			t.Errorf("%s: %s", c.json, codes(err))
		}
		if !reflect.DeepEqual(a, b) {
			t.Errorf("%s gives %+v, %s gives %+v", c.form, a, c.json, b)
		}
	}
	for body, want := range map[string]string{
		"full_name=&age=0&score=&nums=1&nums=2&nums=3&nick=x": "present /score, required /full_name, gte /age, max /nums, min /nick",
		"full_name=a&score=x&age=x&tags=%E2%82&nums=1&nums=x": "encoding ",
		"full_name=a&score=x&age=x&nums=1&nums=x&born=never":  "type /age, type /score, format /born, type /nums/1",
		"full_name=a&score=1&extra=x":                         "unknown ",
	} {
		r := post(formType, "/", body)
		if _, err := s.Request(httptest.NewRecorder(), r); codes(err) != want {
			t.Errorf("%s: %q, want %q", body, codes(err), want)
		}
		if strings.Contains(body, "full_name=a") && !strings.Contains(want, "encoding") && r.PostFormValue("full_name") != "a" {
			t.Errorf("%s: the form cannot be shown again: %v", body, r.PostForm)
		}
	}
}

func TestSources(t *testing.T) {
	type in struct {
		Org   string               `path:"org" validate:"slug"`
		Page  validate.Opt[int]    `query:"page" validate:"gte=1"`
		Sort  []string             `query:"sort" validate:"dive,oneof=a b"`
		Dry   bool                 `query:"dry" validate:"present"`
		Etag  string               `header:"if-match" validate:"required,max=5"`
		Agent validate.Opt[string] `header:"X-Agent"`
	}
	s := validate.Must(validate.For[in](validate.Config{}))
	mux := http.NewServeMux()
	var got in
	var code string
	mux.HandleFunc("GET /{org}", func(w http.ResponseWriter, r *http.Request) {
		var err error
		got, err = s.Request(w, r)
		code = codes(err)
	})
	for _, c := range []struct{ target, etag, want string }{
		{"/acme?page=2&sort=a&sort=b&dry=true", "abc", ""},
		{"/acme?page=0&sort=c&dry=on", "", "type /dry, gte /page, oneof /sort/0, required /If-Match"},
		{"/A--B", "abcdef", "present /dry, slug /org, max /If-Match"},
		{"/acme?dry=", "a", "type /dry"},
	} {
		r := httptest.NewRequest("GET", c.target, nil)
		if c.etag != "" {
			r.Header.Set("If-Match", c.etag)
		}
		mux.ServeHTTP(httptest.NewRecorder(), r)
		if code != c.want {
			t.Errorf("%s: %q, want %q", c.target, code, c.want)
		}
		if c.want == "" && (got.Org != "acme" || got.Page.Or(0) != 2 || len(got.Sort) != 2 || !got.Dry || got.Etag != "abc") {
			t.Errorf("got %+v", got)
		}
	}
	// JSON reads no other source, and does not judge them.
	if _, err := s.JSON([]byte(`{}`)); err != nil {
		t.Error(err)
	}
}

func TestJSONOnARouteForForms(t *testing.T) {
	s := validate.Must(validate.For[form](validate.Config{Kinds: []validate.Kind{validate.Form}}))
	if _, err := s.JSON([]byte(`{}`)); codes(err) != "media_type " {
		t.Errorf("got %v", err)
	}
}

// broken is a body whose connection fails.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("connection reset") }

func TestBodyThatCannotBeRead(t *testing.T) {
	s := validate.Must(validate.For[form](validate.Config{}))
	r := httptest.NewRequest("POST", "/", broken{})
	r.Header.Set("Content-Type", jsonType)
	if _, err := s.Request(httptest.NewRecorder(), r); codes(err) != "syntax " {
		t.Errorf("got %v", err)
	}
}

func TestLimitsAreConfigurable(t *testing.T) {
	type in struct {
		A []string `json:"a"`
	}
	for name, c := range map[string]struct {
		limits validate.Limits
		good   string
		bad    string
	}{
		"body":   {validate.Limits{Body: 10}, `{"a":["x"]`[:9] + "}", `{"a":["xxx"]}`},
		"depth":  {validate.Limits{Depth: 2}, `{"a":["x"]}`, `{"a":[["x"]]}`},
		"tokens": {validate.Limits{Tokens: 3}, `{"a":["x"]}`, `{"a":["x","y"]}`},
		"array":  {validate.Limits{Array: 1}, `{"a":["x"]}`, `{"a":["x","y"]}`},
		"string": {validate.Limits{String: 1}, `{"a":["x"]}`, `{"a":["xy"]}`},
		"name":   {validate.Limits{Name: 1}, `{"a":["x"]}`, `{"ab":["x"]}`},
		"number": {validate.Limits{Number: 2}, `{"a":["x"]}`, `{"a":[123]}`},
		// Elements count twice, for the growth of a slice.
		"memory": {validate.Limits{Memory: 2*int64(unsafe.Sizeof("")) + 8}, `{"a":["x"]}`, `{"a":["x","y"]}`},
	} {
		if name == "body" {
			c.good = `{"a":[]}`
		}
		s := validate.Must(validate.For[in](validate.Config{Limits: c.limits}))
		if _, err := s.JSON([]byte(c.good)); err != nil {
			t.Errorf("%s: %s is refused: %v", name, c.good, codes(err))
		}
		_, err := s.JSON([]byte(c.bad))
		bad, _ := errors.AsType[*validate.Error](err)
		if bad == nil || bad.Status == 422 {
			t.Errorf("%s: %s gives %v", name, c.bad, err)
		}
	}
}

type teapot struct{}

func (teapot) Error() string   { return canary }
func (teapot) StatusCode() int { return http.StatusTeapot }

type liar struct{ teapot }

func (liar) StatusCode() int { return 200 }

func TestWriteProblem(t *testing.T) {
	for _, c := range []struct {
		err  error
		want int
	}{
		{errors.New(canary), 500},
		{fmt.Errorf("wrapped: %w", teapot{}), 418},
		{liar{}, 500},
		{&validate.Error{Status: 422, Violations: []validate.Violation{{In: "body", Code: "max", Detail: "x"}}}, 422},
		{&validate.Error{}, 500},
		{nil, 500},
	} {
		w := httptest.NewRecorder()
		w.Header().Set("Content-Encoding", "gzip")
		validate.WriteProblem(w, httptest.NewRequest("GET", "/", nil), c.err)
		if w.Code != c.want || strings.Contains(w.Body.String(), canary) || !strings.Contains(w.Body.String(), `"status":`) {
			t.Errorf("%v: %d %s", c.err, w.Code, w.Body)
		}
		if h := w.Header(); h.Get("Content-Type") != "application/problem+json" || h.Get("Content-Encoding") != "" || h.Get("Cache-Control") != "no-store" {
			t.Errorf("header %v", h)
		}
	}
}

// A handler's own Error may hold anything; the answer stays bounded.
func TestProblemIsBounded(t *testing.T) {
	e := &validate.Error{Status: 422}
	for range 1000 {
		e.Violations = append(e.Violations, validate.Violation{In: "body", Pointer: "/" + rep("x", 5000), Code: "max"})
	}
	w := httptest.NewRecorder()
	validate.WriteProblem(w, nil, e)
	if w.Body.Len() > 64<<10 || w.Body.Len() < 50<<10 || !strings.Contains(w.Body.String(), `"truncated":true`) {
		t.Errorf("%d bytes", w.Body.Len())
	}
}

func TestHandlerAnswersErrorsOfTheHandler(t *testing.T) {
	s := validate.Must(validate.For[form](validate.Config{}))
	for want, err := range map[int]error{500: errors.New(canary), 418: teapot{}, 200: nil} {
		w := httptest.NewRecorder()
		s.Handler(func(http.ResponseWriter, *http.Request, form) error { return err }).ServeHTTP(w, post(jsonType, "/", `{}`))
		if w.Code != want || strings.Contains(w.Body.String(), canary) {
			t.Errorf("%d: %s", w.Code, w.Body)
		}
	}
}

func TestErrorAndEventAreSafeToLog(t *testing.T) {
	type in struct {
		Password string            `json:"password" validate:"max=3,ne=c4n4ry" secret:"true"`
		Vault    map[string]string `json:"vault" validate:"dive,oneof=c4n4ry" secret:"true"`
		Name     string            `json:"name" validate:"max=3"`
	}
	var log strings.Builder
	s := validate.Must(validate.For[in](validate.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))}))
	r := post(jsonType, "/", `{"password":"c4n4ry","vault":{"c4n4ry":"x"},"name":"c4n4ry"}`)
	_, err := s.Request(httptest.NewRecorder(), r)
	bad, ok := errors.AsType[*validate.Error](err)
	if !ok || len(bad.Violations) != 3 || bad.Violations[0].Params != nil || bad.Violations[2].Params["max"] != "3" {
		t.Fatalf("got %+v", bad)
	}
	if codes(err) != "max /password, oneof /vault, max /name" {
		t.Errorf("got %s", codes(err))
	}
	all := fmt.Sprintf("%s %v %+v", err, err, bad.Violations) + log.String()
	if strings.Contains(all, canary) {
		t.Errorf("the value is shown: %s", all)
	}
	for _, attr := range []string{
		"event.action=input-validation", "event.outcome=failure", "event.reason=max", "source.ip=192.0.2.1",
		"validate.status=422", "validate.count=3",
	} {
		if !strings.Contains(log.String(), attr) {
			t.Errorf("no %s in %s", attr, log.String())
		}
	}
}

func TestMessages(t *testing.T) {
	type in struct {
		A string `json:"a" validate:"max=1"`
		B string `json:"b" validate:"required"`
	}
	type language struct{}
	s := validate.Must(validate.For[in](validate.Config{Messages: func(ctx context.Context, v validate.Violation) string {
		if ctx.Value(language{}) == "de" && v.Code == "max" {
			return "höchstens " + v.Params["max"]
		}
		return ""
	}}))
	r := post(jsonType, "/", `{"a":"xx"}`)
	_, err := s.Request(httptest.NewRecorder(), r.WithContext(context.WithValue(r.Context(), language{}, "de")))
	bad, _ := errors.AsType[*validate.Error](err)
	if bad == nil || bad.Violations[0].Detail != "höchstens 1" || bad.Violations[1].Detail != "is required" {
		t.Errorf("got %+v", bad)
	}
}

// A map's key is shown in pointers, but not as it came.
func TestPointersAreEscapedAndCut(t *testing.T) {
	type in struct {
		M map[string]string `json:"m" validate:"dive,max=1"`
	}
	s := validate.Must(validate.For[in](validate.Config{}))
	_, err := s.JSON([]byte(`{"m":{"a/~\n\u202e":"xx","` + rep("é", 60) + `":"xx"}}`))
	if want := "max /m/a~1~0\ufffd\ufffd, max /m/" + rep("é", 32) + "…"; codes(err) != want {
		t.Errorf("got %q, want %q", codes(err), want)
	}
}

func TestConcurrentUse(t *testing.T) {
	s := validate.Must(validate.For[everything](validate.Config{}))
	done := make(chan string)
	for range 8 {
		go func() {
			_, err := s.JSON([]byte(`{"id":"x","rows":[{"name":"12345678901"}],"map":{"a":{}}}`))
			done <- codes(err)
		}()
	}
	for range 8 {
		if got := <-done; got != "uuid4 /id, max /rows/0/name" {
			t.Error(got)
		}
	}
}
