package secrets

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"
	"time"
)

// TestDestroyWipes looks at the memory itself, which nothing outside can.
func TestDestroyWipes(t *testing.T) {
	s := New(canary)
	held := s.open().bytes
	if string(held) != canary {
		t.Fatal("control: the value is not where the test looks")
	}
	s.Destroy()
	if !bytes.Equal(held, make([]byte, len(canary))) {
		t.Error("Destroy left bytes behind")
	}
}

// rewritten is a file that somebody writes to while it is read.
type rewritten struct {
	fs.File
	now   *fstest.MapFile
	write func(*fstest.MapFile)
}

func (r rewritten) Read(b []byte) (int, error) {
	n, err := r.File.Read(b)
	r.write(r.now)
	return n, err
}

func (r rewritten) Stat() (fs.FileInfo, error) {
	info, err := r.File.Stat()
	return snapshot{info, info.Size(), info.ModTime()}, err
}

// snapshot keeps what a FileInfo of fstest would change after the fact.
type snapshot struct {
	fs.FileInfo
	size    int64
	modTime time.Time
}

func (s snapshot) Size() int64        { return s.size }
func (s snapshot) ModTime() time.Time { return s.modTime }

// TestReadFileDuringWrite: what may be the head of one value and the tail of another
// is refused.
func TestReadFileDuringWrite(t *testing.T) {
	for name, tt := range map[string]struct {
		write func(*fstest.MapFile)
		want  error
	}{
		"control":             {func(*fstest.MapFile) {}, nil},
		"grown":               {func(f *fstest.MapFile) { f.Data = []byte(canary + "x") }, errChanged},
		"truncated":           {func(f *fstest.MapFile) { f.Data = nil }, errChanged},
		"written, equal size": {func(f *fstest.MapFile) { f.ModTime = f.ModTime.Add(time.Nanosecond) }, errChanged},
	} {
		file := &fstest.MapFile{Data: []byte(canary), Mode: 0o400}
		f, err := fstest.MapFS{"key": file}.Open("key")
		if err != nil {
			t.Fatal(err)
		}
		s, err := readFile(rewritten{f, file, tt.write})
		if !errors.Is(err, tt.want) || (err == nil) == s.IsZero() {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestSwapBetweenTwoReads swaps a Kubernetes volume at the worst moment. A reader that
// follows the links gets a torn pair: the control. A mount keeps to the old state and
// notices.
func TestSwapBetweenTwoReads(t *testing.T) {
	for _, keep := range []bool{true, false} { // whether the kubelet has removed the old state yet
		dir := t.TempDir()
		publish := func(stamp, old string) {
			t.Helper()
			write := func(name string) error {
				return os.WriteFile(filepath.Join(dir, stamp, name), []byte(stamp), 0o600)
			}
			err := errors.Join(os.Mkdir(filepath.Join(dir, stamp), 0o700), write("crt"), write("key"))
			if err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(stamp, filepath.Join(dir, "tmp")); err != nil {
				t.Skip("no symbolic links: ", err)
			}
			if err := os.Rename(filepath.Join(dir, "tmp"), filepath.Join(dir, dataLink)); err != nil {
				t.Fatal(err)
			}
			if !keep && old != "" {
				os.RemoveAll(filepath.Join(dir, old))
			}
		}
		naive := func(name string) string {
			b, _ := os.ReadFile(filepath.Join(dir, dataLink, name))
			return string(b)
		}
		publish("..1", "")
		m, err := openMount(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer m.close()
		crt, naiveCrt := m.versions("crt"), naive("crt")
		if crt.err != nil || !m.current() {
			t.Fatalf("before the swap: %v", crt.err)
		}
		publish("..2", "..1")
		key, naiveKey := m.versions("key"), naive("key")
		if naiveCrt == naiveKey {
			t.Error("control: the naive reader does not tear")
		}
		if m.current() {
			t.Error("the swap is not noticed")
		}
		if keep && (key.err != nil || !crt.versions[0].Secret.Equal(key.versions[0].Secret)) {
			t.Errorf("the mount tears: %v", key.err)
		}
	}
}
