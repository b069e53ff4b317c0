package vaultkek

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/pavise/pavise/crypto/internal/fipstest"
)

var discard = log.New(io.Discard, "", 0)

func TestFailureClasses(t *testing.T) {
	for name, c := range map[string]struct {
		fault    fault
		want     error
		attempts int
	}{
		"bad request":     {status(400), ErrRefused, 1},
		"policy":          {status(403), ErrDenied, 1},
		"no mount":        {status(404), ErrRefused, 1},
		"replication":     {status(412), ErrUnavailable, 4},
		"rate limit":      {status(429), ErrUnavailable, 4},
		"dr standby":      {status(472), ErrUnavailable, 4},
		"standby":         {status(473), ErrUnavailable, 4},
		"internal":        {status(500), ErrUnavailable, 4},
		"proxy":           {status(502), ErrUnavailable, 4},
		"sealed":          {status(503), ErrUnavailable, 4},
		"election":        {status(307, "Location", "https://active.example/"), ErrUnavailable, 4},
		"moved":           {status(301, "Location", "https://elsewhere.example/"), ErrRefused, 1},
		"empty":           {status(204), ErrRefused, 1},
		"truncated":       {raw("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"data\":"), ErrUnavailable, 4},
		"no answer":       {raw(""), ErrUnavailable, 4},
		"not HTTP":        {raw(canaryToken + "\r\n\r\n"), ErrUnavailable, 4},
		"not JSON":        {body("<html>" + canaryToken), ErrAnswer, 1},
		"another type":    {body(`{"data":{"ciphertext":1}}`), ErrAnswer, 1},
		"array":           {body(`[]`), ErrAnswer, 1},
		"null":            {body(`null`), ErrAnswer, 1},
		"two values":      {body(`{"data":{"ciphertext":"vault:v1:AAAA"}}{}`), ErrAnswer, 1},
		"no ciphertext":   {body(`{"data":{}}`), ErrAnswer, 1},
		"no version":      {body(`{"data":{"ciphertext":"vault:AAAA"}}`), ErrAnswer, 1},
		"long ciphertext": {body(`{"data":{"ciphertext":"vault:v1:` + strings.Repeat("AAAA", 2<<10) + `"}}`), ErrAnswer, 1},
		"long":            {body(`{"data":{"ciphertext":"vault:v1:AAAA"}}` + strings.Repeat(" ", maxAnswer)), ErrAnswer, 1},
		"endless":         {endless, ErrAnswer, 1},
		"deep":            {body(strings.Repeat("[", maxAnswer-1)), ErrAnswer, 1},
	} {
		fipstest.Bubble(t, func(t *testing.T) {
			v := NewFakeVault()
			k := connect(t, v, appRole())
			wrap(t, k)
			before := v.count("all")
			v.inject(times(10, c.fault)...)
			_, err := k.Wrap(t.Context(), dek, "test")
			if failed, ok := errors.AsType[*Error](err); !ok || !errors.Is(err, c.want) || failed.Op != "wrap" {
				t.Errorf("%s: %v, want %v", name, err, c.want)
			}
			if n := v.count("all") - before; n != c.attempts {
				t.Errorf("%s: %d attempts, want %d", name, n, c.attempts)
			}
		})
	}
}

func endless(w http.ResponseWriter, r *http.Request) bool {
	for {
		if _, err := w.Write([]byte(strings.Repeat(" ", 1<<10))); err != nil {
			return true
		}
	}
}

func TestUnwrapRefusesAnswers(t *testing.T) {
	for _, text := range []string{`{}`, `{"data":{"plaintext":""}}`, `{"data":{"plaintext":"AAAA"}}`, `{"data":{"plaintext":"not base64"}}`, `{"data":{"plaintext":null}}`} {
		fipstest.Bubble(t, func(t *testing.T) {
			v := NewFakeVault()
			k := connect(t, v, appRole())
			wrapped := wrap(t, k)
			v.inject(body(text))
			if _, err := k.Unwrap(t.Context(), wrapped, "test"); !errors.Is(err, ErrAnswer) {
				t.Errorf("%s: %v", text, err)
			}
		})
	}
}

