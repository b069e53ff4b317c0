package crypto_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/pavise/pavise/crypto"
	"github.com/pavise/pavise/crypto/pkcs11kek"
)

// softHSM returns the module of SoftHSM2 with a token "notes" of two keys.
func softHSM(t *testing.T) (module string) {
	t.Helper()
	module = "/usr/lib/softhsm/libsofthsm2.so"
	if path := os.Getenv("PAVISE_SOFTHSM"); path != "" {
		module = path
	}
	_, err := os.Stat(module)
	if _, lookErr := exec.LookPath("softhsm2-util"); err != nil || lookErr != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("SoftHSM2 is not installed")
		}
		t.Skip("SoftHSM2 is not installed")
	}
	dir := t.TempDir()
	conf, raw := filepath.Join(dir, "conf"), filepath.Join(dir, "key")
	write := func(name string, text []byte) {
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	util := func(args ...string) {
		if out, err := exec.Command("softhsm2-util", args...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	write(conf, fmt.Appendf(nil, "directories.tokendir = %s\nobjectstore.backend = file\n", dir))
	t.Setenv("SOFTHSM2_CONF", conf)
	util("--init-token", "--free", "--label", "notes", "--pin", "1234", "--so-pin", "5678")
	for i, label := range []string{"kek-1", "kek-2"} {
		write(raw, []byte(rand.Text() + rand.Text())[:32]) // softhsm2-util may read less of a file with other bytes
		util("--import", raw, "--aes", "--token", "notes", "--pin", "1234", "--label", label, "--id", fmt.Sprintf("%02d", i+1))
	}
	return module
}

// An Envelope over a token: sealed, opened, rotated, rewrapped, and opened without the
// old key.
func TestEnvelopeInToken(t *testing.T) {
	module := softHSM(t)
	connect := func(label string, keys ...string) *crypto.Envelope {
		var names []pkcs11kek.Key
		for _, key := range keys {
			names = append(names, pkcs11kek.Key{Label: key})
		}
		pin := func(context.Context) ([]byte, error) { return []byte("1234"), nil }
		kek, err := pkcs11kek.New(t.Context(), module, pkcs11kek.Token{Label: "notes", PIN: pin}, names)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { kek.Close() })
		e, err := crypto.NewEnvelope(label, []crypto.KEK{kek})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { e.Close() })
		return e
	}
	opens := func(e *crypto.Envelope, sealed []byte) error {
		got, err := e.Open(t.Context(), nil, sealed, crypto.Bind("note", "17"))
		if err == nil && string(got) != "my diary" {
			t.Errorf("opened %q", got)
		}
		return err
	}
	before := connect("notes", "kek-1")
	sealed, err := before.Seal(t.Context(), nil, []byte("my diary"), crypto.Bind("note", "17"))
	if err != nil || opens(before, sealed) != nil || before.NeedsRewrap(sealed) {
		t.Fatalf("before: %v", err)
	}
	if err := opens(connect("invoices", "kek-1"), sealed); !errors.Is(err, pkcs11kek.ErrUnwrap) {
		t.Errorf("another label: %v", err)
	}
	during := connect("notes", "kek-2", "kek-1")
	if err := opens(during, sealed); err != nil || !during.NeedsRewrap(sealed) {
		t.Errorf("during: %v", err)
	}
	old := bytes.NewReader(sealed)
	header, err := during.RewrapHeader(t.Context(), old)
	if err != nil {
		t.Fatal(err)
	}
	rewrapped := append(header, sealed[len(sealed)-old.Len():]...)
	after := connect("notes", "kek-2")
	if err := opens(after, rewrapped); err != nil || after.NeedsRewrap(rewrapped) {
		t.Errorf("after: %v", err)
	}
	if err := opens(after, sealed); !errors.Is(err, pkcs11kek.ErrUnwrap) {
		t.Errorf("without the old key: %v", err)
	}
}
