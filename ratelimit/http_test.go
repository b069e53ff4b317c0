package ratelimit_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pavise/pavise/ratelimit"
)

func ok(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "ok") }

func serve(h http.Handler, peer, path string) *http.Response {
	r := httptest.NewRequest("GET", path, nil)
	r.RemoteAddr = peer
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func limited(t *testing.T, limits []ratelimit.Limit, opts ...ratelimit.HTTPOption) http.Handler {
	return ratelimit.Middleware(newLimiter(t, limits), ratelimit.ClientIP{}.Key, opts...)(http.HandlerFunc(ok))
}

func body(t *testing.T, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestMiddleware(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := limited(t, []ratelimit.Limit{
			{Name: "burst", Rate: 2, Per: time.Minute, Burst: 2},
			{Name: "daily", Rate: 1000, Per: 24 * time.Hour, Burst: 1000},
		})
		const peer, policy = "192.0.2.1:99", `"burst";q=2;w=60, "daily";q=1000;w=86400`
		for i, want := range []string{`"burst";r=1;t=30`, `"burst";r=0;t=60`} {
			r := serve(h, peer, "/"+strconv.Itoa(i))
			if r.StatusCode != 200 || r.Header.Get("RateLimit") != want || r.Header.Get("RateLimit-Policy") != policy {
				t.Fatalf("request %d: %d %v", i, r.StatusCode, r.Header)
			}
		}
		time.Sleep(500 * time.Millisecond)
		r := serve(h, peer, "/another/path")
		if r.StatusCode != 429 || r.Header.Get("RateLimit") != `"burst";r=0;t=30` || r.Header.Get("RateLimit-Policy") != policy {
			t.Fatalf("%d %v", r.StatusCode, r.Header)
		}
		if r.Header.Get("Content-Type") != "application/problem+json" {
			t.Fatalf("%v", r.Header)
		}
		var problem struct {
			Type, Title string
			Status      int
			Violated    []string `json:"violated-policies"`
		}
		if err := json.Unmarshal([]byte(body(t, r)), &problem); err != nil {
			t.Fatal(err)
		}
		if problem.Type != "https://iana.org/assignments/http-problem-types#quota-exceeded" ||
			problem.Status != 429 || len(problem.Violated) != 1 || problem.Violated[0] != "burst" {
			t.Fatalf("%+v", problem)
		}
		if serve(h, "192.0.2.2:99", "/").StatusCode != 200 {
			t.Fatal("another client was denied")
		}
		wait, err := strconv.Atoi(r.Header.Get("Retry-After"))
		if err != nil || wait < 30 || wait > 35 {
			t.Fatalf("Retry-After %q", r.Header.Get("Retry-After"))
		}
		time.Sleep(time.Duration(wait) * time.Second)
		if serve(h, peer, "/").StatusCode != 200 {
			t.Fatal("denied after Retry-After")
		}
	})
}

func TestRetryAfterIsNeverEarlier(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seen := map[string]bool{}
		h := limited(t, []ratelimit.Limit{{Name: "a", Rate: 1, Per: 100 * time.Second, Burst: 1}})
		serve(h, "192.0.2.1:99", "/")
		for range 200 {
			s := serve(h, "192.0.2.1:99", "/").Header.Get("Retry-After")
			if n, err := strconv.Atoi(s); err != nil || n < 100 || n > 111 {
				t.Fatalf("Retry-After %q", s)
			}
			seen[s] = true
		}
		if len(seen) < 3 {
			t.Errorf("no jitter: %v", seen)
		}
	})
}

func TestUnidentifiedClientsShareOneBucket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, []ratelimit.Limit{ratelimit.AtMost(3, time.Hour, 3)})
		fail := func(r *http.Request) (ratelimit.Key, error) {
			if r.URL.Path == "/zero" {
				return ratelimit.Key{}, nil
			}
			return ratelimit.NewKey(r.URL.Path), errors.New("no idea")
		}
		h := ratelimit.Middleware(l, fail)(http.HandlerFunc(ok))
		for i, path := range []string{"/a", "/b", "/zero"} {
			if serve(h, "@", path).StatusCode != 200 {
				t.Errorf("request %d denied", i)
			}
		}
		for _, path := range []string{"/c", "/zero"} {
			if serve(h, "@", path).StatusCode != 429 {
				t.Errorf("%s passed the limiter", path)
			}
		}
	})
}

