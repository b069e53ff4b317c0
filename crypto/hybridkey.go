package crypto

import (
	"bytes"
	"crypto/hpke"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"

	"github.com/pavise/pavise/secrets"
)

// The text forms begin with what they are, so that scanners find a private key and
// nobody hands one out in the place of its public key.
const (
	hybridPrivatePrefix = "pavise_hybrid_private_v1_"
	hybridPublicPrefix  = "pavise_hybrid_public_v1_"

	hybridSeedSize = 32
)

var (
	errNoHybridKey     = errors.New("crypto: hybrid key is empty: use GenerateHybridKey, or parse one")
	errHybridPrivate   = fmt.Errorf("crypto: text of a hybrid private key does not begin with %q", hybridPrivatePrefix)
	errHybridPublic    = fmt.Errorf("crypto: text of a hybrid public key does not begin with %q", hybridPublicPrefix)
	errHybridChecksum  = errors.New("crypto: text of a hybrid key was mistyped or cut: its checksum does not match")
	errHybridAlgorithm = errors.New("crypto: hybrid key is for another algorithm than X-Wing and MLKEM1024-P384")
	errHybridValue     = errors.New("crypto: hybrid key is not a possible key of its algorithm")
)

// HybridPrivateKey opens what was sealed to its [HybridPublicKey], see
// [HybridIdentity]. It holds the 32-byte seed of a hybrid of ML-KEM (FIPS 203) and an
// elliptic curve, as draft-ietf-hpke-pq serializes it: it is safe as long as one of
// the two is. It prints as [REDACTED]; only [HybridPrivateKey.Export] gives its value
// out. The zero HybridPrivateKey is refused by [NewEnvelope].
type HybridPrivateKey struct {
	kem  uint16
	seed secrets.Secret
}

// HybridPublicKey is what anybody seals with to the holder of a [HybridPrivateKey],
// see [HybridRecipient]. It is not secret, but it must come from its owner: who can
// put another in its place opens what is sealed to it. The zero HybridPublicKey is
// refused by [NewEnvelope].
type HybridPublicKey struct{ key hpke.PublicKey }

// GenerateHybridKey returns a new random key for X-Wing (ML-KEM-768 and X25519,
// draft-connolly-cfrg-xwing-kem), the choice for most.
func GenerateHybridKey() HybridPrivateKey { return generateHybrid(hpke.MLKEM768X25519()) }

// GenerateHybridKeyP384 returns a new random key for MLKEM1024-P384
// (draft-ietf-hpke-pq), for who may use algorithms of NIST only. A data key wrapped
// for it is 1,714 bytes long, where one for X-Wing is 1,169.
func GenerateHybridKeyP384() HybridPrivateKey { return generateHybrid(hpke.MLKEM1024P384()) }

func generateHybrid(kem hpke.KEM) HybridPrivateKey {
	seed := make([]byte, hybridSeedSize)
	defer clear(seed)
	rand.Read(seed) // never fails: crypto/rand aborts the process instead
	return HybridPrivateKey{kem.ID(), secrets.New(seed)}
}

// hybridKEM is the list of what is offered. Classical KEMs are not on it, nor are
// hybrids that say no more than these two.
func hybridKEM(id uint16) (hpke.KEM, error) {
	for _, kem := range []hpke.KEM{hpke.MLKEM768X25519(), hpke.MLKEM1024P384()} {
		if kem.ID() == id {
			return kem, nil
		}
	}
	return nil, errHybridAlgorithm
}

// ParseHybridPrivateKey reads the text form that [HybridPrivateKey.Export] wrote. It
// takes that form only, without any white space around it, and detects every single
// mistyped character. Errors do not quote the text.
func ParseHybridPrivateKey(text secrets.Secret) (k HybridPrivateKey, err error) {
	text.Use(func(b []byte) { k, err = parseHybridPrivate(b) })
	return k, err
}

func parseHybridPrivate(text []byte) (HybridPrivateKey, error) {
	kem, seed, err := parseHybrid(text, hybridPrivatePrefix, errHybridPrivate)
	defer clear(seed)
	if err != nil {
		return HybridPrivateKey{}, err
	}
	if len(seed) != hybridSeedSize {
		return HybridPrivateKey{}, errHybridValue
	}
	return HybridPrivateKey{kem.ID(), secrets.New(seed)}, nil
}

// ParseHybridPublicKey reads the text form that [HybridPublicKey.String] wrote, and
// that alone, and checks that it is a possible public key. Errors do not quote the
// text.
func ParseHybridPublicKey(text string) (HybridPublicKey, error) {
	kem, value, err := parseHybrid([]byte(text), hybridPublicPrefix, errHybridPublic)
	if err != nil {
		return HybridPublicKey{}, err
	}
	key, err := kem.NewPublicKey(value)
	if err != nil || !sealable(key) {
		return HybridPublicKey{}, errHybridValue
	}
	return HybridPublicKey{key}, nil
}

