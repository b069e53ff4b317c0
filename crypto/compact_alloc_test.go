//go:build !race && !goexperiment.boringcrypto

package crypto

import (
	"crypto/fips140"
	"testing"
)

func TestCompactAllocations(t *testing.T) {
	if fips140.Enforced() {
		t.Skip("the random generator of the FIPS module allocates")
	}
	c, b := newCompact(t), Bind("test", "1")
	plaintext := make([]byte, 1<<10)
	sealed := sealCompact(t, c, plaintext, b)
	buf := make([]byte, 0, 2<<10)
	for name, call := range map[string]struct {
		most float64
		f    func() error
	}{
		"Seal":                 {4, func() error { _, err := c.Seal(nil, plaintext, b); return err }},
		"Open":                 {4, func() error { _, err := c.Open(nil, sealed, b); return err }},
		"Seal into a buffer":   {3, func() error { _, err := c.Seal(buf, plaintext, b); return err }},
		"Open into a buffer":   {3, func() error { _, err := c.Open(buf, sealed, b); return err }},
		"Open of another kind": {0, func() error { c.Open(nil, plaintext, b); return nil }},
	} {
		got := testing.AllocsPerRun(200, func() {
			if err := call.f(); err != nil {
				t.Fatal(err)
			}
		})
		if got > call.most {
			t.Errorf("%s: %v allocations, want %v at most", name, got, call.most)
		}
	}
}
