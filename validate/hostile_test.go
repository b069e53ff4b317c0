package validate_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/pavise/pavise/validate"
)

// canary stands in hostile values; it must not come back.
const canary = "c4n4ry"

type base struct {
	ID string `json:"id" validate:"omitempty,uuid4"`
}

type everything struct {
	base
	Org     string                       `path:"org" validate:"slug"`
	Page    int8                         `query:"page"`
	Sort    []string                     `query:"sort" validate:"max=3,dive,oneof=name age"`
	Trace   string                       `header:"X-Trace" validate:"max=20"`
	Name    string                       `json:"name" validate:"max=100,text"`
	Admin   bool                         `json:"-"`
	Age     int                          `json:"age" validate:"gte=0"`
	Small   int8                         `json:"small"`
	Big     uint64                       `json:"big"`
	Ratio   float64                      `json:"ratio"`
	Half    float32                      `json:"half"`
	Number  json.Number                  `json:"number"`
	Pair    [2]int                       `json:"pair" validate:"omitempty"`
	Blob    []byte                       `json:"blob"`
	When    time.Time                    `json:"when"`
	Any     any                          `json:"any"`
	Ptr     *string                      `json:"ptr" validate:"omitempty,max=5"`
	Opt     validate.Opt[string]         `json:"opt" validate:"notnull,max=5"`
	Rows    []row                        `json:"rows"`
	Map     map[string]row               `json:"map"`
	Items   []map[string][]row           `json:"items"`
	Uniq    []string                     `json:"uniq" validate:"unique"`
	Secrets map[string]string            `json:"secrets" validate:"dive,max=3" secret:"true"`
	Opts    map[string]validate.Opt[int] `json:"opts" validate:"dive,lt=5"`
	Raw     json.RawMessage              `json:"raw"`
	Tree    *tree                        `json:"tree"`
}

type row struct {
	A, B, C, D, E, F, G, H string `json:"-"`
	Name                   string `json:"name" validate:"max=10"`
}

type tree struct {
	Left  *tree  `json:"left"`
	Right *tree  `json:"right"`
	Label string `json:"label" validate:"max=5"`
}

type form struct {
	Name  string               `json:"name" validate:"max=10"`
	Age   int                  `json:"age"`
	Terms bool                 `json:"terms"`
	Tags  []string             `json:"tags" validate:"max=5,dive,slug"`
	Nick  validate.Opt[string] `json:"nick" form:"nickname" validate:"max=5"`
	Admin bool                 `json:"-"`
}

type hit struct{ times int }

func (h *hit) handler(t testing.TB) http.Handler {
	whole := validate.Must(validate.For[everything](validate.Config{}))
	forms := validate.Must(validate.For[form](validate.Config{Kinds: []validate.Kind{validate.Form}}))
	bare := validate.Must(validate.For[struct {
		Q string `query:"q"`
	}](validate.Config{}))
	mux := http.NewServeMux()
	mux.Handle("POST /json/{org}", whole.Handler(func(_ http.ResponseWriter, _ *http.Request, in everything) error {
		h.times++
		if in.Admin {
			t.Error("a field without a source was set")
		}
		return nil
	}))
	mux.Handle("POST /form", forms.Handler(func(_ http.ResponseWriter, _ *http.Request, in form) error {
		h.times++
		if in.Admin {
			t.Error("a field without a source was set")
		}
		return nil
	}))
	mux.Handle("/bare", bare.Handler(func(http.ResponseWriter, *http.Request, struct {
		Q string `query:"q"`
	},
	) error {
		h.times++
		return nil
	}))
	return mux
}

const (
	jsonType = "application/json"
	formType = "application/x-www-form-urlencoded"
)

// attack is a request that must be refused, and one as close to it as can be that must be accepted.
type attack struct {
	name         string
	bad, good    string // bodies
	status       int
	code         string
	path, goodAt string            // default /json/acme, or /form for a form
	header       map[string]string // Content-Type is JSON unless set; "" removes it
	chunked      bool
}

func rep(s string, n int) string { return strings.Repeat(s, n) }

