// Package xaes seals and opens with XAES-256-GCM under random nonces, as
// published at https://c2sp.org/XAES-256-GCM.
//
// A message is a random 24-byte nonce, the ciphertext and a 16-byte tag. The first
// half of the nonce selects an AES-256-GCM key, the second half is that key's nonce.
// It uses approved services of the Go Cryptographic Module only, so that it also
// seals under FIPS 140-3 enforcement. It does not commit to the key.
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
	selector := dst[len(dst) : len(dst)+half]
	rand.Read(selector) // never fails: crypto/rand aborts the process instead
	aead, err := k.aead(selector)
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
	aead, err := k.aead(message[:half])
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
// nonce, selects. Its ciphertexts begin with their nonce, the second half.
func (k *Key) aead(selector []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(k.subkey(selector))
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err == nil || fips140.Enforced() {
		return aead, err
	}
	// GOEXPERIMENT=boringcrypto has no NewGCMWithRandomNonce.
	gcm, err := cipher.NewGCM(block)
	return randomNonce{gcm}, err
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

// randomNonce is what cipher.NewGCMWithRandomNonce returns, where that is missing.
type randomNonce struct{ cipher.AEAD }

func (r randomNonce) Seal(dst, _, plaintext, additional []byte) []byte {
	nonce := dst[len(dst) : len(dst)+half]
	rand.Read(nonce)
	return r.AEAD.Seal(append(dst, nonce...), nonce, plaintext, additional)
}

func (r randomNonce) Open(dst, _, ciphertext, additional []byte) ([]byte, error) {
	return r.AEAD.Open(dst, ciphertext[:half], ciphertext[half:], additional)
}
