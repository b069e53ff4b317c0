//go:build unix

package secrets_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/pavise/pavise/secrets"
)

// TestDirOddFiles: what is not a private regular file is refused, at once.
func TestDirOddFiles(t *testing.T) {
	dir := t.TempDir()
	outside := write(t, t.TempDir(), "target", "outside")
	if err := errors.Join(
		syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o600),
		os.Mkdir(filepath.Join(dir, "directory"), 0o700),
		os.Symlink(outside, filepath.Join(dir, "absolute")),
		os.Symlink("../../../../../../.."+outside, filepath.Join(dir, "relative")),
		os.Symlink("/dev/zero", filepath.Join(dir, "device")),
		os.Symlink("missing", filepath.Join(dir, "dangling")),
		os.Symlink("inside", filepath.Join(dir, "link")),
		os.Chmod(write(t, dir, "inside", "v"), 0o444),
		os.Chmod(write(t, dir, "writable", "v"), 0o666),
	); err != nil {
		t.Fatal(err)
	}
	src := secrets.Dir(dir)
	for name, want := range map[string]string{
		"fifo":      "secrets: fifo: is not a regular file",
		"directory": "secrets: directory: is not a regular file",
		"absolute":  "secrets: absolute: path escapes from parent",
		"relative":  "secrets: relative: path escapes from parent",
		"device":    "secrets: device: path escapes from parent",
		"writable":  "secrets: writable: is writable by every user of the system",
		"dangling":  "secrets: dangling: not found",
	} {
		if _, err := reveal(src, name); err == nil || err.Error() != want {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range []string{"inside", "link"} {
		if got, err := reveal(src, name); got != "v" {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

// volume imitates the kubelet's AtomicWriter: a new directory is written, the link
// ..data is renamed over the old one, and the old directory is removed.
type volume struct {
	dir string
	seq int
}

func (v *volume) publish(t testing.TB, files map[string]string) {
	t.Helper()
	v.seq++
	stamp := fmt.Sprintf("..2026_%d", v.seq)
	if err := os.Mkdir(filepath.Join(v.dir, stamp), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, content := range files {
		write(t, filepath.Join(v.dir, stamp), name, content)
	}
	data, tmp := filepath.Join(v.dir, "..data"), filepath.Join(v.dir, "..data_tmp")
	old, _ := os.Readlink(data)
	if err := errors.Join(os.Symlink(stamp, tmp), os.Rename(tmp, data)); err != nil {
		t.Fatal(err)
	}
	for name := range files {
		_ = os.Symlink(filepath.Join("..data", name), filepath.Join(v.dir, name))
	}
	if old != "" {
		os.RemoveAll(filepath.Join(v.dir, old))
	}
}

// generation returns the files of one state of the volume. Their sizes differ, so
// that a mixture of two states shows.
func generation(n int) map[string]string {
	body := strings.Repeat("x", n%7*100)
	return map[string]string{
		"tls.crt":      fmt.Sprint(n, body, "\n"),
		"tls.key":      fmt.Sprint(n, body, "\n"),
		"tls.key.next": fmt.Sprint(n, body, "\n"),
		"tls.key.1":    fmt.Sprint(n, body, "\n"),
	}
}

// TestKubernetesSwap reads a pair of secrets while the volume is swapped: every Load
// must see one state, whole. Each swap waits for a reader to be about to read, so that
// they meet however slow the machine is.
func TestKubernetesSwap(t *testing.T) {
	v := &volume{dir: t.TempDir()}
	v.publish(t, generation(0))
	src := secrets.Only(secrets.First(secrets.Dir(v.dir)), "tls.crt", "tls.key") // they keep the batch together

	const swaps = 100
	reading, done := make(chan struct{}), make(chan struct{})
	states := make([]map[string]bool, 2)
	var wg sync.WaitGroup
	for i := range states {
		states[i] = map[string]bool{}
		wg.Go(func() {
			for {
				select {
				case reading <- struct{}{}:
					states[i][readPair(t, src)] = true
				case <-done:
					return
				}
			}
		})
	}
	for n := range swaps {
		<-reading
		v.publish(t, generation(n+1))
	}
	close(done)
	wg.Wait()
	// One reader made half of the reads, and every second one of them sees a newer state.
	if seen := max(len(states[0]), len(states[1])); seen < swaps/4 {
		t.Errorf("%d states seen in %d swaps", seen, swaps)
	}
	if got, err := reveal(src, "tls.key"); got+"\n" != generation(swaps)["tls.key"] {
		t.Errorf("after the last swap: %.8q, %v", got, err)
	}
}

// readPair loads a certificate and its key, fetches the versions of the key, and
// returns the key's fingerprint.
func readPair(t *testing.T, src secrets.Source) string {
	var pair struct {
		Cert secrets.Secret `secret:"tls.crt,required"`
		Key  secrets.Secret `secret:"tls.key,required"`
	}
	if err := secrets.Load(t.Context(), src, &pair); err != nil {
		t.Errorf("Load during a swap: %v", err)
	} else if !pair.Cert.Equal(pair.Key) {
		t.Errorf("torn pair: %.8q and %.8q", pair.Cert.Reveal(), pair.Key.Reveal())
	}
	versions, err := src.Fetch(t.Context(), "tls.key")
	if err != nil || len(versions) != 3 || !versions[0].Secret.Equal(versions[2].Secret) {
		t.Errorf("torn versions: %d, %v", len(versions), err)
	}
	return pair.Key.Fingerprint()
}

// TestRename replaces a plain file as docker and editors do.
func TestRename(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "key", "0")
	var stop atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() {
		for !stop.Load() {
			got, err := reveal(secrets.Dir(dir), "key")
			if err != nil || strings.Trim(got, got[:1]) != "" {
				t.Errorf("torn: %.20q, %v", got, err)
				return
			}
		}
	})
	for n := range 200 {
		write(t, dir, "tmp", strings.Repeat(string(rune('0'+n%10)), 1+n%5000))
		if err := os.Rename(filepath.Join(dir, "tmp"), filepath.Join(dir, "key")); err != nil {
			t.Fatal(err)
		}
	}
	stop.Store(true)
	wg.Wait()
}
