package crypto

import (
	"fmt"
	"io"

	"github.com/pavise/pavise/crypto/internal/cobblestone"
)

// Writer encrypts a stream. [Writer.Close] writes the end of it, without which the
// stream never opens, so that one that was cut short is noticed.
//
// The end says that the plaintext is complete. To give a stream up, do not close the
// Writer: it holds nothing but memory. A deferred Close would also end the stream of
// a function that returns early with an error. After a failed write, and after an
// error or a panic of the reader of [Writer.ReadFrom], which is io.Copy, Close writes
// no end.
//
// A Writer is not safe for concurrent use.
type Writer struct {
	w      io.Writer
	chunks cobblestone.Chunks
	number uint64 // of the next chunk
	plain  feed   // what is not yet sealed: less than a chunk between calls
	sealed []byte // what is not yet written: the header before the first chunk
	held   batches
	err    error // sticky
	closed bool
}

func newWriter(w io.Writer, head []byte, key *cobblestone.Key, skipFIPS bool, context ...[]byte) (*Writer, error) {
	if w == nil {
		return nil, errNoStream
	}
	salted, c, err := begin(key, skipFIPS, context...)
	if err != nil {
		return nil, err
	}
	sealed := make([]byte, 0, len(head)+len(salted)+cobblestone.SealedSize)
	return &Writer{
		w: w, chunks: c, plain: feed{unit: cobblestone.ChunkSize, most: c.Batch()},
		sealed: append(append(sealed, head...), salted...),
	}, nil
}

// Write encrypts p. Full chunks of 16 KiB go to the underlying writer, sealed straight
// from p; the rest is kept. An error of the underlying writer is wrapped and stays.
func (w *Writer) Write(p []byte) (n int, err error) {
	if err := w.usable(); err != nil {
		return 0, err
	}
	if len(w.plain.pending) > 0 {
		n = w.plain.add(p)
		if err := w.sealPending(); err != nil {
			return 0, err
		}
	}
	full := len(p) - n - (len(p)-n)%cobblestone.ChunkSize
	if err := w.sealFull(p[n : n+full]); err != nil {
		return n, err
	}
	n += full
	return n + w.plain.add(p[n:]), nil
}

// ReadFrom encrypts all of r. An error of r is wrapped and stays, so that Close does
// not end a plaintext that is not complete.
func (w *Writer) ReadFrom(r io.Reader) (n int64, err error) {
	if err := w.usable(); err != nil {
		return 0, err
	}
	w.plain.eof = false
	w.err = errInterrupted // by a panic of r: what it had left is missing
	start := w.plain.seen
	for err == nil && !w.plain.done() {
		if w.plain.pipes() {
			err = w.pipeFrom(r)
		} else if err = w.plain.fill(r); err != nil {
			err = w.fail("reading the plaintext", err)
		} else {
			err = w.sealPending()
		}
	}
	w.err = err
	return w.plain.seen - start, err
}

// Close writes the end of the stream. It does not close the underlying writer. A
// second call does nothing and returns what the first did.
func (w *Writer) Close() error {
	if w.closed {
		return w.err
	}
	w.closed = true
	if w.err == nil {
		w.sealed = w.chunks.SealLast(w.sealed, w.plain.pending, w.number)
		w.flush()
	}
	w.plain.wipe()
	w.held.wipe()
	w.chunks, w.sealed = cobblestone.Chunks{}, nil
	return w.err
}

func (w *Writer) usable() error {
	if w.closed {
		return errStreamClosed
	}
	return w.err
}

// sealPending seals and writes the full chunks that are pending.
func (w *Writer) sealPending() error {
	full := w.plain.full()
	w.plain.take(len(full))
	return w.sealFull(full)
}

// sealFull seals full chunks straight from plaintext.
func (w *Writer) sealFull(plaintext []byte) error {
	if len(plaintext) >= longFeed && w.plain.most > feedUnits {
		return w.pipeFull(plaintext)
	}
	for len(plaintext) > 0 {
		n := min(len(plaintext), feedUnits*cobblestone.ChunkSize)
		w.sealed = w.chunks.SealFull(w.sealed, plaintext[:n], w.number)
		w.number += uint64(n / cobblestone.ChunkSize)
		plaintext = plaintext[n:]
		if err := w.flush(); err != nil {
			return err
		}
	}
	return nil
}

// pipeFull is sealFull with several cores.
func (w *Writer) pipeFull(plaintext []byte) error {
	return w.pipe(func(b *batch) bool {
		b.in = plaintext[:min(len(plaintext), feedUnits*cobblestone.ChunkSize)]
		plaintext = plaintext[len(b.in):]
		return len(b.in) > 0
	})
}

// pipeFrom seals what r has with several cores.
func (w *Writer) pipeFrom(r io.Reader) error {
	return w.pipe(func(b *batch) bool { return w.plain.batch(b, r) })
}

// pipe seals what read brings.
func (w *Writer) pipe(read func(*batch) bool) error {
	if err := w.flush(); err != nil { // the header
		return err
	}
	before := w.err
	w.err = errInterrupted // by a panic: what it lost is missing
	var err error
	p := pipeline{
		read: func(b *batch) bool {
			if !read(b) {
				return false
			}
			b.number = w.number
			w.number += uint64(len(b.in) / cobblestone.ChunkSize)
			return true
		},
		work: func(c *cobblestone.Chunks, b *batch) { b.out = c.SealFull(b.out[:0], b.in, b.number) },
		put: func(b *batch) bool {
			if err == nil {
				err = w.write(b.out)
			}
			return err == nil
		},
	}
	p.run(&w.chunks, &w.held)
	if w.err = err; err == nil {
		w.err = before
	}
	return err
}

// flush writes what is sealed, if there is something.
func (w *Writer) flush() error {
	sealed := w.sealed
	w.sealed = w.sealed[:0]
	if len(sealed) == 0 {
		return nil
	}
	return w.write(sealed)
}

func (w *Writer) write(sealed []byte) error {
	before := w.err
	w.err = errInterrupted // by a panic: how much was written is not known
	n, err := w.w.Write(sealed)
	w.err = before
	if err == nil && n != len(sealed) {
		err = io.ErrShortWrite
	}
	if err != nil {
		return w.fail("writing the ciphertext", err)
	}
	return nil
}

func (w *Writer) fail(doing string, err error) error {
	w.err = fmt.Errorf("crypto: %s: %w", doing, err)
	return w.err
}
