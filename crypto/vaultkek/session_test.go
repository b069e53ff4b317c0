package vaultkek

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pavise/pavise/crypto/internal/fipstest"
	"github.com/pavise/pavise/secrets"
)

const (
	loginPath  = "auth/approle/login"
	renewPath  = "auth/token/renew-self"
	lookupPath = "auth/token/lookup-self"
)

// expect compares the requests of v with the counts since it was made or reset.
func expect(t *testing.T, v *FakeVault, when string, logins, renewals int) {
	t.Helper()
	if l, r := v.count(loginPath), v.count(renewPath); l != logins || r != renewals {
		t.Errorf("%s: %d logins and %d renewals, want %d and %d", when, l, r, logins, renewals)
	}
}

func TestTokenLife(t *testing.T) {
	fipstest.Bubble(t, func(t *testing.T) {
		v := NewFakeVault() // TTL 1 h, max TTL 4 h
		k := connect(t, v, appRole())
		wrap(t, k)
		time.Sleep(30 * time.Minute)
		wrap(t, k)
		expect(t, v, "fresh", 1, 0)
		time.Sleep(20 * time.Minute)
		wrap(t, k)
		wrap(t, k)
		expect(t, v, "due", 1, 1)
		time.Sleep(2 * time.Hour)
		wrap(t, k)
		expect(t, v, "idle beyond the TTL", 2, 1)
		for range 24 * 60 {
			time.Sleep(time.Minute)
			wrap(t, k)
		}
		if n := v.count(loginPath); n < 8 || n > 10 {
			t.Errorf("%d logins in 26 hours with a max TTL of 4", n)
		}
		for range 60 {
			time.Sleep(time.Second)
			wrap(t, k)
		}
	})
}

func TestTokenWithoutEnd(t *testing.T) {
	fipstest.Bubble(t, func(t *testing.T) {
		v := NewFakeVault()
		v.inject(body(`{"auth":{"client_token":"root","lease_duration":0}}`))
		v.tokens["root"] = &fakeToken{end: time.Now().AddDate(10, 0, 0)}
		k := connect(t, v, appRole())
		for range 10 {
			wrap(t, k)
			time.Sleep(1000 * time.Hour)
		}
		expect(t, v, "root", 1, 0)
	})
}

func TestRenewalFailsSoftly(t *testing.T) {
	fipstest.Bubble(t, func(t *testing.T) {
		v := NewFakeVault()
		k := connect(t, v, appRole())
		wrap(t, k)
		time.Sleep(46 * time.Minute)
		v.inject(status(503)) // the renewal; the token still serves
		wrap(t, k)
		wrap(t, k)
		expect(t, v, "after a failure", 1, 1)
		time.Sleep(5 * time.Minute)
		wrap(t, k)
		expect(t, v, "again", 1, 2)

		time.Sleep(46 * time.Minute)
		v.inject(status(400)) // not renewable any more
		wrap(t, k)
		expect(t, v, "refused", 2, 3)
	})
}

func TestRevokedToken(t *testing.T) {
	fipstest.Bubble(t, func(t *testing.T) {
		v := NewFakeVault()
		k := connect(t, v, appRole())
		wrap(t, k)
		time.Sleep(time.Minute)
		v.Revoke()
		wrap(t, k)
		expect(t, v, "revoked", 2, 0)

		v.Revoke() // a token that young is taken to lack the policy
		for range 3 {
			if _, err := k.Wrap(t.Context(), dek, "test"); !errors.Is(err, ErrDenied) {
				t.Error(err)
			}
		}
		expect(t, v, "revoked at once", 2, 0)
		time.Sleep(freshFor)
		wrap(t, k)
	})
}

