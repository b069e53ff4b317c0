package crypto

import (
	"crypto/hmac"
	"crypto/sha256"
	"fmt"

	"github.com/pavise/pavise/secrets"
)

const (
	indexKeySize = 32

	// MaxIndexBits is the greatest width of a token of [Keyring.Index].
	MaxIndexBits = 32
)

var errIndexBits = fmt.Errorf("crypto: width of an index token is not 1 to %d bits", MaxIndexBits)

// Index returns the blind-index tokens of value: what to store beside a sealed value so
// that it can be found by equality, and what to look for. There is one token for each
// key, that of the primary key first: store the first, look for all of them, and values
// are found before, during and after a rotation. Most users want package column, which
// also confirms what was found.
//
// A token is the first bits of an HMAC-SHA-256, 1 to [MaxIndexBits], in the fewest bytes
// that hold them, with zeros after them. Its key is derived for this use and for b, so
// that tokens of two purposes or parts have nothing in common.
//
// Tokens are made to leak: equal values under equal Bindings have equal tokens, so a
// reader of the store learns which records may be equal, and how often. b must name what
// shares an index, such as a table and its column, and not the record. The fewer bits,
// the more values share a token, and the less it tells.
func (k *Keyring) Index(b Binding, value []byte, bits int) ([][]byte, error) {
	bound, err := b.encode()
	if err != nil {
		return nil, err
	}
	if k, err = k.now(); err != nil {
		return nil, err
	}
	switch {
	case bits < 1 || bits > MaxIndexBits:
		return nil, errIndexBits
	case len(k.index) == 0:
		return nil, errNoKey
	}
	tokens := make([][]byte, len(k.index))
	for i, key := range k.index {
		key.Use(func(key []byte) { tokens[i], err = indexToken(key, bound, value, bits) })
		if err != nil {
			return nil, err
		}
	}
	return tokens, nil
}

func (k *Keyring) addIndexKey(key Key) error {
	value, err := key.derive(labelIndex, indexKeySize)
	if err != nil {
		return err
	}
	defer clear(value)
	k.index = append(k.index, secrets.New(value))
	return nil
}

func indexToken(key, bound, value []byte, bits int) ([]byte, error) {
	own, err := expand(key, string(bound), indexKeySize)
	if err != nil {
		return nil, err
	}
	defer clear(own)
	h := hmac.New(sha256.New, own)
	h.Write(value)
	token := h.Sum(nil)[: (bits+7)/8 : (bits+7)/8]
	if extra := uint(-bits & 7); extra > 0 {
		token[len(token)-1] &= 0xff << extra
	}
	return token, nil
}
