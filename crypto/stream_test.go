package crypto

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
)

const chunk = 16 << 10

// threeChunks is a plaintext of two full chunks and one more.
var threeChunks = func() []byte {
	b := make([]byte, 2*chunk+100)
	rand.NewChaCha8([32]byte{1}).Read(b)
	return b
}()

// The sizes where a stream could go wrong: around the chunk, and around what is
// buffered at a time.
var streamSizes = []int{0, 1, chunk - 1, chunk, chunk + 1, 2 * chunk, 4*chunk - 1, 4 * chunk, 4*chunk + 1, 9*chunk + 7}

func plaintextOf(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{byte(n)}).Read(b)
	return b
}

// sealStream writes a stream with write.
func sealStream(t testing.TB, k *Keyring, b Binding, write func(*Writer) error) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := k.Writer(&out, b)
	if err == nil {
		err = write(w)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// pieces writes p in pieces of n bytes.
func pieces(w io.Writer, p []byte, n int) error {
	for len(p) > 0 {
		piece := p[:min(n, len(p))]
		if m, err := w.Write(piece); err != nil || m != len(piece) {
			return fmt.Errorf("wrote %d of %d: %w", m, len(piece), err)
		}
		p = p[len(piece):]
	}
	return nil
}

// plainReader and plainWriter have no other method.
type (
	plainReader struct{ io.Reader }
	plainWriter struct{ io.Writer }
)

func TestStreamAndMessageAreOneFormat(t *testing.T) {
	k, b := newKeyring(t), Bind("test", "1")
	for _, n := range streamSizes {
		plaintext := plaintextOf(n)
		for name, write := range map[string]func(*Writer) error{
			"at once":   func(w *Writer) error { _, err := w.Write(plaintext); return err },
			"pieces":    func(w *Writer) error { return pieces(w, plaintext, 1000) },
			"chunks":    func(w *Writer) error { return pieces(w, plaintext, chunk) },
			"ReadFrom":  func(w *Writer) error { _, err := io.Copy(w, plainReader{bytes.NewReader(plaintext)}); return err },
			"half read": func(w *Writer) error { _, err := w.ReadFrom(iotest.HalfReader(bytes.NewReader(plaintext))); return err },
			"data and EOF": func(w *Writer) error {
				_, err := w.ReadFrom(iotest.DataErrReader(bytes.NewReader(plaintext)))
				return err
			},
			"mixed": func(w *Writer) error {
				if err := pieces(w, plaintext[:n/3], 777); err != nil {
					return err
				}
				if _, err := w.ReadFrom(bytes.NewReader(plaintext[n/3 : n/2])); err != nil {
					return err
				}
				return pieces(w, plaintext[n/2:], 50_000)
			},
		} {
			stream := sealStream(t, k, b, write)
			if got, err := k.Open(nil, stream, b); err != nil || !bytes.Equal(got, plaintext) {
				t.Errorf("%d bytes, %s: Open returns %d bytes, %v", n, name, len(got), err)
			}
			if message := seal(t, k, plaintext, b); len(message) != len(stream) {
				t.Errorf("%d bytes, %s: stream of %d bytes, message of %d", n, name, len(stream), len(message))
			}
		}
	}
}

func TestReaderOpensMessages(t *testing.T) {
	k, b := newKeyring(t), Bind("test", "1")
	for _, n := range streamSizes {
		plaintext := plaintextOf(n)
		sealed := seal(t, k, plaintext, b)
		for name, source := range map[string]func() io.Reader{
			"whole":        func() io.Reader { return bytes.NewReader(sealed) },
			"half":         func() io.Reader { return iotest.HalfReader(bytes.NewReader(sealed)) },
			"one byte":     func() io.Reader { return iotest.OneByteReader(bytes.NewReader(sealed)) },
			"data and EOF": func() io.Reader { return iotest.DataErrReader(bytes.NewReader(sealed)) },
		} {
			for how, read := range readings {
				r, err := k.Reader(source(), b)
				if err != nil {
					t.Fatal(err)
				}
				if got, err := read(r); err != nil || !bytes.Equal(got, plaintext) {
					t.Errorf("%d bytes, %s, %s: %d bytes, %v", n, name, how, len(got), err)
				}
				if m, err := r.Read(make([]byte, 1)); m != 0 || err != io.EOF {
					t.Errorf("%d bytes, %s, %s: after the end %d, %v", n, name, how, m, err)
				}
			}
		}
	}
}

// readings are the ways to read all of a Reader.
var readings = map[string]func(*Reader) ([]byte, error){
	"ReadAll": func(r *Reader) ([]byte, error) { return io.ReadAll(r) },
	"large": func(r *Reader) ([]byte, error) {
		var out bytes.Buffer
		_, err := io.CopyBuffer(plainWriter{&out}, plainReader{r}, make([]byte, 5*chunk+3))
		return out.Bytes(), err
	},
	"WriteTo": func(r *Reader) ([]byte, error) {
		var out bytes.Buffer
		_, err := io.Copy(plainWriter{&out}, r)
		return out.Bytes(), err
	},
	"Read, then WriteTo": func(r *Reader) ([]byte, error) {
		var out bytes.Buffer
		if _, err := io.CopyN(plainWriter{&out}, r, 10); err != nil && err != io.EOF {
			return out.Bytes(), err
		}
		_, err := r.WriteTo(&out)
		return out.Bytes(), err
	},
}

// What comes out of a damaged stream is what stands before the damaged chunk.
func TestStreamDamageAtEveryByte(t *testing.T) {
	k, b := newKeyring(t), Bind("test", "1")
	stream := sealStream(t, k, b, func(w *Writer) error { return pieces(w, threeChunks, 40_000) })
	const head, sealedChunk = 62, chunk + 16
	p, nothing := make([]byte, 3*chunk), make([]byte, 3*chunk)

	check := func(what string, at int, damaged []byte) {
		t.Helper()
		intact := max(0, at-head) / sealedChunk * chunk
		r, err := k.Reader(bytes.NewReader(damaged), b)
		if at < head {
			if err != ErrOpen || r != nil {
				t.Fatalf("%s at %d: %v", what, at, err)
			}
			return
		}
		if err != nil {
			t.Fatalf("%s at %d: %v", what, at, err)
		}
		clear(p)
		n := 0
		for piece := []int{len(p), 5000, chunk}[at%3]; err == nil; {
			var m int
			m, err = r.Read(p[n:min(n+piece, len(p))])
			n += m
		}
		if err != ErrOpen || n != intact || !bytes.Equal(p[:n], threeChunks[:n]) {
			t.Fatalf("%s at %d: released %d bytes of %d, %v", what, at, n, intact, err)
		}
		if !bytes.Equal(p[n:], nothing[n:]) {
			t.Fatalf("%s at %d: there is something in memory behind the %d bytes that were read", what, at, n)
		}
		if m, err := r.Read(p); m != 0 || err != ErrOpen {
			t.Fatalf("%s at %d: read on, %d bytes, %v", what, at, m, err)
		}
	}
	for i := range stream {
		check("cut", i, stream[:i])
		stream[i] ^= 1 << (i % 8)
		check("flip", i, stream)
		stream[i] ^= 1 << (i % 8)
	}
	check("a byte more", len(stream)-1, append(bytes.Clone(stream), 0))
	if got, err := readings["large"](mustReader(t, k, stream, b)); err != nil || !bytes.Equal(got, threeChunks) {
		t.Fatalf("control: %v", err)
	}
}

func mustReader(t testing.TB, k *Keyring, stream []byte, b Binding) *Reader {
	t.Helper()
	r, err := k.Reader(bytes.NewReader(stream), b)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestReaderRefuses(t *testing.T) {
	key := GenerateKey()
	k, b := newKeyring(t, key), Bind("test", "1")
	stream := seal(t, k, threeChunks, b)
	for name, c := range map[string]struct {
		k    *Keyring
		b    Binding
		want error
	}{
		"another binding": {k, Bind("test", "2"), ErrOpen},
		"another key":     {newKeyring(t), b, ErrOpen},
		"no key":          {&Keyring{}, b, ErrOpen},
		"no binding":      {k, Binding{}, errNoBinding},
	} {
		if _, err := c.k.Reader(bytes.NewReader(stream), c.b); err != c.want {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := c.k.ReaderAt(bytes.NewReader(stream), int64(len(stream)), c.b); err != c.want {
			t.Errorf("%s, ReaderAt: %v", name, err)
		}
	}
	rotated := newKeyring(t, GenerateKey(), key)
	if got, err := io.ReadAll(mustReader(t, rotated, stream, b)); err != nil || !bytes.Equal(got, threeChunks) {
		t.Errorf("control, an older key: %v", err)
	}
}

func TestStreamConstructorsRefuse(t *testing.T) {
	k, e, b := newKeyring(t), newEnvelope(t, numbered(t, 1)), Bind("test", "1")
	xaes := newEnvelope(t, numbered(t, 1), WithXAES())
	ctx := t.Context()
	for name, f := range map[string]func() (any, error){
		"no writer":              func() (any, error) { return k.Writer(nil, b) },
		"no reader":              func() (any, error) { return k.Reader(nil, b) },
		"no readerAt":            func() (any, error) { return k.ReaderAt(nil, 0, b) },
		"no key":                 func() (any, error) { return (&Keyring{}).Writer(io.Discard, b) },
		"no binding":             func() (any, error) { return k.Writer(io.Discard, Binding{}) },
		"envelope, no writer":    func() (any, error) { return e.Writer(ctx, nil, b) },
		"envelope, no reader":    func() (any, error) { return e.Reader(ctx, nil, b) },
		"envelope, no readerAt":  func() (any, error) { return e.ReaderAt(ctx, nil, 0, b) },
		"envelope, no binding":   func() (any, error) { return e.Writer(ctx, io.Discard, Binding{}) },
		"envelope, no KEK":       func() (any, error) { return (&Envelope{}).Writer(ctx, io.Discard, b) },
		"XAES, Writer":           func() (any, error) { return xaes.Writer(ctx, io.Discard, b) },
		"XAES, Reader":           func() (any, error) { return e.Reader(ctx, bytes.NewReader(sealEnvelope(t, xaes, nil, b)), b) },
		"negative size":          func() (any, error) { return k.ReaderAt(strings.NewReader(""), -1, b) },
		"envelope negative size": func() (any, error) { return e.ReaderAt(ctx, strings.NewReader(""), -1, b) },
	} {
		if _, err := f(); err == nil || !strings.HasPrefix(err.Error(), "crypto: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestStreamsAfterClose(t *testing.T) {
	k, b := newKeyring(t), Bind("test", "1")
	var out bytes.Buffer
	w, err := k.Writer(&out, b)
	if err != nil {
		t.Fatal(err)
	}
	pieces(w, threeChunks, 1000)
	if err := errors.Join(w.Close(), w.Close()); err != nil {
		t.Fatal(err)
	}
	size := out.Len()
	_, writeErr := w.Write([]byte("more"))
	_, fromErr := w.ReadFrom(strings.NewReader("more"))
	if !errors.Is(writeErr, fs.ErrClosed) || !errors.Is(fromErr, fs.ErrClosed) || out.Len() != size {
		t.Errorf("Writer: %v, %v, %d bytes more", writeErr, fromErr, out.Len()-size)
	}

	r := mustReader(t, k, out.Bytes(), b)
	r.Read(make([]byte, 10))
	buf := r.buf
	if !bytes.Contains(buf, threeChunks[10:1000]) {
		t.Fatal("control: nothing was decrypted ahead")
	}
	if err := errors.Join(r.Close(), r.Close()); err != nil {
		t.Fatal(err)
	}
	_, readErr := r.Read(make([]byte, 10))
	_, toErr := r.WriteTo(io.Discard)
	if !errors.Is(readErr, fs.ErrClosed) || !errors.Is(toErr, fs.ErrClosed) {
		t.Errorf("Reader: %v, %v", readErr, toErr)
	}
	if bytes.Contains(buf, threeChunks[10:1000]) {
		t.Error("plaintext stayed in memory")
	}
}

func TestUnclosedStreamDoesNotOpen(t *testing.T) {
	k, b := newKeyring(t), Bind("test", "1")
	for _, n := range streamSizes {
		var out bytes.Buffer
		w, err := k.Writer(&out, b)
		if err != nil {
			t.Fatal(err)
		}
		pieces(w, plaintextOf(n), 3000)
		if _, err := k.Open(nil, out.Bytes(), b); err != ErrOpen {
			t.Errorf("%d bytes: %v", n, err)
		}
		if r, err := k.Reader(bytes.NewReader(out.Bytes()), b); err == nil {
			if got, err := io.ReadAll(r); err != ErrOpen {
				t.Errorf("%d bytes: read %d, %v", n, len(got), err)
			}
		}
	}
}

var errDisk = errors.New("disk is on fire")

// brokenWriter takes room bytes, then fails, or writes short.
type brokenWriter struct {
	room  int
	short bool
}

func (w *brokenWriter) Write(p []byte) (int, error) {
	n := min(len(p), w.room)
	w.room -= n
	if n < len(p) && !w.short {
		return n, errDisk
	}
	return n, nil
}

func TestWriterFailures(t *testing.T) {
	k, b := newKeyring(t), Bind("test", "1")
	for room := 0; room < len(threeChunks)+62+3*16; room += 3001 {
		for _, short := range []bool{false, true} {
			want := errDisk
			if short {
				want = io.ErrShortWrite
			}
			w, err := k.Writer(&brokenWriter{room, short}, b)
			if err != nil {
				t.Fatal(err)
			}
			err = pieces(w, threeChunks, 5000)
			closeErr := w.Close()
			if !errors.Is(closeErr, want) || errors.Is(closeErr, ErrOpen) || err != nil && !errors.Is(err, want) {
				t.Fatalf("%d bytes of room: %v, %v", room, err, closeErr)
			}
			if again := w.Close(); again != closeErr {
				t.Fatalf("second Close: %v", again)
			}
		}
	}
}

// A source that fails does not become a shorter stream that is well.
func TestReadFromFailure(t *testing.T) {
	k, b := newKeyring(t), Bind("test", "1")
	var out bytes.Buffer
	w, err := k.Writer(&out, b)
	if err != nil {
		t.Fatal(err)
	}
	source := io.MultiReader(bytes.NewReader(threeChunks), iotest.ErrReader(errDisk))
	if n, err := io.Copy(w, source); !errors.Is(err, errDisk) || n != int64(len(threeChunks)) {
		t.Fatalf("%d bytes, %v", n, err)
	}
	if err := w.Close(); !errors.Is(err, errDisk) {
		t.Fatal(err)
	}
	if _, err := k.Open(nil, out.Bytes(), b); err != ErrOpen {
		t.Fatal("opened")
	}
}

type badReader struct{ n int }

func (r badReader) Read(p []byte) (int, error) { return r.n, nil }

func TestReaderFailures(t *testing.T) {
	k, b := newKeyring(t), Bind("test", "1")
	stream := seal(t, k, threeChunks, b)
	lost := fmt.Errorf("connection lost: %w", io.EOF)
	for name, c := range map[string]struct{ cause, want error }{
		"an error":          {errDisk, errDisk},
		"a wrapped EOF":     {lost, lost},
		"an unexpected EOF": {io.ErrUnexpectedEOF, io.ErrUnexpectedEOF},
	} {
		for at := 63; at < len(stream); at += 3001 {
			r, err := k.Reader(io.MultiReader(bytes.NewReader(stream[:at]), iotest.ErrReader(c.cause)), b)
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(r)
			if intact := (at - 62) / (chunk + 16) * chunk; !errors.Is(err, c.want) || errors.Is(err, ErrOpen) || err == c.cause || !bytes.Equal(got, threeChunks[:intact]) {
				t.Fatalf("%s at %d: %d bytes, %v", name, at, len(got), err)
			}
		}
	}
	if _, err := k.Reader(io.MultiReader(bytes.NewReader(stream[:30]), iotest.ErrReader(errDisk)), b); !errors.Is(err, errDisk) || errors.Is(err, ErrOpen) {
		t.Errorf("in the header: %v", err)
	}
	for n, want := range map[int]error{0: io.ErrNoProgress, -1: errBadCount, 1 << 30: errBadCount} {
		r, err := k.Reader(io.MultiReader(bytes.NewReader(stream[:100]), badReader{n}), b)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Read(make([]byte, 10)); !errors.Is(err, want) {
			t.Errorf("a reader that returns %d: %v", n, err)
		}
	}
}

// What the writer of WriteTo did not take can be read again.
func TestWriteToFailureLosesNothing(t *testing.T) {
	k, b := newKeyring(t), Bind("test", "1")
	r := mustReader(t, k, seal(t, k, threeChunks, b), b)
	n, err := r.WriteTo(&brokenWriter{room: 20_000})
	if n != 20_000 || !errors.Is(err, errDisk) || errors.Is(err, ErrOpen) {
		t.Fatal(n, err)
	}
	if m, err := r.WriteTo(&brokenWriter{room: 100, short: true}); m != 100 || !errors.Is(err, io.ErrShortWrite) {
		t.Fatal(m, err)
	}
	if rest, err := io.ReadAll(r); err != nil || !bytes.Equal(rest, threeChunks[20_100:]) {
		t.Fatalf("%d bytes, %v", len(rest), err)
	}
}

// A chunk is released as soon as it is there, also when nothing follows yet.
func TestReaderDoesNotWaitForMore(t *testing.T) {
	k, b := newKeyring(t), Bind("test", "1")
	stream := seal(t, k, threeChunks, b)
	in, out := io.Pipe()
	defer in.Close()
	sent := make(chan struct{})
	go func() {
		out.Write(stream[:62+chunk+16])
		<-sent
		out.Write(stream[62+chunk+16:])
		out.Close()
	}()
	r, err := k.Reader(in, b)
	if err != nil {
		t.Fatal(err)
	}
	got := make([]byte, chunk)
	if _, err := io.ReadFull(r, got); err != nil || !bytes.Equal(got, threeChunks[:chunk]) {
		t.Fatal(err)
	}
	close(sent)
	if rest, err := io.ReadAll(r); err != nil || !bytes.Equal(rest, threeChunks[chunk:]) {
		t.Fatal(err)
	}
}

func TestStreamsOfOneKeyringAtOnce(t *testing.T) {
	k, b := newKeyring(t), Bind("test", "1")
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			plaintext := plaintextOf(g * 20_000)
			var out bytes.Buffer
			w, err := k.Writer(&out, b)
			if err == nil {
				err = errors.Join(pieces(w, plaintext, 4000), w.Close())
			}
			if err != nil {
				t.Error(err)
				return
			}
			r, err := k.Reader(&out, b)
			if err != nil {
				t.Error(err)
				return
			}
			if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, plaintext) {
				t.Error(len(got), err)
			}
		})
	}
	wg.Wait()
}

func FuzzReader(f *testing.F) {
	k, b := newKeyring(f), Bind("fuzz", "1")
	if sealed, err := k.Seal(nil, threeChunks, b); err == nil {
		f.Add(sealed, 7)
		f.Add(sealed[:62+2*(chunk+16)], chunk)
		f.Add(sealed[:100], 1)
	}
	f.Add([]byte{2, 1}, 1)
	f.Fuzz(func(t *testing.T, stream []byte, size int) {
		r, err := k.Reader(bytes.NewReader(stream), b)
		if err != nil {
			if err != ErrOpen {
				t.Fatal(err)
			}
			return
		}
		var out bytes.Buffer
		_, err = io.CopyBuffer(plainWriter{&out}, plainReader{r}, make([]byte, 1+uint(size)%(5*chunk)))
		if got := out.Bytes(); !bytes.HasPrefix(threeChunks, got) || err == nil && len(got) != len(threeChunks) {
			t.Fatal("a forgery was released")
		}
		if err != nil && err != ErrOpen {
			t.Fatal(err)
		}
		if at, err := k.ReaderAt(bytes.NewReader(stream), int64(len(stream)), b); err == nil && at.Size() != int64(len(threeChunks)) {
			t.Fatal("a forged length opened")
		}
	})
}