func TestRefusedCredentialIsNotRepeated(t *testing.T) {
	fipstest.Bubble(t, func(t *testing.T) {
		v := NewFakeVault()
		k := connect(t, v, AppRole("app", secrets.Static(map[string]string{"id": "wrong"}), "id"))
		for range 10 {
			if _, err := k.Wrap(t.Context(), dek, "test"); !errors.Is(err, ErrDenied) {
				t.Error(err)
			}
		}
		expect(t, v, "at once", 1, 0)
		time.Sleep(freshFor)
		k.Wrap(t.Context(), dek, "test")
		expect(t, v, "later", 2, 0)
	})
}

// changing is a source whose value something else replaces.
type changing struct{ value func() string }

func (c changing) Fetch(context.Context, string) ([]secrets.Version, error) {
	return []secrets.Version{{Secret: secrets.New("next"), Pending: true}, {Secret: secrets.New(c.value())}}, nil
}

func TestTokenFromAgent(t *testing.T) {
	fipstest.Bubble(t, func(t *testing.T) {
		v := NewFakeVault()
		file := v.issue()
		k := connect(t, v, Token(changing{func() string { return file }}, "token"))
		wrap(t, k)
		time.Sleep(46 * time.Minute)
		wrap(t, k)
		expect(t, v, "due", 0, 1)

		time.Sleep(5 * time.Hour)
		if _, err := k.Wrap(t.Context(), dek, "test"); !errors.Is(err, ErrDenied) {
			t.Errorf("expired: %v", err)
		}
		file = v.issue()
		time.Sleep(freshFor)
		wrap(t, k)
		if n := v.count(lookupPath); n != 3 {
			t.Errorf("%d lookups", n)
		}
	})
}

// together runs f in 64 goroutines and returns their errors.
func together(f func(i int) error) []error {
	var wg sync.WaitGroup
	errs := make([]error, 64)
	for i := range errs {
		wg.Go(func() { errs[i] = f(i) })
	}
	wg.Wait()
	return errs
}

func TestOneLoginForAll(t *testing.T) {
	fipstest.Bubble(t, func(t *testing.T) {
		v := NewFakeVault()
		k := connect(t, v, appRole())
		all := func(int) error { _, err := k.Wrap(t.Context(), dek, "test"); return err }
		if err := errors.Join(together(all)...); err != nil {
			t.Error(err)
		}
		expect(t, v, "first", 1, 0)
		time.Sleep(46 * time.Minute)
		if err := errors.Join(together(all)...); err != nil {
			t.Error(err)
		}
		expect(t, v, "due", 1, 1)
		v.Revoke()
		if err := errors.Join(together(all)...); err != nil {
			t.Error(err)
		}
		expect(t, v, "revoked", 2, 1)
	})
}

func TestOneFailedLoginForAll(t *testing.T) {
	fipstest.Bubble(t, func(t *testing.T) {
		v := NewFakeVault()
		k := connect(t, v, appRole())
		v.inject(func(w http.ResponseWriter, r *http.Request) bool {
			time.Sleep(time.Second) // until all wait
			return status(404)(w, r)
		})
		for _, err := range together(func(int) error { _, err := k.Wrap(t.Context(), dek, "test"); return err }) {
			if !errors.Is(err, ErrRefused) {
				t.Error(err)
			}
		}
		expect(t, v, "failed", 1, 0)
		wrap(t, k)
	})
}

// The caller who makes the login for the others gives up: they get theirs.
func TestCancelledLeader(t *testing.T) {
	fipstest.Bubble(t, func(t *testing.T) {
		v := NewFakeVault()
		k := connect(t, v, appRole())
		v.inject(hang)
		ctx, cancel := context.WithCancel(t.Context())
		leader := make(chan error)
		go func() { _, err := k.Wrap(ctx, dek, "test"); leader <- err }()
		synctest.Wait()
		go func() { time.Sleep(time.Second); cancel() }()
		errs := together(func(i int) error { _, err := k.Wrap(t.Context(), dek, "test"); return err })
		if err := <-leader; !errors.Is(err, context.Canceled) {
			t.Errorf("leader: %v", err)
		}
		if err := errors.Join(errs...); err != nil {
			t.Errorf("the others: %v", err)
		}
		expect(t, v, "cancelled", 2, 0)
	})
}

