package vaultkek

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/pavise/pavise/crypto"
	"github.com/pavise/pavise/crypto/internal/fipstest"
	"github.com/pavise/pavise/secrets"
)

var _ crypto.KEK = (*KEK)(nil)

var dek = bytes.Repeat([]byte("canary-dek-byte!"), 2)

func wrap(t testing.TB, k *KEK) []byte {
	t.Helper()
	wrapped, err := k.Wrap(t.Context(), dek, "test")
	if err != nil {
		t.Fatal(err)
	}
	return wrapped
}

func TestEnvelopeRoundTrip(t *testing.T) {
	fipstest.Bubble(t, func(t *testing.T) {
		v := NewFakeVault()
		k := connect(t, v, appRole())
		e, err := crypto.NewEnvelope("notes", []crypto.KEK{k}, crypto.WithXAES())
		if err != nil {
			t.Fatal(err)
		}
		bound := crypto.Bind("note", "1")
		sealed, err := e.Seal(t.Context(), nil, []byte("my diary"), bound)
		if err != nil {
			t.Fatal(err)
		}
		got, err := e.Open(t.Context(), nil, sealed, bound)
		if err != nil || string(got) != "my diary" {
			t.Fatal(err)
		}

		if e.NeedsRewrap(sealed) {
			t.Error("a new envelope needs a rewrap")
		}
		v.Rotate()
		if err := k.Check(t.Context()); err != nil {
			t.Fatal(err)
		}
		if !e.NeedsRewrap(sealed) {
			t.Error("an envelope under version 1 of 2 needs no rewrap")
		}
		head, err := e.RewrapHeader(t.Context(), bytes.NewReader(sealed))
		if err != nil || e.NeedsRewrap(head) {
			t.Errorf("after a rewrap: %v", err)
		}
	})
}

func TestWrapAndUnwrap(t *testing.T) {
	fipstest.Bubble(t, func(t *testing.T) {
		k := connect(t, NewFakeVault(), appRole())
		wrapped := wrap(t, k)
		if !bytes.HasPrefix(wrapped, []byte("vault:v1:")) || len(wrapped) != 89 {
			t.Errorf("%d bytes", len(wrapped))
		}
		if got, err := k.Unwrap(t.Context(), wrapped, "test"); err != nil || !bytes.Equal(got, dek) {
			t.Errorf("%v", err)
		}
		if _, err := k.Unwrap(t.Context(), wrapped, "other"); err != ErrUnwrap {
			t.Errorf("another label: %v", err)
		}
		altered := bytes.Clone(wrapped)
		altered[40] ^= 1 // '0' to '1' and the like: mostly base64 still
		if _, err := k.Unwrap(t.Context(), altered, "test"); err != ErrUnwrap {
			t.Errorf("altered: %v", err)
		}
		if _, err := k.Wrap(t.Context(), dek[:31], "test"); err != errDEK {
			t.Errorf("a short data key: %v", err)
		}
		for _, label := range []string{"", "\xff", strings.Repeat("l", 256)} {
			_, wrapErr := k.Wrap(t.Context(), dek, label)
			_, unwrapErr := k.Unwrap(t.Context(), wrapped, label)
			if wrapErr != errLabel || unwrapErr != errLabel {
				t.Errorf("label of %d bytes: %v, %v", len(label), wrapErr, unwrapErr)
			}
		}
	})
}

func TestUnwrapAsksOnlyForWhatWrapReturns(t *testing.T) {
	fipstest.Bubble(t, func(t *testing.T) {
		v := NewFakeVault()
		k := connect(t, v, appRole())
		for _, wrapped := range []string{
			"", "vault", "vault:v1", "vault:v1:", "vault:v0:AAAA", "vault:v01:AAAA", "vault:v-1:AAAA", "vault:v9999999999:AAAA",
			"vault:v1:AAA", "vault:v1:AA\nAA", "vault:v1:AB==", `vault:v1:AAAA","nonce":"AAAA`, "xault:v1:AAAA", "vault:v1:" + strings.Repeat("AAAA", 2<<10),
		} {
			if _, err := k.Unwrap(t.Context(), []byte(wrapped), "test"); err != ErrUnwrap {
				t.Errorf("%.40q: %v", wrapped, err)
			}
			if !k.NeedsRewrap([]byte(wrapped)) {
				t.Errorf("%.40q needs no rewrap", wrapped)
			}
		}
		if n := v.count("all"); n != 0 {
			t.Errorf("%d requests", n)
		}
	})
}

