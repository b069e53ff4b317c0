package crypto

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/pavise/pavise/crypto/internal/xaes"
	"github.com/pavise/pavise/secrets"
)

var errSameValue = errors.New("crypto: two keys have one value")

// Compact seals and opens messages that are 45 bytes longer than their plaintext,
// where a [Keyring] adds 78: XAES-256-GCM (https://c2sp.org/XAES-256-GCM) behind the
// id of its key, which is also what Tink writes for a key of type XAES-256-GCM with
// the prefix TINK, see [ImportTink].
//
//	01 | key id (4) | nonce (24) | ciphertext | tag (16)
//
// It does not commit to its key: who knows two keys can make a message that opens
// under both, to different plaintexts. That matters where the sender of a message is
// not trusted by all who open it, or picks the key. Use a [Keyring] there. It never
// opens what a Compact sealed, nor the other way round.
//
// The associated data is what [Binding.AssociatedData] returns. Nonces are random:
// 2^80 messages under one key keep the chance of a repeated nonce below 2^-32. A
// plaintext is at most 64 GiB long.
//
// A Compact seals with its primary key and opens with any of its keys, under
// FIPS 140-3 enforcement too. It is safe for concurrent use. The zero Compact has no
// key: it seals and opens nothing.
type Compact struct {
	primary *compactKey
	keys    []*compactKey // the order of the caller, for ExportTink
	byID    map[uint32]*compactKey
	live    func() (*Compact, error) // of LiveKeyring: returns the Compact of the moment; else nil
}

type compactKey struct {
	id     uint32
	header []byte         // of every message sealed with this key
	value  secrets.Secret // for ExportTink
	aead   *xaes.Key
}

// NewCompact returns a Compact that seals with primary and opens with all keys given,
// each under a key derived for this use alone, so that they may serve a [Keyring] as
// well. Keys are rotated as those of a Keyring, see [NewKeyring].
//
// It returns an error for a zero Key and for two keys of one id.
func NewCompact(primary Key, older ...Key) (*Compact, error) {
	c := &Compact{byID: make(map[uint32]*compactKey, 1+len(older))}
	for _, key := range append([]Key{primary}, older...) {
		if err := c.derive(key); err != nil {
			return nil, err
		}
	}
	c.primary = c.keys[0]
	return c, nil
}

// Compact returns the Compact that [NewCompact] makes of the keys of k, for short
// messages and for what has to seal under FIPS 140-3 enforcement. Neither of them opens
// what the other one sealed.
func (k *Keyring) Compact() *Compact {
	if k.compact == nil {
		return &Compact{}
	}
	return k.compact
}

func (c *Compact) derive(key Key) error {
	id, err := key.derive(labelKeyID, 4)
	if err != nil {
		return err
	}
	value, err := key.derive(labelCompact, xaes.KeySize)
	if err != nil {
		return err
	}
	defer clear(value)
	return c.add(binary.BigEndian.Uint32(id), value)
}

// add refuses equal values beside equal ids: a message could be given the id of the
// other key, and would open still.
func (c *Compact) add(id uint32, value []byte) error {
	if c.byID[id] != nil {
		return fmt.Errorf("crypto: two keys have the id %08x", id)
	}
	key := &compactKey{
		id:     id,
		header: binary.BigEndian.AppendUint32([]byte{versionCompact}, id),
		value:  secrets.New(value),
	}
	if slices.ContainsFunc(c.keys, func(k *compactKey) bool { return k.value.Equal(key.value) }) {
		return errSameValue
	}
	var err error
	if key.aead, err = xaes.New(value); err != nil {
		return err
	}
	c.keys = append(c.keys, key)
	c.byID[id] = key
	return nil
}

// Seal appends the ciphertext of plaintext, 45 bytes longer, to dst and returns the
// extended slice. It hides everything but the length of plaintext and, by a key id,
// which key sealed it.
//
// dst may be nil and may share memory with plaintext.
func (c *Compact) Seal(dst, plaintext []byte, b Binding) ([]byte, error) {
	associated, err := b.associatedData()
	if err != nil {
		return nil, err
	}
	if c, err = c.now(); err != nil {
		return nil, err
	}
	if c.primary == nil {
		return nil, errNoKey
	}
	dst = detach(dst, plaintext)
	dst = slices.Grow(dst, compactHeaderLen+xaes.Overhead+len(plaintext))
	return c.primary.aead.Seal(append(dst, c.primary.header...), plaintext, associated)
}

// Open appends the plaintext of ciphertext to dst and returns the extended slice.
// It returns [ErrOpen] if ciphertext is not exactly what a key of this Compact sealed
// under an equal Binding. No part of a plaintext is returned then.
//
// dst may be nil and may share memory with ciphertext.
func (c *Compact) Open(dst, ciphertext []byte, b Binding) ([]byte, error) {
	associated, err := b.associatedData()
	if err != nil {
		return nil, err
	}
	if c, err = c.now(); err != nil {
		return nil, err
	}
	key := c.keyOf(ciphertext)
	if key == nil {
		return nil, ErrOpen
	}
	out, err := key.aead.Open(detach(dst, ciphertext), ciphertext[compactHeaderLen:], associated)
	if err != nil {
		return nil, ErrOpen
	}
	return out, nil
}

// NeedsReseal reports whether ciphertext, which [Compact.Open] accepts, was sealed
// with a key other than the primary one. It is false for anything else, and true as that
// of a [Keyring] while keys are stale.
func (c *Compact) NeedsReseal(ciphertext []byte) bool {
	c, err := c.now()
	if err != nil {
		return true
	}
	key := c.keyOf(ciphertext)
	return key != nil && key != c.primary
}

// keyOf returns the key that the header of ciphertext names, or nil.
func (c *Compact) keyOf(ciphertext []byte) *compactKey {
	if len(ciphertext) < compactHeaderLen {
		return nil
	}
	key := c.byID[binary.BigEndian.Uint32(ciphertext[1:])]
	if key == nil || !bytes.HasPrefix(ciphertext, key.header) {
		return nil
	}
	return key
}