func TestMiddlewareOptions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cost := func(r *http.Request) int64 {
			n, _ := strconv.ParseInt(r.URL.Query().Get("cost"), 10, 64)
			return n
		}
		skip := func(r *http.Request) bool { return r.URL.Path == "/healthz" }
		page := func(w io.Writer, _ *http.Request, d ratelimit.Decision) error {
			_, err := fmt.Fprintf(w, "<p>Wait %v", d.RetryAfter)
			return err
		}
		h := limited(t, []ratelimit.Limit{ratelimit.AtMost(5, time.Hour, 5)}, ratelimit.WithCost(cost),
			ratelimit.WithSkip(skip), ratelimit.WithPrivateQuota(), ratelimit.WithDenialPage("text/html; charset=utf-8", page))
		for _, c := range []struct {
			path   string
			status int
			body   string
		}{
			{"/healthz?cost=5", 200, "ok"},
			{"/?cost=6", 429, "<p>Wait 0s"},
			{"/?cost=0", 503, "<p>Wait 0s"},
			{"/?cost=-1", 503, "<p>Wait 0s"},
			{"/?cost=4", 200, "ok"},
			{"/?cost=2", 429, "<p>Wait 1h0m0s"},
			{"/healthz?cost=5", 200, "ok"},
		} {
			r := serve(h, "192.0.2.1:99", c.path)
			if got := body(t, r); r.StatusCode != c.status || got != c.body {
				t.Errorf("%s: %d %q", c.path, r.StatusCode, got)
			}
			if r.Header.Get("RateLimit") != "" || r.Header.Get("RateLimit-Policy") != "" {
				t.Errorf("%s: private quota in %v", c.path, r.Header)
			}
			if retry := r.Header.Get("Retry-After"); (retry != "") != strings.HasSuffix(c.body, "1h0m0s") {
				t.Errorf("%s: Retry-After %q", c.path, retry)
			}
			if c.status != 200 && r.Header.Get("Content-Type") != "text/html; charset=utf-8" {
				t.Errorf("%s: %v", c.path, r.Header)
			}
		}
	})
}

func TestReducedCapacityProblem(t *testing.T) {
	h := limited(t, []ratelimit.Limit{ratelimit.PerSecond(1)}, ratelimit.WithCost(func(*http.Request) int64 { return 0 }))
	r := serve(h, "192.0.2.1:99", "/")
	if b := body(t, r); r.StatusCode != 503 || !strings.Contains(b, "http-problem-types#temporary-reduced-capacity") {
		t.Errorf("%d %s", r.StatusCode, b)
	}
}

func TestEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		l := newLimiter(t, []ratelimit.Limit{ratelimit.PerSecond(1)}, ratelimit.WithLogger(slog.New(slog.NewJSONHandler(&log, nil))))
		k := ratelimit.NewKey("a secret name")
		for range 100 {
			allow(t, l, k, 1)
		}
		time.Sleep(100 * time.Millisecond)
		allow(t, l, k, 1)
		lines := strings.Split(strings.TrimSpace(log.String()), "\n")
		if len(lines) != 2 || strings.Contains(log.String(), "secret") {
			t.Fatalf("%s", log.String())
		}
		var e map[string]any
		if err := json.Unmarshal([]byte(lines[1]), &e); err != nil {
			t.Fatal(err)
		}
		for k, want := range map[string]any{
			"level": "WARN", "event.action": "rate-limit-exceeded", "event.outcome": "failure",
			"event.reason": "1-per-1s", "event.skipped": 98.0,
		} {
			if e[k] != want {
				t.Errorf("%s = %v, want %v", k, e[k], want)
			}
		}
	})
}

// Both fields are Lists: the middleware inside adds to what the one outside told.
func TestMiddlewaresTellAllPolicies(t *testing.T) {
	inner := limited(t, []ratelimit.Limit{{Name: "inner", Rate: 1, Per: time.Minute, Burst: 9}})
	outer := newLimiter(t, []ratelimit.Limit{{Name: "outer", Rate: 1, Per: time.Minute, Burst: 2}})
	h := ratelimit.Middleware(outer, ratelimit.ClientIP{}.Key)(inner)
	r := serve(h, "192.0.2.1:99", "/")
	for field, want := range map[string][2]string{"RateLimit": {`"outer";r=1`, `"inner";r=8`}, "RateLimit-Policy": {`"outer";q=2`, `"inner";q=9`}} {
		got := strings.Join(r.Header.Values(field), ", ")
		if items, ok := parseItems(got); !ok || len(items) != 2 || !strings.Contains(got, want[0]) || !strings.Contains(got, want[1]) {
			t.Errorf("%s: %s", field, got)
		}
	}
}

func TestMiddlewareWithoutPageIsRefused(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a denial page of nil was accepted")
		}
	}()
	limited(t, []ratelimit.Limit{ratelimit.PerSecond(1)}, ratelimit.WithDenialPage("text/html", nil))
}
