package ratelimit_test

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/pavise/pavise/ratelimit"
)

// item is a Structured Fields string with integer parameters.
type item struct {
	name   string
	params map[string]int64
}

// parseItems is a strict parser for a List of such items (RFC 9651 section 4.2), and of nothing else.
func parseItems(s string) (items []item, ok bool) {
	for {
		it := item{params: map[string]int64{}}
		if it.name, s, ok = parseString(s); !ok {
			return nil, false
		}
		for s != "" && s[0] == ';' {
			var key string
			var v int64
			if key, v, s, ok = parseParam(s[1:]); !ok {
				return nil, false
			}
			it.params[key] = v
		}
		items = append(items, it)
		if s == "" {
			return items, true
		}
		if len(s) < 3 || s[:2] != ", " { // the serialised form has one space
			return nil, false
		}
		s = s[2:]
	}
}

func parseString(s string) (value, rest string, ok bool) {
	if s == "" || s[0] != '"' {
		return "", "", false
	}
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			return s[1:i], s[i+1:], true
		case c < ' ' || c > '~' || c == '\\': // no name of ours holds an escape
			return "", "", false
		}
	}
	return "", "", false
}

func parseParam(s string) (key string, v int64, rest string, ok bool) {
	i := 0
	for i < len(s) && 'a' <= s[i] && s[i] <= 'z' {
		i++
	}
	if i == 0 || i == len(s) || s[i] != '=' {
		return "", 0, "", false
	}
	key, s = s[:i], s[i+1:]
	for i = 0; i < len(s) && (s[i] >= '0' && s[i] <= '9' || i == 0 && s[i] == '-'); i++ {
	}
	v, err := strconv.ParseInt(s[:i], 10, 64)
	return key, v, s[i:], err == nil && -1e15 < v && v < 1e15
}

func TestParseItemsIsStrict(t *testing.T) {
	if got, ok := parseItems(`"a";q=1;w=2, "b";q=3`); !ok || len(got) != 2 || got[0].params["w"] != 2 {
		t.Errorf("%v %v", got, ok)
	}
	for _, s := range []string{``, `a;q=1`, `"a;q=1`, `"a";q=`, `"a";q=1;`, `"a";q=1 `, `"a";q=1,"b";q=1`, `"a";q=1000000000000000`, "\"\x7f\"", `"a""b"`} {
		if _, ok := parseItems(s); ok {
			t.Errorf("%q was accepted", s)
		}
	}
}

func FuzzFields(f *testing.F) {
	f.Add("default", int64(100), int64(time.Minute), int64(100), int64(7))
	f.Add(`a"b`, int64(1), int64(1), int64(999_999_999_999_999), int64(1))
	f.Add("a\x00\r\nSet-Cookie: a=b", int64(1), int64(1), int64(1), int64(1))
	f.Add("~ ,;=", int64(1), int64(365*24*time.Hour), int64(4), int64(5))
	f.Fuzz(func(t *testing.T, name string, rate, per, burst, cost int64) {
		limits := []ratelimit.Limit{{Name: name, Rate: rate, Per: time.Duration(per), Burst: burst}, ratelimit.PerSecond(5)}
		l, err := ratelimit.New(limits, ratelimit.WithMaxKeys(1), stopped())
		if err != nil {
			return
		}
		h := ratelimit.Middleware(l, ratelimit.ClientIP{}.Key, ratelimit.WithCost(func(*http.Request) int64 { return cost }))(http.HandlerFunc(ok))
		for range 2 {
			r := httptest.NewRequest("GET", "/", nil)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code == 503 || w.Header().Get("RateLimit") == "" {
				return // the cost can never be admitted
			}
			checkFields(t, w.Header(), limits)
		}
	})
}

func checkFields(t *testing.T, h http.Header, limits []ratelimit.Limit) {
	policy, ok := parseItems(h.Get("RateLimit-Policy"))
	if !ok || len(policy) != len(limits) {
		t.Fatalf("RateLimit-Policy: %q", h.Get("RateLimit-Policy"))
	}
	for i, p := range policy {
		if p.name != limits[i].Name || p.params["q"] != limits[i].Burst || p.params["w"] < 1 {
			t.Fatalf("%v for %+v", p, limits[i])
		}
	}
	got, ok := parseItems(h.Get("RateLimit"))
	if !ok || len(got) != 1 {
		t.Fatalf("RateLimit: %q", h.Get("RateLimit"))
	}
	for i, p := range policy {
		if p.name == got[0].name && (got[0].params["r"] < 0 || got[0].params["r"] > limits[i].Burst || got[0].params["t"] < 1) {
			t.Fatalf("%v for %+v", got[0], limits[i])
		}
	}
}
