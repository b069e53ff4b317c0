package cobblestone

import (
	"bytes"
	"compress/zlib"
	"crypto/aes"
	"crypto/cipher"
	"crypto/fips140"
	"crypto/hkdf"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"math/big"
	"os"
	"slices"
	"testing"
)

// vectorFile holds the Wycheproof vectors of one instantiation, see
// doc/c2sp_chunked_encryption.md in github.com/c2sp/wycheproof.
type vectorFile struct {
	NumberOfTests int
	TestGroups    []struct {
		Aead, Sha string
		Tests     []struct {
			TcID                                     int `json:"tcId"`
			Comment, Key, Ctx, Ct, MsgSha512, Result string
			MsgLength                                int
		}
	}
}

// TestWycheproof reads the vectors from the file that PAVISE_WYCHEPROOF names. The
// nested module .integration, which has them, runs it.
func TestWycheproof(t *testing.T) {
	path := os.Getenv("PAVISE_WYCHEPROOF")
	if path == "" {
		t.Skip("PAVISE_WYCHEPROOF is not set; .integration/crypto sets it")
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var file vectorFile
	if err := json.Unmarshal(raw, &file); err != nil {
		t.Fatal(err)
	}
	valid, invalid := 0, 0
	for _, group := range file.TestGroups {
		if group.Aead != "AEAD_AES_256_GCM" || group.Sha != "SHA-512" {
			t.Fatalf("vectors are for %s with %s", group.Aead, group.Sha)
		}
		for _, v := range group.Tests {
			message := inflate(t, v.Ct)
			plaintext, err := openVector(t, v.Key, v.Ctx, message)
			if v.Result != "valid" {
				invalid++
				if err == nil {
					t.Errorf("%d %s: opened", v.TcID, v.Comment)
				}
				continue
			}
			valid++
			sum := sha512.Sum512(plaintext)
			if err != nil || len(plaintext) != v.MsgLength || hex.EncodeToString(sum[:]) != v.MsgSha512 {
				t.Errorf("%d %s: %d bytes, %v", v.TcID, v.Comment, len(plaintext), err)
				continue
			}
			if fips140.Enforced() {
				continue
			}
			k, _ := New(unhex(t, v.Key))
			again, err := k.seal(nil, message[:saltSize], plaintext, unhex(t, v.Ctx))
			if err != nil || !bytes.Equal(again, message) {
				t.Errorf("%d %s: sealing with its salt gives another message, %v", v.TcID, v.Comment, err)
			}
		}
	}
	if valid == 0 || invalid == 0 || valid+invalid != file.NumberOfTests {
		t.Fatalf("ran %d valid and %d invalid of %d vectors", valid, invalid, file.NumberOfTests)
	}
	t.Logf("%d valid and %d invalid vectors", valid, invalid)
}

func openVector(t *testing.T, key, context string, message []byte) ([]byte, error) {
	k, err := New(unhex(t, key))
	if err != nil {
		return nil, err
	}
	return k.Open(nil, message, unhex(t, context))
}

func inflate(t *testing.T, s string) []byte {
	r, err := zlib.NewReader(bytes.NewReader(unhex(t, s)))
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func unhex(t *testing.T, s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// oracle opens as the specification is written: crypto/hkdf, one chunk after the
// other, nothing reused.
func oracle(key, message, context []byte) ([]byte, error) {
	info := slices.Concat([]byte("c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\x00"), message[:24], context)
	okm, err := hkdf.Expand(sha512.New, key, string(info), 32+12+32)
	if err != nil || !bytes.Equal(okm[44:], message[24:56]) {
		return nil, errors.Join(err, ErrOpen)
	}
	block, _ := aes.NewCipher(okm[:32])
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	var plaintext []byte
	counter := new(big.Int)
	for rest := message[56:]; ; counter.Add(counter, big.NewInt(1)) {
		chunk := rest[:min(len(rest), 16384+16)]
		rest = rest[len(chunk):]
		nonce := new(big.Int).Xor(new(big.Int).SetBytes(okm[32:44]), counter)
		if plaintext, err = gcm.Open(plaintext, nonce.FillBytes(make([]byte, 12)), chunk, nil); err != nil {
			return nil, err
		}
		if len(chunk) < 16384+16 {
			return plaintext, nil
		}
	}
}

func TestAgainstTheSpecification(t *testing.T) {
	if fips140.Enforced() {
		t.Skip("cannot seal here")
	}
	key := bytes.Repeat([]byte{7}, KeySize)
	k, _ := New(key)
	for _, n := range []int{0, 1, 1024, ChunkSize - 1, ChunkSize, ChunkSize + 1, 5*ChunkSize - 1, 300 * ChunkSize} {
		plaintext := bytes.Repeat([]byte{byte(n)}, n)
		message, err := k.Seal(nil, plaintext, []byte("con"), []byte("text"))
		if err != nil {
			t.Fatal(err)
		}
		if len(message) != n+Overhead(n) {
			t.Errorf("%d bytes: Overhead is %d, is %d", n, Overhead(n), len(message)-n)
		}
		got, err := oracle(key, message, []byte("context"))
		if err != nil || !bytes.Equal(got, plaintext) {
			t.Errorf("%d bytes: the specification opens %d bytes, %v", n, len(got), err)
		}
	}
}

func TestKeyLength(t *testing.T) {
	for _, n := range []int{0, 16, 31, 33} {
		if _, err := New(make([]byte, n)); err == nil {
			t.Errorf("a key of %d bytes was taken", n)
		}
	}
}

func TestOpenUnderEnforcement(t *testing.T) {
	if fips140.Enforced() {
		t.Skip("cannot seal here")
	}
	k, _ := New(bytes.Repeat([]byte{7}, KeySize))
	plaintext := bytes.Repeat([]byte("chunk"), ChunkSize)
	message, err := k.Seal(nil, plaintext, []byte("context"))
	if err != nil {
		t.Fatal(err)
	}
	// The opener of the enforced mode works in every mode.
	s := k.derive(message[:saltSize], [][]byte{[]byte("context")})
	block, _ := aes.NewCipher(s.key())
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		t.Skip(err)
	}
	c := Chunks{aead: &prefixedOpener{AEAD: aead}}
	copy(c.base[:], s.baseNonce())
	got, ok := c.OpenFull(nil, message[HeaderSize:][:2*SealedSize], 0)
	if !ok || !bytes.Equal(got, plaintext[:2*ChunkSize]) {
		t.Fatalf("opened %d bytes", len(got))
	}
	if _, ok := c.OpenFull(nil, message[HeaderSize+SealedSize:][:SealedSize], 2); ok {
		t.Fatal("a chunk opened in the place of another")
	}
	if _, err := k.Open(nil, message, []byte("contexT")); !errors.Is(err, ErrOpen) {
		t.Fatal(err)
	}
}
