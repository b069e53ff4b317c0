//go:build !race

package crypto

import (
	"crypto/fips140"
	"testing"
)

// The price of a message for a subject whose key is cached: no call of anybody, and a
// data key of its own.
func TestSealForAllocations(t *testing.T) {
	if fips140.Enforced() {
		t.Skip("counted without enforcement")
	}
	store, kek := &testStore{}, newTestKEK(t, "kek")
	e := newEnvelope(t, []KEK{kek}, WithSubjectKeys(store))
	defer e.Close()
	plaintext := make([]byte, 1<<10)
	sealed := sealFor(t, e, "alice", string(plaintext))
	for name, c := range map[string]struct {
		most float64
		f    func() error
	}{
		"SealFor": {62, func() error { _, err := e.SealFor(t.Context(), "alice", nil, plaintext, subjectBound); return err }},
		"Open":    {62, func() error { _, err := e.Open(t.Context(), nil, sealed, subjectBound); return err }},
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
	if n := store.calls["load"] + store.calls["create"] + store.calls["find"]; n != 2 || kek.calls.Load() != 1 {
		t.Errorf("calls of the store: %v, of the KEK: %d", store.calls, kek.calls.Load())
	}
}