// sealable reports what crypto/hpke leaves open about X25519: nothing can be sealed to
// a point of small order, and what is sealed to a number that is not reduced does not
// open, since its holder hashes the reduced one.
func sealable(key hpke.PublicKey) bool {
	value := key.Bytes()
	if key.KEM().ID() == hpke.MLKEM768X25519().ID() && !reducedX25519(value[len(value)-32:]) {
		return false
	}
	_, _, err := hpke.NewSender(key, hpke.HKDFSHA512(), hpke.ExportOnly(), nil)
	return err == nil
}

// reducedX25519 reports whether u, little-endian, is below the modulus 2^255 - 19.
func reducedX25519(u []byte) bool {
	for _, b := range u[1:31] {
		if b != 0xff {
			return u[31] < 0x80
		}
	}
	return u[31] < 0x7f || u[31] == 0x7f && u[0] < 0xed
}

// parseHybrid reads prefix | base64url(KEM id (2) | value | CRC-32 (4)). The value is
// also returned with an error, to be wiped.
func parseHybrid(text []byte, prefix string, errPrefix error) (kem hpke.KEM, value []byte, err error) {
	encoded, ok := bytes.CutPrefix(text, []byte(prefix))
	switch {
	case len(text) == 0:
		return nil, nil, errNoHybridKey
	case !ok:
		return nil, nil, errPrefix
	case bytes.ContainsAny(encoded, "\r\n"): // which the decoder would skip
		return nil, nil, errHybridChecksum
	}
	b, err := base64.RawURLEncoding.Strict().AppendDecode(nil, encoded)
	n := len(b) - crc32.Size
	if err != nil || n < 2 || binary.BigEndian.Uint32(b[n:]) != textChecksum(prefix, b[:n]) {
		return nil, b, errHybridChecksum
	}
	kem, err = hybridKEM(binary.BigEndian.Uint16(b))
	return kem, b[2:n], err
}

func formatHybrid(prefix string, kem uint16, value []byte) []byte {
	b := binary.BigEndian.AppendUint16(make([]byte, 0, 2+len(value)+crc32.Size), kem)
	b = append(b, value...)
	b = binary.BigEndian.AppendUint32(b, textChecksum(prefix, b))
	defer clear(b)
	return base64.RawURLEncoding.AppendEncode([]byte(prefix), b)
}

// Export returns the text form to keep in a secret store: "pavise_hybrid_private_v1_"
// and 51 characters of unpadded base64url (RFC 4648, section 5), which hold the KEM's
// number in the registry of HPKE (RFC 9180, section 7.1), the seed and a CRC-32. The
// text of the zero HybridPrivateKey is empty.
func (k HybridPrivateKey) Export() (text secrets.Secret) {
	if k.seed.IsZero() {
		return text
	}
	k.seed.Use(func(seed []byte) {
		out := formatHybrid(hybridPrivatePrefix, k.kem, seed)
		defer clear(out)
		text = secrets.New(out)
	})
	return text
}

// Public returns the public key to hand out; of the zero HybridPrivateKey the zero one.
func (k HybridPrivateKey) Public() HybridPublicKey {
	key, err := k.expand()
	if err != nil {
		return HybridPublicKey{}
	}
	return HybridPublicKey{key.PublicKey()}
}

// expand makes the key pair of the seed. The zero HybridPrivateKey has no KEM.
func (k HybridPrivateKey) expand() (key hpke.PrivateKey, err error) {
	kem, err := hybridKEM(k.kem)
	if err != nil {
		return nil, err
	}
	k.seed.Use(func(seed []byte) { key, err = kem.NewPrivateKey(seed) })
	return key, err
}

// String returns the text form to publish: "pavise_hybrid_public_v1_" and unpadded
// base64url (RFC 4648, section 5) of the KEM's number in the registry of HPKE, the
// serialized public key (RFC 9180, sections 4 and 7.1) and a CRC-32. It has 1,654
// characters for X-Wing and 2,252 for MLKEM1024-P384; that of the zero
// HybridPublicKey is empty.
func (k HybridPublicKey) String() string {
	if k.key == nil {
		return ""
	}
	return string(formatHybrid(hybridPublicPrefix, k.key.KEM().ID(), k.key.Bytes()))
}

// Format writes [REDACTED] for every verb.
func (HybridPrivateKey) Format(f fmt.State, _ rune) { io.WriteString(f, "[REDACTED]") }

// LogValue returns [REDACTED].
func (HybridPrivateKey) LogValue() slog.Value { return slog.StringValue("[REDACTED]") }
