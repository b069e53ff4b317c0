//go:build !race

package crypto

import (
	"bytes"
	"io"
	"testing"
)

func TestAllocations(t *testing.T) {
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

// Once its buffers are there, a stream allocates nothing.
func TestStreamAllocations(t *testing.T) {
	k, b := newKeyring(t), Bind("test", "1")
	skipEnforced(t)
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

func BenchmarkSeal1KiB(b *testing.B) {
	k, bound, plaintext := newKeyring(b), Bind("test", "1"), make([]byte, 1<<10)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := k.Seal(nil, plaintext, bound); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEnvelopeSeal1KiB(b *testing.B) {
	e, bound, plaintext := newEnvelope(b, []KEK{KeyringKEK(newKeyring(b))}), Bind("test", "1"), make([]byte, 1<<10)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := e.Seal(b.Context(), nil, plaintext, bound); err != nil {
			b.Fatal(err)
		}
	}
}
