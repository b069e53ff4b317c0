package crypto

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/pavise/pavise/crypto/internal/cobblestone"
)

// newKeyring returns a Keyring that seals under FIPS 140-3 enforcement too:
// TestFIPSTable has those that refuse.
func newKeyring(t testing.TB, keys ...Key) *Keyring {
	t.Helper()
	if len(keys) == 0 {
		keys = []Key{GenerateKey()}
	}
	k, err := NewKeyring(keys[0], keys[1:]...)
	if err != nil {
		t.Fatal(err)
	}
	return k.SkipFIPSNonceEnforcement()
}

func seal(t testing.TB, k *Keyring, plaintext []byte, b Binding) []byte {
	t.Helper()
	ciphertext, err := k.Seal(nil, plaintext, b)
	if err != nil {
		t.Fatal(err)
	}
	return ciphertext
}

// twoChunks is a plaintext that fills one chunk and begins another.
var twoChunks = []byte(strings.Repeat("0123456789abcdef", 1024) + "the second chunk")

func TestSealAppendsOpenAppends(t *testing.T) {
	k, b := newKeyring(t), Bind("test", "1")
	for _, n := range []int{0, 1, 64, 16<<10 - 1, 16 << 10, 16<<10 + 1, 100_000} {
		plaintext := bytes.Repeat([]byte{'p'}, n)
		sealed, err := k.Seal([]byte("kept"), plaintext, b)
		if err != nil || !bytes.HasPrefix(sealed, []byte("kept")) {
			t.Fatal(err)
		}
		if want := 4 + n + 62 + 16*(n/(16<<10)+1); len(sealed) != want {
			t.Errorf("%d bytes: ciphertext of %d, want %d", n, len(sealed)-4, want-4)
		}
		got, err := k.Open([]byte("too"), sealed[4:], b)
		if err != nil || !bytes.Equal(got, append([]byte("too"), plaintext...)) {
			t.Errorf("%d bytes: opened %d, %v", n, len(got), err)
		}
	}
}

// The format of the package comment, put together from the published parts.
func TestMessageFormat(t *testing.T) {
	key := GenerateKey()
	sealed := seal(t, newKeyring(t, key), []byte("plaintext"), Bind("p", "qr"))
	id, _ := key.derive("github.com/pavise/pavise/crypto/keyid/v1", 4)
	header := append([]byte{2, 1}, id...)
	if !bytes.HasPrefix(sealed, header) {
		t.Fatalf("begins with %x", sealed[:6])
	}
	input, _ := key.derive("github.com/pavise/pavise/crypto/seal/v1", 32)
	published, _ := cobblestone.New(input)
	got, err := published.Open(nil, sealed[6:], header, []byte("\x01\x00\x00\x00\x01p\x00\x00\x00\x02qr"))
	if err != nil || string(got) != "plaintext" {
		t.Fatal(err)
	}
}

