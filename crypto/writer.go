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
// error of the reader of [Writer.ReadFrom], which is io.Copy, Close writes no end.
//
// A Writer is not safe for concurrent use.
type Writer struct {
	w      io.Writer
	chunks cobblestone.Chunks
	number uint64 // of the next chunk
	plain  feed   // what is not yet sealed: less than a chunk between calls
	sealed []byte // what is not yet written: the header before the first chunk
	err    error  // sticky
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
		w: w, chunks: c, plain: feed{unit: cobblestone.ChunkSize, batch: c.Batch()},
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
	for len(p)-n >= cobblestone.ChunkSize {
		batch := min(len(p)-n, w.plain.batch*cobblestone.ChunkSize)
		batch -= batch % cobblestone.ChunkSize
		if err := w.sealFull(p[n : n+batch]); err != nil {
			return n, err
		}
		n += batch
	}
	return n + w.plain.add(p[n:]), nil
}

// ReadFrom encrypts all of r. An error of r is wrapped and stays, so that Close does
// not end a plaintext that is not complete.
func (w *Writer) ReadFrom(r io.Reader) (n int64, err error) {
	if err := w.usable(); err != nil {
		return 0, err
	}
	w.plain.eof = false
	for start := w.plain.seen; !w.plain.done(); {
		err := w.plain.fill(r)
		n = w.plain.seen - start
		if err != nil {
			return n, w.fail("reading the plaintext", err)
		}
		if err := w.sealFrom(r); err != nil {
			return n, err
		}
		n = w.plain.seen - start
	}
	return n, nil
}

// sealFrom seals and writes the full chunks that are pending, while r is read.
func (w *Writer) sealFrom(r io.Reader) error {
	full, wait := w.plain.ahead(r)
	defer wait()
	return w.sealFull(full)
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

func (w *Writer) sealFull(plaintext []byte) error {
	if len(plaintext) == 0 {
		return nil
	}
	w.sealed = w.chunks.SealFull(w.sealed, plaintext, w.number)
	w.number += uint64(len(plaintext) / cobblestone.ChunkSize)
	return w.flush()
}

func (w *Writer) flush() error {
	n, err := w.w.Write(w.sealed)
	if err == nil && n != len(w.sealed) {
		err = io.ErrShortWrite
	}
	w.sealed = w.sealed[:0]
	if err != nil {
		return w.fail("writing the ciphertext", err)
	}
	return nil
}

func (w *Writer) fail(doing string, err error) error {
	w.err = fmt.Errorf("crypto: %s: %w", doing, err)
	return w.err
}
