package xaes

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/fips140"
	"crypto/sha3"
	"encoding/hex"
	"errors"
	"testing"
)

// sealWith seals with a given nonce, which only tests may choose.
func sealWith(k *Key, nonce, plaintext, additional []byte) []byte {
	block, err := aes.NewCipher(k.subkey(nonce[:half]))
	if err != nil {
		panic(err)
	}
	var gcm cipher.AEAD
	fips140.WithoutEnforcement(func() { gcm, err = cipher.NewGCM(block) })
	if err != nil {
		panic(err)
	}
	return gcm.Seal(nil, nonce[half:], plaintext, additional)
}

// The two vectors of https://c2sp.org/XAES-256-GCM.
func TestPublishedVectors(t *testing.T) {
	for _, v := range []struct {
		key                  byte
		additional, expected string
	}{
		{1, "", "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271"},
		{3, "c2sp.org/XAES-256-GCM", "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d"},
	} {
		k, err := New(bytes.Repeat([]byte{v.key}, KeySize))
		if err != nil {
			t.Fatal(err)
		}
		expected, _ := hex.DecodeString(v.expected)
		nonce := []byte("ABCDEFGHIJKLMNOPQRSTUVWX")
		got, err := k.Open(nil, append(nonce, expected...), []byte(v.additional))
		if err != nil || string(got) != "XAES-256-GCM" {
			t.Errorf("key %d: %q, %v", v.key, got, err)
		}
	}
}

// The accumulated randomized test of the specification, 10,000 iterations.
func TestAccumulatedVectors(t *testing.T) {
	random, sum := sha3.NewSHAKE128(), sha3.NewSHAKE128()
	read := func(n byte) []byte {
		b := make([]byte, n)
		random.Read(b)
		return b
	}
	for i := range 10_000 {
		key, nonce := read(KeySize), read(24)
		plaintext := read(read(1)[0])
		additional := read(read(1)[0])
		k, err := New(key)
		if err != nil {
			t.Fatal(err)
		}
		sealed := sealWith(k, nonce, plaintext, additional)
		sum.Write(sealed)
		got, err := k.Open(nil, append(nonce, sealed...), additional)
		if err != nil || !bytes.Equal(got, plaintext) {
			t.Fatalf("iteration %d: %v", i, err)
		}
	}
	out := make([]byte, 32)
	sum.Read(out)
	const expected = "e6b9edf2df6cec60c8cbd864e2211b597fb69a529160cd040d56c0c210081939"
	if hex.EncodeToString(out) != expected {
		t.Fatalf("hash of all ciphertexts is %x", out)
	}
}

func TestRoundTripAndRefusals(t *testing.T) {
	k, _ := New(make([]byte, KeySize))
	message, err := k.Seal([]byte("kept"), []byte("plaintext"), []byte("con"), []byte("text"))
	if err != nil || !bytes.HasPrefix(message, []byte("kept")) {
		t.Fatal(err)
	}
	message = message[4:]
	got, err := k.Open(nil, message, []byte("context"))
	if err != nil || string(got) != "plaintext" {
		t.Fatal(err)
	}
	for i := range message {
		for _, bad := range [][]byte{message[:i], flip(message, i)} {
			if _, err := k.Open(nil, bad, []byte("context")); !errors.Is(err, ErrOpen) {
				t.Fatalf("byte %d: %v", i, err)
			}
		}
	}
	other, _ := k.Seal(nil, []byte("plaintext"), []byte("context"))
	if bytes.Equal(other[:24], message[:24]) {
		t.Fatal("a nonce repeated")
	}
}

// The code of both modes writes and reads one format. GOEXPERIMENT=boringcrypto has
// neither FIPS 140-3 mode nor its AEAD.
func TestApprovedServices(t *testing.T) {
	k, _ := New(make([]byte, KeySize))
	context := [][]byte{[]byte("con"), []byte("text")}
	approved, err := k.sealApproved(make([]byte, 0, 100), []byte("plaintext"), context)
	if err != nil {
		t.Skip(err)
	}
	if got, err := k.Open(nil, approved, context...); err != nil || string(got) != "plaintext" {
		t.Errorf("%q, %v", got, err)
	}
	message, err := k.Seal(nil, []byte("plaintext"), context...)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := k.openApproved(nil, message, context); err != nil || string(got) != "plaintext" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := k.openApproved(nil, flip(message, 30), context); !errors.Is(err, ErrOpen) {
		t.Error(err)
	}
	if again, _ := k.sealApproved(make([]byte, 0, 100), nil, nil); bytes.Equal(again[half:2*half], approved[half:2*half]) || bytes.Equal(again[:half], approved[:half]) {
		t.Error("a half of a nonce repeated")
	}
}

func flip(b []byte, i int) []byte {
	b = bytes.Clone(b)
	b[i] ^= 1
	return b
}
