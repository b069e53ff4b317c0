package crypto

import (
	"bytes"
	"io"
	"runtime"
	"testing"
	"testing/iotest"
)

// Whoever sealed it with however many workers, it is one format.
func TestWorkersDoNotShow(t *testing.T) {
	key, b := GenerateKey(), Bind("test", "1")
	plaintext := plaintextOf(3<<20 + 1234)
	for _, sealer := range []int{1, 3} {
		k := newKeyring(t, key).WithWorkers(sealer)
		for name, write := range map[string]func(*Writer) error{
			"at once":  func(w *Writer) error { _, err := w.Write(plaintext); return err },
			"pieces":   func(w *Writer) error { return pieces(w, plaintext, 1<<20+chunk/2) },
			"ReadFrom": func(w *Writer) error { _, err := w.ReadFrom(bytes.NewReader(plaintext)); return err },
			"odd": func(w *Writer) error {
				w.Write(plaintext[:1])
				_, err := w.ReadFrom(iotest.HalfReader(bytes.NewReader(plaintext[1:])))
				return err
			},
		} {
			stream := sealStream(t, k, b, write)
			for _, opener := range []int{1, 3} {
				k := newKeyring(t, key).WithWorkers(opener)
				if got, err := k.Open(nil, stream, b); err != nil || !bytes.Equal(got, plaintext) {
					t.Fatalf("%s: %d workers, then Open with %d: %d bytes, %v", name, sealer, opener, len(got), err)
				}
				for how, read := range readings {
					if got, err := read(mustReader(t, k, stream, b)); err != nil || !bytes.Equal(got, plaintext) {
						t.Fatalf("%s: %d workers, then %s with %d: %d bytes, %v", name, sealer, how, opener, len(got), err)
					}
				}
			}
		}
	}
}

func TestParallelStreamDamage(t *testing.T) {
	k, b := newKeyring(t).WithWorkers(4), Bind("test", "1")
	plaintext := plaintextOf(4 << 20)
	stream := seal(t, k, plaintext, b)
	for at := 62; at < len(stream); at += 600_011 {
		stream[at] ^= 1
		intact := (at - 62) / (chunk + 16) * chunk
		for how, read := range readings {
			got, err := read(mustReader(t, k, stream, b))
			if err != ErrOpen || !bytes.Equal(got, plaintext[:intact]) {
				t.Fatalf("%s, flip at %d: %d bytes of %d, %v", how, at, len(got), intact, err)
			}
			got, err = read(mustReader(t, k, stream[:at], b))
			if err != ErrOpen || !bytes.Equal(got, plaintext[:intact]) {
				t.Fatalf("%s, cut at %d: %d bytes of %d, %v", how, at, len(got), intact, err)
			}
		}
		stream[at] ^= 1
	}
}

// Workers end with the call that they serve: a stream that nobody closes leaks none.
func TestNoWorkerStays(t *testing.T) {
	k, b := newKeyring(t).WithWorkers(8), Bind("test", "1")
	plaintext := plaintextOf(4 << 20)
	sealed := seal(t, k, plaintext, b)
	before := runtime.NumGoroutine()
	for range 20 {
		w, err := k.Writer(io.Discard, b)
		if err != nil {
			t.Fatal(err)
		}
		w.Write(plaintext)
		io.CopyN(io.Discard, mustReader(t, k, sealed, b), 3<<20)
	}
	for range 100 {
		if runtime.NumGoroutine() <= before {
			return
		}
		runtime.Gosched()
	}
	t.Errorf("%d goroutines, %d before", runtime.NumGoroutine(), before)
}
