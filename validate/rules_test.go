package validate_test

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/go-playground/validator/v10"

	"github.com/pavise/pavise/validate"
)

// codes lists the violations of an *Error as "code pointer", separated by commas.
func codes(err error) string {
	bad, _ := errors.AsType[*validate.Error](err)
	if bad == nil {
		return ""
	}
	var list []string
	for _, v := range bad.Violations {
		list = append(list, v.Code+" "+v.Pointer)
	}
	return strings.Join(list, ", ")
}

func ptr[T any](v T) *T { return &v }

// like runs the same values through validator and through a Schema, which must agree: a struct that is shared with a
// framework on validator gets the same answer.
func like[T any](t *testing.T, values ...T) {
	t.Helper()
	oracle := validator.New(validator.WithRequiredStructEnabled())
	s := validate.Must(validate.For[T](validate.Config{}))
	var yes, no int
	for _, v := range values {
		want := oracle.Struct(v) == nil
		if got := s.Struct(context.Background(), &v) == nil; got != want {
			t.Errorf("%+v: ours says %v, validator %v", v, got, want)
		}
		if want {
			yes++
		} else {
			no++
		}
	}
	if yes == 0 || no == 0 {
		t.Errorf("%T: the values are all of one kind: %d good, %d bad", values, yes, no)
	}
}

func strs[T any](make func(string) T) (list []T) {
	for _, s := range []string{
		"", "a", "A", "ab", "abc", "abcd", "é", "éé", "日本語", "ab1", "1", "0", "-1", "12.5", "a b", "a,b", "a|b", "x",
		"f81d4fae-7dec-41d0-a765-00a0c91e6bf6", "F81D4FAE-7DEC-41D0-A765-00A0C91E6BF6", "f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
		"f81d4fae_7dec-41d0-a765-00a0c91e6bf6", "f81d4fae-7dec-41d0-c765-00a0c91e6bf6", "+14155552671", "14155552671",
		"+04155552671", "+1415555267112345", "+1415555", "+141555526711234", "1415555", "https://example.com/a", "http://", "#fff", "rgb(0,0,0)",
	} {
		list = append(list, make(s))
	}
	return list
}

func TestRulesMeanWhatValidatorMeans(t *testing.T) {
	type s1 struct {
		A string `json:"a" validate:"required,min=2,max=3"`
	}
	type s2 struct {
		A string `json:"a" validate:"omitempty,len=2"`
	}
	type s3 struct {
		A string `json:"a" validate:"eq=ab|eq=a0x2Cb"`
	}
	type s4 struct {
		A string `json:"a" validate:"ne=a,gt=0,lt=4"`
	}
	type s5 struct {
		A string `json:"a" validate:"oneof=a 'a b' abc"`
	}
	type s6 struct {
		A string `json:"a" validate:"alpha"`
		B string `json:"b" validate:"alphanum"`
	}
	type s7 struct {
		A string `json:"a" validate:"uuid4"`
	}
	type s8 struct {
		A string `json:"a" validate:"uuid"`
	}
	type s9 struct {
		A string `json:"a" validate:"e164"`
	}
	type s10 struct {
		A string `json:"a" validate:"number"`
	}
	type s11 struct {
		A string `json:"a" validate:"iscolor|http_url"`
	}
	type s12 struct {
		A string `json:"a" validate:"eq=a0x7Cb|isdefault"`
	}
	like(t, strs(func(s string) s1 { return s1{s} })...)
	like(t, strs(func(s string) s2 { return s2{s} })...)
	like(t, strs(func(s string) s3 { return s3{s} })...)
	like(t, strs(func(s string) s4 { return s4{s} })...)
	like(t, strs(func(s string) s5 { return s5{s} })...)
	like(t, strs(func(s string) s6 { return s6{s, s} })...)
	like(t, strs(func(s string) s7 { return s7{s} })...)
	like(t, strs(func(s string) s8 { return s8{s} })...)
	like(t, strs(func(s string) s9 { return s9{s} })...)
	like(t, strs(func(s string) s10 { return s10{s} })...)
	like(t, strs(func(s string) s11 { return s11{s} })...)
	like(t, strs(func(s string) s12 { return s12{s} })...)
}

