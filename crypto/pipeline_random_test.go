package crypto

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"
)

// fault is what a flaky end of a stream does at a position.
type fault int

const (
	none fault = iota
	fails
	panics
	exits
	faults
)

var errFlaky = errors.New("flaky")

func (f fault) strike() error {
	switch f {
	case panics:
		panic(errFlaky)
	case exits:
		runtime.Goexit()
	}
	return errFlaky
}

// flaky is a source, or a destination, that takes and gives little and much at a time,
// takes its time, and strikes at a position, once.
type flaky struct {
	*rand.Rand
	in, out []byte
	at      int // of the fault
	fault
	jumpy bool // small and late pieces
}

func (f *flaky) piece(most int) int {
	if f.jumpy && f.IntN(4) == 0 {
		if f.IntN(8) == 0 {
			time.Sleep(time.Duration(f.IntN(200)) * time.Microsecond)
		}
		return min(most, 1+f.IntN(20_000))
	}
	return most
}

func (f *flaky) Read(p []byte) (int, error) {
	n := min(f.piece(len(p)), len(f.in))
	if f.fault != none && n >= f.at {
		n = copy(p, f.in[:f.at])
		f.in, f.at = f.in[n:], 0
		what := f.fault
		f.fault = none
		return n, what.strike()
	}
	n = copy(p, f.in[:n])
	f.in, f.at = f.in[n:], f.at-n
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

func (f *flaky) Write(p []byte) (int, error) {
	f.piece(1)
	if f.fault != none && len(p) > f.at {
		f.out = append(f.out, p[:f.at]...)
		n, what := f.at, f.fault
		f.fault = none
		return n, what.strike()
	}
	f.out, f.at = append(f.out, p...), f.at-len(p)
	return len(p), nil
}

func newFlaky(r *rand.Rand, in []byte, room int) *flaky {
	return &flaky{Rand: rand.New(rand.NewPCG(r.Uint64(), 1)), in: in, at: r.IntN(room + 1), jumpy: r.IntN(3) == 0}
}

// interrupted calls f and returns what it panicked with, errExit if it ended its
// goroutine.
func interrupted(f func()) (v any) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		returned := false
		defer func() {
			if v = recover(); v == nil && !returned {
				v = errExit
			}
		}()
		f()
		returned = true
	}()
	<-done
	return v
}

// Whatever goes wrong at either end, what comes out is a beginning of the plaintext, or
// a beginning of a stream that has no end.
func TestPipelineFaults(t *testing.T) {
	plaintext := plaintextOf(5<<20 + 4321)
	key, b := GenerateKey(), Bind("test", "1")
	stream := seal(t, newKeyring(t, key), plaintext, b)
	rounds := 40
	if testing.Short() {
		rounds = 10
	}
	for seed := range rounds {
		r := rand.New(rand.NewPCG(7, uint64(seed)))
		k := newKeyring(t, key).WithWorkers(2 + r.IntN(4))
		name := fmt.Sprint("seed ", seed)
		t.Run(name, func(t *testing.T) {
			readWithFaults(t, r, k, stream, plaintext, b)
			writeWithFaults(t, r, k, plaintext, b)
		})
	}
}

func readWithFaults(t *testing.T, r *rand.Rand, k *Keyring, stream, plaintext []byte, b Binding) {
	source, sink := newFlaky(r, stream, len(stream)), newFlaky(r, nil, len(plaintext))
	source.at = max(source.at, 62) // behind the header
	switch r.IntN(4) {
	case 0:
	case 1:
		source.fault = fault(r.IntN(int(faults)))
	case 2:
		sink.fault = fault(r.IntN(int(faults)))
	case 3:
		source.fault, sink.fault = fault(r.IntN(int(faults))), fault(r.IntN(int(faults)))
	}
	before, atSource, atSink := source.at, source.fault, sink.fault
	d, err := k.Reader(source, b)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	var n int64
	v := interrupted(func() { n, err = d.WriteTo(sink) })
	switch {
	case v != nil:
		if v != errFlaky && v != errExit || atSource < panics && atSink < panics {
			t.Fatalf("panic: %v", v)
		}
	case n != int64(len(sink.out)):
		t.Fatalf("WriteTo says %d, wrote %d", n, len(sink.out))
	case err != nil && !errors.Is(err, errFlaky):
		t.Fatal(err)
	case err == nil && len(sink.out) != len(plaintext):
		t.Fatalf("%d bytes and no error", len(sink.out))
	}
	var again int64
	var err2 error
	first := len(sink.out)
	if interrupted(func() { again, err2 = d.WriteTo(sink) }) != nil {
		return
	}
	if !bytes.HasPrefix(plaintext, sink.out) {
		t.Fatalf("%d, then %d bytes are no beginning of the plaintext: source %d, sink %d, %v, %v, %v", first, again, atSource, atSink, v, err, err2)
	}
	switch {
	case v != nil && (again != 0 || err2 == nil):
		t.Fatalf("after a panic: %d bytes, %v", again, err2)
	case v == nil && atSource == none && (err2 != nil || len(sink.out) != len(plaintext)):
		t.Fatalf("a failed write lost something: %d, %v", len(sink.out), err2)
	case v == nil && atSource == fails:
		if full := (before - 62) / (chunk + 16) * chunk; before < len(stream) && len(sink.out) != full || err2 == nil {
			t.Fatalf("a read failed at %d: %d bytes came, %d were there, %v", before, len(sink.out), full, err2)
		}
	}
}

func writeWithFaults(t *testing.T, r *rand.Rand, k *Keyring, plaintext []byte, b Binding) {
	source, sink := newFlaky(r, plaintext, len(plaintext)), newFlaky(r, nil, len(plaintext))
	source.fault, sink.fault = fault(r.IntN(int(faults))), fault(r.IntN(int(faults)))
	if r.IntN(3) == 0 {
		source.fault = none
	}
	w, err := k.Writer(sink, b)
	if err != nil {
		t.Fatal(err)
	}
	var n int64
	v := interrupted(func() {
		if source.fault == none && r.IntN(2) == 0 {
			var m int
			m, err = w.Write(plaintext)
			n = int64(m)
			return
		}
		n, err = w.ReadFrom(source)
	})
	struck := v != nil || err != nil
	err2 := w.Close()
	got, err3 := k.Open(nil, sink.out, b)
	switch {
	case v != nil && v != errFlaky && v != errExit:
		t.Fatalf("panic: %v", v)
	case struck && err2 == nil:
		t.Fatalf("after %v %v, Close: %v", v, err, err2)
	case !struck && err2 == nil && (err3 != nil || !bytes.Equal(got, plaintext) || n != int64(len(plaintext))):
		t.Fatalf("%d bytes written, %d open, %v", n, len(got), err3)
	case (struck || err2 != nil) && err3 == nil:
		t.Fatalf("a stream that is not complete opens: %v, %v, %v", v, err, err2)
	}
	if err3 != nil { // still a beginning
		d, err := k.Reader(bytes.NewReader(sink.out), b)
		if err != nil {
			return // not even a header
		}
		if got, err := io.ReadAll(d); err == nil || !bytes.HasPrefix(plaintext, got) {
			t.Fatalf("%d bytes that are no beginning, %v", len(got), err)
		}
	}
}
