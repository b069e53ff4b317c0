package ratelimit_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pavise/pavise/ratelimit"
)

func newLogin(t testing.TB, opts ...ratelimit.Option) *ratelimit.Login {
	t.Helper()
	l, err := ratelimit.NewLogin(opts...)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func begin(t testing.TB, l *ratelimit.Login, account, ip, device string) (*ratelimit.Attempt, ratelimit.Decision) {
	t.Helper()
	a, d, err := l.Begin(t.Context(), account, netip.MustParseAddr(ip), device)
	if err != nil || (a != nil) != d.Allowed {
		t.Fatalf("%v, %+v, %v", a, d, err)
	}
	return a, d
}

// client is the address of the n-th stranger.
func client(n int) string { return fmt.Sprintf("2001:db8:%x:%x::1", n>>16, n&0xffff) }

// guesses tries passwords for an account once a second, each from another address, and returns when it could.
func guesses(t *testing.T, l *ratelimit.Login, account string, span time.Duration) (at []time.Duration) {
	for i := range int(span / time.Second) {
		if a, _ := begin(t, l, account, client(i), ""); a != nil {
			at = append(at, time.Duration(i)*time.Second)
			if i%2 == 0 { // a guess without an end is a failed one
				if err := a.Fail(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		}
		time.Sleep(time.Second)
	}
	return at
}

func TestLoginLimitsAnAccount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		at := guesses(t, newLogin(t), "ann", 6*time.Hour)
		for _, c := range []struct {
			n      int
			window time.Duration
		}{{5, 15 * time.Minute}, {20, time.Hour}, {51, 6 * time.Hour}} {
			for i := c.n; i < len(at); i++ {
				if at[i]-at[i-c.n] < c.window {
					t.Fatalf("more than %d guesses in %v", c.n, c.window)
				}
			}
		}
		if len(at) < 45 || at[3] != 3*time.Second {
			t.Errorf("%d attempts, the fourth after %v", len(at), at[3])
		}
	})
}

// The spellings of a name that a system may take for one account share its count.
func TestLoginCountsSpellingsTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLogin(t)
		admitted := 0
		for i, name := range []string{"ann.smith", "Ann.Smith", "ANN.SMITH", " ann.smith", "ann.smith\t", "aNN.smith", "ann.\u017fmith", "ann.Smith "} {
			if a, _ := begin(t, l, name, client(i), ""); a != nil {
				admitted++
			}
		}
		if admitted != 4 {
			t.Errorf("%d attempts at one account", admitted)
		}
		device := logIn(t, l, "Bob")
		for i := range 10 {
			begin(t, l, "bob", client(i), "")
		}
		if a, _ := begin(t, l, "bob", "192.0.2.9", device); a != nil {
			t.Error("the cookie of one spelling was accepted for another")
		}
	})
}

func TestLoginLimitsAnAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLogin(t)
		admitted := 0
		for i := range 60 {
			if a, d := begin(t, l, fmt.Sprint("account", i), "192.0.2.1", ""); a != nil {
				admitted++
			} else if d.Limit != "20-per-1m0s" {
				t.Fatalf("%+v", d)
			}
			time.Sleep(time.Second - 1)
		}
		if admitted > 20 || admitted < 15 {
			t.Errorf("%d attempts in a minute", admitted)
		}
		for range 100 {
			begin(t, l, "ann", "192.0.2.1", "")
		}
		for range 3 { // of four at once: the address was let in for one of the hundred at most
			if a, _ := begin(t, l, "ann", "192.0.2.2", ""); a == nil {
				t.Error("a denied address used up an account")
			}
		}
	})
}

func TestLoginSuccessIsNotCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLogin(t)
		for range 100 {
			a, d := begin(t, l, "ann", "192.0.2.1", "")
			if a == nil {
				t.Fatalf("denied: %+v", d)
			}
			if a.DeviceCookie() != "" {
				t.Fatal("a device cookie before success")
			}
			if err := a.Succeed(t.Context()); err != nil || a.DeviceCookie() == "" {
				t.Fatal(err)
			}
			if err := a.Succeed(t.Context()); !errors.Is(err, ratelimit.ErrAttempt) {
				t.Fatal("ended twice")
			}
			if err := a.Fail(t.Context()); !errors.Is(err, ratelimit.ErrAttempt) {
				t.Fatal("ended twice")
			}
		}
	})
}

func logIn(t testing.TB, l *ratelimit.Login, account string) (device string) {
	t.Helper()
	a, d := begin(t, l, account, "192.0.2.1", "")
	if a == nil {
		t.Fatalf("denied: %+v", d)
	}
	if err := a.Succeed(t.Context()); err != nil {
		t.Fatal(err)
	}
	return a.DeviceCookie()
}

func TestKnownDeviceIsNotLockedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLogin(t)
		device := logIn(t, l, "ann")
		for i := range 50 { // an attack on the account and from the user's own address
			begin(t, l, "ann", client(i), "")
			begin(t, l, "bob", "192.0.2.1", "")
		}
		for _, ip := range []string{"198.51.100.1", "192.0.2.1"} {
			if a, _ := begin(t, l, "ann", ip, ""); a != nil {
				t.Error("the attack was not limited")
			}
			if a, d := begin(t, l, "ann", ip, device); a == nil {
				t.Errorf("known device locked out: %+v", d)
			}
		}
		// A stolen cookie buys four quick guesses, not the account.
		admitted := 2
		for range 50 {
			if a, _ := begin(t, l, "ann", "198.51.100.1", device); a != nil {
				admitted++
			}
		}
		if admitted != 4 {
			t.Errorf("%d guesses with one cookie", admitted)
		}
	})
}

func TestDeviceCookieIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key := bytes.Repeat([]byte{7}, 32)
		l := newLogin(t, ratelimit.WithDeviceKey(key))
		device := logIn(t, l, "ann")
		flip := func(i int) string {
			b, err := base64.RawURLEncoding.DecodeString(device)
			if err != nil {
				t.Fatal(err)
			}
			b[i] ^= 1
			return base64.RawURLEncoding.EncodeToString(b)
		}
		lockedOut := func(account string) {
			for i := range 10 {
				begin(t, l, account, client(i), "")
			}
		}
		lockedOut("ann")
		lockedOut("bob")
		for name, cookie := range map[string]string{
			"none": "", "nonce": flip(0), "expiry": flip(23), "tag": flip(55), "short": device[:len(device)-1],
			"long": device + "A", "not base64": strings.Repeat("!", len(device)),
			"line ends": strings.Repeat("\n", len(device)),
			"other key": logIn(t, newLogin(t), "ann"),
		} {
			if a, _ := begin(t, l, "ann", "192.0.2.9", cookie); a != nil {
				t.Errorf("%s: accepted", name)
			}
		}
		if a, _ := begin(t, l, "bob", "192.0.2.9", device); a != nil {
			t.Error("accepted for another account")
		}
		if a, _ := begin(t, newLogin(t, ratelimit.WithDeviceKey(key)), "ann", "192.0.2.9", device); a == nil {
			t.Error("not accepted by a process with the same key")
		}
		if a, _ := begin(t, l, "ann", "192.0.2.9", device); a == nil {
			t.Error("the genuine cookie was refused")
		}
	})
}

func FuzzDeviceCookie(f *testing.F) {
	f.Add("")
	f.Add(strings.Repeat("A", 75))
	f.Add(strings.Repeat("\n", 75))
	f.Add(logIn(f, newLogin(f), "ann"))
	f.Fuzz(func(t *testing.T, cookie string) {
		l := newLogin(t, ratelimit.WithMaxKeys(1))
		for i := range 10 {
			begin(t, l, "ann", client(i), "")
		}
		if a, _ := begin(t, l, "ann", "192.0.2.9", cookie); a != nil {
			t.Error("a cookie that was never issued was accepted")
		}
	})
}

func TestDeviceCookieExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLogin(t)
		device := logIn(t, l, "ann")
		for _, c := range []struct {
			wait time.Duration
			want bool
		}{{180*24*time.Hour - time.Second, true}, {time.Second, false}} {
			time.Sleep(c.wait)
			for i := range 10 {
				begin(t, l, "ann", client(i), "")
			}
			if a, _ := begin(t, l, "ann", "192.0.2.9", device); (a != nil) != c.want {
				t.Errorf("after %v more: admitted %v", c.wait, a != nil)
			}
		}
	})
}

func TestLoginWithoutAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLogin(t)
		admitted := 0
		for i := range 50 {
			a, _, err := l.Begin(t.Context(), fmt.Sprint(i), netip.Addr{}, "")
			if err != nil {
				t.Fatal(err)
			}
			if a != nil {
				admitted++
			}
		}
		if admitted != 10 {
			t.Errorf("%d clients without an address were admitted at once", admitted)
		}
	})
}

func TestLoginOptionsAndEvents(t *testing.T) {
	if _, err := ratelimit.NewLogin(ratelimit.WithDeviceKey(make([]byte, 31))); err == nil {
		t.Error("a short key was accepted")
	}
	if _, err := ratelimit.NewLogin(ratelimit.WithDeviceKey(nil)); err == nil {
		t.Error("an empty key was accepted")
	}
	if _, err := ratelimit.NewLogin(ratelimit.WithOverflow(ratelimit.EvictLeastDebt)); err == nil {
		t.Error("a login that forgets was accepted")
	}
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		l := newLogin(t, ratelimit.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
		for range 10 {
			begin(t, l, "hunter2", "192.0.2.1", "")
		}
		got := log.String()
		for _, want := range []string{"event.action=login-rate-limit-exceeded", "event.reason=5-per-15m0s", "source.ip=192.0.2.1"} {
			if !strings.Contains(got, want) {
				t.Errorf("no %s in %s", want, got)
			}
		}
		log.Reset()
		time.Sleep(time.Second)
		for range 12 {
			_, _, _ = l.Begin(t.Context(), "x", netip.Addr{}, "")
		}
		if got := log.String(); !strings.Contains(got, "event.action") || strings.Contains(got, "source.ip") {
			t.Errorf("without an address: %s", got)
		}
		if strings.Contains(got, "hunter2") || strings.Count(got, "\n") != 1 {
			t.Error(got)
		}
	})
}