func TestLogins(t *testing.T) {
	for name, auth := range map[string]func(*FakeVault) Auth{
		"approle": func(*FakeVault) Auth { return appRole() },
		"kubernetes": func(*FakeVault) Auth {
			return Kubernetes("app", secrets.Static(map[string]string{"token": canaryJWT}), "token")
		},
		"token": func(v *FakeVault) Auth {
			return Token(secrets.Static(map[string]string{"t": v.issue()}), "t")
		},
	} {
		fipstest.Bubble(t, func(t *testing.T) {
			v := NewFakeVault()
			k := connect(t, v, auth(v), WithNamespace("team/app"))
			if err := k.Check(t.Context()); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			wrap(t, k)
			if h := v.lastSeen.Header; h.Get("X-Vault-Request") != "true" || h.Get("X-Vault-Namespace") != "team/app" {
				t.Errorf("%s: headers are missing", name)
			}
		})
	}
}

func TestCheck(t *testing.T) {
	fipstest.Bubble(t, func(t *testing.T) {
		v := NewFakeVault()
		v.keyType = "rsa-4096"
		if err := connect(t, v, appRole()).Check(t.Context()); !errors.Is(err, errKeyType) || !errors.Is(err, ErrRefused) {
			t.Errorf("an RSA key: %v", err)
		}
		if err := connect(t, v, appRole(), WithMount("nowhere")).Check(t.Context()); !errors.Is(err, ErrRefused) {
			t.Errorf("no mount: %v", err)
		}
		if err := connect(t, v, AppRole("app", secrets.Static(map[string]string{"id": "wrong"}), "id")).Check(t.Context()); !errors.Is(err, ErrDenied) {
			t.Errorf("a wrong secret id: %v", err)
		}
		if err := connect(t, v, AppRole("app", secrets.Static(nil), "id")).Check(t.Context()); !errors.Is(err, secrets.ErrNotFound) {
			t.Errorf("no secret id: %v", err)
		}
	})
}

func TestClose(t *testing.T) {
	fipstest.Bubble(t, func(t *testing.T) {
		k := connect(t, NewFakeVault(), appRole())
		wrap(t, k)
		if err := k.Close(); err != nil {
			t.Error(err)
		}
		if _, err := k.Wrap(t.Context(), dek, "test"); err != errClosed {
			t.Errorf("after Close: %v", err)
		}
	})
}

func TestNewRefuses(t *testing.T) {
	src := secrets.Static(map[string]string{"id": "x"})
	for name, c := range map[string]struct {
		address, key string
		auth         Auth
		opts         []Option
	}{
		"no address":       {"", "k", appRole(), nil},
		"no host":          {"https://", "k", appRole(), nil},
		"plain http":       {"http://127.0.0.1:8200", "k", appRole(), nil},
		"plain http afar":  {"http://vault.example.com", "k", appRole(), []Option{InsecurePlainHTTP()}},
		"loopback in name": {"http://127.0.0.1.example.com", "k", appRole(), []Option{InsecurePlainHTTP()}},
		"another scheme":   {"unix:///run/vault", "k", appRole(), nil},
		"password":         {"https://a:hunter2@vault.example.com", "k", appRole(), nil},
		"path":             {"https://vault.example.com/v1", "k", appRole(), nil},
		"query":            {"https://vault.example.com?x=1", "k", appRole(), nil},
		"unparsable":       {"https://hunter2 @[", "k", appRole(), nil},
		"no key":           {"https://vault.example.com", "", appRole(), nil},
		"climbing key":     {"https://vault.example.com", "..", appRole(), nil},
		"two keys":         {"https://vault.example.com", "a/b", appRole(), nil},
		"query in key":     {"https://vault.example.com", "a?b", appRole(), nil},
		"climbing mount":   {"https://vault.example.com", "k", appRole(), []Option{WithMount("a/../sys")}},
		"namespace":        {"https://vault.example.com", "k", appRole(), []Option{WithNamespace("a\r\nb: c")}},
		"no auth":          {"https://vault.example.com", "k", Auth{}, nil},
		"no role":          {"https://vault.example.com", "k", AppRole("", src, "id"), nil},
		"no source":        {"https://vault.example.com", "k", AppRole("app", nil, "id"), nil},
		"no name":          {"https://vault.example.com", "k", Token(src, ""), nil},
		"climbing auth":    {"https://vault.example.com", "k", appRole().At("../sys"), nil},
		"long id":          {"https://vault.example.com", "k", appRole(), []Option{WithID(strings.Repeat("i", 256))}},
		"long default id":  {"https://vault.example.com", strings.Repeat("k", 250), appRole(), nil},
		"no time":          {"https://vault.example.com", "k", appRole(), []Option{WithTimeout(0)}},
	} {
		k, err := New(c.address, c.key, c.auth, c.opts...)
		if err == nil || k != nil {
			t.Errorf("%s: no error", name)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: the error quotes the address", name)
		}
	}
}

