package validate_test

import (
	"bytes"
	"encoding/json"
	"math/big"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pavise/pavise/validate"
)

// plain has a field of every kind and no rules, so that what is refused is refused by the scanner.
type plain struct {
	B  bool                 `json:"b"`
	I  int                  `json:"i"`
	I8 int8                 `json:"i8"`
	U  uint16               `json:"u"`
	F  float64              `json:"f"`
	G  float32              `json:"g"`
	S  string               `json:"s"`
	X  []byte               `json:"x"`
	T  time.Time            `json:"t"`
	N  json.Number          `json:"n"`
	A  any                  `json:"a"`
	R  json.RawMessage      `json:"r"`
	O  validate.Opt[string] `json:"o"`
	P  *plain               `json:"p"`
	L  []plain              `json:"l"`
	M  map[string]string    `json:"m"`
	Z  [2]int               `json:"z"`
	E  *big.Int             `json:"e"`
}

// What JSON accepts, encoding/json accepts too, and re-encoding the value gives back each member that was sent: no
// member was ignored, folded, merged, truncated or rounded on the way.
func FuzzJSON(f *testing.F) {
	for _, s := range []string{
		`{"b":true,"i":-7,"i8":127,"u":65535,"f":1.5e3,"g":0.5,"s":"aé\u00e9\ud83d\ude00\n","x":"YWI=","t":"2026-01-02T03:04:05Z"}`,
		`{"n":12345678901234567890.5,"a":[1,{"k":null,"l":"x"},false],"r":{"z":[1e400]},"o":null,"p":{"p":null},"l":[{},{"i":1}]}`,
		`{"m":{"":"a","a/b":"~"},"z":[1,2],"e":123456789012345678901234567890,"o":"v","a":1e2}`,
		`{"I":1}`, `{"i":1,"i":2}`, `{"s":"\ud800"}`, "{\"s\":\"\xff\"}", `{"z":[1,2,3]}`, `{"f":1e999}`, `{"i":-0}`, `{} {}`, `[[[[`,
		`{"a":9007199254740993}`, `{"\u0069":1}`, `{"m":{"a":"1","\u0061":"2"}}`, `{"t":"2026-01-02T03:04:05,5Z"}`, `{"x":"YQ\n=="}`,
	} {
		f.Add([]byte(s))
	}
	schema := validate.Must(validate.For[plain](validate.Config{}))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := schema.JSON(data)
		if err != nil {
			if !reflect.DeepEqual(got, plain{}) {
				t.Fatal("a value came with the error")
			}
			return
		}
		var want plain
		d := json.NewDecoder(bytes.NewReader(data))
		d.DisallowUnknownFields()
		if err := d.Decode(&want); err != nil {
			t.Fatalf("encoding/json refuses %q: %v", data, err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%q gives %+v, encoding/json %+v", data, got, want)
		}
		back, err := json.Marshal(got)
		if err != nil {
			t.Fatal(err)
		}
		if !covers(parsed(t, back), parsed(t, data)) {
			t.Fatalf("%q became %s", data, back)
		}
	})
}

func parsed(t *testing.T, data []byte) (v any) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

// covers reports whether everything in sent is in kept, with the same value.
func covers(kept, sent any) bool {
	switch sent := sent.(type) {
	case map[string]any:
		m, ok := kept.(map[string]any)
		for name, v := range sent {
			ok = ok && covers(m[name], v)
		}
		return ok
	case []any:
		l, ok := kept.([]any)
		if ok = ok && len(l) == len(sent); ok {
			for i := range sent {
				ok = ok && covers(l[i], sent[i])
			}
		}
		return ok
	case json.Number:
		n, ok := kept.(json.Number)
		if !ok || n == sent {
			return ok
		}
		// float32 and float64 may round a fraction, and write a number in another way.
		a, err1 := strconv.ParseFloat(string(n), 64)
		b, err2 := strconv.ParseFloat(string(sent), 64)
		return err1 == nil && err2 == nil && (a == b || float32(a) == float32(b))
	case string:
		k, ok := kept.(string)
		return ok && (k == sent || sameTime(k, sent))
	}
	return reflect.DeepEqual(kept, sent)
}

func sameTime(a, b string) bool {
	x, err1 := time.Parse(time.RFC3339, a)
	y, err2 := time.Parse(time.RFC3339, b)
	return err1 == nil && err2 == nil && x.Equal(y)
}

// A form that is accepted says the same to net/url, and each field holds what was sent.
func FuzzForm(f *testing.F) {
	for _, s := range []string{
		"name=a&age=1&terms=on&tags=a&tags=b&nickname=x", "name=%C3%A9", "name=a+b", "name=a;b", "name=%zz", "&&&", "=", "age=", "tags[0]=a", "name=a&name=b",
	} {
		f.Add(s)
	}
	schema := validate.Must(validate.For[form](validate.Config{Kinds: []validate.Kind{validate.Form}}))
	f.Fuzz(func(t *testing.T, body string) {
		r := httptest.NewRequest("POST", "/", strings.NewReader(body))
		r.Header.Set("Content-Type", formType)
		in, err := schema.Request(httptest.NewRecorder(), r)
		if err != nil {
			return
		}
		want, err := url.ParseQuery(body)
		if err != nil {
			t.Fatalf("net/url refuses %q: %v", body, err)
		}
		if !reflect.DeepEqual(r.PostForm, want) && len(want)+len(r.PostForm) > 0 {
			t.Fatalf("%q: PostForm %v, net/url %v", body, r.PostForm, want)
		}
		if in.Name != want.Get("name") || len(in.Tags) != len(want["tags"]) || in.Nick.Or("") != want.Get("nickname") || in.Admin {
			t.Fatalf("%q became %+v", body, in)
		}
	})
}

// Whatever is sent: no panic, no repetition of a refused value, a bounded answer.
func FuzzHandler(f *testing.F) {
	for _, a := range attacks {
		if len(a.bad) < 1000 {
			f.Add(a.bad, "page=1", jsonType, "x")
			f.Add(a.bad, "sort=name", formType, "x")
		}
	}
	var h hit
	handler := h.handler(f)
	f.Fuzz(func(t *testing.T, body, query, contentType, trace string) {
		value := strings.ReplaceAll(body, `":"`, `":"`+canary)
		for _, path := range []string{"/json/acme", "/form"} {
			r := httptest.NewRequest("POST", path, strings.NewReader(value))
			r.URL.RawQuery = query
			r.Header["Content-Type"] = []string{contentType}
			r.Header["X-Trace"] = []string{trace}
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			if w.Code >= 500 || w.Body.Len() > 64<<10 {
				t.Fatalf("%q: status %d, %d bytes", body, w.Code, w.Body.Len())
			}
			if w.Code != 200 && !strings.Contains(body, canary) && strings.Contains(w.Body.String(), canary) {
				t.Fatalf("%q: the answer repeats a value: %s", value, w.Body)
			}
		}
	})
}
