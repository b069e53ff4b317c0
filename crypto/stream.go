package crypto

import (
	"context"
	"crypto/fips140"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/pavise/pavise/crypto/internal/cobblestone"
)

var (
	errNoStream     = errors.New("crypto: stream has nothing to read from or to write to")
	errXAESStream   = errors.New("crypto: XAES-256-GCM (suite 02) has no streams: use Seal and Open")
	errStreamClosed = fmt.Errorf("crypto: use of a closed stream: %w", fs.ErrClosed)
)

// Writer returns a [Writer] that encrypts to w what [Keyring.Open] and
// [Keyring.Reader] open under an equal Binding, byte for byte of the format of
// [Keyring.Seal]. Nothing is written to w before the first 16 KiB or Close.
func (k *Keyring) Writer(w io.Writer, b Binding) (*Writer, error) {
	bound, err := b.encode()
	if err != nil {
		return nil, err
	}
	if k, err = k.now(); err != nil {
		return nil, err
	}
	if k.primary == nil {
		return nil, errNoKey
	}
	return newWriter(w, k.primary.header, k.primary.seal, k.skipFIPS, k.primary.header, bound)
}

// Reader returns a [Reader] of what [Keyring.Writer] or [Keyring.Seal] encrypted
// under an equal Binding. It reads the first 62 bytes of r, and returns [ErrOpen] if
// they are not the beginning of such a ciphertext.
func (k *Keyring) Reader(r io.Reader, b Binding) (*Reader, error) {
	c, err := k.resume(r, b)
	if err != nil {
		return nil, err
	}
	return newReader(r, c, nil), nil
}

// ReaderAt returns a [ReaderAt] of the size bytes of r, which [Keyring.Writer] or
// [Keyring.Seal] encrypted under an equal Binding. It reads the first 62 bytes and
// the last chunk of r, and returns [ErrOpen] unless they are authentic and belong
// together, which fixes the length of the plaintext.
func (k *Keyring) ReaderAt(r io.ReaderAt, size int64, b Binding) (*ReaderAt, error) {
	section, err := newSection(r, size)
	if err != nil {
		return nil, err
	}
	c, err := k.resume(section, b)
	if err != nil {
		return nil, err
	}
	return newReaderAt(r, section, c, nil)
}

func (k *Keyring) resume(r io.Reader, b Binding) (c cobblestone.Chunks, err error) {
	bound, err := b.encode()
	if err != nil {
		return c, err
	}
	if r == nil {
		return c, errNoStream
	}
	if k, err = k.now(); err != nil {
		return c, err
	}
	var head [messageHeaderLen]byte
	if err := readFull(r, head[:]); err != nil {
		return c, err
	}
	key := k.keyOf(head[:])
	if key == nil {
		return c, ErrOpen
	}
	return resume(r, key.seal, key.header, bound)
}

// Writer returns a [Writer] that encrypts to w what [Envelope.Open] and
// [Envelope.Reader] open under an equal Binding. It calls every KEK once, before it
// returns. An Envelope made [WithXAES] has no streams: it returns an error.
func (e *Envelope) Writer(ctx context.Context, w io.Writer, b Binding) (*Writer, error) {
	bound, err := b.encode()
	switch {
	case err != nil:
		return nil, err
	case w == nil:
		return nil, errNoStream
	case e.suite == suitePayloadXAES:
		return nil, errXAESStream
	case refusedByFIPS(e.skipFIPS):
		return nil, ErrFIPS // before any KEK is called
	}
	if e.closed.Load() {
		return nil, errClosed
	}
	key, err := e.generateKey(ctx) // its own: nobody knows how long the stream will be
	if err != nil {
		return nil, err
	}
	defer key.release() // the Writer has begun by then
	return newWriter(w, *key.header.Load(), key.payload.(*cobblestone.Key), e.skipFIPS, key.context, bound)
}

// Reader returns a [Reader] of what [Envelope.Writer] or [Envelope.Seal] encrypted
// under an equal Binding. It reads the header of the envelope, calls KEKs as
// [Envelope.Open] does, and returns the same errors. What was sealed by an Envelope
// made [WithXAES] cannot be streamed: it returns an error that says so.
//
// The ctx is for these calls; reading from r is not bounded in time.
func (e *Envelope) Reader(ctx context.Context, r io.Reader, b Binding) (*Reader, error) {
	c, err := e.resume(ctx, r, b)
	if err != nil {
		return nil, err
	}
	return newReader(r, c, e.openFailed(ctx)), nil
}

// ReaderAt returns a [ReaderAt] of the size bytes of r, as [Envelope.Reader] and
// [Keyring.ReaderAt] do.
func (e *Envelope) ReaderAt(ctx context.Context, r io.ReaderAt, size int64, b Binding) (*ReaderAt, error) {
	section, err := newSection(r, size)
	if err != nil {
		return nil, err
	}
	c, err := e.resume(ctx, section, b)
	if err != nil {
		return nil, err
	}
	return newReaderAt(r, section, c, e.openFailed(ctx))
}

// openFailed returns what a stream calls when it finds damage after its beginning.
func (e *Envelope) openFailed(ctx context.Context) func() {
	ctx = context.WithoutCancel(ctx) // the stream may outlive the call that made it
	return func() { e.event(ctx, "envelope-open", ErrOpen) }
}

func (e *Envelope) resume(ctx context.Context, r io.Reader, b Binding) (c cobblestone.Chunks, err error) {
	bound, err := b.encode()
	if err != nil {
		return c, err
	}
	if r == nil {
		return c, errNoStream
	}
	if c, err = e.resumePayload(ctx, r, bound); err != nil {
		e.event(ctx, "envelope-open", err)
	}
	return c, err
}

func (e *Envelope) resumePayload(ctx context.Context, r io.Reader, bound []byte) (c cobblestone.Chunks, err error) {
	h, err := readHeader(r)
	if err != nil {
		return c, err
	}
	if h.suite != suitePayloadCobblestone {
		return c, errXAESStream // before any KEK is called
	}
	key, err := e.openKey(ctx, h)
	if err != nil {
		return c, err
	}
	defer key.release() // c has its own
	return resume(r, key.payload.(*cobblestone.Key), key.context, bound)
}

// begin is key.Begin with the rules of FIPS 140-3 enforcement.
func begin(key *cobblestone.Key, skip bool, context ...[]byte) (head []byte, c cobblestone.Chunks, err error) {
	if refusedByFIPS(skip) {
		return nil, c, ErrFIPS
	}
	fips140.WithoutEnforcement(func() { head, c, err = key.Begin(context...) })
	return head, c, err
}

// resume reads the header of a Cobblestone-256 message from r.
func resume(r io.Reader, key *cobblestone.Key, context ...[]byte) (c cobblestone.Chunks, err error) {
	var head [cobblestone.HeaderSize]byte
	if err := readFull(r, head[:]); err != nil {
		return c, err
	}
	if c, err = key.Resume(head[:], context...); err == cobblestone.ErrOpen {
		err = ErrOpen
	}
	return c, err
}
