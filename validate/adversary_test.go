package validate_test

import (
	"fmt"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/pavise/pavise/validate"
)

type (
	lists   []lists
	mapping map[string][]mapping
)

// A type that never ends in a struct has an end for the walk.
func TestTypesThatHoldOnlyThemselves(t *testing.T) {
	s := validate.Must(validate.For[struct {
		A lists   `json:"a" validate:"max=2"`
		M mapping `json:"m"`
	}](validate.Config{}))
	for body, want := range map[string]string{
		`{"a":[[],[[]]],"m":{"a":[{}]}}`: "",
		`{"a":[[],[],[]]}`:               "max /a",
	} {
		if _, err := s.JSON([]byte(body)); codes(err) != want {
			t.Errorf("%s: %q, want %q", body, codes(err), want)
		}
	}
}

// encoding/json stops at some values that do not fit: what it has not read is not reported as missing.
func TestMisfitIsNotBlamedOnOthers(t *testing.T) {
	s := validate.Must(validate.For[struct {
		T time.Time                        `json:"t"`
		O validate.Opt[int]                `json:"o"`
		M map[string]validate.Opt[float32] `json:"m"`
		N string                           `json:"n" validate:"required"`
	}](validate.Config{}))
	for body, want := range map[string]string{
		`{"t":"never","n":"Ada"}`:          "format /t",
		`{"o":"x","n":"Ada"}`:              "type /o",
		`{"o":1.5,"t":"x","n":"Ada"}`:      "type /o, format /t",
		`{"m":{"a":1,"b":"x"},"n":"Ada"}`:  "type /m/b",
		`{"o":null,"m":{"b":1},"n":"Ada"}`: "",
	} {
		if _, err := s.JSON([]byte(body)); codes(err) != want {
			t.Errorf("%s: %q, want %q", body, codes(err), want)
		}
	}
}

// A rule behind | is the second that runs, so only a request would reach it.
func TestAlternativesAreCheckedAtStart(t *testing.T) {
	strict := validate.Config{}
	for want, compile := range map[string]func() string{
		`rule "isdefault|gt=x"`: refusal[struct {
			A int `json:"a" validate:"isdefault|gt=x"`
		}](strict),
		`rule "required_without=B|uuid"`: refusal[struct {
			A *string `json:"a" validate:"required_without=B|uuid"`
			B string  `json:"b"`
		}](strict),
		`rule "unique=P"`: refusal[struct {
			A map[string]*struct {
				P *int  `json:"p"`
				S []int `json:"s"`
			} `json:"a" validate:"unique=P"`
		}](strict),
	} {
		if got := compile(); !strings.Contains(got, want) {
			t.Errorf("For says %q, want %q", got, want)
		}
	}
}

func TestAlternatives(t *testing.T) {
	s := validate.Must(validate.For[struct {
		A string  `json:"a" validate:"eq=c4n4ry|eq=c4n4ry2|uuid" secret:"true"`
		B *string `json:"b" validate:"required_without=C|required_with=D"`
		C string  `json:"c"`
		D string  `json:"d"`
	}](validate.Config{}))
	for body, want := range map[string]string{
		`{"a":"c4n4ry","c":"x"}`:        "",
		`{"a":"x","c":"x"}`:             "eq|eq|uuid /a",
		`{"a":"c4n4ry2","c":"","d":""}`: "",
		`{"a":"c4n4ry2","d":"x"}`:       "required_without|required_with /b",
	} {
		_, err := s.JSON([]byte(body))
		if codes(err) != want {
			t.Errorf("%s: %q, want %q", body, codes(err), want)
		}
		w := httptest.NewRecorder()
		if validate.WriteProblem(w, nil, err); strings.Contains(w.Body.String(), canary) {
			t.Errorf("the parameters of a secret field are shown: %s", w.Body)
		}
	}
}

// In a form, every violation has the name that the form has for the field, so that a page finds it.
func TestFormViolationsHaveFormNames(t *testing.T) {
	type in struct {
		First string `json:"first" form:"given_name" validate:"max=2"`
		Last  string `json:"last" form:"family_name"`
	}
	s := validate.Must(validate.For(
		validate.Config{Kinds: []validate.Kind{validate.JSON, validate.Form}},
		validate.Cross("differ", func(v *in) bool { return v.First != v.Last }, "/first", "/last"),
		validate.Cross("known", func(v *in) bool { return v.Last != "x" }, "/last"),
	))
	for _, c := range []struct{ kind, body, want string }{
		{formType, "given_name=abc&family_name=abc", "max /given_name"},
		{formType, "given_name=ab&family_name=ab", "differ /given_name, differ /family_name"},
		{formType, "given_name=ab&family_name=x", "known /family_name"},
		{jsonType, `{"first":"ab","last":"ab"}`, "differ /first, differ /last"},
		{jsonType, `{"first":"abc","last":"x"}`, "max /first, known /last"},
	} {
		_, err := s.Request(httptest.NewRecorder(), post(c.kind, "/", c.body))
		if codes(err) != c.want {
			t.Errorf("%s: %q, want %q", c.body, codes(err), c.want)
		}
	}
}

// Maps take a group of slots for one member. What is accepted stays within the budget, live, and the budget lets
// ordinary maps pass.
func TestMapsStayWithinTheBudget(t *testing.T) {
	type wide struct {
		A [15]int64 `json:"-"`
		B int       `json:"b"`
	}
	s := validate.Must(validate.For[struct {
		Any   any                 `json:"any"`
		Wide  []map[string]wide   `json:"wide"`
		Texts []map[string]string `json:"texts"`
	}](validate.Config{}))
	list := func(item string, n int) string { return "[" + rep(item+",", n-1) + item + "]" }
	for name, item := range map[string]string{"any": `{"a":1}`, "wide": `{"a":{}}`, "texts": `{"a":""}`} {
		most := 0
		for n := 10_000; n > 0 && most == 0; n = n * 9 / 10 {
			body := []byte(fmt.Sprintf(`{"%s":%s}`, name, list(item, n)))
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			in, err := s.JSON(body)
			if err != nil {
				continue
			}
			runtime.GC()
			runtime.ReadMemStats(&after)
			runtime.KeepAlive(in)
			if most = n; int64(after.HeapAlloc)-int64(before.HeapAlloc) > 1<<20 {
				t.Errorf("%s: %d maps keep %d bytes", name, n, after.HeapAlloc-before.HeapAlloc)
			}
		}
		if most < 500 {
			t.Errorf("%s: only %d maps pass", name, most)
		}
	}
}

// A value that holds itself would end the process, not only the request.
func TestStructThatHoldsItself(t *testing.T) {
	type node struct {
		Next *node `json:"next"`
	}
	s := validate.Must(validate.For[node](validate.Config{}))
	var n node
	n.Next = &n
	if err := s.Struct(t.Context(), &n); err == nil || codes(err) != "" {
		t.Errorf("got %v", err)
	}
	// The deepest body that Limits can allow is not refused for its depth by the rules.
	s = validate.Must(validate.For[node](validate.Config{Limits: validate.Limits{Depth: 1000}}))
	if _, err := s.JSON([]byte(rep(`{"next":`, 999) + "{}" + rep("}", 999))); err != nil {
		t.Error(err)
	}
}

func TestProblemOfNilError(t *testing.T) {
	w := httptest.NewRecorder()
	validate.WriteProblem(w, nil, (*validate.Error)(nil))
	if w.Code != 500 {
		t.Errorf("status %d", w.Code)
	}
}
