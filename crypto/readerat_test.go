package crypto

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
)

// tracedReaderAt records which part of it is read.
type tracedReaderAt struct {
	*bytes.Reader
	from, to int64
}

func (r *tracedReaderAt) ReadAt(p []byte, off int64) (int, error) {
	r.from, r.to = min(r.from, off), max(r.to, off+int64(len(p)))
	return r.Reader.ReadAt(p, off)
}

func TestReaderAt(t *testing.T) {
	k, b := newKeyring(t), Bind("test", "1")
	for _, n := range append(streamSizes, 70*chunk+5, 130*chunk) {
		plaintext := plaintextOf(n)
		sealed := seal(t, k, plaintext, b)
		source := &tracedReaderAt{Reader: bytes.NewReader(sealed)}
		r, err := k.ReaderAt(source, int64(len(sealed)), b)
		if err != nil || r.Size() != int64(n) {
			t.Fatalf("%d bytes: %v", n, err)
		}
		random := rand.New(rand.NewPCG(1, uint64(n)))
		for i := range 200 {
			off, length := random.IntN(n+10), random.IntN(n+2*chunk)
			if i%3 == 0 {
				off, length = off/chunk*chunk, length/chunk*chunk
			}
			source.from, source.to = 1<<62, 0
			p := make([]byte, length)
			got, err := r.ReadAt(p, int64(off))
			want := plaintext[min(off, n):min(off+length, n)]
			if got != len(want) || !bytes.Equal(p[:got], want) || err != nil && err != io.EOF || (err == nil) != (got == length && off < n) {
				t.Fatalf("%d bytes at %d of %d: %d, %v", length, off, n, got, err)
			}
			if from, size := r.CiphertextRange(int64(off), int64(length)); got > 0 && (from != source.from || from+size != source.to) || got == 0 && size != 0 {
				t.Fatalf("%d bytes at %d of %d: range %d+%d, read %d to %d", length, off, n, from, size, source.from, source.to)
			}
		}
		if all, err := io.ReadAll(io.NewSectionReader(r, 0, r.Size())); err != nil || !bytes.Equal(all, plaintext) {
			t.Fatal(len(all), err)
		}
	}
}

func TestReaderAtOffsets(t *testing.T) {
	k, b := newKeyring(t), Bind("test", "1")
	sealed := seal(t, k, threeChunks, b)
	r, err := k.ReaderAt(bytes.NewReader(sealed), int64(len(sealed)), b)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := r.ReadAt(make([]byte, 1), -1); n != 0 || err != errOffset {
		t.Error(n, err)
	}
	if n, err := r.ReadAt(nil, 1); n != 0 || err != nil {
		t.Error(n, err)
	}
	const most = 1<<63 - 1
	if n, err := r.ReadAt(make([]byte, 1), most); n != 0 || err != io.EOF {
		t.Error(n, err)
	}
	for _, c := range [][4]int64{
		{0, 1, 62, chunk + 16},
		{chunk - 1, 2, 62, 2 * (chunk + 16)},
		{2*chunk + 99, most, 62 + 2*(chunk+16), 116},
		{0, most, 62, int64(len(sealed)) - 62},
		{2*chunk + 100, 1, 0, 0},
		{-1, 5, 0, 0},
		{5, 0, 0, 0},
		{5, -1, 0, 0},
	} {
		if from, length := r.CiphertextRange(c[0], c[1]); from != c[2] || length != c[3] {
			t.Errorf("%d bytes at %d: range %d+%d, want %d+%d", c[1], c[0], from, length, c[2], c[3])
		}
	}
}

