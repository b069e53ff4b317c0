package secrets

import (
	"bytes"
	"errors"
	"io/fs"
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
