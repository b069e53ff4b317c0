package crypto_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestFIPSModules runs the FIPS table of package crypto, and everything about hybrid
// keys, with each frozen version of the Go Cryptographic Module that the table names.
func TestFIPSModules(t *testing.T) {
	for _, module := range []string{"v1.0.0", "v1.26.0"} {
		t.Run(module, func(t *testing.T) {
			run := func(want, pattern string, env ...string) {
				cmd := exec.CommandContext(t.Context(), "go", "test", "-count=1", "-v", "-run="+pattern, "github.com/pavise/pavise/crypto")
				cmd.Env = append(append(os.Environ(), "GOWORK=off", "GOFIPS140="+module), env...)
				if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), want) {
					t.Errorf("%s: %v, want %q\n%s", pattern, err, want, out)
				}
			}
			run("--- PASS: TestFIPSTable", "^TestFIPSTable$")
			enforced := "--- PASS: TestHybridWrap"
			if module == "v1.0.0" {
				enforced = "--- SKIP: TestHybridWrap"
			}
			run(enforced, "^(Test|Fuzz).*Hybrid", "GODEBUG=fips140=only")
		})
	}
}
