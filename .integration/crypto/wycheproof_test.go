// Package crypto_test runs published vectors of others through package crypto.
package crypto_test

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/c2sp/wycheproof"
)

// TestWycheproofCobblestone256 runs every Cobblestone-256 vector. The vectors name raw
// keys, which the API of package crypto does not take: its own tests, for messages and
// for streams, do the work on the file that is handed to them here.
func TestWycheproofCobblestone256(t *testing.T) {
	file := filepath.Join(t.TempDir(), "vectors.json")
	copyVectors(t, "c2sp_chunked_encryption_aes_256_gcm_test.json", file)

	cmd := exec.CommandContext(t.Context(), "go", "test", "-count=1", "-v", "-run=^TestWycheproof(Streams)?$",
		"github.com/pavise/pavise/crypto", "github.com/pavise/pavise/crypto/internal/cobblestone")
	cmd.Env = append(os.Environ(), "GOWORK=off", "PAVISE_WYCHEPROOF="+file)
	out, err := cmd.CombinedOutput()
	for _, name := range []string{"TestWycheproof", "TestWycheproofStreams"} {
		if err != nil || !strings.Contains(string(out), "--- PASS: "+name+" (") {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
	}
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, "vectors") {
			t.Log(strings.TrimSpace(line))
		}
	}
}

func copyVectors(t *testing.T, name, to string) {
	t.Helper()
	from, err := wycheproof.TestVectors.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	b, err := io.ReadAll(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, b, 0o600); err != nil {
		t.Fatal(err)
	}
}
