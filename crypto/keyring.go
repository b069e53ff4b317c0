package crypto

import (
	"bytes"
	"crypto/fips140"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"unsafe"

	"github.com/pavise/pavise/crypto/internal/cobblestone"
	"github.com/pavise/pavise/crypto/internal/xaes"
	"github.com/pavise/pavise/secrets"
)

// ErrOpen is returned for everything that does not open: altered, truncated,
// extended or foreign ciphertexts, a different [Binding], a key that is not there.
// Which of them it was is not told.
var ErrOpen = errors.New("crypto: ciphertext did not open")

// ErrFIPS is returned by what would need a nonce that FIPS 140-3 enforcement
// (GODEBUG=fips140=only) forbids to choose.
var ErrFIPS = errors.New("crypto: sealing Cobblestone-256 is not possible under FIPS 140-3 enforcement: " +
	"seal with an Envelope made WithXAES, or use SkipFIPSNonceEnforcement")

const (
	versionMessage   = 2
	suiteCobblestone = 1
	messageHeaderLen = 6
)

// Keyring seals and opens data with keys that this process holds. It seals with
// its primary key and opens with any of its keys. It is safe for concurrent use. The
// zero Keyring has no key: it seals and opens nothing.
type Keyring struct {
	primary  *ringKey
	byID     map[uint32]*ringKey
	compact  *Compact         // of the same keys
	index    []secrets.Secret // keys of Index, that of primary first
	skipFIPS bool
	live     func() (*Keyring, error) // of LiveKeyring: returns the Keyring of the moment; else nil
}

// ringKey is what a Keyring derives from one Key.
type ringKey struct {
	id         uint32
	header     []byte // of every message sealed with this key
	wrapHeader []byte // of every data key wrapped with this key
	seal       *cobblestone.Key
	kek        *xaes.Key
}

// NewKeyring returns a Keyring that seals with primary and opens with all keys
// given. To rotate, add the new key as an older one everywhere, then make it the
// primary, and drop the old key when nothing that [Keyring.NeedsReseal] is left.
//
// It returns an error for a zero Key and for two keys of one id, which are equal
// keys but for a chance of 2^-32.
func NewKeyring(primary Key, older ...Key) (*Keyring, error) {
	k := &Keyring{byID: make(map[uint32]*ringKey, 1+len(older))}
	for _, key := range append([]Key{primary}, older...) {
		r, err := newRingKey(key)
		if err != nil {
			return nil, err
		}
		if k.byID[r.id] != nil {
			return nil, fmt.Errorf("crypto: two keys of the keyring have the id %08x", r.id)
		}
		k.byID[r.id] = r
		if k.primary == nil {
			k.primary = r
		}
		if err := k.addIndexKey(key); err != nil {
			return nil, err
		}
	}
	var err error
	k.compact, err = NewCompact(primary, older...)
	return k, err
}

func newRingKey(key Key) (*ringKey, error) {
	id, err := key.derive(labelKeyID, 4)
	if err != nil {
		return nil, err
	}
	sealKey, err := key.derive(labelSeal, cobblestone.KeySize)
	if err != nil {
		return nil, err
	}
	defer clear(sealKey)
	kekKey, err := key.derive(labelKEK, xaes.KeySize)
	if err != nil {
		return nil, err
	}
	defer clear(kekKey)

	r := &ringKey{
		id:         binary.BigEndian.Uint32(id),
		header:     append([]byte{versionMessage, suiteCobblestone}, id...),
		wrapHeader: append([]byte{versionCompact}, id...),
	}
	if r.seal, err = cobblestone.New(sealKey); err != nil {
		return nil, err
	}
	r.kek, err = xaes.New(kekKey)
	return r, err
}

// SkipFIPSNonceEnforcement returns a Keyring of the same keys that seals also under
// GODEBUG=fips140=only. Its nonces are derived, unique and as published, but not
// made by the FIPS module, which the mode insists on; opening never needs it.
func (k *Keyring) SkipFIPSNonceEnforcement() *Keyring {
	return k.tune(func(k *Keyring) *Keyring {
		relaxed := *k
		relaxed.skipFIPS = true
		return &relaxed
	})
}

