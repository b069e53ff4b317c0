package crypto_test

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/pavise/pavise/crypto"
)

// A job is a line for testdata/open_lines.mjs: something to open, without Go.
type job struct {
	Format     string   `json:"format"`
	Keys       [][]byte `json:"keys"`
	Label      *string  `json:"label,omitempty"` // of an envelope
	Binding    binding  `json:"binding"`
	Ciphertext []byte   `json:"ciphertext"`

	name, failure string
	plaintext     []byte // nil is unknown
}

type binding struct {
	Purpose string   `json:"purpose"`
	Parts   []string `json:"parts,omitempty"`
}

type result struct {
	Length  int
	SHA256  []byte
	Failure string
}

// nodeOpens runs all jobs in one process of Node and compares what comes of them.
func nodeOpens(t *testing.T, jobs []job) {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("node is not installed")
		}
		t.Skip("node is not installed")
	}
	var in bytes.Buffer
	encoder := json.NewEncoder(&in)
	for _, j := range jobs {
		if err := encoder.Encode(j); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), node, "testdata/open_lines.mjs")
	cmd.Stdin = &in
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	decoder, opened := json.NewDecoder(bytes.NewReader(out)), 0
	for _, j := range jobs {
		var r result
		if err := decoder.Decode(&r); err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(j.plaintext)
		switch {
		case j.failure == "any" && r.Failure != "" || j.failure != "" && r.Failure == j.failure:
		case j.failure != "" || r.Failure != "":
			t.Errorf("%s: %q, want %q", j.name, r.Failure, j.failure)
		case j.plaintext != nil && !bytes.Equal(sum[:], r.SHA256):
			t.Errorf("%s: another plaintext, of %d bytes", j.name, r.Length)
		default:
			opened++
		}
	}
	t.Logf("%d opened, %d refused", opened, len(jobs)-opened)
	if opened == 0 || opened == len(jobs) {
		t.Error("a test of one side only shows nothing")
	}
}

// TestNodeOpensFreshOutput has Node open what package crypto sealed just now, and
// refuse it altered.
func TestNodeOpensFreshOutput(t *testing.T) {
	raw, ring := newKeyring(t)
	label := "notes"
	var jobs []job
	for _, n := range []int{0, 1, 16<<10 - 1, 16 << 10, 100 << 10} {
		plaintext := make([]byte, n)
		rand.Read(plaintext)
		sealed, err := ring.Seal(nil, plaintext, crypto.Bind("note-body", "note-17", "alice"))
		if err != nil {
			t.Fatal(err)
		}
		fresh := job{Format: "message", Keys: [][]byte{raw}, Binding: binding{"note-body", []string{"note-17", "alice"}}, plaintext: plaintext}
		fresh.name, fresh.Ciphertext = fmt.Sprint("message of ", n), sealed
		jobs = append(append(jobs, fresh), altered(fresh)...)

		for suite, opts := range map[string][]crypto.EnvelopeOption{"01": nil, "02": {crypto.WithXAES()}} {
			e, err := crypto.NewEnvelope(label, []crypto.KEK{crypto.KeyringKEK(ring)}, opts...)
			if err != nil {
				t.Fatal(err)
			}
			sealed, err := e.Seal(t.Context(), nil, plaintext, crypto.Bind("note-body", "note-17", "alice"))
			if err != nil {
				t.Fatal(err)
			}
			fresh.name, fresh.Format, fresh.Label, fresh.Ciphertext = fmt.Sprint("envelope ", suite, " of ", n), "envelope", &label, sealed
			jobs = append(append(jobs, fresh), altered(fresh)...)
		}
	}
	nodeOpens(t, jobs)
}

func newKeyring(t *testing.T) (raw []byte, ring *crypto.Keyring) {
	t.Helper()
	key := crypto.GenerateKey()
	ring, err := crypto.NewKeyring(key)
	if err != nil {
		t.Fatal(err)
	}
	decoded, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(key.Export().Reveal(), "pavise_key_v1_"))
	if err != nil || len(decoded) != 36 {
		t.Fatal("the text of a key is not as SPEC.md says")
	}
	return decoded[:32], ring
}

// altered returns what must not open: a bit of each byte flipped, or of four if there
// are many, and something cut off, added and stated otherwise.
func altered(fresh job) (all []job) {
	add := func(name string, c []byte) {
		j := fresh
		j.name, j.Ciphertext, j.failure, j.plaintext = fresh.name+", "+name, c, "any", nil
		all = append(all, j)
	}
	sealed := fresh.Ciphertext
	step := 1
	if len(sealed) > 1024 {
		step = (len(sealed) - 1) / 3
	}
	for at := 0; at < len(sealed); at += step {
		c := bytes.Clone(sealed)
		c[at] ^= 1 << (at % 8)
		add(fmt.Sprint("byte ", at), c)
	}
	add("cut by a byte", sealed[:len(sealed)-1])
	add("cut by a tag", sealed[:len(sealed)-16])
	add("cut in the middle", sealed[:len(sealed)/2])
	add("extended", append(bytes.Clone(sealed), 0))
	other := fresh
	other.Binding = binding{"note-body", []string{"note-18", "alice"}}
	other.name, other.failure, other.plaintext = fresh.name+", another binding", "any", nil
	return append(all, other)
}

// TestNodeOpensVectors has Node stop where each vector says. Long ciphertexts, of
// which a vector has only the digest, are left to the tests of package crypto.
func TestNodeOpensVectors(t *testing.T) {
	var jobs []job
	for _, name := range []string{"message", "compact", "envelope"} {
		for _, v := range loadVectors(t, name) {
			ciphertext, ok := v.Ciphertext.bytes()
			if !ok {
				continue
			}
			j := job{Format: name, Label: v.Label, Binding: v.Binding, Ciphertext: ciphertext, name: name + " " + v.Name, failure: v.Failure}
			for _, key := range v.Keys {
				j.Keys = append(j.Keys, unhex(key))
			}
			if v.Failure == "" {
				j.plaintext, _ = v.Plaintext.bytes()
			}
			jobs = append(jobs, j)
		}
	}
	nodeOpens(t, jobs)
}

// vector is one of crypto/testdata/vectors, as crypto/SPEC.md describes them.
type vector struct {
	Name, Failure string
	Keys          []string
	Label         *string
	Binding       binding
	Plaintext     byteSpec
	Ciphertext    byteSpec
}

type byteSpec struct {
	Hex    *string
	Byte   string
	Length int
	Pieces []byteSpec
}

func (d byteSpec) bytes() (b []byte, ok bool) {
	switch {
	case d.Hex != nil:
		return unhex(*d.Hex), true
	case d.Byte != "":
		return bytes.Repeat(unhex(d.Byte), d.Length), true
	}
	for _, piece := range d.Pieces {
		part, ok := piece.bytes()
		if !ok {
			return nil, false
		}
		b = append(b, part...)
	}
	return b, len(d.Pieces) > 0
}

func unhex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}

func loadVectors(t *testing.T, name string) (all []vector) {
	t.Helper()
	raw, err := os.ReadFile("../../crypto/testdata/vectors/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &all); err != nil || len(all) == 0 {
		t.Fatalf("%s: %d vectors, %v", name, len(all), err)
	}
	return all
}
