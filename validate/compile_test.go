package validate_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/go-playground/validator/v10"

	"github.com/pavise/pavise/validate"
)

// refusal compiles T and returns what For says, "" when it is accepted.
func refusal[T any](cfg validate.Config) func() string {
	return func() string {
		if _, err := validate.For[T](cfg); err != nil {
			return err.Error()
		}
		return ""
	}
}

// built compiles a type that go vet would not let stand in source.
func built(fields ...reflect.StructField) func() string {
	for i := range fields {
		fields[i].Type = reflect.TypeFor[string]()
	}
	return func() string {
		if err := validate.CompileForTest(reflect.StructOf(fields)); err != nil {
			return err.Error()
		}
		return ""
	}
}

type valuer struct{}

type endless *endless

func (valuer) ValidatorValue() any { return 1 }

type lower struct {
	X string `json:"Org"`
}

type embedded struct {
	A string `json:"a"`
}

// Each of these would be a hole, a panic or a rule that never holds; none may start.
func TestForRefuses(t *testing.T) {
	strict := validate.Config{}
	forms := validate.Config{Kinds: []validate.Kind{validate.Form}}
	for name, c := range map[string]struct {
		compile func() string
		want    string
	}{
		"untagged exported field": {refusal[struct{ IsAdmin bool }](strict), "without a source"},
		"untagged in a nested type": {refusal[struct {
			A []map[string]*struct{ IsAdmin bool } `json:"a"`
		}](strict), "without a source"},
		"dash with comma":  {built(reflect.StructField{Name: "A", Tag: `json:"-,"`}), `names it "-"`},
		"dash with option": {built(reflect.StructField{Name: "A", Tag: `json:"-,omitempty"`}), `names it "-"`},
		"option without name": {refusal[struct {
			A bool `json:",omitempty"`
		}](strict), "no name"},
		"name that encoding/json drops": {built(reflect.StructField{Name: "A", Tag: `json:"a\\b"`}), "ignores this name"},
		"string option": {refusal[struct {
			A int `json:"a,string"`
		}](strict), "string"},
		"two names": {built(
			reflect.StructField{Name: "A", Tag: `json:"a"`}, reflect.StructField{Name: "B", Tag: `json:"a"`},
		), "two fields"},
		"promoted twice": {refusal[struct {
			embedded
			A int `json:"a"`
		}](strict), "two fields"},
		"two sources": {refusal[struct {
			A int `json:"a" query:"a"`
		}](strict), "one source"},
		"query below the root": {refusal[struct {
			A struct {
				B int `query:"b"`
			} `json:"a"`
		}](strict), "only the request type"},
		"struct from the query": {refusal[struct {
			A embedded `query:"a"`
		}](strict), "cannot be read"},
		"path field that a body member would fill": {refusal[struct {
			lower
			Org string `path:"org"`
		}](strict), "could take"},
		"present without a way to send it": {refusal[struct {
			A string            `json:"a"`
			B map[string]string `json:"b" form:"-" validate:"present"`
		}](validate.Config{Kinds: []validate.Kind{validate.JSON, validate.Form}}), "cannot send"},
		"malformed tag":           {built(reflect.StructField{Name: "A", Tag: `json:"a" validate: "max=3"`}), "not well-formed"},
		"repeated tag":            {built(reflect.StructField{Name: "A", Tag: `json:"a" validate:"max=3" validate:"min=1"`}), "twice"},
		"tagged but not exported": {built(reflect.StructField{Name: "a", PkgPath: "p", Tag: `json:"a"`}), "not exported"},
		"tag on two lines":        {built(reflect.StructField{Name: "A", Tag: "json:\"a\"\nvalidate:\"max=3\""}), "not well-formed"},
		"secret that is not":      {built(reflect.StructField{Name: "A", Tag: `json:"a" secret:"yes"`}), "secret tag"},
		"embedded Opt": {refusal[struct {
			A struct {
				*validate.Opt[string]
			} `json:"a"`
		}](strict), "no request can fill"},
		"pointer to itself": {refusal[struct {
			A endless `json:"a" validate:"required"`
		}](strict), "one pointer"},
		"embedded pointer": {refusal[struct {
			*embedded
		}](strict), "plain structs"},
		"func": {refusal[struct {
			A func() `json:"a"`
		}](strict), "no request can fill"},
		"interface with methods": {refusal[struct {
			A error `json:"a"`
		}](strict), "no request can fill"},
		"int map keys": {refusal[struct {
			A map[int]string `json:"a"`
		}](strict), "plain strings"},
		"Opt of a pointer": {refusal[struct {
			A validate.Opt[*int] `json:"a"`
		}](strict), "Opt"},
		"Opt of an interface": {refusal[struct {
			A validate.Opt[any] `json:"a"`
		}](strict), "Opt"},
		"ValidatorValue": {refusal[struct {
			A valuer `json:"a"`
		}](strict), "ValidatorValue"},
		"not a struct": {refusal[[]int](strict), "must be a struct"},
		"map in a form": {refusal[struct {
			A map[string]string `json:"a"`
		}](forms), "cannot be read from a form"},
		"form only, JSON configured": {refusal[struct {
			A string `form:"a"`
		}](strict), "no kind of body"},

		"unknown rule": {refusal[struct {
			A string `json:"a" validate:"requird"`
		}](strict), "not known"},
		"space before a rule": {refusal[struct {
			A string `json:"a" validate:"required, min=3"`
		}](strict), "not known"},
		"empty rule": {refusal[struct {
			A string `json:"a" validate:"required,"`
		}](strict), "not known"},
		"unknown alternative": {refusal[struct {
			A string `json:"a" validate:"uuid|nope"`
		}](strict), "not known"},
		"bad number": {refusal[struct {
			A string `json:"a" validate:"min=abc"`
		}](strict), "parameter"},
		"bad number in an alternative": {refusal[struct {
			A string `json:"a" validate:"uuid|min=abc"`
		}](strict), "parameter"},
		"email on int": {refusal[struct {
			A int `json:"a" validate:"email"`
		}](strict), "cannot be used"},
		"min on bool": {refusal[struct {
			A bool `json:"a" validate:"min=1"`
		}](strict), "cannot be used"},
		"oneof on float": {refusal[struct {
			A float64 `json:"a" validate:"oneof=1 2"`
		}](strict), "cannot be used"},
		"rule on any": {refusal[struct {
			A any `json:"a" validate:"min=1"`
		}](strict), "cannot be used"},
		"url behind an alternative on int": {refusal[struct {
			A int `json:"a" validate:"required|url"`
		}](strict), "cannot be used"},
		"rule on struct": {refusal[struct {
			A embedded `json:"a" validate:"min=1"`
		}](strict), "cannot be used"},
		"dive into string": {refusal[struct {
			A string `json:"a" validate:"dive,max=1"`
		}](strict), "dive into"},
		"keys of a slice": {refusal[struct {
			A []string `json:"a" validate:"dive,keys,max=1,endkeys"`
		}](strict), "keys"},
		"keys without end": {refusal[struct {
			A map[string]string `json:"a" validate:"dive,keys,max=1"`
		}](strict), "keys"},
		"present below dive": {refusal[struct {
			A []string `json:"a" validate:"dive,oneof=a b|present"`
		}](strict), "belongs to a field"},
		"notnull on plain": {refusal[struct {
			A string `json:"a" validate:"notnull"`
		}](strict), "never takes null"},
		"missing eqfield": {refusal[struct {
			A string `json:"a" validate:"eqfield=Nope"`
		}](strict), "does not exist"},
		"eqfield of another kind": {refusal[struct {
			A string `json:"a" validate:"eqfield=B"`
			B int    `json:"b"`
		}](strict), "compares"},
		"eqcsfield from the wrong struct": {refusal[struct {
			In struct {
				A string `json:"a" validate:"eqcsfield=In.B"`
				B string `json:"b"`
			} `json:"in"`
		}](strict), "does not exist"},
		"missing required_if": {refusal[struct {
			A string `json:"a" validate:"required_if=Nope x"`
		}](strict), "does not exist"},
		"odd required_if": {refusal[struct {
			A string `json:"a" validate:"required_if=B"`
			B string `json:"b"`
		}](strict), "pairs"},
		"required_if with a bad number": {refusal[struct {
			A string `json:"a" validate:"required_if=B x"`
			B *int   `json:"b"`
		}](strict), "compares"},
		"required_if into an Opt": {refusal[struct {
			A string               `json:"a" validate:"required_if=B x"`
			B validate.Opt[string] `json:"b"`
		}](strict), "use Cross"},
		"length of a json.Number": {refusal[struct {
			A *json.Number `json:"a" validate:"omitempty,max=100"`
		}](strict), "length of the numeral"},
		"header that never arrives": {refusal[struct {
			A string `header:"host"`
		}](strict), "never arrives"},
		"required Opt": {refusal[struct {
			A validate.Opt[string] `json:"a" validate:"required"`
		}](strict), "use present"},
		"required_with of an Opt": {refusal[struct {
			A validate.Opt[string] `json:"a" validate:"max=3,required_with=B"`
			B string               `json:"b"`
		}](strict), "use present"},
		"rule behind structonly": {refusal[struct {
			A embedded `json:"a" validate:"structonly,nope"`
		}](strict), "would not run"},
		"unique on any": {refusal[struct {
			A []any `json:"a" validate:"unique"`
		}](strict), "cannot compare"},
		"unique on slices": {refusal[struct {
			A [][]int `json:"a" validate:"unique"`
		}](strict), "cannot compare"},
		"unique on a struct that holds any": {refusal[struct {
			A []struct {
				B any `json:"b"`
			} `json:"a" validate:"unique"`
		}](strict), "cannot compare"},
		"unique by a missing field": {refusal[struct {
			A []embedded `json:"a" validate:"unique=B"`
		}](strict), "does not exist"},
		"parameter on a time": {refusal[struct {
			A time.Time `json:"a" validate:"gt=2020"`
		}](strict), "no parameter"},
		"disk": {refusal[struct {
			A string `json:"a" validate:"omitempty,file"`
		}](strict), "disk"},
		"disk in an alternative": {refusal[struct {
			A string `json:"a" validate:"uuid|image"`
		}](strict), "disk"},
		"names of services": {refusal[struct {
			A string `json:"a" validate:"tcp_addr"`
		}](strict), "services"},
		"disk by time zone": {refusal[struct {
			A string `json:"a" validate:"timezone"`
		}](strict), "disk"},

		"negative limit":         {refusal[embedded](validate.Config{Limits: validate.Limits{Array: -1}}), "negative"},
		"depth beyond the stack": {refusal[embedded](validate.Config{Limits: validate.Limits{Depth: 5000}}), "Depth"},
		"unknown kind":           {refusal[embedded](validate.Config{Kinds: []validate.Kind{9}}), "kind"},
		"rule that exists":       {refusal[embedded](validate.Config{Rules: rule("max")}), "exists"},
		"rule named present":     {refusal[embedded](validate.Config{Rules: rule("present")}), "exists"},
		"rule named dive":        {refusal[embedded](validate.Config{Rules: rule("dive")}), "validate: Config.Rules"},
		"nil rule":               {refusal[embedded](validate.Config{Rules: map[string]validator.Func{"x": nil}}), "not a rule"},
	} {
		t.Run(name, func(t *testing.T) {
			got := c.compile()
			if !strings.Contains(got, c.want) || got == "" {
				t.Errorf("For says %q, want %q", got, c.want)
			}
			for line := range strings.Lines(got) {
				if !strings.HasPrefix(line, "validate: ") {
					t.Errorf("unprefixed line %q", line)
				}
			}
		})
	}
}