var attacks = []attack{
	// names
	{name: "case-folded key", bad: `{"Name":"c4n4ry"}`, good: `{"name":"ok"}`, status: 422, code: "unknown"},
	{name: "long s folds to s", bad: `{"\u017fmall":1}`, good: `{"small":1}`, status: 422, code: "unknown"},
	{name: "unknown key", bad: `{"c4n4ry":1}`, good: `{"age":1}`, status: 422, code: "unknown"},
	{name: "unknown key nested", bad: `{"rows":[{"c4n4ry":1}]}`, good: `{"rows":[{"name":"a"}]}`, status: 422, code: "unknown"},
	{name: "go field name", bad: `{"Admin":true}`, good: `{}`, status: 422, code: "unknown"},
	{name: "dash key", bad: `{"-":true}`, good: `{"age":0}`, status: 422, code: "unknown"},
	{name: "path field in the body", bad: `{"org":"c4n4ry"}`, good: `{}`, status: 422, code: "unknown"},
	{name: "duplicate key", bad: `{"name":"a","name":"c4n4ry"}`, good: `{"name":"a","age":1}`, status: 400, code: "duplicate"},
	{name: "duplicate key by escape", bad: `{"name":"a","n\u0061me":"c4n4ry"}`, good: `{"n\u0061me":"a"}`, status: 400, code: "duplicate"},
	{name: "duplicate key nested", bad: `{"rows":[{"name":"a","name":"c4n4ry"}]}`, good: `{"rows":[{"name":"a"},{"name":"a"}]}`, status: 400, code: "duplicate"},
	{name: "duplicate key in a map", bad: `{"map":{"a":{},"a":{}}}`, good: `{"map":{"a":{},"b":{}}}`, status: 400, code: "duplicate"},
	{name: "duplicate key in a map by surrogates", bad: `{"map":{"😀":{},"\ud83d\ude00":{}}}`, good: `{"map":{"\ud83d\ude00":{}}}`, status: 400, code: "duplicate"},
	{name: "duplicate key in any", bad: `{"any":{"a":1,"a":2}}`, good: `{"any":{"a":1,"b":2}}`, status: 400, code: "duplicate"},
	{name: "duplicate key in raw", bad: `{"raw":{"a":1,"\u0061":2}}`, good: `{"raw":{"a":1,"b":2}}`, status: 400, code: "duplicate"},
	{name: "duplicate key in an unknown value", bad: `{"x":{"a":1,"a":2}}`, good: `{}`, status: 400, code: "duplicate"},
	// syntax
	{name: "empty body", bad: ``, good: `{}`, status: 400, code: "syntax"},
	{name: "trailing value", bad: `{} {"name":"c4n4ry"}`, good: "{} \n", status: 400, code: "syntax"},
	{name: "trailing garbage", bad: `{}c4n4ry`, good: `{}`, status: 400, code: "syntax"},
	{name: "trailing comma", bad: `{"age":1,}`, good: `{"age":1}`, status: 400, code: "syntax"},
	{name: "comment", bad: `{/*c4n4ry*/}`, good: `{ }`, status: 400, code: "syntax"},
	{name: "byte order mark", bad: "\ufeff{}", good: `{}`, status: 400, code: "syntax"},
	{name: "leading zero", bad: `{"age":01}`, good: `{"age":1}`, status: 400, code: "syntax"},
	{name: "raw control character", bad: "{\"name\":\"\x01c4n4ry\"}", good: `{"name":"ok"}`, status: 400, code: "syntax"},
	{name: "root null", bad: `null`, good: `{}`, status: 422, code: "null"},
	{name: "root array", bad: `["c4n4ry"]`, good: `{}`, status: 422, code: "type"},
	// text
	{name: "invalid utf-8", bad: "{\"name\":\"c4n4ry\xff\"}", good: `{"name":"é"}`, status: 400, code: "encoding"},
	{name: "overlong utf-8", bad: "{\"name\":\"\xc0\xaf\"}", good: `{"name":"/"}`, status: 400, code: "encoding"},
	{name: "utf-8 surrogate", bad: "{\"name\":\"\xed\xa0\x80\"}", good: `{"name":"a"}`, status: 400, code: "encoding"},
	{name: "invalid utf-8 key", bad: "{\"name\xff\":1}", good: `{"name":"a"}`, status: 400, code: "encoding"},
	{name: "lone high surrogate", bad: `{"name":"\ud83d"}`, good: `{"name":"\ud83d\ude00"}`, status: 400, code: "encoding"},
	{name: "lone low surrogate", bad: `{"name":"\ude00"}`, good: `{"name":"\u00e9"}`, status: 400, code: "encoding"},
	{name: "swapped surrogates", bad: `{"name":"\ude00\ud83d"}`, good: `{"name":"\ud83d\ude00"}`, status: 400, code: "encoding"},
	{name: "bidi override", bad: `{"name":"c4n4ry\u202etxt"}`, good: `{"name":"\u05d0"}`, status: 422, code: "text"},
	{name: "NUL in text", bad: `{"name":"a\u0000b"}`, good: `{"name":"ab"}`, status: 422, code: "text"},
	// limits
	{name: "depth 10,001", bad: `{"any":` + rep("[", 10_001) + rep("]", 10_001) + `}`, good: `{"any":` + rep("[", 30) + rep("]", 30) + `}`, status: 400, code: "limit"},
	{name: "depth by recursion", bad: rep(`{"tree":`, 1) + rep(`{"left":`, 10_001) + `{}` + rep("}", 10_002), good: `{"tree":{"left":{"left":{}}}}`, status: 400, code: "limit"},
	{name: "depth unclosed", bad: `{"any":` + rep("[", 500_000), good: `{"any":[]}`, status: 400, code: "limit"},
	{name: "1 MB of empty objects", bad: `{"rows":[` + rep("{},", 340_000) + `{}]}`, good: `{"rows":[` + rep("{},", 1000) + `{}]}`, status: 400, code: "limit"},
	{name: "few bytes that ask for much memory", bad: `{"rows":[` + rep("{},", 9000) + `{}]}`, good: `{"rows":[` + rep("{},", 3000) + `{}]}`, status: 413, code: "limit"},
	{name: "1 MB of numbers in any", bad: `{"any":[` + rep("1,", 500_000) + `1]}`, good: `{"any":[1,2]}`, status: 400, code: "limit"},
	{name: "arrays that multiply", bad: `{"items":[` + rep(`{"a":[`+rep("{},", 999)+`{}]},`, 300) + `{}]}`, good: `{"items":[{"a":[{},{}]}]}`, status: 413, code: "limit"},
	{name: "wide map", bad: `{"map":{` + wideMap(2000) + `}}`, good: `{"map":{` + wideMap(100) + `}}`, status: 400, code: "limit"},
	{name: "wide unknown value", bad: `{"x":{` + wideMap(2000) + `}}`, good: `{"map":{}}`, status: 400, code: "limit"},
	{name: "long string", bad: `{"any":"` + rep("c4n4ry", 12_000) + `"}`, good: `{"any":"` + rep("x", 64_000) + `"}`, status: 400, code: "limit"},
	{name: "long name", bad: `{"` + rep("c4n4ry", 100) + `":1}`, good: `{"map":{"` + rep("x", 128) + `":{}}}`, status: 400, code: "limit"},
	{name: "number of 10^6 digits", bad: `{"age":` + rep("9", 1_000_000) + `}`, good: `{"age":999999999}`, status: 400, code: "limit"},
	{name: "number of 10^6 digits in any", bad: `{"any":` + rep("9", 1_000_000) + `}`, good: `{"any":9}`, status: 400, code: "limit"},
	{name: "body too large", bad: `{"name":"` + rep("x", 1<<20) + `"}`, good: `{"name":"x"}`, status: 413, code: "size"},
	{name: "body too large, chunked", bad: rep(" ", 2<<20) + `{}`, good: rep(" ", 1000) + `{}`, status: 413, code: "size", chunked: true},
	{name: "100,000 violations", bad: `{"uniq":["a","a"],"rows":[` + rep(`{"name":"c4n4ryc4n4ry"},`, 2000) + `{}]}`, good: `{"rows":[{"name":"a"}]}`, status: 422, code: "max"},
	{name: "90,000 misfits", bad: `{"items":[` + rep(`{"a":[`+rep("1,", 9999)+`1]},`, 9) + `{}]}`, good: `{"items":[{"a":[{},{}]}]}`, status: 422, code: "type"},
	// values
	{name: "1e999", bad: `{"ratio":1e999}`, good: `{"ratio":1e99}`, status: 422, code: "range"},
	{name: "float32 overflow", bad: `{"half":1e39}`, good: `{"half":1e38}`, status: 422, code: "range"},
	{name: "1e999 in any", bad: `{"any":[1e999]}`, good: `{"any":[1e9]}`, status: 422, code: "range"},
	{name: "int8 overflow", bad: `{"small":300}`, good: `{"small":-128}`, status: 422, code: "range"},
	{name: "uint64 overflow", bad: `{"big":18446744073709551616}`, good: `{"big":18446744073709551615}`, status: 422, code: "range"},
	{name: "negative into unsigned", bad: `{"big":-1}`, good: `{"big":1}`, status: 422, code: "range"},
	{name: "minus zero", bad: `{"age":-0}`, good: `{"age":0}`, status: 422, code: "type"},
	{name: "fraction into int", bad: `{"age":1.0}`, good: `{"age":1}`, status: 422, code: "type"},
	{name: "exponent into int", bad: `{"age":1e2}`, good: `{"age":100}`, status: 422, code: "type"},
	{name: "precision lost in any", bad: `{"any":9007199254740993}`, good: `{"any":9007199254740992}`, status: 422, code: "precision"},
	{name: "precision lost in float64", bad: `{"ratio":9007199254740993}`, good: `{"ratio":0.1}`, status: 422, code: "precision"},
	{name: "precision lost in float32", bad: `{"half":16777217}`, good: `{"half":16777216}`, status: 422, code: "precision"},
	{name: "null into string", bad: `{"name":null}`, good: `{"ptr":null}`, status: 422, code: "null"},
	{name: "null into slice", bad: `{"rows":null}`, good: `{"any":null}`, status: 422, code: "null"},
	{name: "null element", bad: `{"rows":[null]}`, good: `{"tree":null}`, status: 422, code: "null"},
	{name: "null into notnull", bad: `{"opt":null}`, good: `{"opt":"x"}`, status: 422, code: "notnull"},
	{name: "array overflow", bad: `{"pair":[1,2,3]}`, good: `{"pair":[1,2]}`, status: 422, code: "length"},
	{name: "array underflow", bad: `{"pair":[1]}`, good: `{"pair":[0,0]}`, status: 422, code: "length"},
	{name: "string for number", bad: `{"age":"c4n4ry"}`, good: `{"age":7}`, status: 422, code: "type"},
	{name: "string for json.Number", bad: `{"number":"c4n4ry"}`, good: `{"number":12345678901234567890}`, status: 422, code: "type"},
	{name: "base64 with newline", bad: `{"blob":"YQ\n=="}`, good: `{"blob":"YQ=="}`, status: 422, code: "format"},
	{name: "base64 with trailing bits", bad: `{"blob":"YR=="}`, good: `{"blob":""}`, status: 422, code: "format"},
	{name: "time with a comma", bad: `{"when":"2026-01-02T03:04:05,5Z"}`, good: `{"when":"2026-01-02T03:04:05.5Z"}`, status: 422, code: "format"},
	{name: "rule inside Opt", bad: `{"opt":"c4n4ry"}`, good: `{"opt":"four"}`, status: 422, code: "max"},
	{name: "rule behind pointer", bad: `{"tree":{"left":{"label":"c4n4ry"}}}`, good: `{"tree":{"left":{"label":"ok"}}}`, status: 422, code: "max"},
	{name: "rule in a map", bad: `{"map":{"a":{"name":"c4n4ryc4n4ry"}}}`, good: `{"map":{"a":{"name":"ok"}}}`, status: 422, code: "max"},
	{name: "rule in an Opt in a map", bad: `{"opts":{"a":9}}`, good: `{"opts":{"a":1,"b":null}}`, status: 422, code: "lt"},
	{name: "secret map", bad: `{"secrets":{"c4n4ry":"c4n4ry"}}`, good: `{"secrets":{"c4n4ry":"abc"}}`, status: 422, code: "max"},
	// media types
	{name: "no content type", bad: `{}`, good: `{}`, status: 415, code: "media_type", header: map[string]string{"Content-Type": ""}},
	{name: "text/plain", bad: `{}`, good: `{}`, status: 415, code: "media_type", header: map[string]string{"Content-Type": "text/plain"}},
	{name: "two content types", bad: `{}`, good: `{}`, status: 415, code: "media_type", header: map[string]string{"Content-Type": jsonType + "|" + jsonType}},
	{name: "list of content types", bad: `{}`, good: `{}`, status: 415, code: "media_type", header: map[string]string{"Content-Type": jsonType + ", text/plain"}},
	{name: "utf-16", bad: `{}`, good: `{}`, status: 415, code: "media_type", header: map[string]string{"Content-Type": jsonType + "; charset=utf-16"}},
	{name: "xml", bad: `<IsAdmin>true</IsAdmin>`, good: `{}`, status: 415, code: "media_type", header: map[string]string{"Content-Type": "application/xml"}},
	{name: "yaml", bad: `admin: true`, good: `{}`, status: 415, code: "media_type", header: map[string]string{"Content-Type": "application/x-yaml"}},
	{name: "form on a JSON route", bad: `Admin=true`, good: `{}`, status: 415, code: "media_type", header: map[string]string{"Content-Type": formType}},
	{name: "multipart on a JSON route", bad: "--b\r\n\r\n--b--", good: `{}`, status: 415, code: "media_type", header: map[string]string{"Content-Type": "multipart/form-data; boundary=b"}},
	{name: "compressed", bad: "\x1f\x8b", good: `{}`, status: 415, code: "media_type", header: map[string]string{"Content-Encoding": "gzip"}},
	{name: "body where none is read", bad: `c4n4ry`, good: ``, path: "/bare", status: 415, code: "media_type"},
	// path, query and header
	{name: "unknown query", bad: `{}`, good: `{}`, path: "/json/acme?c4n4ry=1", goodAt: "/json/acme?page=1", status: 422, code: "unknown"},
	{name: "query int8 overflow", bad: `{}`, good: `{}`, path: "/json/acme?page=300", goodAt: "/json/acme?page=44", status: 422, code: "range"},
	{name: "repeated query", bad: `{}`, good: `{}`, path: "/json/acme?page=1&page=2", goodAt: "/json/acme?sort=name&sort=age", status: 400, code: "duplicate"},
	{name: "bad escape in query", bad: `{}`, good: `{}`, path: "/json/acme?page=1&c4n4ry=%zz", goodAt: "/json/acme?page=%31", status: 400, code: "syntax"},
	{name: "semicolon in query", bad: `{}`, good: `{}`, path: "/json/acme?page=1;sort=name", goodAt: "/json/acme?page=1&sort=name", status: 400, code: "syntax"},
	{name: "invalid utf-8 in query", bad: `{}`, good: `{}`, path: "/json/acme?sort=%ff", goodAt: "/json/acme?sort=name", status: 400, code: "encoding"},
	{name: "brackets in query", bad: `{}`, good: `{}`, path: "/json/acme?sort[0]=name", goodAt: "/json/acme?sort=name", status: 422, code: "unknown"},
	{name: "path rule", bad: `{}`, good: `{}`, path: "/json/..%2fc4n4ry", goodAt: "/json/a-b", status: 422, code: "slug"},
	{name: "repeated header", bad: `{}`, good: `{}`, status: 400, code: "duplicate", header: map[string]string{"X-Trace": "a|c4n4ry"}},
	{name: "header rule", bad: `{}`, good: `{}`, status: 422, code: "max", header: map[string]string{"X-Trace": rep(canary, 10)}},
	// forms
	{name: "form: repeated field", bad: "name=a&name=c4n4ry", good: "tags=a&tags=b", path: "/form", status: 400, code: "duplicate"},
	{name: "form: unknown field", bad: "c4n4ry=1", good: "name=1", path: "/form", status: 422, code: "unknown"},
	{name: "form: go field name", bad: "Admin=true", good: "terms=true", path: "/form", status: 422, code: "unknown"},
	{name: "form: case-folded name", bad: "NAME=c4n4ry", good: "name=x", path: "/form", status: 422, code: "unknown"},
	{name: "form: json name where the form has another", bad: "nick=a", good: "nickname=a", path: "/form", status: 422, code: "unknown"},
	{name: "form: indices that multiply", bad: "tags[0][9999]=c4n4ry", good: "tags=x", path: "/form", status: 422, code: "unknown"},
	{name: "form: bad escape", bad: "name=c4n4ry%", good: "name=%25", path: "/form", status: 400, code: "syntax"},
	{name: "form: semicolon", bad: "name=a;age=1", good: "name=a%3Bage", path: "/form", status: 400, code: "syntax"},
	{name: "form: invalid utf-8", bad: "name=%ff", good: "name=%C3%A9", path: "/form", status: 400, code: "encoding"},
	{name: "form: bomb of pairs", bad: rep("tags=a&", 100_000), good: rep("tags=a&", 5), path: "/form", status: 400, code: "limit"},
	{name: "form: bomb of names", bad: rep("c4n4ry", 100) + "=1", good: "name=x", path: "/form", status: 400, code: "limit"},
	{name: "form: long value", bad: "name=" + rep("c4n4ry", 12_000), good: "name=x", path: "/form", status: 400, code: "limit"},
	{name: "form: not a number", bad: "age=c4n4ry", good: "age=", path: "/form", status: 422, code: "type"},
	{name: "form: hexadecimal", bad: "age=0x10", good: "age=16", path: "/form", status: 422, code: "type"},
	{name: "form: plus sign", bad: "age=%2B5", good: "age=5", path: "/form", status: 422, code: "type"},
	{name: "form: yes for a checkbox", bad: "terms=yes", good: "terms=on", path: "/form", status: 422, code: "type"},
	{name: "form: JSON instead", bad: `{"admin":true}`, good: "name=x", path: "/form", status: 415, code: "media_type", header: map[string]string{"Content-Type": jsonType}},
	{name: "form: multipart instead", bad: "--b\r\n\r\n--b--", good: "name=x", path: "/form", status: 415, code: "media_type", header: map[string]string{"Content-Type": "multipart/form-data; boundary=b"}},
	{name: "form: too large, chunked", bad: rep("&", 2<<20), good: "&&name=x", path: "/form", status: 413, code: "size", chunked: true},
}

