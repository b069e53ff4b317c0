//go:build !race

package crypto

import (
	"bytes"
	"crypto/fips140"
	"io"
	"strings"
	"testing"
)

func TestAllocations(t *testing.T) {
	if fips140.Enforced() {
		t.Skip("what opens there is slower, and allocates")
	}
	k, b := newKeyring(t), Bind("test", "1")
	plaintext := make([]byte, 1<<10)
	sealed := seal(t, k, plaintext, b)
	buf := make([]byte, 0, 2<<10)
	for name, c := range map[string]struct {
		most float64
		f    func() error
	}{
		"Seal":                   {3, func() error { _, err := k.Seal(nil, plaintext, b); return err }},
		"Open":                   {3, func() error { _, err := k.Open(nil, sealed, b); return err }},
		"Seal into a buffer":     {2, func() error { _, err := k.Seal(buf, plaintext, b); return err }},
		"Open into a buffer":     {2, func() error { _, err := k.Open(buf, sealed, b); return err }},
		"Open of another header": {0, func() error { k.Open(nil, plaintext, b); return nil }},
		"Bind":                   {1, func() error { b = Bind("test", "1"); return nil }},
	} {
		got := testing.AllocsPerRun(200, func() {
			if err := c.f(); err != nil {
				t.Fatal(err)
			}
		})
		if got > c.most {
			t.Errorf("%s: %v allocations, want %v at most", name, got, c.most)
		}
	}
}

// The price of an envelope whose data key is cached: none beside a Keyring to seal,
// one allocation to open.
func TestEnvelopeAllocations(t *testing.T) {
	if fips140.Enforced() {
		t.Skip("what opens there is slower, and allocates")
	}
	keks, b, plaintext := []KEK{newTestKEK(t, strings.Repeat("arn:", 25))}, Bind("test", "1"), make([]byte, 1<<10)
	e := newEnvelope(t, keks)
	defer e.Close()
	sealed := sealEnvelope(t, e, plaintext, b)
	both := newEnvelope(t, append(keks, newTestKEK(t, "other")))
	defer both.Close()
	two := sealEnvelope(t, both, plaintext, b)
	buf := make([]byte, 0, 4<<10)
	for name, c := range map[string]struct {
		most float64
		f    func() error
	}{
		"Seal":                {3, func() error { _, err := e.Seal(t.Context(), nil, plaintext, b); return err }},
		"Seal to two":         {3, func() error { _, err := both.Seal(t.Context(), nil, plaintext, b); return err }},
		"Seal into a buffer":  {2, func() error { _, err := e.Seal(t.Context(), buf, plaintext, b); return err }},
		"Open":                {4, func() error { _, err := e.Open(t.Context(), nil, sealed, b); return err }},
		"Open of two":         {4, func() error { _, err := both.Open(t.Context(), nil, two, b); return err }},
		"Open into a buffer":  {3, func() error { _, err := e.Open(t.Context(), buf, sealed, b); return err }},
		"Open of what is not": {0, func() error { e.Open(t.Context(), nil, plaintext, b); return nil }},
	} {
		got := testing.AllocsPerRun(200, func() {
			if err := c.f(); err != nil {
				t.Fatal(err)
			}
		})
		if got > c.most {
			t.Errorf("%s: %v allocations, want %v at most", name, got, c.most)
		}
	}
}

// Once its buffers are there, a stream allocates nothing.
func TestStreamAllocations(t *testing.T) {
	k, b := newKeyring(t), Bind("test", "1")
	w, err := k.Writer(io.Discard, b)
	if err != nil {
		t.Fatal(err)
	}
	plaintext := make([]byte, 100_000)
	if got := testing.AllocsPerRun(50, func() { w.Write(plaintext) }); got > 0 {
		t.Errorf("Write: %v allocations", got)
	}
	source := bytes.NewReader(nil)
	if got := testing.AllocsPerRun(50, func() { source.Reset(plaintext); w.ReadFrom(source) }); got > 0 {
		t.Errorf("ReadFrom: %v allocations", got)
	}
	r := mustReader(t, k, seal(t, k, make([]byte, 8<<20), b), b)
	if got := testing.AllocsPerRun(50, func() { r.Read(plaintext) }); got > 0 {
		t.Errorf("Read: %v allocations", got)
	}
	if got := testing.AllocsPerRun(50, func() { r.Read(plaintext[:100]) }); got > 0 {
		t.Errorf("Read of little: %v allocations", got)
	}
}

// Cached data keys beside a Keyring, which is what they are held to.
func BenchmarkEnvelope1KiB(b *testing.B) {
	k, e := newKeyring(b), newEnvelope(b, []KEK{KeyringKEK(newKeyring(b))})
	bound, plaintext := Bind("test", "1"), make([]byte, 1<<10)
	message, envelope := seal(b, k, plaintext, bound), sealEnvelope(b, e, plaintext, bound)
	for _, c := range []struct {
		name string
		f    func() ([]byte, error)
	}{
		{"Seal/keyring", func() ([]byte, error) { return k.Seal(nil, plaintext, bound) }},
		{"Seal/envelope", func() ([]byte, error) { return e.Seal(b.Context(), nil, plaintext, bound) }},
		{"Open/keyring", func() ([]byte, error) { return k.Open(nil, message, bound) }},
		{"Open/envelope", func() ([]byte, error) { return e.Open(b.Context(), nil, envelope, bound) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.f(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
