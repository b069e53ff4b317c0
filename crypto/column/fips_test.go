package column_test

import (
	"crypto/fips140"
	"encoding/hex"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/pavise/pavise/crypto"
	"github.com/pavise/pavise/crypto/column"
	"github.com/pavise/pavise/secrets"
)

// TestFIPS checks what the package comment says of FIPS 140-3. In a mode other than
// GODEBUG=fips140=only it seals a sample and runs itself in that mode on it.
func TestFIPS(t *testing.T) {
	if !fips140.Enforced() {
		runEnforced(t)
		return
	}
	key, err := crypto.ParseKey(secrets.New(os.Getenv("PAVISE_TEST_KEY")))
	if err != nil {
		t.Skip("started by itself only")
	}
	k := newKeyring(t, key)
	c := columnOf[string](t, k, "users", "email", column.WithIndex(32))
	sample, err := hex.DecodeString(os.Getenv("PAVISE_TEST_SEALED"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := open(c, sample, "1"); err != nil || got != "value" {
		t.Errorf("opens: %v", err)
	}
	if got, err := open(c, seal(t, c, "value", "1"), "1"); err != nil || got != "value" {
		t.Errorf("seals: %v", err)
	}
	if got := hex.EncodeToString(tokens(t, c, "value")[0]); got != os.Getenv("PAVISE_TEST_TOKEN") {
		t.Errorf("another token: %s", got)
	}
	_, err = envelopeColumn(t, k).Seal(t.Context(), "value", "1")
	if !errors.Is(err, crypto.ErrFIPS) {
		t.Errorf("an Envelope of suite 01 seals: %v", err)
	}
	e := envelopeColumn(t, k, crypto.WithXAES())
	sealed, err := e.Seal(t.Context(), "value", "1")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := e.Open(t.Context(), sealed.([]byte), "1"); err != nil || got != "value" {
		t.Errorf("an Envelope of suite 02: %v", err)
	}
	t.Log("enforced")
}

func envelopeColumn(t *testing.T, k *crypto.Keyring, opts ...crypto.EnvelopeOption) *column.EnvelopeColumn[string] {
	t.Helper()
	e, err := crypto.NewEnvelope("users", []crypto.KEK{crypto.KeyringKEK(k)}, opts...)
	if err != nil {
		t.Fatal(err)
	}
	c, err := column.NewEnvelope[string](e, nil, "users", "email")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func runEnforced(t *testing.T) {
	t.Helper()
	key := crypto.GenerateKey()
	c := columnOf[string](t, newKeyring(t, key), "users", "email", column.WithIndex(32))
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestFIPS$", "-test.v")
	cmd.Env = append(os.Environ(), "GODEBUG=fips140=only",
		"PAVISE_TEST_KEY="+key.Export().Reveal(),
		"PAVISE_TEST_SEALED="+hex.EncodeToString(seal(t, c, "value", "1").([]byte)),
		"PAVISE_TEST_TOKEN="+hex.EncodeToString(tokens(t, c, "value")[0]))
	out, err := cmd.CombinedOutput()
	if strings.Contains(string(out), "incompatible with GOEXPERIMENT=boringcrypto") {
		t.Skip("this toolchain cannot run in that mode")
	}
	if err != nil || !strings.Contains(string(out), "enforced") {
		t.Fatalf("%v\n%s", err, out)
	}
}
