package vaultkek

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/pavise/pavise/crypto/internal/fipstest"
	"github.com/pavise/pavise/secrets"
)

// A Vault that does not know associated_data drops it, and then any label unwraps.
func TestCheckFindsVaultThatIgnoresLabels(t *testing.T) {
	fipstest.Bubble(t, func(t *testing.T) {
		v := NewFakeVault()
		k := connect(t, v, appRole())
		if err := k.Check(t.Context()); err != nil {
			t.Errorf("a good Vault: %v", err)
		}
		v.ignores = true
		if err := k.Check(t.Context()); !errors.Is(err, ErrRefused) || !errors.Is(err, errOldVault) {
			t.Errorf("an old Vault: %v", err)
		}
	})
}

func TestCheckOfPartsOfThePolicy(t *testing.T) {
	for _, denied := range []string{"encrypt", "decrypt"} {
		fipstest.Bubble(t, func(t *testing.T) {
			v := NewFakeVault()
			v.inject(times(10, func(w http.ResponseWriter, r *http.Request) bool {
				return strings.Contains(r.URL.Path, denied) && status(http.StatusForbidden)(w, r)
			})...)
			if err := connect(t, v, appRole()).Check(t.Context()); err != nil {
				t.Errorf("without %s: %v", denied, err)
			}
		})
	}
	fipstest.Bubble(t, func(t *testing.T) {
		v := NewFakeVault()
		v.inject(healthy, healthy, status(http.StatusBadRequest))
		if err := connect(t, v, appRole()).Check(t.Context()); !errors.Is(err, ErrRefused) {
			t.Errorf("a Vault that does not encrypt: %v", err)
		}
	})
}

// Only Vault says what does not unwrap.
func TestBadRequestOfProxy(t *testing.T) {
	for text, want := range map[string]error{
		`{"errors":["cipher: message authentication failed"]}`: ErrUnwrap,
		"<html>400 Bad Request":                                ErrRefused,
		"":                                                     ErrRefused,
		`{}`:                                                   ErrRefused,
		`{"errors":[]}`:                                        ErrRefused,
		`{"errors":"x"}`:                                       ErrRefused,
		`[]`:                                                   ErrRefused,
	} {
		fipstest.Bubble(t, func(t *testing.T) {
			v := NewFakeVault()
			k := connect(t, v, appRole())
			wrapped := wrap(t, k)
			v.inject(func(w http.ResponseWriter, r *http.Request) bool {
				w.WriteHeader(http.StatusBadRequest)
				w.Write([]byte(text))
				return true
			})
			if _, err := k.Unwrap(t.Context(), wrapped, "test"); !errors.Is(err, want) {
				t.Errorf("%q: %v, want %v", text, err, want)
			}
		})
	}
}

func TestAnswerEndsAt64KiB(t *testing.T) {
	for _, n := range []int{maxAnswer, maxAnswer + 1} {
		body := iotest.DataErrReader(strings.NewReader(strings.Repeat(" ", n))) // the end comes with the last bytes
		if got, err := readAnswer(body); (err == nil) != (n == maxAnswer) || len(got) > maxAnswer {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

// A KEK, or its Auth, that ends up in a log brings nothing secret with it.
func TestPrintedValues(t *testing.T) {
	fipstest.Bubble(t, func(t *testing.T) {
		var out bytes.Buffer
		auth := AppRole("app", plainSource{"id": canarySecretID}, "id")
		k := connect(t, NewFakeVault(), auth)
		wrap(t, k)
		for _, v := range []any{k, auth, struct{ kek *KEK }{k}} {
			fmt.Fprintf(&out, "%v %+v %#v %s %d %x\n", v, v, v, v, v, v)
			slog.New(slog.NewTextHandler(&out, nil)).Info("printed", "value", v)
			slog.New(slog.NewJSONHandler(&out, nil)).Info("printed", "value", v)
		}
		for _, canary := range []string{canarySecretID, canaryToken} {
			for _, form := range []string{"%s", "%x", "%v"} {
				if secret := strings.Trim(fmt.Sprintf(form, []byte(canary)), "[]"); strings.Contains(out.String(), secret) {
					t.Errorf("%s shows as %s", canary, form)
				}
			}
		}
		if !strings.Contains(out.String(), k.ID()) {
			t.Error("nothing was printed")
		}
	})
}

// plainSource is a source that somebody else wrote, without care.
type plainSource map[string]string

func (s plainSource) Fetch(_ context.Context, name string) ([]secrets.Version, error) {
	return []secrets.Version{{Secret: secrets.New(s[name])}}, nil
}

// A service whose credential was revoked does not send it ever faster as its last token
// ends: Vault locks a role out for that.
func TestRefusedCredentialAtTheEndOfAToken(t *testing.T) {
	fipstest.Bubble(t, func(t *testing.T) {
		v := NewFakeVault()
		v.TTL, v.MaxTTL = time.Minute, time.Minute // nothing is gained by renewing
		source := plainSource{"id": canarySecretID}
		k := connect(t, v, AppRole("app", source, "id"))
		wrap(t, k)
		source["id"] = "revoked"
		sent, last := v.count("auth/approle/login"), time.Time{}
		for range 600 {
			time.Sleep(100 * time.Millisecond)
			k.Wrap(t.Context(), dek, "test")
			n := v.count("auth/approle/login")
			if n > sent && time.Since(last) < freshFor {
				t.Errorf("sent again after %v", time.Since(last))
			}
			if n > sent {
				sent, last = n, time.Now()
			}
		}
		if last.IsZero() {
			t.Error("the test would not notice")
		}
		source["id"] = canarySecretID
		time.Sleep(freshFor)
		wrap(t, k)
	})
}

// A resolver that takes localhost elsewhere gets no token in the clear.
func TestPlainHTTPStaysOnLoopback(t *testing.T) {
	server := httptest.NewServer(NewFakeVault())
	defer server.Close()
	loopback := server.Listener.Addr().String()
	elsewhere := "[2001:db8::1]:8200" // for documentation, RFC 3849
	for address, want := range map[string]error{loopback: nil, elsewhere: errPlainHTTP, "192.0.2.1:8200": errPlainHTTP} {
		k, err := New("http://localhost:8200", "notes", appRole(), InsecurePlainHTTP())
		if err != nil {
			t.Fatal(err)
		}
		conn, err := k.client.Transport.(*http.Transport).DialContext(t.Context(), "tcp", address)
		if err == nil {
			conn.Close()
		}
		if !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", address, err, want)
		}
	}
}