func TestOpenRefuses(t *testing.T) {
	key, other := GenerateKey(), GenerateKey()
	k, b := newKeyring(t, key), Bind("test", "1")
	sealed := seal(t, k, twoChunks, b)

	const first, chunk = 62, 16<<10 + 16
	swapped := slices.Concat(sealed[:first], sealed[first+chunk:], sealed[first:first+chunk])
	longer := seal(t, k, slices.Concat(twoChunks[:16<<10], twoChunks), b)
	reordered := slices.Concat(longer[:first], longer[first+chunk:first+2*chunk], longer[first:first+chunk], longer[first+2*chunk:])
	wrongID := bytes.Clone(sealed)
	binary.BigEndian.PutUint32(wrongID[2:], newKeyring(t, other).primary.id)

	for name, c := range map[string]struct {
		k          *Keyring
		ciphertext []byte
		b          Binding
	}{
		"another part":           {k, sealed, Bind("test", "2")},
		"another purpose":        {k, sealed, Bind("tesT", "1")},
		"unbound":                {k, sealed, Unbound("test")},
		"another key":            {newKeyring(t, other), sealed, b},
		"another key's id":       {newKeyring(t, key, other), wrongID, b},
		"swapped chunks":         {k, swapped, b},
		"reordered full chunks":  {k, reordered, b},
		"chunk dropped":          {k, slices.Concat(sealed[:first], sealed[first+chunk:]), b},
		"chunk repeated":         {k, slices.Concat(sealed[:first+chunk], sealed[first:]), b},
		"last chunk of another":  {k, slices.Concat(sealed[:first+chunk], longer[first+2*chunk:]), b},
		"header of another":      {k, slices.Concat(longer[:first], sealed[first:]), b},
		"a byte more":            {k, append(bytes.Clone(sealed), 0), b},
		"a message more":         {k, append(bytes.Clone(sealed), sealed...), b},
		"nothing":                {k, nil, b},
		"version of an envelope": {k, append([]byte{3}, sealed[1:]...), b},
		"unknown suite":          {k, append([]byte{2, 2}, sealed[2:]...), b},
	} {
		got, err := c.k.Open(nil, c.ciphertext, c.b)
		if err != ErrOpen || got != nil {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
	if _, err := newKeyring(t, other, key).Open(nil, sealed, b); err != nil {
		t.Errorf("control: %v", err)
	}
}

func TestTruncationAndBitFlipAtEveryByte(t *testing.T) {
	k, b := newKeyring(t), Bind("test", "1")
	sealed := seal(t, k, twoChunks, b)
	dst := make([]byte, 0, len(sealed))
	for i := range sealed {
		if _, err := k.Open(dst, sealed[:i], b); err != ErrOpen {
			t.Fatalf("cut at %d: %v", i, err)
		}
		sealed[i] ^= 1 << (i % 8)
		if _, err := k.Open(dst, sealed, b); err != ErrOpen {
			t.Fatalf("flipped at %d: %v", i, err)
		}
		sealed[i] ^= 1 << (i % 8)
	}
	if _, err := k.Open(dst, sealed, b); err != nil {
		t.Fatalf("control: %v", err)
	}
}

func TestFailedOpenLeavesNoPlaintext(t *testing.T) {
	k, b := newKeyring(t), Bind("test", "1")
	sealed := seal(t, k, twoChunks, b)
	dst := make([]byte, 0, len(sealed))
	if _, err := k.Open(dst, sealed, b); err != nil || !bytes.Contains(dst[:cap(dst)], twoChunks[:64]) {
		t.Fatal("control: dst was not written to")
	}
	clear(dst[:cap(dst)])
	if _, err := k.Open(dst, sealed[:len(sealed)-1], b); err == nil {
		t.Fatal("opened")
	}
	if bytes.Contains(dst[:cap(dst)], twoChunks[:64]) {
		t.Fatal("the first chunk of a truncated message stayed in dst")
	}
}

func TestSharedMemory(t *testing.T) {
	k, b := newKeyring(t), Bind("test", "1")
	for _, at := range []int{0, 1, 62, 100, 5000} {
		for _, clip := range []bool{false, true} {
			buf := make([]byte, 80_000)
			in := buf[at : at+len(twoChunks)]
			if clip {
				in = slices.Clip(in)
			}
			copy(in, twoChunks)
			sealed, err := k.Seal(buf[:0], in, b)
			if err != nil {
				t.Fatal(err)
			}
			sealed = append(buf[:at], sealed...)[at:]
			got, err := k.Open(buf[:0], sealed, b)
			if err != nil || !bytes.Equal(got, twoChunks) {
				t.Fatalf("input at %d: %v", at, err)
			}
		}
	}
}

func TestKeyRotation(t *testing.T) {
	first, second := GenerateKey(), GenerateKey()
	b := Bind("test", "1")
	before, after := newKeyring(t, first), newKeyring(t, second, first)
	sealed := seal(t, before, []byte("plaintext"), b)
	if before.NeedsReseal(sealed) || !after.NeedsReseal(sealed) {
		t.Fatal("NeedsReseal does not follow the primary key")
	}
	got, err := after.Open(nil, sealed, b)
	if err != nil {
		t.Fatal(err)
	}
	if after.NeedsReseal(seal(t, after, got, b)) {
		t.Fatal("NeedsReseal of what the primary key sealed")
	}
	if after.NeedsReseal(nil) || after.NeedsReseal([]byte("something else")) || newKeyring(t, second).NeedsReseal(sealed) {
		t.Fatal("NeedsReseal of what does not open")
	}
}

func TestNewKeyringRefuses(t *testing.T) {
	key := GenerateKey()
	for name, keys := range map[string][]Key{
		"zero key":       {{}},
		"zero older key": {key, {}},
		"equal keys":     {key, GenerateKey(), key},
	} {
		if k, err := NewKeyring(keys[0], keys[1:]...); err == nil || k != nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestZeroKeyring(t *testing.T) {
	var k Keyring
	b := Bind("test", "1")
	if _, err := k.Seal(nil, nil, b); err == nil {
		t.Error("sealed")
	}
	if _, err := k.Open(nil, make([]byte, 100), b); err != ErrOpen {
		t.Error(err)
	}
	for _, k := range []*Keyring{&k, nil} {
		e := newEnvelope(t, []KEK{KeyringKEK(k)}, WithLogger(nil))
		if _, err := e.Seal(t.Context(), nil, nil, b); err == nil {
			t.Error("wrapped")
		}
		sealed := sealEnvelope(t, newEnvelope(t, []KEK{KeyringKEK(newKeyring(t))}), nil, b)
		if _, err := e.Open(t.Context(), nil, sealed, b); err != ErrOpen {
			t.Error(err)
		}
	}
}

func TestSealRefusesBindings(t *testing.T) {
	k := newKeyring(t)
	for name, b := range map[string]Binding{
		"zero":                {},
		"no purpose":          Bind("", "1"),
		"unbound, no purpose": Unbound(""),
		"too long":            Bind("p", strings.Repeat("x", maxBinding-1-5-4+1)),
		"too long in parts":   Bind("p", "x", slices.Repeat([]string{""}, 1100)...),
	} {
		if _, err := k.Seal(nil, nil, b); err == nil || errors.Is(err, ErrOpen) {
			t.Errorf("%s: sealing gives %v", name, err)
		}
		if _, err := k.Open(nil, nil, b); err == nil || errors.Is(err, ErrOpen) {
			t.Errorf("%s: opening gives %v", name, err)
		}
	}
	longest := Bind("p", strings.Repeat("x", maxBinding-1-5-4))
	if _, err := k.Open(nil, seal(t, k, nil, longest), longest); err != nil {
		t.Errorf("longest: %v", err)
	}
}

func TestBindingsDiffer(t *testing.T) {
	seen := map[string]string{}
	for name, b := range map[string]Binding{
		"a,bc": Bind("a", "bc"), "ab,c": Bind("ab", "c"), "abc,": Bind("abc", ""), "abc,,": Bind("abc", "", ""),
		"a,b,c": Bind("a", "b", "c"), "unbound abc": Unbound("abc"), "a,b\x00\x00\x00\x01c": Bind("a", "b\x00\x00\x00\x01c"),
	} {
		e, err := b.encode()
		if err != nil {
			t.Fatal(err)
		}
		if other, ok := seen[string(e)]; ok {
			t.Errorf("%q and %q are one", name, other)
		}
		seen[string(e)] = name
	}
}

func TestConcurrentUse(t *testing.T) {
	k := newKeyring(t, GenerateKey(), GenerateKey())
	var wg sync.WaitGroup
	for g := range 2 * runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := range 100 {
				b := Bind("test", fmt.Sprint(g, i))
				plaintext := bytes.Repeat([]byte{byte(g)}, 300*i)
				sealed, err := k.Seal(nil, plaintext, b)
				if err != nil {
					t.Error(err)
					return
				}
				if got, err := k.Open(nil, sealed, b); err != nil || !bytes.Equal(got, plaintext) {
					t.Error(i, err)
				}
			}
		})
	}
	wg.Wait()
}

func FuzzOpen(f *testing.F) {
	k, b := newKeyring(f), Bind("fuzz", "1")
	if sealed, err := k.Seal(nil, twoChunks, b); err == nil {
		f.Add(sealed)
		f.Add(sealed[:100])
	}
	f.Add([]byte{2, 1})
	f.Fuzz(func(t *testing.T, ciphertext []byte) {
		got, err := k.Open(nil, ciphertext, b)
		if err == nil && !bytes.Equal(got, twoChunks) {
			t.Fatal("a forgery opened")
		}
		if err != nil && (err != ErrOpen || got != nil) {
			t.Fatal(err)
		}
		k.NeedsReseal(ciphertext)
	})
}
