// Package fipstest is for tests that run with and without FIPS 140-3 enforcement,
// GODEBUG=fips140=only.
package fipstest

import (
	"crypto/fips140"
	"os"
	"os/exec"
	"strings"
	"testing"
	"testing/cryptotest"
	"testing/synctest"
)

// Rerun has the tests whose names match run, t among them, run under enforcement in a
// process of their own, and fails t if one of them fails or t does not run.
func Rerun(t *testing.T, run string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run="+run, "-test.v")
	cmd.Env = append(os.Environ(), "GODEBUG=fips140=only")
	out, err := cmd.CombinedOutput()
	if strings.Contains(string(out), "incompatible with GOEXPERIMENT=boringcrypto") {
		t.Skip("this toolchain cannot run in that mode")
	}
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()+" ") {
		t.Fatalf("%v\n%s", err, out)
	}
}

// Bubble is [synctest.Test]. In FIPS 140-3 mode it replaces the source of randomness,
// which measures the jitter of the clock: the clock of a bubble has none.
func Bubble(t *testing.T, f func(*testing.T)) {
	t.Helper()
	if fips140.Enabled() && fips140.Version() != "v1.0.0" { // which asks the kernel
		cryptotest.SetGlobalRandom(t, 1)
	}
	synctest.Test(t, f)
}
