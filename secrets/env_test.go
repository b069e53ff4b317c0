package secrets_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/pavise/pavise/secrets"
)

func TestEnv(t *testing.T) {
	file := write(t, t.TempDir(), "db", "from file\n")
	empty := write(t, t.TempDir(), "db", "\n")
	const leaky = "hunter2-given-as-a-path"
	for _, tt := range []struct{ name, value, path, want, err string }{
		{"value", "from env", "", "from env", ""},
		{"newline stays", "from env\n", "", "from env\n", ""},
		{"file", "", file, "from file", ""},
		{"both", "from env", file, "", "secrets: DB: both the variable and its _FILE form are set"},
		{"neither", "", "", "", "secrets: DB: not found"},
		{"empty file", "", empty, "", "secrets: DB_FILE: is empty"},
		{"directory", "", t.TempDir(), "", "secrets: DB_FILE: is not a regular file"},
		{"no such file", "", leaky, "", "secrets: DB_FILE: no such file or directory"},
	} {
		t.Setenv("DB", tt.value)
		t.Setenv("DB_FILE", tt.path)
		got, err := reveal(secrets.Env("DB"), "DB")
		if got != tt.want || (err == nil) != (tt.err == "") {
			t.Errorf("%s: %q, %v", tt.name, got, err)
		}
		if err != nil && runtime.GOOS != "windows" && err.Error() != tt.err {
			t.Errorf("%s: %v", tt.name, err)
		}
		if err != nil && tt.path != "" && errors.Is(err, secrets.ErrNotFound) {
			t.Errorf("%s: a file that was asked for counts as not asked for", tt.name)
		}
	}
}

func TestEnvReadsNothingUnasked(t *testing.T) {
	t.Setenv("DB", "v")
	t.Setenv("DB_FILE", "")
	t.Setenv("OTHER", "v")
	for _, src := range []secrets.Source{secrets.Env(), secrets.Env("DB")} {
		if got, err := reveal(src, "OTHER"); !errors.Is(err, secrets.ErrDenied) {
			t.Errorf("%q, %v", got, err)
		}
	}
	names := []string{"DB"}
	src := secrets.Env(names...)
	names[0] = "OTHER"
	if got, err := reveal(src, "OTHER"); !errors.Is(err, secrets.ErrDenied) {
		t.Errorf("the list was changed after the fact: %q, %v", got, err)
	}
}

// TestEnvFileOfUnknownSize reads a file that is longer than it says.
func TestEnvFileOfUnknownSize(t *testing.T) {
	const path = "/proc/self/status"
	if _, err := os.Stat(path); err != nil {
		t.Skip("no procfs: ", err)
	}
	t.Setenv("DB", "")
	t.Setenv("DB_FILE", path)
	if got, err := reveal(secrets.Env("DB"), "DB"); err == nil || !strings.HasSuffix(err.Error(), "changed while it was read") {
		t.Errorf("%.20q, %v", got, err)
	}
}

// TestEnvFileInVolume follows links: the operator named the path.
func TestEnvFileInVolume(t *testing.T) {
	dir := t.TempDir()
	file := write(t, t.TempDir(), "target", "v")
	if err := os.Symlink(file, filepath.Join(dir, "db")); err != nil {
		t.Skip("no symbolic links: ", err)
	}
	t.Setenv("DB", "")
	t.Setenv("DB_FILE", filepath.Join(dir, "db"))
	if got, err := reveal(secrets.Env("DB"), "DB"); got != "v" {
		t.Errorf("%q, %v", got, err)
	}
}
