//go:build !race && !goexperiment.boringcrypto

package column_test

import (
	"crypto/fips140"
	"strings"
	"testing"

	"github.com/pavise/pavise/crypto/column"
)

func TestAllocations(t *testing.T) {
	if fips140.Enforced() {
		t.Skip("the random generator of the FIPS module allocates")
	}
	c := newColumn[string](t, column.WithIndex(16))
	v, row := strings.Repeat("x", 64), "17"
	sealed := seal(t, c, v, row)
	for name, call := range map[string]struct {
		most float64
		f    func() error
	}{
		"Value": {8, func() error { _, err := c.Value(v, row).Value(); return err }},
		"Scan":  {6, func() error { return c.Scan(&v, &row).Scan(sealed) }},
		"Index": {21, func() error { _, err := c.Index(v); return err }},
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