// WithWorkers returns a Keyring of the same keys that has at most n goroutines work on
// one message or stream, GOMAXPROCS if n is 0 or less, as is the default. They serve 1
// MiB or more at a time and end with the call; ciphertexts do not depend on it.
func (k *Keyring) WithWorkers(n int) *Keyring {
	return k.tune(func(k *Keyring) *Keyring { return k.withWorkers(n) })
}

func (k *Keyring) withWorkers(n int) *Keyring {
	tuned := *k
	tuned.byID = make(map[uint32]*ringKey, len(k.byID))
	for id, key := range k.byID {
		own := *key
		own.seal = key.seal.WithWorkers(n)
		tuned.byID[id] = &own
		if key == k.primary {
			tuned.primary = &own
		}
	}
	return &tuned
}

// Seal appends the ciphertext of plaintext to dst and returns the extended slice.
// The ciphertext is 62 bytes longer than plaintext, and 16 more for each begun
// 16 KiB of it: 78 for less than 16 KiB. It hides everything but the length of
// plaintext and, by a key id, which key sealed it.
//
// dst may be nil and may share memory with plaintext.
func (k *Keyring) Seal(dst, plaintext []byte, b Binding) ([]byte, error) {
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
	dst = detach(dst, plaintext)
	dst = slices.Grow(dst, messageHeaderLen+len(plaintext)+cobblestone.Overhead(len(plaintext)))
	dst = append(dst, k.primary.header...)
	return sealCobblestone(k.primary.seal, k.skipFIPS, dst, plaintext, k.primary.header, bound)
}

// Open appends the plaintext of ciphertext to dst and returns the extended slice.
// It returns [ErrOpen] if ciphertext is not exactly what a key of this Keyring
// sealed under an equal Binding. No part of a plaintext is returned then.
//
// dst may be nil and may share memory with ciphertext.
func (k *Keyring) Open(dst, ciphertext []byte, b Binding) ([]byte, error) {
	bound, err := b.encode()
	if err != nil {
		return nil, err
	}
	if k, err = k.now(); err != nil {
		return nil, err
	}
	key := k.keyOf(ciphertext)
	if key == nil {
		return nil, ErrOpen
	}
	out, err := key.seal.Open(detach(dst, ciphertext), ciphertext[messageHeaderLen:], key.header, bound)
	if err != nil {
		return nil, ErrOpen
	}
	return out, nil
}

// keyOf returns the key that the header of ciphertext names, or nil.
func (k *Keyring) keyOf(ciphertext []byte) *ringKey {
	if len(ciphertext) < messageHeaderLen {
		return nil
	}
	key := k.byID[binary.BigEndian.Uint32(ciphertext[2:])]
	if key == nil || !bytes.HasPrefix(ciphertext, key.header) {
		return nil
	}
	return key
}

// NeedsReseal reports whether ciphertext, which [Keyring.Open] accepts, was sealed
// with a key other than the primary one. It is false for anything else, but true while
// the keys of a [LiveKeyring] are stale, so that whoever reseals meets that error.
func (k *Keyring) NeedsReseal(ciphertext []byte) bool {
	k, err := k.now()
	if err != nil {
		return true
	}
	key := k.keyOf(ciphertext)
	return key != nil && key != k.primary
}

// refusedByFIPS reports whether counter nonces are forbidden.
func refusedByFIPS(skip bool) bool { return fips140.Enforced() && !skip }

// sealCobblestone is key.Seal with the rules of FIPS 140-3 enforcement.
func sealCobblestone(key *cobblestone.Key, skip bool, dst, plaintext []byte, context ...[]byte) (out []byte, err error) {
	switch {
	case refusedByFIPS(skip):
		return nil, ErrFIPS
	case !fips140.Enforced():
		return key.Seal(dst, plaintext, context...)
	}
	fips140.WithoutEnforcement(func() { out, err = key.Seal(dst, plaintext, context...) })
	return out, err
}

// detach returns dst without its spare capacity if that overlaps in: the ciphers
// refuse to write over what they have yet to read.
func detach(dst, in []byte) []byte {
	spare := dst[len(dst):cap(dst)]
	if len(spare) == 0 || len(in) == 0 || address(spare, len(spare)-1) < address(in, 0) || address(in, len(in)-1) < address(spare, 0) {
		return dst
	}
	return slices.Clip(dst)
}

// address is for comparing only; nothing is read through it.
func address(b []byte, i int) uintptr { return uintptr(unsafe.Pointer(&b[i])) }