func TestLoginRefusesAnswers(t *testing.T) {
	for _, text := range []string{
		`{}`, `{"auth":null}`, `{"auth":{"client_token":"","lease_duration":60}}`, `{"auth":{"client_token":"a b","lease_duration":60}}`,
		`{"auth":{"client_token":"a\r\nX: y","lease_duration":60}}`, `{"auth":{"client_token":"t","lease_duration":-1}}`, `{"auth":{"client_token":"t","lease_duration":1e99}}`,
	} {
		fipstest.Bubble(t, func(t *testing.T) {
			v := NewFakeVault()
			v.inject(body(text))
			if _, err := connect(t, v, appRole()).Wrap(t.Context(), dek, "test"); !errors.Is(err, ErrAnswer) || v.count("all") != 1 {
				t.Errorf("%s: %v", text, err)
			}
		})
	}
}

func TestRetryRecovers(t *testing.T) {
	fipstest.Bubble(t, func(t *testing.T) {
		v := NewFakeVault()
		k := connect(t, v, appRole())
		v.inject(status(503), status(473), healthy, raw(""), status(500))
		wrap(t, k)
	})
}

func TestRetryAfter(t *testing.T) {
	for value, least := range map[string]time.Duration{"3": 3 * time.Second, "": 0, "-1": 0, "soon": 0, "99999999999": 0} {
		fipstest.Bubble(t, func(t *testing.T) {
			v := NewFakeVault()
			k := connect(t, v, appRole())
			wrap(t, k)
			v.inject(status(429, "Retry-After", value))
			start := time.Now()
			wrap(t, k)
			if took := time.Since(start); took < least || took > least+firstDelay {
				t.Errorf("%q: waited %v", value, took)
			}
		})
	}
	fipstest.Bubble(t, func(t *testing.T) {
		v := NewFakeVault()
		k := connect(t, v, appRole())
		wrap(t, k)
		v.inject(status(429, "Retry-After", "3600"))
		start := time.Now()
		if _, err := k.Wrap(t.Context(), dek, "test"); !errors.Is(err, ErrUnavailable) || time.Since(start) != 0 {
			t.Errorf("a delay beyond the deadline: %v after %v", err, time.Since(start))
		}
		v.inject(status(429, "Retry-After", time.Now().Add(2*time.Second).UTC().Format(http.TimeFormat)))
		wrap(t, k)
		if took := time.Since(start); took < time.Second || took > 3*time.Second {
			t.Errorf("a date: waited %v", took)
		}
	})
}

