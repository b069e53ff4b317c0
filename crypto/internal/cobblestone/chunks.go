package cobblestone

import (
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"slices"
)

// Chunks seals and opens the chunks of one message, each by its number, which is
// what a stream and random access are made of. It is not safe for concurrent use,
// but its copies do not depend on each other.
type Chunks struct {
	aead    cipher.AEAD
	base    [nonceSize]byte
	nonce   [nonceSize]byte // scratch
	workers int
}

// Begin returns the header of a new message and what seals its chunks. No number may
// be sealed twice. It fails where FIPS 140-3 enforcement forbids counter nonces.
func (k *Key) Begin(context ...[]byte) (header []byte, c Chunks, err error) {
	salt := make([]byte, saltSize, HeaderSize)
	rand.Read(salt) // never fails: crypto/rand aborts the process instead
	return k.begin(salt, context...)
}

func (k *Key) begin(salt []byte, context ...[]byte) (header []byte, c Chunks, err error) {
	s := k.derive(salt, context)
	defer k.release(s)
	if err := s.sealer(); err != nil {
		return nil, Chunks{}, err
	}
	return append(salt, s.commitment()...), s.chunks, nil
}

// Resume returns what opens the chunks of the message with that header of HeaderSize
// bytes, or [ErrOpen].
func (k *Key) Resume(header []byte, context ...[]byte) (Chunks, error) {
	s := k.derive(header[:saltSize], context)
	defer k.release(s)
	err := s.opener(header[saltSize:HeaderSize])
	return s.chunks, err
}

// SealFull appends full chunks to dst, the first of them as the given number. The
// length of plaintext is a multiple of ChunkSize.
func (c *Chunks) SealFull(dst, plaintext []byte, number uint64) []byte {
	if c.parallel(len(plaintext) / ChunkSize) {
		return c.sealParallel(dst, plaintext, number)
	}
	return c.sealSerial(dst, plaintext, number)
}

func (c *Chunks) sealSerial(dst, plaintext []byte, number uint64) []byte {
	dst = slices.Grow(dst, len(plaintext)/ChunkSize*SealedSize)
	for ; len(plaintext) > 0; number++ {
		dst = c.aead.Seal(dst, c.nonceFor(number), plaintext[:ChunkSize], nil)
		plaintext = plaintext[ChunkSize:]
	}
	return dst
}

// SealLast appends the last chunk to dst. It is shorter than ChunkSize, which is the
// end mark, and may be empty.
func (c *Chunks) SealLast(dst, plaintext []byte, number uint64) []byte {
	return c.aead.Seal(dst, c.nonceFor(number), plaintext, nil)
}

// OpenFull appends the plaintext of full chunks to dst, up to the first that is not
// authentic, and reports whether there is none. The length of sealed is a multiple of
// SealedSize.
func (c *Chunks) OpenFull(dst, sealed []byte, number uint64) ([]byte, bool) {
	if c.parallel(len(sealed) / SealedSize) {
		return c.openParallel(dst, sealed, number)
	}
	return c.openSerial(dst, sealed, number)
}

func (c *Chunks) openSerial(dst, sealed []byte, number uint64) ([]byte, bool) {
	dst = slices.Grow(dst, len(sealed)/SealedSize*ChunkSize)
	for ; len(sealed) > 0; number++ {
		opened, err := c.aead.Open(dst, c.nonceFor(number), sealed[:SealedSize], nil)
		if err != nil {
			return dst, false
		}
		dst, sealed = opened, sealed[SealedSize:]
	}
	return dst, true
}

// OpenLast appends the plaintext of the last chunk to dst and reports whether it is
// the authentic last chunk.
func (c *Chunks) OpenLast(dst, sealed []byte, number uint64) ([]byte, bool) {
	if len(sealed) >= SealedSize {
		return dst, false
	}
	opened, err := c.aead.Open(dst, c.nonceFor(number), sealed, nil)
	if err != nil {
		return dst, false
	}
	return opened, true
}

// nonceFor returns the base nonce XOR number; it is valid until the next call.
func (c *Chunks) nonceFor(number uint64) []byte {
	c.nonce = c.base
	tail := c.nonce[nonceSize-8:]
	binary.BigEndian.PutUint64(tail, binary.BigEndian.Uint64(tail)^number)
	return c.nonce[:]
}