func rule(name string) map[string]validator.Func {
	return map[string]validator.Func{name: func(validator.FieldLevel) bool { return true }}
}

func TestForListsEveryMistake(t *testing.T) {
	_, err := validate.For[struct {
		A string `json:"a" validate:"nope"`
		B int    `json:"b" validate:"email"`
		C bool
	}](validate.Config{})
	if err == nil || strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("want three mistakes, got %v", err)
	}
}

func TestChecksAreRefused(t *testing.T) {
	always := func(*embedded) bool { return true }
	for name, c := range map[string]validate.Check[embedded]{
		"missing field": validate.Cross("x", always, "/nope"),
		"no code":       validate.Cross("", always, "/a"),
		"no function":   validate.Ctx[embedded]("x", nil, "/a"),
	} {
		if _, err := validate.For(validate.Config{}, c); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("Must did not panic")
			}
		}()
		validate.Must(validate.For(validate.Config{}, validate.Cross("x", always, "/nope")))
	}()
}

func TestForWarnsOfRequiredOnNumbers(t *testing.T) {
	var log strings.Builder
	logger := slog.New(slog.NewTextHandler(&log, nil))
	validate.Must(validate.For[struct {
		Age  int    `json:"age" validate:"required"`
		Name string `json:"name" validate:"required"`
	}](validate.Config{Logger: logger}))
	if strings.Count(log.String(), "level=WARN") != 1 || !strings.Contains(log.String(), "age") {
		t.Errorf("log: %s", log.String())
	}
}

func TestCustomRuleAndPanic(t *testing.T) {
	type in struct {
		A string `json:"a" validate:"even,max=10"`
	}
	s := validate.Must(validate.For[in](validate.Config{Rules: map[string]validator.Func{
		"even": func(fl validator.FieldLevel) bool {
			if fl.Field().String() == "panic" {
				panic("c4n4ry")
			}
			return fl.Field().Len()%2 == 0
		},
	}}))
	if err := s.Struct(context.Background(), &in{"ab"}); err != nil {
		t.Error(err)
	}
	if _, err := s.JSON([]byte(`{"a":"abc"}`)); codes(err) != "even /a" {
		t.Errorf("got %v", codes(err))
	}
	// A rule that panics fails closed, and is the server's fault.
	_, err := s.JSON([]byte(`{"a":"panic"}`))
	if err == nil || codes(err) != "" || strings.Contains(err.Error(), canary) {
		t.Errorf("got %v", err)
	}
	if err := s.Struct(context.Background(), nil); err == nil {
		t.Error("nil was accepted")
	}
}