func TestNumbersMeanWhatValidatorMeans(t *testing.T) {
	type n struct {
		I int           `json:"i" validate:"gte=-2,lte=0x10,ne=3"`
		U uint8         `json:"u" validate:"min=1,max=200"`
		F float64       `json:"f" validate:"gt=-1.5,lt=2.5"`
		G float32       `json:"g" validate:"lte=0.1"`
		D time.Duration `json:"d" validate:"max=5m"`
		B bool          `json:"b" validate:"eq=true"`
		O int           `json:"o" validate:"oneof=0 5 -7"`
		N int           `json:"n" validate:"number"`
		P *float64      `json:"p" validate:"omitempty,numeric"`
	}
	good := n{U: 1, B: true, N: 7, P: ptr(-1.5)}
	values := []n{good, {}}
	for _, i := range []int{-3, -2, 0, 3, 16, 17} {
		v := good
		v.I = i
		w := good
		w.O = i - 10
		values = append(values, v, w)
	}
	for _, f := range []float64{-1.5, 2.4, 2.5, math.Inf(1), math.NaN(), 0.1, 0.11} {
		v := good
		v.F = f
		w := good
		w.G = float32(f)
		values = append(values, v, w)
	}
	for _, d := range []time.Duration{time.Minute, 5 * time.Minute, time.Hour} {
		v := good
		v.D = d
		values = append(values, v)
	}
	like(t, values...)
}

func TestPointersMeanWhatValidatorMeans(t *testing.T) {
	type p struct {
		A *int           `json:"a" validate:"required,gte=0"`
		B *int           `json:"b" validate:"omitempty,gte=5"`
		C *string        `json:"c" validate:"max=3"`
		D *bool          `json:"d" validate:"isdefault"`
		E []string       `json:"e" validate:"required"`
		F map[string]int `json:"f" validate:"omitempty,min=1"`
		G []string       `json:"g" validate:"omitnil,min=1"`
		H []string       `json:"h" validate:"omitzero,min=2"`
		I any            `json:"i" validate:"required"`
		J any            `json:"j" validate:"omitempty"`
		K time.Time      `json:"k" validate:"required"`
		L [2]int         `json:"l" validate:"omitempty,len=2"`
		M string         `json:"m" validate:"min=1,omitempty"`
	}
	good := p{A: ptr(0), C: ptr("abc"), E: []string{}, I: 0, K: time.Unix(1, 0), M: "m"}
	values := []p{good}
	for _, change := range []func(*p){
		func(v *p) { v.A = nil }, func(v *p) { v.A = ptr(-1) }, func(v *p) { v.B = ptr(0) }, func(v *p) { v.B = ptr(6) },
		func(v *p) { v.C = nil }, func(v *p) { v.C = ptr("abcd") }, func(v *p) { v.D = ptr(false) }, func(v *p) { v.E = nil },
		func(v *p) { v.F = map[string]int{} }, func(v *p) { v.F = map[string]int{"a": 1} }, func(v *p) { v.G = []string{} },
		func(v *p) { v.H = []string{} }, func(v *p) { v.H = []string{"a"} }, func(v *p) { v.I = nil }, func(v *p) { v.I = "" },
		func(v *p) { v.I = []string(nil) }, func(v *p) { v.J = []int{} }, func(v *p) { v.K = time.Time{} }, func(v *p) { v.M = "" },
	} {
		v := good
		change(&v)
		values = append(values, v)
	}
	like(t, values...)
}