func TestSlowVault(t *testing.T) {
	fipstest.Bubble(t, func(t *testing.T) {
		v := NewFakeVault()
		k := connect(t, v, appRole(), WithTimeout(3*time.Second))
		wrap(t, k)

		v.inject(hang)
		start := time.Now()
		wrap(t, k) // one attempt that hangs leaves time for another
		if took := time.Since(start); took < time.Second || took > 2*time.Second {
			t.Errorf("took %v", took)
		}

		v.inject(times(10, hang)...)
		start = time.Now()
		_, err := k.Wrap(t.Context(), dek, "test")
		if !errors.Is(err, ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > 3*time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

func TestBreaker(t *testing.T) {
	fipstest.Bubble(t, func(t *testing.T) {
		v := NewFakeVault()
		k := connect(t, v, appRole())
		wrap(t, k)
		v.inject(times(6, status(503))...)
		for range 2 {
			if _, err := k.Wrap(t.Context(), dek, "test"); !errors.Is(err, ErrUnavailable) {
				t.Fatal(err)
			}
		}
		asked, start := v.count("all"), time.Now()
		if _, err := k.Wrap(t.Context(), dek, "test"); !errors.Is(err, ErrUnavailable) || !errors.Is(err, errBreaker) {
			t.Errorf("open: %v", err)
		}
		if v.count("all") != asked || time.Since(start) != 0 {
			t.Error("an open breaker asked or waited")
		}

		time.Sleep(breakerPause) // the sixth failure answers the probe, and it opens again
		if _, err := k.Wrap(t.Context(), dek, "test"); !errors.Is(err, ErrUnavailable) || v.count("all") != asked+1 {
			t.Errorf("probe: %v, %d requests", err, v.count("all")-asked)
		}
		if _, err := k.Wrap(t.Context(), dek, "test"); !errors.Is(err, errBreaker) {
			t.Errorf("open again: %v", err)
		}
		time.Sleep(breakerPause)
		wrap(t, k)
		wrap(t, k)
	})
}

func TestBreakerProbesWithOne(t *testing.T) {
	var b breaker
	now := time.Now()
	for range breakerFailures {
		probe, ok := b.allow(now)
		if probe || !ok {
			t.Fatal("not closed")
		}
		b.done(now, probe, dead)
	}
	now = now.Add(breakerPause)
	if probe, ok := b.allow(now); !probe || !ok {
		t.Fatal("no probe")
	}
	if _, ok := b.allow(now); ok {
		t.Error("two probes at once")
	}
	b.done(now, true, unknown) // its caller gave up
	if probe, ok := b.allow(now); !probe || !ok {
		t.Error("no probe after one that ended early")
	}
	if _, closed := b.done(now, true, alive); !closed {
		t.Error("a good probe does not close")
	}
	if probe, ok := b.allow(now); probe || !ok {
		t.Error("not closed")
	}
}

// A rate limit, or impatient callers, say nothing against the health of Vault.
func TestBreakerStaysClosed(t *testing.T) {
	fipstest.Bubble(t, func(t *testing.T) {
		v := NewFakeVault()
		k := connect(t, v, appRole())
		wrap(t, k)
		v.inject(times(3*maxAttempts, status(429))...)
		for range 3 {
			k.Wrap(t.Context(), dek, "test")
		}
		for range 2 * breakerFailures {
			v.inject(hang)
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			if _, err := k.Wrap(ctx, dek, "test"); !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
			cancel()
		}
		wrap(t, k)
	})
}

func FuzzParseAnswer(f *testing.F) {
	for _, seed := range []string{
		`{"data":{"ciphertext":"vault:v1:AAAA","key_version":1}}`, `{"data":{"plaintext":"AAAA"}}`, `{"data":{"plaintext":[1,2]}}`,
		`{"auth":{"client_token":"hvs.x","lease_duration":3600,"renewable":true}}`, `{"auth":{"client_token":"[REDACTED]"}}`, `{"errors":["x"]}`, `nul`, `{"DATA":{"TTL":-1}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		a, err := parseAnswer(text)
		if err != nil && (err != ErrAnswer || a.Data.Plaintext != nil || !a.Auth.Token.IsZero()) {
			t.Errorf("%v with a result", err)
		}
		g, err := a.Auth.checked()
		if err == nil && (g.Token.IsZero() || g.ttl() < 0) {
			t.Errorf("a grant of %d seconds", g.Seconds)
		}
	})
}

func FuzzParseWrapped(f *testing.F) {
	for _, seed := range []string{"vault:v1:AAAA", "vault:v12:QUJDRA==", "vault:v0:AAAA", "vault:v1:A\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, wrapped []byte) {
		version, ok := parseWrapped(wrapped)
		if !ok {
			return
		}
		prefix := fmt.Sprintf("vault:v%d:", version)
		if version < 1 || !strings.HasPrefix(string(wrapped), prefix) || strings.ContainsAny(string(wrapped), "\"\\\n\r ") {
			t.Errorf("accepted %q", wrapped)
		}
	})
}

func FuzzParseRetryAfter(f *testing.F) {
	for _, seed := range []string{"1", "-1", "Fri, 31 Dec 1999 23:59:59 GMT", "99999999999999999999"} {
		f.Add(seed)
	}
	now := time.Now()
	f.Fuzz(func(t *testing.T, value string) {
		if d := parseRetryAfter(value, now); d < 0 || d > 24*time.Hour {
			t.Errorf("%q: %v", value, d)
		}
	})
}