// A length that is not the sealed one is found before anything is read, damage when
// its chunk is.
func TestReaderAtDamage(t *testing.T) {
	k, b := newKeyring(t), Bind("test", "1")
	sealed := seal(t, k, threeChunks, b)
	for i := range sealed {
		if _, err := k.ReaderAt(bytes.NewReader(sealed), int64(i), b); err != ErrOpen {
			t.Fatalf("length %d: %v", i, err)
		}
	}
	for _, end := range []int{len(sealed) - 1, 62 + 2*(chunk+16), 62 + chunk + 16, 100} {
		if _, err := k.ReaderAt(bytes.NewReader(sealed[:end]), int64(len(sealed)), b); err != ErrOpen {
			t.Errorf("cut at %d behind a right length: %v", end, err)
		}
	}
	extended := append(bytes.Clone(sealed), 0)
	if _, err := k.ReaderAt(bytes.NewReader(extended), int64(len(extended)), b); err != ErrOpen {
		t.Errorf("a byte more: %v", err)
	}

	nothing := make([]byte, len(threeChunks))
	for at := 0; at < len(sealed); at += 37 {
		damaged := bytes.Clone(sealed)
		damaged[at] ^= 1
		r, err := k.ReaderAt(bytes.NewReader(damaged), int64(len(sealed)), b)
		hit := (at - 62) / (chunk + 16)
		if at < 62 || hit == 2 {
			if err != ErrOpen {
				t.Fatalf("flip at %d: %v", at, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, off := range []int{0, 1, chunk} {
			if off > hit*chunk+chunk-1 {
				continue
			}
			p := make([]byte, len(threeChunks)-off)
			n, err := r.ReadAt(p, int64(off))
			if want := max(0, hit*chunk-off); err != ErrOpen || n != want || !bytes.Equal(p[:n], threeChunks[off:off+n]) || !bytes.Equal(p[n:], nothing[off+n:]) {
				t.Fatalf("flip at %d, read at %d: %d bytes, want %d, %v", at, off, n, want, err)
			}
		}
		whole := 1 - hit // the other full chunk still opens
		p := make([]byte, chunk)
		if _, err := r.ReadAt(p, int64(whole*chunk)); err != nil || !bytes.Equal(p, threeChunks[whole*chunk:][:chunk]) {
			t.Fatalf("flip at %d, chunk %d: %v", at, whole, err)
		}
	}
}

// failingReaderAt fails from an offset on.
type failingReaderAt struct {
	io.ReaderAt
	from int64
	err  error
}

func (r *failingReaderAt) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > r.from {
		return 0, r.err
	}
	return r.ReaderAt.ReadAt(p, off)
}

func TestReaderAtFailures(t *testing.T) {
	k, b := newKeyring(t), Bind("test", "1")
	sealed := seal(t, k, threeChunks, b)
	source := &failingReaderAt{bytes.NewReader(sealed), 1 << 62, errDisk}
	r, err := k.ReaderAt(source, int64(len(sealed)), b)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ give, want error }{{errDisk, errDisk}, {io.ErrUnexpectedEOF, io.ErrUnexpectedEOF}, {nil, errBadCount}} {
		source.from, source.err = 20_000, c.give
		if n, err := r.ReadAt(make([]byte, 5), 30_000); n != 0 || !errors.Is(err, c.want) || errors.Is(err, ErrOpen) {
			t.Errorf("%v: %d, %v", c.give, n, err)
		}
	}
	if n, err := r.ReadAt(make([]byte, 5), 0); n != 5 || err != nil {
		t.Errorf("control: %d, %v", n, err)
	}
	for _, from := range []int64{0, 30, 20_000} {
		source := &failingReaderAt{bytes.NewReader(sealed), from, errDisk}
		if _, err := k.ReaderAt(source, int64(len(sealed)), b); !errors.Is(err, errDisk) || errors.Is(err, ErrOpen) {
			t.Errorf("from %d: %v", from, err)
		}
	}
}

func TestReaderAtConcurrentUse(t *testing.T) {
	k, b := newKeyring(t), Bind("test", "1")
	plaintext := plaintextOf(20*chunk + 3)
	sealed := seal(t, k, plaintext, b)
	r, err := k.ReaderAt(bytes.NewReader(sealed), int64(len(sealed)), b)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(2, uint64(g)))
			for range 50 {
				off := random.IntN(len(plaintext))
				p := make([]byte, random.IntN(len(plaintext)-off))
				if n, err := r.ReadAt(p, int64(off)); n != len(p) || err != nil || !bytes.Equal(p, plaintext[off:off+n]) {
					t.Error(n, err)
				}
			}
		})
	}
	wg.Wait()
}