func TestCrossFieldsMeanWhatValidatorMeans(t *testing.T) {
	type inner struct {
		P string `json:"p"`
		Q string `json:"q" validate:"eqfield=P"`
		R string `json:"r" validate:"eqcsfield=P"`
	}
	type c struct {
		Name  string    `json:"name"`
		Again string    `json:"again" validate:"eqfield=Name"`
		Kind  string    `json:"kind"`
		Card  string    `json:"card" validate:"required_if=Kind card"`
		Iban  *string   `json:"iban" validate:"required_if=Kind iban"`
		N     int       `json:"n" validate:"required_with=Card"`
		X     string    `json:"x" validate:"excluded_unless=N 3"`
		From  time.Time `json:"from"`
		To    time.Time `json:"to" validate:"gtefield=From"`
		Deep  string    `json:"deep" validate:"eqcsfield=In.P"`
		In    inner     `json:"in"`
		List  []inner   `json:"list" validate:"dive"`
	}
	values := []c{{}}
	for _, change := range []func(*c){
		func(v *c) { v.Name = "a" }, func(v *c) { v.Name, v.Again = "a", "a" }, func(v *c) { v.Kind = "card" },
		func(v *c) { v.Kind, v.Card = "card", "4" }, func(v *c) { v.Kind, v.Card, v.N = "card", "4", 2 },
		func(v *c) { v.Kind = "iban" }, func(v *c) { v.Kind, v.Iban = "iban", ptr("x") }, func(v *c) { v.X = "x" },
		func(v *c) { v.X, v.N = "x", 3 }, func(v *c) { v.From = time.Unix(9, 0) },
		func(v *c) { v.From, v.To = time.Unix(9, 0), time.Unix(9, 0) }, func(v *c) { v.In.P = "p" },
		func(v *c) { v.In = inner{"p", "p", "p"} }, func(v *c) { v.In, v.Deep = inner{"p", "p", "p"}, "p" }, func(v *c) { v.List = []inner{{}, {P: "p"}} },
		func(v *c) { v.List = []inner{{R: "r"}} },
	} {
		var v c
		change(&v)
		values = append(values, v)
	}
	like(t, values...)
}

// A rule about other fields in front of another rule panics in validator when the pointer is nil.
func TestNilBehindConditionalRule(t *testing.T) {
	type in struct {
		Kind string  `json:"kind"`
		A    *string `json:"a" validate:"required_if=Kind x,max=3"`
		B    *string `json:"b" validate:"required_if=Kind z,required_with=A,max=3"`
		C    *string `json:"c" validate:"excluded_if=Kind z,required"`
	}
	s := validate.Must(validate.For[in](validate.Config{}))
	for body, want := range map[string]string{
		`{"kind":"y","c":""}`:                      "",
		`{"kind":"x","c":""}`:                      "required_if /a",
		`{"kind":"x","a":"abcd","b":"","c":""}`:    "max /a",
		`{"kind":"x","a":"abc","b":"","c":""}`:     "",
		`{"kind":"y","a":null,"c":""}`:             "",
		`{"kind":"y","a":"abc","c":""}`:            "required_with /b",
		`{"kind":"y","a":"abc","b":"abcd","c":""}`: "max /b",
		`{"kind":"y"}`:                             "required /c",
	} {
		if _, err := s.JSON([]byte(body)); codes(err) != want {
			t.Errorf("%s: %q, want %q", body, codes(err), want)
		}
	}
}

type Shared struct {
	Pass  string `json:"pass"`
	Again string `json:"again" validate:"eqfield=Pass"`
}

type hidden struct {
	Low  string `json:"low"`
	High string `json:"high" validate:"required_with=Low"`
}

// Cross-field rules look into the embedded struct that they stand in, exported or not.
func TestCrossFieldsOfEmbeddedStructs(t *testing.T) {
	type in struct {
		Shared
		hidden
	}
	s := validate.Must(validate.For[in](validate.Config{}))
	for body, want := range map[string]string{
		`{"pass":"a","again":"a","low":"1","high":"2"}`: "",
		`{"pass":"a","again":"b","low":"1"}`:            "eqfield /again, required_with /high",
	} {
		if _, err := s.JSON([]byte(body)); codes(err) != want {
			t.Errorf("%s: %q %v, want %q", body, codes(err), err, want)
		}
	}
}