func wideMap(n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(`"` + rep("k", i%7) + string(rune('a'+i%26)) + rep("z", i/26) + `":{}`)
	}
	return b.String()
}

func (a *attack) request(body, path string, header map[string]string) *http.Request {
	contentType := jsonType
	if path == "" {
		path = "/json/acme"
	}
	if strings.HasPrefix(path, "/form") {
		contentType = formType
	}
	var reader io.Reader = strings.NewReader(body)
	if a.chunked {
		reader = io.MultiReader(reader) // hides the length
	}
	r := httptest.NewRequest("POST", path, reader)
	r.Header.Set("Content-Type", contentType)
	for name, values := range header {
		r.Header.Del(name)
		for _, v := range strings.Split(values, "|") {
			if v != "" {
				r.Header.Add(name, v)
			}
		}
	}
	return r
}

func TestHostileRequests(t *testing.T) {
	var h hit
	handler := h.handler(t)
	for _, a := range attacks {
		t.Run(a.name, func(t *testing.T) {
			h.times = 0
			r := a.request(a.bad, a.path, a.header)
			w := httptest.NewRecorder()
			spent := allocated(func() { handler.ServeHTTP(w, r) })

			if h.times != 0 || w.Code != a.status {
				t.Errorf("accepted %d times, status %d, want %d: %s", h.times, w.Code, a.status, w.Body)
			}
			checkProblem(t, w, a.code)
			if bound := uint64(4 * max(1<<20, 8*len(a.bad))); spent > bound {
				t.Errorf("allocated %d bytes for a body of %d, more than %d", spent, len(a.bad), bound)
			}

			path := a.path
			if a.goodAt != "" {
				path = a.goodAt
			}
			w = httptest.NewRecorder()
			handler.ServeHTTP(w, a.request(a.good, path, nil))
			if h.times != 1 || w.Code != 200 {
				t.Errorf("the benign twin got %d: %s", w.Code, w.Body)
			}
		})
	}
}

