// Package chrome opens a browser for a test.
package chrome

import (
	"context"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// patience is how long a browser may take for all that a test does with it.
const patience = 90 * time.Second

// Open starts a browser with a profile of its own, which ends with the test, and returns
// the context that package chromedp works with.
func Open(t *testing.T, flags ...chromedp.ExecAllocatorOption) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, append([]chromedp.ExecAllocatorOption{
		chromedp.ExecPath(path(t)), chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.UserDataDir(t.TempDir()), chromedp.Flag("disable-quic", true), chromedp.Flag("disable-sync", true),
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true),
	}, flags...)...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	return ctx
}

// path returns where Chromium is. Without one the test is skipped, and fails where CI=true
// promised one.
func path(t *testing.T) string {
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
