package crypto

import (
	"errors"
	"io"
)

var errBadCount = errors.New("crypto: a reader or writer returned an impossible count")

// feedChunks is how many chunks a stream holds at a time.
const feedChunks = 4

// feed collects bytes into units: the full chunks of a stream, sealed or not. What
// follows the last full unit stays in it.
type feed struct {
	unit    int // bytes
	buf     []byte
	pending []byte // of buf: not yet taken
	eof     bool   // the reader has ended
}

// full returns the full units that are there.
func (f *feed) full() []byte { return f.pending[:len(f.pending)-len(f.pending)%f.unit] }

// take drops the first n pending bytes.
func (f *feed) take(n int) { f.pending = f.pending[n:] }

// add appends as much of p to the pending bytes as makes one unit.
func (f *feed) add(p []byte) int {
	n := min(len(p), f.unit-len(f.pending))
	copy(f.space()[:n], p)
	f.grow(n)
	return n
}

// fill reads from r until there is a full unit or the end of r. Readers that return
// little at a time, such as a network, get their units through one by one.
func (f *feed) fill(r io.Reader) error {
	for empty := 0; len(f.pending) < f.unit && !f.eof; {
		space := f.space()
		n, err := r.Read(space)
		if n < 0 || n > len(space) {
			return errBadCount
		}
		f.grow(n)
		switch {
		case err == io.EOF: // one that only wraps io.EOF, as of a lost connection, is no end
			f.eof = true
		case err != nil:
			return err
		case n > 0:
			empty = 0
		default:
			if empty++; empty == 100 {
				return io.ErrNoProgress
			}
		}
	}
	return nil
}

// space returns the free memory behind the pending bytes, room for a unit with them
// included. There is less than a unit pending.
func (f *feed) space() []byte {
	if f.buf == nil {
		f.buf = make([]byte, feedChunks*f.unit)
		f.pending = f.buf[:0]
	}
	if len(f.pending) == 0 || cap(f.pending) < f.unit {
		f.pending = f.buf[:copy(f.buf, f.pending)]
	}
	return f.pending[len(f.pending):cap(f.pending)]
}

func (f *feed) grow(n int) { f.pending = f.pending[:len(f.pending)+n] }

// wipe forgets what is pending.
func (f *feed) wipe() {
	clear(f.buf)
	*f = feed{unit: f.unit}
}