func TestWaiterGivesUp(t *testing.T) {
	fipstest.Bubble(t, func(t *testing.T) {
		v := NewFakeVault()
		k := connect(t, v, appRole())
		v.inject(hang)
		go k.Wrap(t.Context(), dek, "test")
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		if _, err := k.Wrap(ctx, dek, "test"); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

// Everything that can go wrong, with answers that repeat what was asked: no secret
// shows in an error or an event, in any of the forms that a dump may have.
func TestNothingLeaks(t *testing.T) {
	fipstest.Bubble(t, func(t *testing.T) {
		var out bytes.Buffer
		v := NewFakeVault()
		v.TTL, v.MaxTTL = 10*time.Minute, 30*time.Minute
		k := connect(t, v, appRole(), WithLogger(slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))))
		wrapped := wrap(t, k)
		faults := []fault{
			status(307, "Location", "http://x/"+canaryToken), status(400), status(403), status(404), status(429, "Retry-After", canaryToken), status(500), status(503),
			raw(canaryToken), raw("HTTP/1.1 " + canaryToken + "\r\n\r\n"), raw("HTTP/1.1 200 OK\r\n" + canaryToken + "\r\n\r\n"), raw("HTTP/1.1 200 OK\r\nContent-Length: " + canaryToken + "\r\n\r\n"),
			raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: " + canaryToken + "\r\n\r\n"), raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + canaryToken),
			body(canaryToken), body(`{"data":"` + canaryToken + `"}`), body(`{"auth":{"client_token":"[REDACTED]","lease_duration":"` + canaryToken + `"}}`), hang,
		}
		for _, f := range faults {
			for _, revoke := range []bool{false, true} { // a fault of the login and of the operation
				time.Sleep(time.Minute)
				wrap(t, k) // all is well again
				if revoke {
					v.Revoke()
					time.Sleep(time.Minute)
				}
				v.inject(times(5, f)...)
				for range 2 {
					_, err := k.Wrap(t.Context(), dek, "test")
					fmt.Fprintf(&out, "%v %+v %#v\n", err, err, err)
					got, err := k.Unwrap(t.Context(), wrapped, "other")
					fmt.Fprintf(&out, "%v %+v %x\n", err, err, got)
				}
				v.faults = nil
			}
		}
		time.Sleep(time.Minute)
		wrap(t, k)
		time.Sleep(8 * time.Minute)
		wrap(t, k)
		fmt.Fprintf(&out, "%v %+v\n", k, appRole())
		for _, action := range []string{"vault-login", "vault-renew", "vault-breaker-open", "vault-breaker-close"} {
			if !strings.Contains(out.String(), `"event.action":"`+action+`"`) {
				t.Errorf("no event %s", action)
			}
		}
		if found := leaks(out.String(), wrapped); found != "" {
			t.Errorf("%s is in what came out:\n%s", found, out.String())
		}
		for _, planted := range []string{canaryToken + "7", canarySecretID, string(dek), fmt.Sprintf("%x", dek), fmt.Sprint(dek), string(wrapped[9:])} {
			if leaks("some text "+planted+" more", wrapped) == "" {
				t.Errorf("the test would not notice %q", planted)
			}
		}
	})
}

func leaks(text string, wrapped []byte) string {
	for _, secret := range []string{canaryToken, canarySecretID, string(dek), string(wrapped[9:30])} {
		for _, form := range []string{"%s", "%x", "%X", "%v"} {
			if strings.Contains(text, strings.Trim(fmt.Sprintf(form, []byte(secret)), "[]")) {
				return secret
			}
		}
		if strings.Contains(text, base64Of(secret)) {
			return secret + " in base64"
		}
	}
	return ""
}
