// Package xaes seals and opens with XAES-256-GCM under random nonces, as
// published at https://c2sp.org/XAES-256-GCM.
//
// A message is a random 24-byte nonce, the ciphertext and a 16-byte tag. The first
// half of the nonce selects an AES-256-GCM key, the second half is that key's nonce.
// In FIPS 140-3 mode it uses approved services of the Go Cryptographic Module only, so
// that it also seals under enforcement. It does not commit to the key.
package xaes

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/fips140"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"slices"
)

const (
	KeySize  = 32
	Overhead = 24 + 16 // nonce and tag

	half         = 12 // of the nonce
	maxPlaintext = 1<<36 - 32
)

// ErrOpen is the only error of [Key.Open] for a message that is not authentic.
var ErrOpen = errors.New("xaes: message did not open")

var errTooLong = errors.New("xaes: plaintext is longer than 64 GiB")

// Key seals and opens messages. It is safe for concurrent use.
type Key struct {
	block cipher.Block
	k1    [aes.BlockSize]byte // the CMAC subkey, NIST SP 800-38B section 6.1
}

// New returns a Key for KeySize uniformly random bytes.
func New(key []byte) (*Key, error) {
	if len(key) != KeySize {
		return nil, errors.New("xaes: key is not 32 bytes long")
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	k := &Key{block: block}
	block.Encrypt(k.k1[:], k.k1[:])
	double(&k.k1)
	return k, nil
}

// Wipe clears what can be, after the last other call has returned: Go has no way to
// clear the key schedule of a cipher.Block.
func (k *Key) Wipe() { clear(k.k1[:]) }

// double multiplies b by x in GF(2^128), in constant time.
func double(b *[aes.BlockSize]byte) {
	var carry byte
	for i := len(b) - 1; i >= 0; i-- {
		carry, b[i] = b[i]>>7, b[i]<<1|carry
	}
	b[len(b)-1] ^= carry * 0x87
}

// Seal appends the message for plaintext to dst. The context is the concatenation
// of its parts. The unused capacity of dst must not overlap plaintext.
func (k *Key) Seal(dst, plaintext []byte, context ...[]byte) ([]byte, error) {
	if uint64(len(plaintext)) > maxPlaintext {
		return nil, errTooLong
	}
	dst = slices.Grow(dst, Overhead+len(plaintext))
	if fips140.Enabled() {
		return k.sealApproved(dst, plaintext, context)
	}
	nonce := dst[len(dst) : len(dst)+2*half]
	rand.Read(nonce) // never fails: crypto/rand aborts the process instead
	aead, err := k.aead(nonce[:half], cipher.NewGCM)
	if err != nil {
		return nil, err
	}
	return aead.Seal(append(dst, nonce...), nonce[half:], plaintext, join(context)), nil
}

// sealApproved leaves the second half of the nonce to the FIPS module, which is what
// makes it an approved service. It is not always used since reading randomness twice
// costs a seventh of a short message.
func (k *Key) sealApproved(dst, plaintext []byte, context [][]byte) ([]byte, error) {
	selector := dst[len(dst) : len(dst)+half]
	rand.Read(selector)
	aead, err := k.aead(selector, cipher.NewGCMWithRandomNonce)
	if err != nil {
		return nil, err
	}
	return aead.Seal(append(dst, selector...), nil, plaintext, join(context)), nil
}

// Open appends the plaintext of message to dst, or returns [ErrOpen]. The unused
// capacity of dst must not overlap message.
func (k *Key) Open(dst, message []byte, context ...[]byte) ([]byte, error) {
	if len(message) < Overhead || uint64(len(message)) > maxPlaintext+Overhead {
		return nil, ErrOpen
	}
	if fips140.Enabled() {
		return k.openApproved(dst, message, context)
	}
	aead, err := k.aead(message[:half], cipher.NewGCM)
	if err != nil {
		return nil, err
	}
	out, err := aead.Open(dst, message[half:2*half], message[2*half:], join(context))
	if err != nil {
		return nil, ErrOpen
	}
	return out, nil
}

func (k *Key) openApproved(dst, message []byte, context [][]byte) ([]byte, error) {
	aead, err := k.aead(message[:half], cipher.NewGCMWithRandomNonce)
	if err != nil {
		return nil, err
	}
	out, err := aead.Open(dst, nil, message[half:], join(context))
	if err != nil {
		return nil, ErrOpen
	}
	return out, nil
}

// join concatenates the parts of a context; a single one costs no copy.
func join(context [][]byte) []byte {
	if len(context) == 1 {
		return context[0]
	}
	return slices.Concat(context...)
}

// aead returns AES-256-GCM under the subkey that selector, the first half of a
// nonce, selects.
func (k *Key) aead(selector []byte, newGCM func(cipher.Block) (cipher.AEAD, error)) (cipher.AEAD, error) {
	block, err := aes.NewCipher(k.subkey(selector))
	if err != nil {
		return nil, err
	}
	return newGCM(block)
}

// subkey is the KDF in counter mode with CMAC, NIST SP 800-108r1 section 4.1.
func (k *Key) subkey(selector []byte) []byte {
	sub := make([]byte, KeySize)
	for i := range 2 {
		b := sub[i*aes.BlockSize:][:aes.BlockSize]
		b[1], b[2] = byte(i+1), 'X'
		copy(b[4:], selector)
		subtle.XORBytes(b, b, k.k1[:])
		k.block.Encrypt(b, b)
	}
	return sub
}
