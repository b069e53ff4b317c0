package crypto_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/fips140"
	"crypto/hkdf"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/c2sp/wycheproof"
)

// The tests of this file run published vectors through the calls of the standard
// library that package crypto makes, and through no others.

type hexField []byte

func (h *hexField) UnmarshalText(text []byte) (err error) {
	*h, err = hex.AppendDecode([]byte{}, text)
	return err
}

// wycheproofVector has the fields of all files used here.
type wycheproofVector struct {
	TcID    int `json:"tcId"`
	Comment string
	Flags   []string
	Result  string
	Size    int

	Key, IV, AAD, Msg, Ct, Tag hexField // AES-GCM
	IKM, Salt, Info, OKM       hexField // HKDF
	Seed, EK, M, C             hexField // ML-KEM
	K                          hexField `json:"K"`
	Public, Private, Shared    hexField // ECDH
}

func (v wycheproofVector) name() string { return fmt.Sprintf("%d %s %v", v.TcID, v.Comment, v.Flags) }

type group struct {
	KeySize, IVSize, TagSize int
	Tests                    []wycheproofVector
}

// vectors returns the groups of a file, all of whose vectors it must hold.
func vectors(t *testing.T, file string) []group {
	t.Helper()
	in, err := wycheproof.TestVectors.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	var all struct {
		NumberOfTests int
		TestGroups    []group
	}
	if err := json.NewDecoder(in).Decode(&all); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, g := range all.TestGroups {
		n += len(g.Tests)
	}
	if n == 0 || n != all.NumberOfTests {
		t.Fatalf("%s has %d vectors and says %d", file, n, all.NumberOfTests)
	}
	return all.TestGroups
}

// tally counts vectors by what became of them.
type tally map[string]int

// check fails unless every vector of the file became what least says, or more of it
// as the files grow: a class that is not in least is a failure that nobody expected.
func (have tally) check(t *testing.T, least tally) {
	t.Helper()
	for _, class := range slices.Sorted(maps.Keys(have)) {
		if _, known := least[class]; !known {
			t.Errorf("%d vectors are of the unexpected class %q", have[class], class)
		}
	}
	for class, n := range least {
		if have[class] < n {
			t.Errorf("%d vectors are of the class %q, at least %d expected", have[class], class, n)
		}
	}
	t.Logf("vectors: %v", have)
}

// All formats have nonces of 96 bits. NewGCM opens them, and under FIPS 140-3 the AEAD
// that NewGCMWithRandomNonce returns, which takes any nonce before the ciphertext.
func TestWycheproofAES256GCM(t *testing.T) {
	ran := tally{}
	for _, g := range vectors(t, "aes_gcm_test.json") {
		switch {
		case g.KeySize != 256:
			continue
		case g.IVSize != 96 || g.TagSize != 128:
			ran["a nonce that no format has"] += len(g.Tests)
			continue
		}
		for _, v := range g.Tests {
			class := "opens"
			if v.Result != "valid" {
				class = "does not open: " + strings.Join(v.Flags, ",")
			}
			ran[class]++
			checkGCM(t, v)
		}
	}
	ran.check(t, tally{"opens": 39, "does not open: ModifiedTag": 27, "a nonce that no format has": 39})
	if fips140.Enforced() {
		t.Log("enforced")
		return
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestWycheproofAES256GCM$", "-test.v")
	cmd.Env = append(os.Environ(), "GODEBUG=fips140=only")
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "enforced") {
		t.Errorf("GODEBUG=fips140=only: %v\n%s", err, out)
	}
}

func checkGCM(t *testing.T, v wycheproofVector) {
	t.Helper()
	block, err := aes.NewCipher(v.Key)
	if err != nil {
		t.Fatal(err)
	}
	sealed := slices.Concat(v.Ct, v.Tag)
	open := func(how string, aead cipher.AEAD, nonce, in []byte) {
		got, err := aead.Open(nil, nonce, in, v.AAD)
		if (err == nil) != (v.Result == "valid") || err == nil && !bytes.Equal(got, v.Msg) {
			t.Errorf("%s: %s: %v", v.name(), how, err)
		}
	}
	random, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		t.Fatal(err)
	}
	open("NewGCMWithRandomNonce", random, nil, slices.Concat(v.IV, sealed))
	if fips140.Enforced() {
		return
	}
	plain, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	open("NewGCM", plain, v.IV, sealed)
	if v.Result == "valid" && !bytes.Equal(plain.Seal(nil, v.IV, v.Msg, v.AAD), sealed) {
		t.Errorf("%s: sealed otherwise", v.name())
	}
}

// Package crypto expands keys that are uniformly random already; crypto/hpke extracts
// first, as the vectors do.
func TestWycheproofHKDFSHA512(t *testing.T) {
	ran := tally{}
	for _, g := range vectors(t, "hkdf_sha512_test.json") {
		for _, v := range g.Tests {
			prk, err := hkdf.Extract(sha512.New, v.IKM, v.Salt)
			if err != nil {
				t.Fatal(err)
			}
			okm, err := hkdf.Expand(sha512.New, prk, string(v.Info), v.Size)
			if v.Result != "valid" {
				ran["refused: "+strings.Join(v.Flags, ",")]++
				if err == nil {
					t.Errorf("%s: gave %d bytes", v.name(), len(okm))
				}
				continue
			}
			ran["expands"]++
			if err != nil || !bytes.Equal(okm, v.OKM) {
				t.Errorf("%s: %v", v.name(), err)
			}
		}
	}
	ran.check(t, tally{"expands": 80, "refused: SizeTooLarge": 3})
}