func TestID(t *testing.T) {
	for want, opts := range map[string][]Option{
		"vault:transit/k":   nil,
		"vault:a/b/other/k": {WithNamespace("a/b"), WithMount("other")},
		"my own":            {WithID("my own")},
	} {
		k, err := New("https://vault.example.com/", "k", appRole(), opts...)
		if err != nil || k.ID() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// Over sockets and TLS, as in production.
func TestTLS(t *testing.T) {
	v := NewFakeVault()
	serve := func(most uint16) (*httptest.Server, *x509.CertPool) {
		server := httptest.NewUnstartedServer(v)
		server.TLS = &tls.Config{MaxVersion: most}
		server.Config.ErrorLog = discard
		server.StartTLS()
		t.Cleanup(server.Close)
		pool := x509.NewCertPool()
		pool.AddCert(server.Certificate())
		return server, pool
	}
	modern, trusted := serve(tls.VersionTLS13)
	old, trustedOld := serve(tls.VersionTLS12)
	for name, c := range map[string]struct {
		server *httptest.Server
		opts   []Option
		ok     bool
	}{
		"trusted":         {modern, []Option{WithRootCAs(trusted)}, true},
		"not trusted":     {modern, nil, false},
		"TLS 1.2":         {old, []Option{WithRootCAs(trustedOld)}, false},
		"TLS 1.2 allowed": {old, []Option{WithRootCAs(trustedOld), InsecureTLS12()}, true},
	} {
		k, err := New(c.server.URL, "notes", appRole(), c.opts...)
		if err != nil {
			t.Fatal(err)
		}
		err = k.Check(t.Context())
		if (err == nil) != c.ok || !c.ok && !errors.Is(err, ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
		k.Close()
	}
	if v.count("all") != 10 { // two checks of five
		t.Errorf("%d requests", v.count("all"))
	}
}

// A redirect would take the token to whoever the answer names.
func TestRedirectsAreNotFollowed(t *testing.T) {
	for _, code := range []int{301, 302, 303, 307, 308} {
		fipstest.Bubble(t, func(t *testing.T) {
			v := NewFakeVault()
			k := connect(t, v, appRole())
			wrap(t, k)
			away := status(code, "Location", "http://attacker.example/v1/stolen")
			v.inject(times(maxAttempts, away)...)
			if err := k.Check(t.Context()); !errors.Is(err, ErrRefused) && !errors.Is(err, ErrUnavailable) {
				t.Errorf("%d: %v", code, err)
			}
			if v.count("stolen") != 0 {
				t.Errorf("%d was followed", code)
			}

			k.client.CheckRedirect = nil // a client that follows is seen
			v.inject(away)
			k.Check(t.Context())
			if v.count("stolen") == 0 {
				t.Errorf("%d: the test would not notice", code)
			}
		})
	}
}

func TestCancelledCaller(t *testing.T) {
	fipstest.Bubble(t, func(t *testing.T) {
		v := NewFakeVault()
		k := connect(t, v, appRole())
		ctx, cancel := context.WithCancel(t.Context())
		v.inject(hang)
		go func() {
			synctest.Wait()
			cancel()
		}()
		if _, err := k.Wrap(ctx, dek, "test"); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if _, err := k.Wrap(ctx, dek, "test"); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		wrap(t, k)
	})
}
