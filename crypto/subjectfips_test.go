package crypto

import (
	"crypto/fips140"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// Under GODEBUG=fips140=only subjects are sealed for with XAES, and a refusal comes
// before the store is called.
func TestSealForUnderFIPS(t *testing.T) {
	if !fips140.Enforced() {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestSealForUnderFIPS$", "-test.v")
		cmd.Env = append(os.Environ(), "GODEBUG=fips140=only")
		out, err := cmd.CombinedOutput()
		if strings.Contains(string(out), "incompatible with GOEXPERIMENT=boringcrypto") {
			t.Skip("this toolchain cannot run in that mode")
		}
		if err != nil || !strings.Contains(string(out), "enforced") {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	ring := newKeyring(t)
	for name, opt := range map[string]EnvelopeOption{"XAES": WithXAES(), "skip": SkipFIPSNonceEnforcement()} {
		e := newEnvelopeOf(t, ring, opt, WithSubjectKeys(&MemorySubjectKeys{}))
		sealed := sealFor(t, e, "alice", "diary")
		if !opens(t, e, sealed, "diary") {
			t.Errorf("%s: does not open", name)
		}
		if err := e.Forget(t.Context(), "alice"); err != nil || opens(t, e, sealed, "diary") {
			t.Errorf("%s: Forget: %v, or it opens", name, err)
		}
	}
	store := &testStore{}
	refuses := newEnvelopeOf(t, ring, WithSubjectKeys(store))
	if _, err := refuses.SealFor(t.Context(), "alice", nil, nil, subjectBound); err != ErrFIPS || len(store.calls) > 0 {
		t.Errorf("suite 01: %v, calls %v", err, store.calls)
	}
	t.Log("enforced")
}