func TestOwnFormats(t *testing.T) {
	for _, c := range []struct {
		rule, value string
		ok          bool
	}{
		{"email", "ada@example.com", true},
		{"email", "a.b+c@ex-ample.co.uk", true},
		{"email", "ada@localhost", false},
		{"email", "Ada <ada@example.com>", false},
		{"email", `"a b"@example.com`, false},
		{"email", "a@b@example.com", false},
		{"email", rep("a", 65) + "@example.com", false},
		{"email", "a@" + rep("a", 64) + ".com", false},
		{"email", "a@-b.com", false},
		{"email", "a@b..com", false},
		{"email", "a@b.com\u202e", false},
		{"email", "аda@example.com", false},
		{"email", "a@" + rep("abcdefgh.", 30) + "com", false},
		{"email", rep("x", 200_000), false},
		{"slug", "a", true},
		{"slug", "a-1-b", true},
		{"slug", "", false},
		{"slug", "-a", false},
		{"slug", "a-", false},
		{"slug", "a--b", false},
		{"slug", "A", false},
		{"slug", "а", false},
		{"text", "Zoë 👩‍💻 שלום", true},
		{"text", "a\nb", false},
		{"text", "Zoe\u0308", false},
		{"text", "a\u200bb", false},
		{"text", "a\u2066b", false},
		{"text", "a\x7fb", false},
		{"text", "a\u0085b", false},
		{"text", "\xff", false},
		{"text", "a\U000e0041", false},
		{"text", "a\u00adb", false},
		{"text", "a\u3164b", false},
		{"text", "a\u061cb", false},
		{"text", "\u0600\u0661", true},
		{"text", "❤️", true},
		{"text", "\ufeffa", false},
		{"text=lines", "a\r\n\tb", true},
		{"text=lines", "a\x00b", false},
		{"text=lines", "a\u2028b", false},
		{"filename", "report 2026.pdf", true},
		{"filename", "../x", false},
		{"filename", "CON", false},
		{"filename", "a/b", false},
		{"filename", "a\u202egpj.exe", false},
		{"filename", "", false},
		{"redirect_path", "/home?x=1", true},
		{"redirect_path", "//evil.example", false},
		{"redirect_path", `/\evil.example`, false},
		{"redirect_path", "https://evil.example/", false},
		{"redirect_path", "javascript:alert(1)", false},
	} {
		if got := passes(t, c.rule, c.value); got != c.ok {
			t.Errorf("%s %.40q: %v, want %v", c.rule, c.value, got, c.ok)
		}
		if got := passes(t, c.rule+"|eq=never", c.value); c.rule != "text=lines" && got != c.ok {
			t.Errorf("%s in an alternative %.40q: %v, want %v", c.rule, c.value, got, c.ok)
		}
	}
}

// passes checks one value by one tag, in a type made for it.
func passes(t *testing.T, tag, value string) bool {
	t.Helper()
	return validate.PassesForTest(t, reflect.TypeFor[string](), tag, value)
}

func TestPresence(t *testing.T) {
	type in struct {
		Age  int                  `json:"age" validate:"present"`
		Ptr  *int                 `json:"ptr" validate:"omitempty,present"`
		Opt  validate.Opt[string] `json:"opt" validate:"present,max=3"`
		Note validate.Opt[string] `json:"note" validate:"notnull,max=3"`
	}
	s := validate.Must(validate.For[in](validate.Config{}))
	for body, want := range map[string]string{
		`{"age":0,"ptr":0,"opt":""}`:         "",
		`{}`:                                 "present /age, present /ptr, present /opt",
		`{"age":null,"ptr":null,"opt":null}`: "present /age, present /ptr, present /opt",
		`{"age":1,"ptr":1,"opt":"x","note":null}`:   "notnull /note",
		`{"age":1,"ptr":1,"opt":"x","note":"abcd"}`: "max /note",
	} {
		if _, err := s.JSON([]byte(body)); codes(err) != want {
			t.Errorf("%s: %q, want %q", body, codes(err), want)
		}
	}
	if err := s.Struct(t.Context(), &in{}); err != nil {
		t.Errorf("Struct evaluates present: %v", err)
	}
}

func TestOpt(t *testing.T) {
	type in struct {
		Name validate.Opt[string] `json:"name,omitzero" validate:"min=2"`
	}
	s := validate.Must(validate.For[in](validate.Config{}))
	for _, body := range []string{`{}`, `{"name":null}`, `{"name":"Ada"}`} {
		v, err := s.JSON([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		back, err := json.Marshal(v)
		if err != nil || string(back) != body {
			t.Errorf("%s came back as %s, %v", body, back, err)
		}
	}
	v, _ := s.JSON([]byte(`{"name":null}`))
	if _, ok := v.Name.Get(); ok || !v.Name.IsNull() || v.Name.IsZero() || v.Name.Or("x") != "x" {
		t.Error("null is not null")
	}
	if got, ok := validate.Some(7).Get(); !ok || got != 7 || validate.Some(7).IsZero() || validate.Some(7).Or(1) != 7 {
		t.Error("Some has no value")
	}
}
