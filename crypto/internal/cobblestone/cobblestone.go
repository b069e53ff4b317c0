// Package cobblestone seals and opens Cobblestone-256 messages: chunked encryption
// with HKDF-Expand-SHA-512 and AES-256-GCM, as published at
// https://c2sp.org/chunked-encryption.
//
// A message is a random 24-byte salt, a 32-byte commitment to key, salt and
// context, and the chunks: 16 KiB of plaintext each, the last one always shorter,
// which is the end mark. Every chunk carries a 16-byte tag.
package cobblestone

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/fips140"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha512"
	"crypto/subtle"
	"errors"
	"hash"
	"slices"
	"sync"
)

const (
	KeySize    = 32                        // of the input key
	HeaderSize = saltSize + commitmentSize // of what stands before the chunks
	ChunkSize  = 16 << 10                  // of a full chunk of plaintext
	TagSize    = 16                        // what a chunk grows by
	SealedSize = ChunkSize + TagSize       // of a full chunk, sealed

	saltSize       = 24
	commitmentSize = 32
	nonceSize      = 12

	label = "c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\x00"
)

// ErrOpen is the only error of [Key.Open] for a message that is not authentic.
var ErrOpen = errors.New("cobblestone: message did not open")

// Overhead returns how much longer than n bytes of plaintext their message is.
func Overhead(n int) int { return HeaderSize + TagSize*(n/ChunkSize+1) }

// Key seals and opens messages under one input key. It is safe for concurrent use.
type Key struct {
	// states holds *state values whose MAC is already keyed. The pool belongs to
	// this key, so that keyed state never serves another one.
	states  *sync.Pool
	input   []byte
	workers int // 0 is GOMAXPROCS
}

// New returns a Key for an input key of KeySize uniformly random bytes.
func New(input []byte) (*Key, error) {
	if len(input) != KeySize {
		return nil, errors.New("cobblestone: key is not 32 bytes long")
	}
	input = slices.Clone(input)
	return &Key{input: input, states: &sync.Pool{New: func() any {
		return &state{mac: hmac.New(sha512.New, input)}
	}}}, nil
}

// Wipe clears the input key, after the last other call has returned: what would be
// sealed later would be sealed under zeros. Keyed hash states cannot be cleared in Go.
func (k *Key) Wipe() { clear(k.input) }

// Seal appends the message for plaintext to dst. The context is the concatenation
// of its parts. The unused capacity of dst must not overlap plaintext.
// It fails where FIPS 140-3 enforcement forbids counter nonces.
func (k *Key) Seal(dst, plaintext []byte, context ...[]byte) ([]byte, error) {
	dst = slices.Grow(dst, len(plaintext)+Overhead(len(plaintext)))
	salt := dst[len(dst) : len(dst)+saltSize]
	rand.Read(salt) // never fails: crypto/rand aborts the process instead
	return k.seal(dst, salt, plaintext, context...)
}

func (k *Key) seal(dst, salt, plaintext []byte, context ...[]byte) ([]byte, error) {
	s := k.derive(salt, context)
	defer k.release(s)
	if err := s.sealer(); err != nil {
		return nil, err
	}
	dst = append(dst, salt...)
	dst = append(dst, s.commitment()...)
	full := len(plaintext) - len(plaintext)%ChunkSize
	dst = s.chunks.SealFull(dst, plaintext[:full], 0)
	return s.chunks.SealLast(dst, plaintext[full:], uint64(full/ChunkSize)), nil
}

// Open appends the plaintext of message to dst. It returns [ErrOpen], and wipes
// what it had written, unless the whole message is authentic. The unused capacity
// of dst must not overlap message.
func (k *Key) Open(dst, message []byte, context ...[]byte) ([]byte, error) {
	if len(message) < HeaderSize+TagSize {
		return nil, ErrOpen
	}
	s := k.derive(message[:saltSize], context)
	defer k.release(s)
	if err := s.opener(message[saltSize:HeaderSize]); err != nil {
		return nil, err
	}
	sealed := message[HeaderSize:]
	full := len(sealed) - len(sealed)%SealedSize
	out, ok := s.chunks.OpenFull(slices.Grow(dst, len(sealed)), sealed[:full], 0)
	if ok {
		out, ok = s.chunks.OpenLast(out, sealed[full:], uint64(full/SealedSize))
	}
	if !ok {
		clear(out[len(dst):])
		return nil, ErrOpen
	}
	return out, nil
}

func (k *Key) release(s *state) {
	clear(s.okm[:])
	s.chunks = Chunks{}
	k.states.Put(s)
}

// state is the scratch space of one message.
type state struct {
	mac    hash.Hash // HMAC-SHA-512 under the input key
	info   []byte
	okm    [2 * sha512.Size]byte // AES key, base nonce, commitment
	chunks Chunks
}

// derive runs HKDF-Expand (RFC 5869, section 2.3) for the two blocks needed. It is
// spelled out because crypto/hkdf keys an HMAC anew in each call, which would be
// half the cost of a short message; a test holds it equal to crypto/hkdf.
func (k *Key) derive(salt []byte, context [][]byte) *state {
	s := k.states.Get().(*state)
	s.chunks.workers = k.workers
	s.info = append(append(s.info[:0], label...), salt...)
	for _, part := range context {
		s.info = append(s.info, part...)
	}
	s.info = append(s.info, 1)
	s.mac.Reset()
	s.mac.Write(s.info)
	s.mac.Sum(s.okm[:0])

	s.info[len(s.info)-1] = 2
	s.mac.Reset()
	s.mac.Write(s.okm[:sha512.Size])
	s.mac.Write(s.info)
	s.mac.Sum(s.okm[:sha512.Size])
	return s
}

func (s *state) key() []byte        { return s.okm[:KeySize] }
func (s *state) baseNonce() []byte  { return s.okm[KeySize:][:nonceSize] }
func (s *state) commitment() []byte { return s.okm[KeySize+nonceSize:][:commitmentSize] }

// sealer prepares s.chunks for sealing.
func (s *state) sealer() error {
	block, err := aes.NewCipher(s.key())
	if err != nil {
		return err
	}
	copy(s.chunks.base[:], s.baseNonce())
	s.chunks.aead, err = cipher.NewGCM(block)
	return err
}

// opener prepares s.chunks for opening, if the commitment of the message is right.
func (s *state) opener(commitment []byte) error {
	if subtle.ConstantTimeCompare(s.commitment(), commitment) != 1 {
		return ErrOpen
	}
	if !fips140.Enforced() {
		return s.sealer()
	}
	block, err := aes.NewCipher(s.key())
	if err != nil {
		return err
	}
	copy(s.chunks.base[:], s.baseNonce())
	aead, err := cipher.NewGCMWithRandomNonce(block)
	s.chunks.aead = &prefixedOpener{AEAD: aead}
	return err
}

// prefixedOpener opens GCM ciphertexts whose nonce the caller knows with an AEAD
// that reads it from in front of the ciphertext: the one that FIPS 140-3
// enforcement leaves. It is safe for concurrent use, as that AEAD is.
type prefixedOpener struct {
	cipher.AEAD
	bufs sync.Pool // of *[]byte
}

func (p *prefixedOpener) Open(dst, nonce, ciphertext, additional []byte) ([]byte, error) {
	buf, ok := p.bufs.Get().(*[]byte)
	if !ok {
		buf = new([]byte)
	}
	defer p.bufs.Put(buf)
	*buf = append(append((*buf)[:0], nonce...), ciphertext...)
	return p.AEAD.Open(dst, nil, *buf, additional)
}
