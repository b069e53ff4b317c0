package crypto

import (
	"bytes"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha512"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"

	"github.com/pavise/pavise/secrets"
)

const (
	keySize = 32

	// keyPrefix begins the text form: a fixed word that secret scanners can look
	// for, and the version of what follows.
	keyPrefix  = "pavise_key_v1_"
	keyTextLen = len(keyPrefix) + (keySize+crc32.Size)*4/3
)

var (
	errNoKey       = errors.New("crypto: key is empty: use GenerateKey or ParseKey")
	errKeyVersion  = fmt.Errorf("crypto: text of a key does not begin with %q", keyPrefix)
	errKeyLength   = fmt.Errorf("crypto: text of a key is not %d characters long", keyTextLen)
	errKeyChecksum = errors.New("crypto: text of a key was mistyped: its checksum does not match")
)

// Key is a secret of 256 bits from which a [Keyring] derives everything it uses.
// It prints as [REDACTED]; only [Key.Export] gives its value out. The zero Key is
// refused by [NewKeyring].
type Key struct{ secret secrets.Secret }

// GenerateKey returns a new random Key.
func GenerateKey() Key {
	b := make([]byte, keySize)
	defer clear(b)
	rand.Read(b) // never fails: crypto/rand aborts the process instead
	return Key{secrets.New(b)}
}

// ParseKey reads the text form that [Key.Export] wrote. It takes that form only,
// without any white space around it, and detects every single mistyped character.
// Errors do not quote the text.
func ParseKey(text secrets.Secret) (k Key, err error) {
	text.Use(func(b []byte) { k, err = parseKey(b) })
	return k, err
}

func parseKey(text []byte) (Key, error) {
	encoded, ok := bytes.CutPrefix(text, []byte(keyPrefix))
	switch {
	case len(text) == 0:
		return Key{}, errNoKey
	case !ok:
		return Key{}, errKeyVersion
	case len(text) != keyTextLen:
		return Key{}, errKeyLength
	}
	b, err := base64.RawURLEncoding.AppendDecode(nil, encoded)
	defer clear(b)
	if err != nil || len(b) != keySize+crc32.Size || binary.BigEndian.Uint32(b[keySize:]) != textChecksum(keyPrefix, b[:keySize]) {
		return Key{}, errKeyChecksum
	}
	return Key{secrets.New(b[:keySize])}, nil
}

// Export returns the text form to keep in a secret store: "pavise_key_v1_" and 48
// characters of unpadded base64url (RFC 4648, section 5), which hold the 32 bytes of
// the key and the CRC-32 (IEEE) of prefix and key, big-endian. The text of the zero
// Key is empty.
func (k Key) Export() (text secrets.Secret) {
	k.secret.Use(func(b []byte) {
		if len(b) == 0 {
			return
		}
		sum := textChecksum(keyPrefix, b)
		b = binary.BigEndian.AppendUint32(b, sum)
		defer clear(b)
		out := base64.RawURLEncoding.AppendEncode([]byte(keyPrefix), b)
		defer clear(out)
		text = secrets.New(out)
	})
	return text
}

func textChecksum(prefix string, value []byte) uint32 {
	return crc32.Update(crc32.ChecksumIEEE([]byte(prefix)), crc32.IEEETable, value)
}

// Format writes [REDACTED] for every verb.
func (Key) Format(f fmt.State, _ rune) { io.WriteString(f, "[REDACTED]") }

// LogValue returns [REDACTED].
func (Key) LogValue() slog.Value { return slog.StringValue("[REDACTED]") }

// derive returns n bytes for one use; the Key itself encrypts nothing.
func (k Key) derive(use string, n int) (out []byte, err error) {
	err = errNoKey
	k.secret.Use(func(b []byte) {
		if len(b) == keySize {
			out, err = expand(b, use, n)
		}
	})
	return out, err
}

// The labels under which keys are derived. They are part of the formats.
const (
	labelKeyID   = "github.com/pavise/pavise/crypto/keyid/v1"
	labelSeal    = "github.com/pavise/pavise/crypto/seal/v1"
	labelCompact = "github.com/pavise/pavise/crypto/compact/v1"
	labelKEK     = "github.com/pavise/pavise/crypto/kek/v1"
	labelIndex   = "github.com/pavise/pavise/crypto/index/v1"
	labelHeader  = "github.com/pavise/pavise/crypto/hdr/v1"
	labelPayload = "github.com/pavise/pavise/crypto/payload/v1"
)

// expand is HKDF-Expand-SHA-512 (RFC 5869, section 2.3) of a uniformly random key.
func expand(key []byte, label string, n int) ([]byte, error) {
	return hkdf.Expand(sha512.New, key, label, n)
}
