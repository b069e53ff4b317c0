package crypto

import (
	"errors"
	"io"
)

var errBadCount = errors.New("crypto: a reader or writer returned an impossible count")

const (
	feedUnits = 8       // held at a time, once a stream is longer: they stay in a core's cache
	longFeed  = 1 << 20 // bytes, from which on a feed holds a whole batch
)

// feed collects bytes into units: the full chunks of a stream, sealed or not. What
// follows the last full unit stays in it.
type feed struct {
	unit    int // bytes
	most    int // units worth to be held
	seen    int64
	buf     []byte
	pending []byte // of buf: not yet taken
	fast    bool   // the reader fills what it is given
	eof     bool   // the reader has ended
	err     error  // it has failed; pending comes before it
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
// little at a time, such as a network, get their units through one by one. An error
// waits until the units that came before it are taken.
func (f *feed) fill(r io.Reader) error {
	for empty := 0; len(f.pending) < f.unit && !f.eof && f.err == nil; {
		space := f.space()
		n, err := r.Read(space)
		if n < 0 || n > len(space) {
			n, err = 0, errBadCount
		}
		f.grow(n)
		switch {
		case err == io.EOF: // one that only wraps io.EOF, as of a lost connection, is no end
			f.eof = true
		case err != nil:
			f.err = err
		case n > 0:
			empty = 0
		default:
			if empty++; empty == 100 {
				f.err = io.ErrNoProgress
			}
		}
	}
	f.fast = len(f.pending) >= feedUnits*f.unit
	if len(f.pending) >= f.unit {
		return nil
	}
	return f.err
}

// pipes reports whether the stream is one that several cores gain from.
func (f *feed) pipes() bool { return f.most > feedUnits && f.seen >= longFeed && f.fast }

// done reports whether nothing is left but what makes no unit.
func (f *feed) done() bool { return f.eof && len(f.pending) < f.unit }

// batch fills b from r with the buffer of f, which goes on with the one of b.
func (f *feed) batch(b *batch, r io.Reader) bool {
	defer func(most int) { f.most = most }(f.most)
	f.most = feedUnits
	if f.fill(r) != nil || f.done() {
		return false
	}
	b.in = f.full()
	f.take(len(b.in))
	if len(b.buf) == 0 {
		b.buf = make([]byte, feedUnits*f.unit)
	}
	f.buf, b.buf = b.buf, f.buf
	f.pending = f.buf[:copy(f.buf, f.pending)]
	return true
}

// space returns the free memory behind the pending bytes, less than a unit: with them
// it is room for a unit at least.
func (f *feed) space() []byte {
	if size := f.unit * f.units(); len(f.buf) < size {
		old := f.buf
		f.buf = make([]byte, size)
		f.pending = f.buf[:copy(f.buf, f.pending)]
		clear(old)
	}
	if cap(f.pending) < len(f.buf) && len(f.pending) < f.unit {
		f.pending = f.buf[:copy(f.buf, f.pending)]
	}
	return f.pending[len(f.pending):cap(f.pending)]
}

func (f *feed) units() int {
	switch {
	case f.seen < int64(feedUnits*f.unit):
		return 1
	case f.seen < longFeed:
		return feedUnits
	default:
		return f.most
	}
}

func (f *feed) grow(n int) {
	f.pending = f.pending[:len(f.pending)+n]
	f.seen += int64(n)
}

// wipe forgets what is pending.
func (f *feed) wipe() {
	clear(f.buf)
	*f = feed{unit: f.unit, most: f.most}
}
