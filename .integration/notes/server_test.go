// Package notes drives the notes example as a person would: a real process, a
// real database file, a real browser.
package notes

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// startNotes builds the service, starts it on a spare port and returns its URL.
func startNotes(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	binary := filepath.Join(dir, "notes")
	build := exec.Command("go", "build", "-o", binary, ".")
	build.Dir = "../../examples/notes"
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	cmd := exec.Command(binary, "-addr", "127.0.0.1:0", "-data", filepath.Join(dir, "data"))
	lines, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// A graceful stop ends with exit code 0.
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	const listens = "Notes listens on "
	for scan := bufio.NewScanner(lines); scan.Scan(); {
		if at, ok := strings.CutPrefix(scan.Text(), listens); ok {
			return at
		}
	}
	t.Fatal("notes did not say where it listens")
	return ""
}

// chromium returns the browser's path. Without one the test is skipped, and
// fails where CI=true promised one.
func chromium(t *testing.T) string {
	t.Helper()
	path := os.Getenv("PAVISE_CHROMIUM")
	if path == "" {
		path, _ = exec.LookPath("chromium")
	}
	switch {
	case path != "":
	case os.Getenv("CI") == "true":
		t.Fatal("no Chromium: install Debian's package chromium, or set PAVISE_CHROMIUM")
	default:
		t.Skip("no Chromium: install Debian's package chromium, or set PAVISE_CHROMIUM")
	}
	return path
}

const patience = 90 * time.Second
