package crypto

import (
	"fmt"
	"io"

	"github.com/pavise/pavise/crypto/internal/cobblestone"
)

// Reader decrypts a stream. All that it returns is authentic and in its place; it
// returns [ErrOpen] where the stream is damaged, and nothing of the damaged chunk (16
// KiB) or after it.
//
// What was read before an error is a beginning of the plaintext. Only io.EOF says that
// it is all of it: a stream that was cut short ends in ErrOpen. Whoever must not act on
// an incomplete plaintext reads to io.EOF first.
//
// A Reader is not safe for concurrent use.
type Reader struct {
	r      io.Reader
	chunks cobblestone.Chunks
	number uint64 // of the next chunk
	sealed feed   // what is not yet opened
	buf    []byte // for opened chunks that the caller's memory does not hold
	plain  []byte // of buf: what is not yet returned
	err    error  // sticky; plain comes before it
	held   batches
	failed func() // told about damage; nil is nobody
}

func newReader(r io.Reader, c cobblestone.Chunks, failed func()) *Reader {
	return &Reader{r: r, chunks: c, sealed: feed{unit: cobblestone.SealedSize, most: c.Batch()}, failed: failed}
}

// Read decrypts into p: into memory of its own first if p holds less than a chunk. An
// error of the underlying reader is wrapped and stays.
func (r *Reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for len(r.plain) == 0 {
		if r.err != nil {
			return 0, r.err
		}
		if n := r.next(p); n > 0 {
			return n, nil
		}
	}
	n := copy(p, r.plain)
	r.plain = r.plain[n:]
	return n, nil
}

// WriteTo decrypts all that is left to w; it is what io.Copy uses. An error of w is
// wrapped and does not stay: nothing is lost but what w took.
func (r *Reader) WriteTo(w io.Writer) (n int64, err error) {
	for err == nil {
		var m int64
		if len(r.plain) == 0 && r.err == nil && r.sealed.pipes() && !r.sealed.done() {
			m, err = r.pipe(w)
		} else {
			m, err = r.pass(w)
		}
		n += m
	}
	if err == io.EOF {
		err = nil
	}
	return n, err
}

// pass writes what has been decrypted to w, or else decrypts and writes what is there.
func (r *Reader) pass(w io.Writer) (int64, error) {
	if len(r.plain) == 0 {
		r.next(nil)
		if len(r.plain) == 0 {
			return 0, r.err
		}
	}
	plain, before := r.plain, r.err
	r.plain, r.err = nil, errInterrupted // by a panic: how much it took is not known
	n, err := writePlain(w, plain)
	r.plain, r.err = plain[n:], before
	return int64(n), err
}

// pipe decrypts with several cores what the underlying reader has. What w does not
// take is kept in r.plain.
func (r *Reader) pipe(w io.Writer) (written int64, err error) {
	r.err = errInterrupted // by a panic: what it lost is missing
	damaged := false
	p := pipeline{
		read: func(b *batch) bool {
			if !r.sealed.batch(b, r.r) {
				return false
			}
			b.number = r.number
			r.number += uint64(len(b.in) / cobblestone.SealedSize)
			return true
		},
		work: func(c *cobblestone.Chunks, b *batch) { b.out, b.intact = c.OpenFull(b.out[:0], b.in, b.number) },
		put: func(b *batch) bool {
			if damaged {
				return false
			}
			n := 0
			if err == nil {
				n, err = writePlain(w, b.out)
				written += int64(n)
			}
			r.keep(b.out[n:])
			damaged = !b.intact
			return err == nil && !damaged
		},
	}
	p.run(&r.chunks, &r.held)
	if r.err = nil; damaged {
		r.damaged()
	}
	return written, err
}

// keep adds to what is not yet returned.
func (r *Reader) keep(plain []byte) {
	if len(plain) == 0 {
		return
	}
	kept := append(append(make([]byte, 0, len(r.plain)+len(plain)), r.plain...), plain...)
	clear(r.buf)
	r.buf, r.plain = kept, kept
}

func writePlain(w io.Writer, plain []byte) (int, error) {
	n, err := w.Write(plain)
	switch {
	case n < 0 || n > len(plain):
		return 0, errBadCount
	case err == nil && n < len(plain):
		err = io.ErrShortWrite
	}
	if err != nil {
		err = fmt.Errorf("crypto: writing the plaintext: %w", err)
	}
	return n, err
}

// Close wipes what was decrypted and not read. It does not close the underlying
// reader, and does not say whether the stream was complete: only io.EOF does.
func (r *Reader) Close() error {
	clear(r.buf)
	r.sealed.wipe()
	r.held.wipe()
	r.chunks, r.buf, r.plain, r.err = cobblestone.Chunks{}, nil, nil, errStreamClosed
	return nil
}

// next opens at least one chunk, as many as are there, or sets r.err. Those that p
// has room for go there, and their length is returned; otherwise they go to r.plain.
func (r *Reader) next(p []byte) int {
	if !r.fill() {
		return 0
	}
	full := r.sealed.full()
	room := len(p) / cobblestone.ChunkSize
	if room > 0 {
		full = full[:min(len(full), room*cobblestone.SealedSize)]
	}
	r.sealed.take(len(full))
	if room > 0 {
		return len(r.open(p[:0], full))
	}
	r.plain = r.open(r.buffer(len(full)), full)
	return 0
}

// fill reports whether there is a full chunk to open. If there is none, it has opened
// the last one or set r.err.
func (r *Reader) fill() bool {
	if r.err != nil {
		return false
	}
	if err := r.sealed.fill(r.r); err != nil {
		r.err = fmt.Errorf("crypto: reading the ciphertext: %w", err)
		return false
	}
	if r.sealed.done() {
		r.last()
		return false
	}
	return true
}

func (r *Reader) open(dst, full []byte) []byte {
	plain, ok := r.chunks.OpenFull(dst, full, r.number)
	r.number += uint64(len(full) / cobblestone.SealedSize)
	if !ok {
		r.damaged()
	}
	return plain
}

// last opens what is left at the end of the underlying reader.
func (r *Reader) last() {
	plain, ok := r.chunks.OpenLast(r.buffer(len(r.sealed.pending)), r.sealed.pending, r.number)
	if !ok {
		r.damaged()
		return
	}
	r.plain, r.err = plain, io.EOF
}

func (r *Reader) damaged() {
	r.err = ErrOpen
	if r.failed != nil {
		r.failed()
	}
}

// buffer returns memory for n bytes; what it held has been read.
func (r *Reader) buffer(n int) []byte {
	if len(r.buf) < n {
		clear(r.buf)
		r.buf = make([]byte, n)
	}
	return r.buf[:0]
}