func TestEnvelopeStreams(t *testing.T) {
	kek := newTestKEK(t, "kek")
	var log bytes.Buffer
	e, b := newEnvelope(t, []KEK{kek}, WithLogger(slog.New(slog.NewTextHandler(&log, nil)))), Bind("test", "1")
	ctx := t.Context()
	for _, n := range streamSizes {
		plaintext := plaintextOf(n)
		var out bytes.Buffer
		w, err := e.Writer(ctx, &out, b)
		if err == nil {
			err = errors.Join(pieces(w, plaintext, 5000), w.Close())
		}
		if err != nil {
			t.Fatal(err)
		}
		stream, message := out.Bytes(), sealEnvelope(t, e, plaintext, b)
		if got, err := e.Open(ctx, nil, stream, b); err != nil || !bytes.Equal(got, plaintext) {
			t.Errorf("%d bytes: Open returns %d bytes, %v", n, len(got), err)
		}
		r, err := e.Reader(ctx, bytes.NewReader(message), b)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, plaintext) {
			t.Errorf("%d bytes: Reader returns %d bytes, %v", n, len(got), err)
		}
		at, err := e.ReaderAt(ctx, bytes.NewReader(message), int64(len(message)), b)
		if err != nil || at.Size() != int64(n) {
			t.Fatal(err)
		}
		if from, length := at.CiphertextRange(0, int64(n)); n > 0 && !bytes.HasSuffix(message, payloadOf(t, message)[56:]) || n > 0 && n%chunk != 0 && from+length != int64(len(message)) {
			t.Errorf("%d bytes: range %d+%d of %d", n, from, length, len(message))
		}
		if got, err := io.ReadAll(io.NewSectionReader(at, 0, at.Size())); err != nil || !bytes.Equal(got, plaintext) {
			t.Errorf("%d bytes: ReaderAt returns %d bytes, %v", n, len(got), err)
		}
	}
}

// Damage is one event, wherever it is found.
func TestEnvelopeStreamDamage(t *testing.T) {
	kek := newTestKEK(t, "kek")
	var log bytes.Buffer
	e, b := newEnvelope(t, []KEK{kek}, WithoutDEKCache(), WithLogger(slog.New(slog.NewTextHandler(&log, nil)))), Bind("test", "1")
	sealed := sealEnvelope(t, e, threeChunks, b)
	head := len(sealed) - len(payloadOf(t, sealed))
	for _, at := range []int{0, 5, head - 1, head, head + 30, head + 56, head + 30_000, len(sealed) - 1} {
		damaged := bytes.Clone(sealed)
		damaged[at] ^= 1
		log.Reset()
		r, err := e.Reader(t.Context(), bytes.NewReader(damaged), b)
		if err == nil {
			_, err = io.Copy(io.Discard, r)
		}
		if err != ErrOpen || events(&log) != 1 {
			t.Errorf("Reader, flip at %d: %v, %d events", at, err, events(&log))
		}
		log.Reset()
		ra, err := e.ReaderAt(t.Context(), bytes.NewReader(damaged), int64(len(damaged)), b)
		if err == nil {
			_, err = ra.ReadAt(make([]byte, len(threeChunks)), 0)
		}
		if err != ErrOpen || events(&log) != 1 {
			t.Errorf("ReaderAt, flip at %d: %v, %d events", at, err, events(&log))
		}
	}
	log.Reset()
	if _, err := e.Reader(t.Context(), bytes.NewReader(sealed), b); err != nil || events(&log) != 0 {
		t.Errorf("control: %v, %d events", err, events(&log))
	}

	calls := kek.calls.Load()
	for _, bad := range [][]byte{{2}, {3, 2, 0, 1, 0, 99}, {3, 1, 0, 0, 0, 99}, sealed[:head-1]} {
		if _, err := e.Reader(t.Context(), bytes.NewReader(bad), b); err == nil || kek.calls.Load() != calls {
			t.Errorf("%d bytes: %v, %d calls of the KEK", len(bad), err, kek.calls.Load()-calls)
		}
	}
	kek.fail = errDisk
	if w, err := e.Writer(t.Context(), io.Discard, b); !errors.Is(err, errDisk) || w != nil {
		t.Error(err)
	}
	if _, err := e.Reader(t.Context(), bytes.NewReader(sealed), b); !errors.Is(err, errDisk) || errors.Is(err, ErrOpen) {
		t.Error(err)
	}
}

func events(log *bytes.Buffer) int {
	return bytes.Count(log.Bytes(), []byte("event.action=envelope-open"))
}
