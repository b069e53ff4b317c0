// Package consumer measures what a service pays in its own go.mod and go.sum
// for one import of Pavise, as `go mod tidy` of a fresh module sees it through
// a module proxy.
package consumer

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/module"
	"golang.org/x/mod/zip"
)

const root = "../.."

var version = module.Version{Path: "github.com/pavise/pavise", Version: "v0.1.0"}

// The price of each import: require lines and go.sum lines. A test file that
// imports something heavy shows here too, for tidy wants the checksums of what
// the tests of an imported package need.
var prices = []struct {
	imported       string
	requires, sums int
}{
	{"secrets", 1, 2},
	{"ratelimit", 1, 2},
	{"crypto", 1, 2},
	{"crypto/column", 1, 2},
	{"crypto/password", 3, 6},
	{"crypto/sqlstore", 1, 2},
	{"crypto/vaultkek", 1, 2},
	{"session", 1, 2},
	{"session/authz", 1, 2},
	{"session/redisstore", 1, 2},
	{"session/sqlstore", 1, 2},
	{"sanitize/headers", 1, 2},
	{"sanitize/text", 2, 4},
	{"sanitize", 5, 10},
	{"validate", 9, 28},
}

func TestPriceOfOneImport(t *testing.T) {
	proxy := publish(t)
	for _, p := range prices {
		t.Run(p.imported, func(t *testing.T) {
			requires, sums := tidy(t, proxy, p.imported)
			t.Logf("%-18s %2d require lines, %2d go.sum lines", p.imported, requires, sums)
			if requires != p.requires || sums != p.sums {
				t.Errorf("importing %s costs %d require and %d go.sum lines, want %d and %d", p.imported, requires, sums, p.requires, p.sums)
			}
		})
	}
}

// publish lays the root module out as a file-system module proxy.
func publish(t *testing.T) string {
	t.Helper()
	proxy := t.TempDir()
	dir := filepath.Join(proxy, version.Path, "@v")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "list"), version.Version+"\n")
	write(t, filepath.Join(dir, version.Version+".info"), `{"Version":"`+version.Version+`"}`)
	write(t, filepath.Join(dir, version.Version+".mod"), string(mod))
	archive, err := os.Create(filepath.Join(dir, version.Version+".zip"))
	if err != nil {
		t.Fatal(err)
	}
	if err := zip.CreateFromDir(archive, version, root); err != nil {
		t.Fatal(err)
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	return "file://" + proxy
}

// tidy makes a module that imports one package and counts its lines.
func tidy(t *testing.T, proxy, imported string) (requires, sums int) {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "go.mod"), "module example.com/consumer\n\ngo 1.26.0\n\nrequire "+version.Path+" "+version.Version+"\n")
	write(t, filepath.Join(dir, "main.go"), "package main\n\nimport _ \""+version.Path+"/"+imported+"\"\n\nfunc main() {}\n")

	cache := t.TempDir()
	env := append(os.Environ(),
		"GOWORK=off", "GOFLAGS=-modcacherw", "GONOSUMDB="+version.Path, "GOMODCACHE="+cache,
		// What this machine has already need not be fetched again.
		"GOPROXY="+proxy+",file://"+filepath.Join(goEnv(t, "GOMODCACHE"), "cache/download")+","+goEnv(t, "GOPROXY"))
	cmd := exec.Command("go", "mod", "tidy")
	cmd.Dir, cmd.Env = dir, env
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go mod tidy: %v\n%s", err, out)
	}
	return count(t, filepath.Join(dir, "go.mod"), isRequirement), count(t, filepath.Join(dir, "go.sum"), func(string) bool { return true })
}

// isRequirement tells the line of one requirement, inside a block or alone.
func isRequirement(line string) bool {
	fields := strings.Fields(strings.TrimPrefix(line, "require "))
	return len(fields) >= 2 && strings.HasPrefix(fields[1], "v")
}

func count(t *testing.T, name string, counts func(line string) bool) (n int) {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if counts(line) {
			n++
		}
	}
	return n
}

func goEnv(t *testing.T, name string) string {
	t.Helper()
	out, err := exec.Command("go", "env", name).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
