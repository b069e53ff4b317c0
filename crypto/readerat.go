package crypto

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/pavise/pavise/crypto/internal/cobblestone"
)

var errOffset = errors.New("crypto: offset is negative")

// readAtMost is how much plaintext one read of the underlying reader is for.
const readAtMost = 64 * cobblestone.ChunkSize

// ReaderAt decrypts any part of a ciphertext whose length is authentic. It is safe for
// concurrent use if the underlying io.ReaderAt is, as it should be.
type ReaderAt struct {
	r      io.ReaderAt
	chunks cobblestone.Chunks // to be copied
	start  int64              // of the first chunk in r
	end    int64              // of the last one
	size   int64              // of the plaintext
	failed func()             // told about damage; nil is nobody
}

func newSection(r io.ReaderAt, size int64) (*io.SectionReader, error) {
	if r == nil {
		return nil, errNoStream
	}
	if size < 0 {
		return nil, ErrOpen
	}
	return io.NewSectionReader(r, 0, size), nil
}

// newReaderAt takes a section of r that stands behind all headers.
func newReaderAt(r io.ReaderAt, section *io.SectionReader, c cobblestone.Chunks, failed func()) (*ReaderAt, error) {
	start, err := section.Seek(0, io.SeekCurrent)
	if err != nil {
		return nil, err
	}
	sealed := section.Size() - start
	full, rest := sealed/cobblestone.SealedSize, sealed%cobblestone.SealedSize
	a := &ReaderAt{
		r: r, chunks: c, start: start, end: section.Size(), failed: failed,
		size: full*cobblestone.ChunkSize + rest - cobblestone.TagSize,
	}
	if rest < cobblestone.TagSize {
		return nil, a.damaged()
	}
	last := make([]byte, rest)
	if err := a.read(last, start+full*cobblestone.SealedSize); err != nil {
		return nil, err
	}
	plain, ok := c.OpenLast(nil, last, uint64(full))
	clear(plain)
	if !ok {
		return nil, a.damaged()
	}
	return a, nil
}

// Size returns the length of the plaintext in bytes.
func (a *ReaderAt) Size() int64 { return a.size }

// CiphertextRange returns which part of the ciphertext, off and length, ReadAt needs
// for n bytes of plaintext at off: whole chunks. It is empty if there are none. An
// object store is asked for it with
//
//	fmt.Sprintf("bytes=%d-%d", from, from+length-1)
func (a *ReaderAt) CiphertextRange(off, n int64) (from, length int64) {
	if off < 0 || n <= 0 || off >= a.size {
		return 0, 0
	}
	first, end := off/cobblestone.ChunkSize, off+min(n, a.size-off)
	from = a.start + first*cobblestone.SealedSize
	to := a.start + ((end-1)/cobblestone.ChunkSize+1)*cobblestone.SealedSize
	return from, min(to, a.end) - from
}

// ReadAt decrypts len(p) bytes of plaintext at off into p. It returns [ErrOpen] if a
// chunk that it needs is damaged, and io.EOF if the plaintext ends before p does;
// what it has returned then is authentic. An error of the underlying reader is wrapped.
func (a *ReaderAt) ReadAt(p []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, errOffset
	}
	if off >= a.size {
		return 0, io.EOF
	}
	want := p[:min(int64(len(p)), a.size-off)]
	c := a.chunks
	var sealed []byte
	for n < len(want) {
		from, length := a.CiphertextRange(off+int64(n), min(int64(len(want)-n), readAtMost))
		sealed = slices.Grow(sealed[:0], int(length))[:length]
		if err := a.read(sealed, from); err != nil {
			return n, err
		}
		m, ok := openRange(&c, want[n:], sealed, off+int64(n))
		n += m
		if !ok {
			return n, a.damaged()
		}
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// openRange opens chunks of which the first holds the byte at off, and copies what
// begins there to p. It reports whether all of them are authentic.
func openRange(c *cobblestone.Chunks, p, sealed []byte, off int64) (n int, ok bool) {
	var scratch []byte
	for ok = true; ok && len(sealed) > 0; {
		number, skip := uint64(off/cobblestone.ChunkSize), int(off%cobblestone.ChunkSize)
		var m, used int
		if run := min(len(p[n:])/cobblestone.ChunkSize, len(sealed)/cobblestone.SealedSize); skip == 0 && run > 0 {
			var plain []byte
			used = run * cobblestone.SealedSize
			plain, ok = c.OpenFull(p[n:n], sealed[:used], number)
			m = len(plain)
		} else {
			used = min(len(sealed), cobblestone.SealedSize)
			if scratch, ok = openOne(c, scratch[:0], sealed[:used], number); ok {
				m = copy(p[n:], scratch[skip:])
			}
			clear(scratch)
		}
		n, off, sealed = n+m, off+int64(m), sealed[used:]
	}
	return n, ok
}

// openOne opens a chunk that may be the last one.
func openOne(c *cobblestone.Chunks, dst, sealed []byte, number uint64) ([]byte, bool) {
	if len(sealed) == cobblestone.SealedSize {
		return c.OpenFull(dst, sealed, number)
	}
	return c.OpenLast(dst, sealed, number)
}

// read reads sealed from where it stands in r. There is less than the length that r
// was said to have if it ends here.
func (a *ReaderAt) read(sealed []byte, from int64) error {
	n, err := a.r.ReadAt(sealed, from)
	switch {
	case n == len(sealed):
		return nil
	case err == io.EOF:
		return a.damaged()
	case err == nil || n < 0 || n > len(sealed):
		err = errBadCount
	}
	return fmt.Errorf("crypto: reading the ciphertext: %w", err)
}

func (a *ReaderAt) damaged() error {
	if a.failed != nil {
		a.failed()
	}
	return ErrOpen
}
