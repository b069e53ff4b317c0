// Package notes drives the notes example as a person would: a real process, a
// real database file, a real browser.
package notes

import (
	"bufio"
	"context"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// service is the running program.
type service struct {
	cmd  *exec.Cmd
	site string // its URL
}

// buildNotes returns the path of the program.
func buildNotes(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "notes")
	build := exec.Command("go", "build", "-o", binary, ".")
	build.Dir = "../../examples/notes"
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return binary
}

// startNotes starts the program on a spare port and waits until it listens.
func startNotes(t *testing.T, binary string, flags ...string) *service {
	t.Helper()
	cmd := exec.Command(binary, append([]string{"-addr", "127.0.0.1:0"}, flags...)...)
	lines, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s := &service{cmd: cmd}
	t.Cleanup(func() { cmd.Process.Kill() })
	scan := bufio.NewScanner(lines)
	for scan.Scan() {
		if at, ok := strings.CutPrefix(scan.Text(), "Notes listens on "); ok {
			s.site = at
			go io.Copy(io.Discard, lines)
			return s
		}
		t.Log(scan.Text())
	}
	t.Fatal("notes did not say where it listens")
	return nil
}

// stop asks the program to end. A graceful end has exit code 0.
func (s *service) stop(t *testing.T) {
	t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	if err := s.cmd.Wait(); err != nil {
		t.Errorf("stop: %v", err)
	}
}

// runUntilExit runs the program, which is expected to refuse to start.
func runUntilExit(t *testing.T, binary string, flags ...string) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, binary, append([]string{"-addr", "127.0.0.1:0"}, flags...)...).CombinedOutput()
	if ctx.Err() != nil {
		return nil // it served
	}
	t.Logf("%s", out)
	return err
}
