package crypto

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pavise/pavise/crypto/internal/fipstest"
)

// stepReader hands out one of its parts with each Read, whole, then calls last.
type stepReader struct {
	parts [][]byte
	last  func() (int, error)
}

func (r *stepReader) Read(p []byte) (int, error) {
	if len(r.parts) == 0 {
		return r.last()
	}
	n := copy(p, r.parts[0])
	if r.parts[0] = r.parts[0][n:]; len(r.parts[0]) == 0 {
		r.parts = r.parts[1:]
	}
	return n, nil
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// Beyond the first MiB several cores are at work, and the source is read meanwhile.
const longStream = 8 << 20

// A source that stops for an answer to what it has sent gets it: reading ahead does
// not hold back what has been opened, or sealed.
func TestReadingAheadHoldsNothingBack(t *testing.T) {
	k, b := newKeyring(t).WithWorkers(2), Bind("test", "1")
	plaintext := plaintextOf(longStream)
	sealed := seal(t, k, plaintext, b)
	const batch = 2 * 64
	for full := batch; full <= 3*batch; full += batch / 4 {
		fipstest.Bubble(t, func(t *testing.T) { // a deadlock fails here
			answered, got := make(chan struct{}), 0
			in := &stepReader{parts: [][]byte{sealed[:62+full*(chunk+16)]}, last: func() (int, error) { <-answered; return 0, io.EOF }}
			r, err := k.Reader(in, b)
			if err != nil {
				t.Fatal(err)
			}
			_, err = r.WriteTo(writerFunc(func(p []byte) (int, error) {
				if got += len(p); got == full*chunk {
					close(answered)
				}
				return len(p), nil
			}))
			if err != ErrOpen || got != full*chunk {
				t.Errorf("%d chunks: %d, %v", full, got/chunk, err)
			}
		})
	}
}

// The next batch is read while this one is written.
func TestStreamsReadAhead(t *testing.T) {
	k, b := newKeyring(t).WithWorkers(2), Bind("test", "1")
	plaintext := plaintextOf(longStream)
	sealed := seal(t, k, plaintext, b)
	for name, c := range map[string]struct {
		in   []byte
		move func(w io.Writer, r io.Reader) error
	}{
		"WriteTo": {sealed, func(w io.Writer, r io.Reader) error {
			d, err := k.Reader(r, b)
			if err == nil {
				_, err = d.WriteTo(w)
			}
			return err
		}},
		"ReadFrom": {plaintext, func(w io.Writer, r io.Reader) error {
			e, err := k.Writer(w, b)
			if err == nil {
				_, err = e.ReadFrom(r)
			}
			return err
		}},
	} {
		fipstest.Bubble(t, func(t *testing.T) {
			var read atomic.Int64
			source := bytes.NewReader(c.in)
			written, ahead := int64(0), false
			err := c.move(writerFunc(func(p []byte) (int, error) {
				written += int64(len(p))
				time.Sleep(time.Nanosecond) // until all else is blocked
				ahead = ahead || read.Load() > written+1<<17
				return len(p), nil
			}), readerFunc(func(p []byte) (int, error) {
				n, err := source.Read(p)
				read.Add(int64(n))
				return n, err
			}))
			if !ahead || err != nil {
				t.Errorf("%s: %d bytes, ahead %v, %v", name, written, ahead, err)
			}
		})
	}
}

// A panic of the underlying reader comes out of the call, on its goroutine, once.
func TestPanicOfTheReader(t *testing.T) {
	k, b := newKeyring(t).WithWorkers(2), Bind("test", "1")
	plaintext := plaintextOf(longStream)
	sealed := seal(t, k, plaintext, b)
	recovered := func(f func()) (v any) {
		defer func() { v = recover() }()
		f()
		return nil
	}
	breaks := func() (int, error) { panic(errDisk) }
	r, err := k.Reader(&stepReader{[][]byte{sealed[:6<<20]}, breaks}, b)
	if err != nil {
		t.Fatal(err)
	}
	if v := recovered(func() { r.WriteTo(io.Discard) }); v != errDisk {
		t.Errorf("WriteTo: %v", v)
	}
	for _, size := range []int{100, 20_000, 6 << 20} {
		w, err := k.Writer(io.Discard, b)
		if err != nil {
			t.Fatal(err)
		}
		if v := recovered(func() { w.ReadFrom(&stepReader{[][]byte{plaintext[:size]}, breaks}) }); v != errDisk {
			t.Errorf("ReadFrom: %v", v)
		}
		if err := w.Close(); err == nil {
			t.Errorf("%d bytes: Close wrote the end of a plaintext that is not complete", size)
		}
	}
}

// A panic of the underlying writer comes out of the call too, and what it has lost is
// not passed over.
func TestPanicOfTheWriter(t *testing.T) {
	k, b := newKeyring(t).WithWorkers(2), Bind("test", "1")
	plaintext := plaintextOf(longStream)
	sealed := seal(t, k, plaintext, b)
	breaks := func() io.Writer {
		return &limitedWriter{4 << 20, writerFunc(func([]byte) (int, error) { panic(errDisk) })}
	}
	recovered := func(f func()) (v any) {
		defer func() { v = recover() }()
		f()
		return nil
	}
	r := mustReader(t, k, sealed, b)
	if v := recovered(func() { r.WriteTo(breaks()) }); v != errDisk {
		t.Errorf("WriteTo: %v", v)
	}
	if got, err := io.ReadAll(r); len(got) > 0 || err == nil {
		t.Errorf("WriteTo: %d bytes after a gap, %v", len(got), err)
	}
	for name, write := range map[string]func(*Writer){
		"Write":    func(w *Writer) { w.Write(plaintext) },
		"ReadFrom": func(w *Writer) { w.ReadFrom(bytes.NewReader(plaintext)) },
	} {
		w, err := k.Writer(breaks(), b)
		if err != nil {
			t.Fatal(err)
		}
		if v := recovered(func() { write(w) }); v != errDisk {
			t.Errorf("%s: %v", name, v)
		}
		if err := w.Close(); err == nil {
			t.Errorf("%s: Close wrote the end of a stream with a gap", name)
		}
	}
}

// A reader or writer that ends its goroutine, as t.FailNow does, ends neither silently
// nor never.
func TestExitOfTheReaderOrWriter(t *testing.T) {
	k, b := newKeyring(t).WithWorkers(2), Bind("test", "1")
	plaintext := plaintextOf(longStream)
	exit := func(p []byte) (int, error) { runtime.Goexit(); return len(p), nil }
	for name, c := range map[string]struct {
		r io.Reader
		w io.Writer
	}{
		"reader": {io.MultiReader(bytes.NewReader(plaintext[:6<<20]), readerFunc(exit)), io.Discard},
		"writer": {bytes.NewReader(plaintext), &limitedWriter{4 << 20, writerFunc(exit)}},
	} {
		w, err := k.Writer(c.w, b)
		if err != nil {
			t.Fatal(err)
		}
		func() {
			defer func() {
				if v := recover(); v != errExit {
					t.Errorf("%s: %v", name, v)
				}
			}()
			w.ReadFrom(c.r)
		}()
		if err := w.Close(); err == nil {
			t.Errorf("%s: Close wrote the end", name)
		}
	}
}

// limitedWriter takes left bytes before it asks the other.
type limitedWriter struct {
	left int
	then io.Writer
}

func (w *limitedWriter) Write(p []byte) (int, error) {
	if w.left -= len(p); w.left < 0 {
		return w.then.Write(p)
	}
	return len(p), nil
}

// What came before an error, even with it, is released; the error comes once it is due.
func TestErrorWaitsForItsChunks(t *testing.T) {
	k, b := newKeyring(t), Bind("test", "1")
	sealed := seal(t, k, threeChunks, b)
	for how, read := range readings {
		whole := sealed[62 : 62+2*(chunk+16)]
		r, err := k.Reader(io.MultiReader(bytes.NewReader(sealed[:62]), readerFunc(func(p []byte) (int, error) {
			n := copy(p, whole)
			if whole = whole[n:]; len(whole) > 0 {
				return n, nil
			}
			return n, errDisk
		})), b)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := read(r); !errors.Is(err, errDisk) || !bytes.Equal(got, threeChunks[:2*chunk]) {
			t.Errorf("%s: %d bytes, %v", how, len(got), err)
		}
	}
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// WriteTo that fails has read ahead, and loses nothing of it.
func TestLongWriteToFailureLosesNothing(t *testing.T) {
	k, b := newKeyring(t).WithWorkers(2), Bind("test", "1")
	plaintext := plaintextOf(longStream + 77)
	r := mustReader(t, k, seal(t, k, plaintext, b), b)
	at := 0
	for _, room := range []int{1, 3 << 20, 1 << 20, 100} {
		n, err := r.WriteTo(&brokenWriter{room: room})
		if at += int(n); n != int64(room) || !errors.Is(err, errDisk) {
			t.Fatal(n, err)
		}
	}
	if rest, err := io.ReadAll(r); err != nil || !bytes.Equal(rest, plaintext[at:]) {
		t.Fatalf("%d bytes, %v", len(rest), err)
	}
}

// Authentic chunks out of their place, and parts of other streams, do not open.
func TestChunksOutOfPlace(t *testing.T) {
	k, b := newKeyring(t), Bind("test", "1")
	const head, size = 62, chunk + 16
	one, two := seal(t, k, threeChunks, b), seal(t, k, threeChunks, b)
	cut := func(s []byte) [4][]byte {
		return [4][]byte{s[:head], s[head:][:size], s[head+size:][:size], s[head+2*size:]}
	}
	a, z := cut(one), cut(two)
	for name, c := range map[string]struct {
		stream []byte
		intact int // chunks
	}{
		"swapped chunks":      {slices.Concat(a[0], a[2], a[1], a[3]), 0},
		"a chunk twice":       {slices.Concat(a[0], a[1], a[1], a[2], a[3]), 1},
		"a chunk left out":    {slices.Concat(a[0], a[1], a[3]), 1},
		"the end twice":       {slices.Concat(one, a[3]), 2},
		"a foreign header":    {slices.Concat(z[0], a[1], a[2], a[3]), 0},
		"a foreign chunk":     {slices.Concat(a[0], a[1], z[2], a[3]), 1},
		"a foreign end":       {slices.Concat(a[0], a[1], a[2], z[3]), 2},
		"a stream in another": {slices.Concat(a[0], a[1], a[2], two), 2},
	} {
		if _, err := k.Open(nil, c.stream, b); err != ErrOpen {
			t.Errorf("%s: Open: %v", name, err)
		}
		for how, read := range readings {
			if got, err := read(mustReader(t, k, c.stream, b)); err != ErrOpen || !bytes.Equal(got, threeChunks[:c.intact*chunk]) {
				t.Errorf("%s, %s: %d bytes, %v", name, how, len(got), err)
			}
		}
	}
	if _, err := k.Open(nil, slices.Concat(a[0], a[1], a[2], a[3]), b); err != nil {
		t.Errorf("control: %v", err)
	}
}

// The header of one envelope before the payload of another of its own data key.
func TestSwappedEnvelopeHeaders(t *testing.T) {
	e, b := newEnvelope(t, numbered(t, 2), WithoutDEKCache()), Bind("test", "1")
	one, two := sealEnvelope(t, e, threeChunks, b), sealEnvelope(t, e, threeChunks, b)
	swapped := slices.Concat(one[:len(one)-len(payloadOf(t, one))], payloadOf(t, two))
	if _, err := e.Open(t.Context(), nil, swapped, b); err != ErrOpen {
		t.Errorf("Open: %v", err)
	}
	if r, err := e.Reader(t.Context(), bytes.NewReader(swapped), b); err != ErrOpen || r != nil {
		t.Errorf("Reader: %v", err)
	}
	if _, err := e.ReaderAt(t.Context(), bytes.NewReader(swapped), int64(len(swapped)), b); err != ErrOpen {
		t.Errorf("ReaderAt: %v", err)
	}
	if _, err := e.Open(t.Context(), nil, two, b); err != nil {
		t.Errorf("control: %v", err)
	}
}
