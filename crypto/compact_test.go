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

	"github.com/pavise/pavise/crypto/internal/xaes"
)

func newCompact(t testing.TB, keys ...Key) *Compact {
	t.Helper()
	if len(keys) == 0 {
		keys = []Key{GenerateKey()}
	}
	c, err := NewCompact(keys[0], keys[1:]...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func sealCompact(t testing.TB, c *Compact, plaintext []byte, b Binding) []byte {
	t.Helper()
	ciphertext, err := c.Seal(nil, plaintext, b)
	if err != nil {
		t.Fatal(err)
	}
	return ciphertext
}

func TestCompactAppends(t *testing.T) {
	c, b := newCompact(t), Bind("test", "1")
	for _, n := range []int{0, 1, 64, 100_000} {
		plaintext := bytes.Repeat([]byte{'p'}, n)
		sealed, err := c.Seal([]byte("kept"), plaintext, b)
		if err != nil || !bytes.HasPrefix(sealed, []byte("kept")) || len(sealed) != 4+45+n {
			t.Fatalf("%d bytes: %d, %v", n, len(sealed), err)
		}
		got, err := c.Open([]byte("too"), sealed[4:], b)
		if err != nil || !bytes.Equal(got, append([]byte("too"), plaintext...)) {
			t.Errorf("%d bytes: opened %d, %v", n, len(got), err)
		}
	}
}

// The format of the package comment, put together from the published parts.
func TestCompactFormat(t *testing.T) {
	key := GenerateKey()
	sealed := sealCompact(t, newCompact(t, key), []byte("plaintext"), Bind("p", "qr"))
	id, _ := key.derive("github.com/pavise/pavise/crypto/keyid/v1", 4)
	if !bytes.HasPrefix(sealed, append([]byte{1}, id...)) {
		t.Fatalf("begins with %x", sealed[:5])
	}
	input, _ := key.derive("github.com/pavise/pavise/crypto/compact/v1", 32)
	published, _ := xaes.New(input)
	got, err := published.Open(nil, sealed[5:], []byte("\x01\x00\x00\x00\x01p\x00\x00\x00\x02qr"))
	if err != nil || string(got) != "plaintext" {
		t.Fatal(err)
	}
}

func TestCompactTruncationAndBitFlipAtEveryByte(t *testing.T) {
	c, b := newCompact(t, GenerateKey(), GenerateKey()), Bind("test", "1")
	sealed := sealCompact(t, c, []byte("some plaintext"), b)
	for i := range sealed {
		if _, err := c.Open(nil, sealed[:i], b); err != ErrOpen {
			t.Fatalf("cut at %d: %v", i, err)
		}
		for bit := range 8 {
			sealed[i] ^= 1 << bit
			if got, err := c.Open(nil, sealed, b); err != ErrOpen || got != nil {
				t.Fatalf("bit %d of byte %d flipped: %v", bit, i, err)
			}
			sealed[i] ^= 1 << bit
		}
	}
	if _, err := c.Open(nil, append(sealed, 0), b); err != ErrOpen {
		t.Fatalf("a byte more: %v", err)
	}
	if _, err := c.Open(nil, sealed, b); err != nil {
		t.Fatalf("control: %v", err)
	}
}

func TestCompactOpenRefuses(t *testing.T) {
	key, other := GenerateKey(), GenerateKey()
	c, b := newCompact(t, key, other), Bind("test", "1")
	sealed := sealCompact(t, c, []byte("plaintext"), b)
	otherID := bytes.Clone(sealed)
	binary.BigEndian.PutUint32(otherID[1:], newCompact(t, other).primary.id)
	for name, open := range map[string]struct {
		c          *Compact
		ciphertext []byte
		b          Binding
	}{
		"another part":       {c, sealed, Bind("test", "2")},
		"another purpose":    {c, sealed, Bind("tesT", "1")},
		"unbound":            {c, sealed, Unbound("test")},
		"no associated data": {c, sealed, TinkUnbound()},
		"the parts alone":    {c, sealed, TinkBinding([]byte("test1"))},
		"another key":        {newCompact(t, other), sealed, b},
		"another key's id":   {c, otherID, b},
		"nothing":            {c, nil, b},
		"zero Compact":       {&Compact{}, sealed, b},
	} {
		got, err := open.c.Open(nil, open.ciphertext, open.b)
		if err != ErrOpen || got != nil {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
	if _, err := newCompact(t, other, key).Open(nil, sealed, b); err != nil {
		t.Errorf("control: %v", err)
	}
}

// A Keyring stays committing: it opens no compact message, and its own KEK, whose
// wrapped keys look alike, opens none either.
func TestKeyringOpensNoCompactMessage(t *testing.T) {
	key, b := GenerateKey(), Bind("test", "1")
	k, c := newKeyring(t, key), newCompact(t, key)
	sealed := sealCompact(t, c, make([]byte, dekSize), b)
	if _, err := k.Open(nil, sealed, b); err != ErrOpen || k.NeedsReseal(sealed) {
		t.Error(err)
	}
	associated, _ := b.AssociatedData()
	if _, err := KeyringKEK(k).Unwrap(t.Context(), sealed, string(associated)); err != ErrOpen {
		t.Errorf("KeyringKEK: %v", err)
	}
	wrapped, err := KeyringKEK(k).Wrap(t.Context(), make([]byte, dekSize), "label")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Open(nil, wrapped, TinkBinding(slices.Concat(wrapped[:5], []byte("label")))); err != ErrOpen {
		t.Errorf("a wrapped key opens as a message: %v", err)
	}
	if _, err := c.Open(nil, seal(t, k, nil, b), b); err != ErrOpen {
		t.Errorf("a message of the Keyring: %v", err)
	}
}

func TestCompactRefusesBindings(t *testing.T) {
	c := newCompact(t)
	for name, b := range map[string]Binding{
		"zero":                  {},
		"no purpose":            Bind("", "1"),
		"too long":              Bind("p", strings.Repeat("x", maxBinding)),
		"no associated data":    TinkBinding(nil),
		"empty associated data": TinkBinding([]byte{}),
	} {
		if _, err := c.Seal(nil, nil, b); err == nil || errors.Is(err, ErrOpen) {
			t.Errorf("%s: sealing gives %v", name, err)
		}
		if _, err := c.Open(nil, nil, b); err == nil || errors.Is(err, ErrOpen) {
			t.Errorf("%s: opening gives %v", name, err)
		}
		if got, err := b.AssociatedData(); err == nil || got != nil {
			t.Errorf("%s: associated data %x, %v", name, got, err)
		}
	}
}

func TestCompactSharedMemory(t *testing.T) {
	c, b := newCompact(t), Bind("test", "1")
	plaintext := bytes.Repeat([]byte("0123456789abcdef"), 20)
	for _, at := range []int{0, 1, 5, 17, 45, 200} {
		buf := make([]byte, 2000)
		in := buf[at : at+len(plaintext)]
		copy(in, plaintext)
		sealed, err := c.Seal(buf[:0], in, b)
		if err != nil {
			t.Fatal(err)
		}
		sealed = append(buf[:at], sealed...)[at:]
		got, err := c.Open(buf[:0], sealed, b)
		if err != nil || !bytes.Equal(got, plaintext) {
			t.Fatalf("input at %d: %v", at, err)
		}
	}
}

func TestCompactKeyRotation(t *testing.T) {
	first, second := GenerateKey(), GenerateKey()
	b := Bind("test", "1")
	before, after := newCompact(t, first), newCompact(t, second, first)
	sealed := sealCompact(t, before, []byte("plaintext"), b)
	if before.NeedsReseal(sealed) || !after.NeedsReseal(sealed) {
		t.Fatal("NeedsReseal does not follow the primary key")
	}
	got, err := after.Open(nil, sealed, b)
	if err != nil || after.NeedsReseal(sealCompact(t, after, got, b)) {
		t.Fatal("what the primary key sealed needs a reseal", err)
	}
	if after.NeedsReseal(nil) || after.NeedsReseal([]byte("something else")) || newCompact(t, second).NeedsReseal(sealed) {
		t.Fatal("NeedsReseal of what does not open")
	}
}

func TestNewCompactRefuses(t *testing.T) {
	key := GenerateKey()
	for name, keys := range map[string][]Key{
		"zero key":       {{}},
		"zero older key": {key, {}},
		"equal keys":     {key, GenerateKey(), key},
	} {
		if c, err := NewCompact(keys[0], keys[1:]...); err == nil || c != nil {
			t.Errorf("%s: no error", name)
		}
	}
	c := newCompact(t)
	if err := c.add(c.primary.id, make([]byte, xaes.KeySize)); err == nil {
		t.Error("two keys of one id were taken")
	}
	var zero Compact
	if _, err := zero.Seal(nil, nil, Bind("test", "1")); err == nil {
		t.Error("the zero Compact seals")
	}
	if _, err := zero.ExportTink(); err == nil {
		t.Error("the zero Compact exports")
	}
}

func TestCompactDoesNotPrint(t *testing.T) {
	c := newCompact(t)
	value := c.primary.value.Reveal()
	text := fmt.Sprintf("%v %+v %#v %v %+v %#v", c, c, c, *c, *c, *c)
	if strings.Contains(text, value) || strings.Contains(text, fmt.Sprint([]byte(value[:4]))[1:8]) {
		t.Error("a key was printed")
	}
}

func TestCompactConcurrentUse(t *testing.T) {
	c := newCompact(t, GenerateKey(), GenerateKey())
	var wg sync.WaitGroup
	for g := range 2 * runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := range 100 {
				b := Bind("test", fmt.Sprint(g, i))
				plaintext := bytes.Repeat([]byte{byte(g)}, 30*i)
				sealed, err := c.Seal(nil, plaintext, b)
				if err != nil {
					t.Error(err)
					return
				}
				if got, err := c.Open(nil, sealed, b); err != nil || !bytes.Equal(got, plaintext) {
					t.Error(i, err)
				}
			}
		})
	}
	wg.Wait()
}

func FuzzCompactOpen(f *testing.F) {
	c, b := newCompact(f), Bind("fuzz", "1")
	sealed := sealCompact(f, c, []byte("plaintext"), b)
	f.Add(sealed)
	f.Add(sealed[:45])
	f.Add([]byte{1})
	f.Fuzz(func(t *testing.T, ciphertext []byte) {
		got, err := c.Open(nil, ciphertext, b)
		if err == nil && !bytes.Equal(ciphertext, sealed) {
			t.Fatal("a forgery opened")
		}
		if err != nil && (err != ErrOpen || got != nil) {
			t.Fatal(err)
		}
		c.NeedsReseal(ciphertext)
	})
}
