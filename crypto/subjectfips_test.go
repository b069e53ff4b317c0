package crypto

import (
	"crypto/fips140"
	"testing"

	"github.com/pavise/pavise/crypto/internal/fipstest"
)

// Under GODEBUG=fips140=only subjects are sealed for with XAES, and a refusal comes
// before the store is called.
func TestSealForUnderFIPS(t *testing.T) {
	if !fips140.Enforced() {
		fipstest.Rerun(t, "^TestSealForUnderFIPS$")
		return
	}
	for name, opt := range map[string]EnvelopeOption{"XAES": WithXAES(), "skip": SkipFIPSNonceEnforcement()} {
		e := fipsSubjects(t, opt, WithSubjectKeys(&MemorySubjectKeys{}))
		sealed := sealFor(t, e, "alice", "diary")
		if !opens(t, e, sealed, "diary") {
			t.Errorf("%s: does not open", name)
		}
		if err := e.Forget(t.Context(), "alice"); err != nil || opens(t, e, sealed, "diary") {
			t.Errorf("%s: Forget: %v, or it opens", name, err)
		}
	}
	store := &testStore{}
	refuses := fipsSubjects(t, WithSubjectKeys(store))
	if _, err := refuses.SealFor(t.Context(), "alice", nil, nil, subjectBound); err != ErrFIPS || len(store.calls) > 0 {
		t.Errorf("suite 01: %v, calls %v", err, store.calls)
	}
}

func fipsSubjects(t *testing.T, opts ...EnvelopeOption) *Envelope {
	t.Helper()
	e, err := NewEnvelope("fips", []KEK{KeyringKEK(newKeyring(t))}, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}
