package crypto

import (
	"bytes"
	"crypto/fips140"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestFIPSTable checks the table of the package comment. In a mode other than
// GODEBUG=fips140=only it seals the samples and runs itself in that mode on them.
func TestFIPSTable(t *testing.T) {
	if !fips140.Enforced() {
		runEnforced(t)
		return
	}
	key, err := parseKey([]byte(os.Getenv("PAVISE_TEST_KEY")))
	if err != nil {
		t.Skip("started by itself only")
	}
	b := Bind("fips", "1")
	ring := newKeyring(t, key)
	plain := newEnvelopeOf(t, ring)

	if got, err := ring.Open(nil, sample(t, "PAVISE_TEST_MESSAGE"), b); err != nil || string(got) != string(twoChunks) {
		t.Errorf("Keyring opens: %v", err)
	}
	if _, err := ring.Seal(nil, nil, b); err != ErrFIPS {
		t.Errorf("Keyring seals: %v", err)
	}
	if _, err := ring.SkipFIPSNonceEnforcement().Seal(nil, twoChunks, b); err != nil {
		t.Errorf("Keyring with SkipFIPSNonceEnforcement seals: %v", err)
	}
	if got, err := plain.Open(t.Context(), nil, sample(t, "PAVISE_TEST_ENVELOPE"), b); err != nil || string(got) != string(twoChunks) {
		t.Errorf("Envelope opens: %v", err)
	}
	kek := newTestKEK(t, "kek")
	refuses, err := NewEnvelope("fips", []KEK{kek})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := refuses.Seal(t.Context(), nil, nil, b); err != ErrFIPS || kek.calls.Load() != 0 {
		t.Errorf("Envelope seals: %v, %d calls of its KEK", err, kek.calls.Load())
	}
	if _, err := newEnvelopeOf(t, ring, SkipFIPSNonceEnforcement()).Seal(t.Context(), nil, nil, b); err != nil {
		t.Errorf("Envelope with SkipFIPSNonceEnforcement seals: %v", err)
	}
	sealed := sealEnvelope(t, newEnvelopeOf(t, ring, WithXAES()), twoChunks, b)
	if got, err := plain.Open(t.Context(), nil, sealed, b); err != nil || string(got) != string(twoChunks) {
		t.Errorf("Envelope of suite 02: %v", err)
	}
	message := sample(t, "PAVISE_TEST_MESSAGE")
	if got, err := io.ReadAll(mustReader(t, ring, message, b)); err != nil || string(got) != string(twoChunks) {
		t.Errorf("Reader: %v", err)
	}
	at, err := ring.ReaderAt(bytes.NewReader(message), int64(len(message)), b)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(io.NewSectionReader(at, 0, at.Size())); err != nil || string(got) != string(twoChunks) {
		t.Errorf("ReaderAt: %v", err)
	}
	if _, err := ring.Writer(io.Discard, b); err != ErrFIPS {
		t.Errorf("Writer: %v", err)
	}
	if _, err := refuses.Writer(t.Context(), io.Discard, b); err != ErrFIPS || kek.calls.Load() != 0 {
		t.Errorf("Writer of an Envelope: %v, %d calls of its KEK", err, kek.calls.Load())
	}
	var out bytes.Buffer
	w, err := ring.SkipFIPSNonceEnforcement().Writer(&out, b)
	if err == nil {
		err = errors.Join(pieces(w, twoChunks, 1000), w.Close())
	}
	if got, openErr := ring.Open(nil, out.Bytes(), b); err != nil || openErr != nil || string(got) != string(twoChunks) {
		t.Errorf("Writer with SkipFIPSNonceEnforcement: %v, %v", err, openErr)
	}
	checkHybridFIPS(t)
	t.Log("enforced")
}

func newEnvelopeOf(t *testing.T, k *Keyring, opts ...EnvelopeOption) *Envelope {
	t.Helper()
	e, err := NewEnvelope("fips", []KEK{KeyringKEK(k)}, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func runEnforced(t *testing.T) {
	t.Helper()
	key, b := GenerateKey(), Bind("fips", "1")
	ring := newKeyring(t, key)
	dir := t.TempDir()
	write := func(name string, data []byte) string {
		path := dir + "/" + name
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestFIPSTable$", "-test.v")
	cmd.Env = append(os.Environ(), "GODEBUG=fips140=only",
		"PAVISE_TEST_KEY="+key.Export().Reveal(),
		"PAVISE_TEST_MESSAGE="+write("message", seal(t, ring, twoChunks, b)),
		"PAVISE_TEST_ENVELOPE="+write("envelope", sealEnvelope(t, newEnvelopeOf(t, ring), twoChunks, b)))
	out, err := cmd.CombinedOutput()
	if strings.Contains(string(out), "incompatible with GOEXPERIMENT=boringcrypto") {
		t.Skip("this toolchain cannot run in that mode")
	}
	if err != nil || !strings.Contains(string(out), "enforced") {
		t.Fatalf("%v\n%s", err, out)
	}
}

func sample(t *testing.T, env string) []byte {
	t.Helper()
	b, err := os.ReadFile(os.Getenv(env))
	if err != nil {
		t.Fatal(err)
	}
	return b
}
