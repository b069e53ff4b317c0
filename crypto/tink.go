package crypto

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"

	"github.com/pavise/pavise/crypto/internal/xaes"
	"github.com/pavise/pavise/secrets"
)

const (
	maxKeyset   = 64 << 10
	tinkTypeURL = "type.googleapis.com/google.crypto.tink.XAesGcmKey"
)

// The enumerations of Tink's tink.proto, as far as they matter here.
const (
	tinkEnabled   = 1
	tinkDisabled  = 2
	tinkDestroyed = 3

	tinkSymmetric = 1
	tinkPrefix    = 1
)

var (
	errKeysetLen       = errors.New("crypto: Tink keyset is empty or longer than 64 KiB")
	errKeysetForm      = errors.New("crypto: not an unencrypted Tink keyset in JSON or binary form, or one with an unknown or repeated field")
	errKeysetEncrypted = errors.New("crypto: Tink keyset is encrypted: decrypt it with Tink first")
	errKeysetPrimary   = errors.New("crypto: Tink keyset has no enabled key that is its primary one")
)

// ImportTink returns a [Compact] that opens what Tink sealed with keyset and seals
// what Tink opens with it. The keyset is not encrypted, in the JSON or the binary form
// that Tink's own tools write, and at most 64 KiB long.
//
// The primary key of the keyset seals and all enabled keys open. They must be of type
// XAesGcmKey with a salt of 12 bytes and the output prefix TINK, which is Tink's
// template XAES_256_GCM_192_BIT_NONCE; anything else is an error. As in Tink, keys
// that are disabled or destroyed open nothing; nothing but their ids is looked at, and
// [Compact.ExportTink] leaves them out. To rotate, rotate the keyset and import it anew.
//
// Errors hold no part of the keyset but key ids.
func ImportTink(keyset secrets.Secret) (c *Compact, err error) {
	keyset.Use(func(b []byte) { c, err = importTink(b) })
	return c, err
}

func importTink(text []byte) (*Compact, error) {
	if len(text) == 0 || len(text) > maxKeyset {
		return nil, errKeysetLen
	}
	var set tinkKeyset
	defer set.wipe()
	if err := set.parse(text); err != nil {
		return nil, err
	}
	return set.compact()
}

// tinkKeyset is a keyset as either of its forms says it. Absent fields are zero, as
// protobuf has it.
type tinkKeyset struct {
	primary uint32
	keys    []tinkKey
}

type tinkKey struct {
	id               uint32
	status           uint32
	prefix, material uint32
	typeURL          []byte
	value            []byte
}

// parse tells the forms apart: the binary one begins with the tag of one of the two
// fields of a keyset, which no JSON begins with.
func (s *tinkKeyset) parse(text []byte) error {
	if text[0] == protoKeysetPrimary || text[0] == protoKeysetKey {
		return s.parseProto(text)
	}
	return s.parseJSON(text)
}

func (s *tinkKeyset) wipe() {
	for _, k := range s.keys {
		clear(k.value)
	}
}

func (s *tinkKeyset) compact() (*Compact, error) {
	c := &Compact{byID: make(map[uint32]*compactKey)}
	seen := make(map[uint32]bool)
	for _, k := range s.keys {
		if seen[k.id] {
			return nil, k.refused("shares its id with another key")
		}
		seen[k.id] = true
		if k.status == tinkDisabled || k.status == tinkDestroyed {
			continue
		}
		value, err := k.check()
		if err != nil {
			return nil, err
		}
		if err := c.add(k.id, value); err != nil {
			return nil, err
		}
	}
	if c.primary = c.byID[s.primary]; c.primary == nil {
		return nil, errKeysetPrimary
	}
	return c, nil
}

// check returns the 32 bytes of a key that a Compact can use.
func (k *tinkKey) check() ([]byte, error) {
	switch {
	case k.status != tinkEnabled:
		return nil, k.refused("is neither enabled, disabled nor destroyed")
	case !bytes.Equal(k.typeURL, []byte(tinkTypeURL)):
		return nil, k.refused("is not of type XAesGcmKey")
	case k.material != tinkSymmetric:
		return nil, k.refused("is not marked as symmetric")
	case k.prefix != tinkPrefix:
		return nil, k.refused("does not have the output prefix TINK")
	}
	x, ok := parseXAESKey(k.value)
	switch {
	case !ok || x.version != 0:
		return nil, k.refused("is not an XAesGcmKey of version 0")
	case x.saltSize != xaesSaltSize:
		return nil, k.refused("does not have a salt of 12 bytes")
	case len(x.value) != xaes.KeySize:
		return nil, k.refused("is not 32 bytes long")
	}
	return x.value, nil
}

func (k *tinkKey) refused(why string) error {
	return fmt.Errorf("crypto: key %d of the Tink keyset %s", k.id, why)
}

// ExportTink returns the keyset with which Tink opens what c sealed and seals what c
// opens, as unencrypted JSON: store it as you would store the keys. It holds the
// enabled keys of an imported keyset, or the derived keys of [NewCompact], from which
// nobody can compute the Key.
func (c *Compact) ExportTink() (secrets.Secret, error) {
	c, err := c.now()
	if err != nil {
		return secrets.Secret{}, err
	}
	if c.primary == nil {
		return secrets.Secret{}, errNoKey
	}
	const keyLen = 256 // more than each key takes: growing would leave copies behind
	out := make([]byte, 0, (1+len(c.keys))*keyLen)
	defer func() { clear(out) }()

	out = append(out, `{"primaryKeyId":`...)
	out = strconv.AppendUint(out, uint64(c.primary.id), 10)
	out = append(out, `,"key":[`...)
	for i, k := range c.keys {
		if i > 0 {
			out = append(out, ',')
		}
		out = k.appendTink(out)
	}
	out = append(out, `]}`...)
	return secrets.New(out), nil
}

func (k *compactKey) appendTink(out []byte) []byte {
	out = append(out, `{"keyData":{"typeUrl":"`+tinkTypeURL+`","value":"`...)
	k.value.Use(func(b []byte) {
		value := appendXAESKey(make([]byte, 0, 2*xaes.KeySize), b)
		defer clear(value)
		out = base64.StdEncoding.AppendEncode(out, value)
	})
	out = append(out, `","keyMaterialType":"SYMMETRIC"},"status":"ENABLED","keyId":`...)
	out = strconv.AppendUint(out, uint64(k.id), 10)
	return append(out, `,"outputPrefixType":"TINK"}`...)
}