func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// checkProblem asserts what holds of every answer to a refused request.
func checkProblem(t *testing.T, w *httptest.ResponseRecorder, code string) {
	t.Helper()
	if w.Body.Len() > 64<<10 {
		t.Errorf("the answer has %d bytes", w.Body.Len())
	}
	if bytes.Contains(w.Body.Bytes(), []byte(canary)) {
		t.Errorf("the answer repeats what was sent: %s", w.Body)
	}
	if got := w.Header().Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("Content-Type %q", got)
	}
	var p struct {
		Title  string
		Status int
		Errors []validate.Violation
	}
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
		t.Fatalf("not a problem document: %v", err)
	}
	if p.Status != w.Code || p.Title == "" || len(p.Errors) == 0 || len(p.Errors) > 100 {
		t.Errorf("status %d, title %q, %d errors", p.Status, p.Title, len(p.Errors))
	}
	for _, v := range p.Errors {
		if v.Detail == "" || v.In == "" {
			t.Errorf("an error without detail or source: %+v", v)
		}
		if v.Code == code {
			return
		}
	}
	t.Errorf("no error with code %q: %s", code, w.Body)
}

// The search for the canary would find one: a handler that repeats the value is caught.
func TestCanaryIsFound(t *testing.T) {
	w := httptest.NewRecorder()
	err := errors.New("bad value " + canary)
	http.Error(w, err.Error(), 400)
	if !strings.Contains(w.Body.String(), canary) {
		t.Fatal("the canary got lost")
	}
	w = httptest.NewRecorder()
	validate.WriteProblem(w, nil, err)
	if strings.Contains(w.Body.String(), canary) || w.Code != 500 {
		t.Errorf("a foreign error is shown: %d %s", w.Code, w.Body)
	}
}
