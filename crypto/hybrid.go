package crypto

import (
	"context"
	"crypto/fips140"
	"crypto/hpke"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A data key that is wrapped for a hybrid key is
//
//	01 | encapsulated key | encrypted key (32), tag (16)
//
// by HPKE in base mode (RFC 9180) with HKDF-SHA-512 and AES-256-GCM, and no additional
// data. The info is labelHybrid, the length of the label (4, big-endian) and the label.
const (
	versionHybrid = 1

	labelHybrid   = "github.com/pavise/pavise/crypto/hybrid/v1"
	labelHybridID = "github.com/pavise/pavise/crypto/hybrid-id/v1"

	hybridIDPrefix = "hybrid-"
)

var (
	errSealOnly = errors.New("crypto: a public key only seals: opening takes the HybridIdentity of its private key")
	errWrapLen  = errors.New("crypto: data key to wrap is not 32 bytes long")

	errHiddenPublic = errors.New("crypto: a KEK with the ID of a hybrid key lacks its method PublicKey: a type that wraps it must pass that on")

	errHybridFIPS = errors.New("crypto: hybrid keys are not possible under FIPS 140-3 enforcement with the " +
		"Go Cryptographic Module v1.0.0: build with GOFIPS140=v1.26.0 or later")
)

// HybridRecipient returns a KEK that seals to the holder of a private key and opens
// nothing: its Unwrap returns an error. It withstands quantum computers, so it stands
// beside no classical public key.
//
// Anybody can seal to a public key: what it seals says nothing of the sender. Beside a
// symmetric KEK, an Envelope seals to it and never opens with it, see
// [InsecureUnauthenticatedSender]. A type that wraps it must pass on its method
// PublicKey, by which the Envelope knows; embedding the interface [KEK] does not, and
// [NewEnvelope] refuses it then.
//
// Its ID is "hybrid-" and, in 64 hexadecimal digits, a SHA-256 of the public key, the
// same as that of the [HybridIdentity]: compare it over the phone to know whose key
// you have. A wrapped key is 1,169 bytes long for X-Wing and 1,714 for MLKEM1024-P384.
func HybridRecipient(public HybridPublicKey) KEK { return newHybridRecipient(public.key) }

// HybridIdentity returns a KEK that opens what was sealed to the public key of a
// private one, and seals to it. It is the [HybridRecipient] of that public key in
// every other respect.
func HybridIdentity(private HybridPrivateKey) KEK {
	key, err := private.expand()
	if err != nil {
		return &hybridIdentity{hybridRecipient: &hybridRecipient{}}
	}
	return &hybridIdentity{newHybridRecipient(key.PublicKey()), func(info, wrapped []byte) ([]byte, error) {
		return hpke.Open(key, hpke.HKDFSHA512(), hpke.AES256GCM(), info, wrapped)
	}}
}

// hybridRecipient has neither key nor ID if it was made of a zero key.
type hybridRecipient struct {
	key hpke.PublicKey
	id  string
}

func newHybridRecipient(key hpke.PublicKey) *hybridRecipient {
	if key == nil {
		return &hybridRecipient{}
	}
	in := binary.BigEndian.AppendUint16([]byte(labelHybridID), key.KEM().ID())
	sum := sha256.Sum256(append(in, key.Bytes()...))
	return &hybridRecipient{key, hybridIDPrefix + hex.EncodeToString(sum[:])}
}

func isHybridID(id string) bool {
	digits, ok := strings.CutPrefix(id, hybridIDPrefix)
	sum, err := hex.DecodeString(digits)
	return ok && err == nil && len(sum) == sha256.Size
}

func (r *hybridRecipient) ID() string { return r.id }

func (*hybridRecipient) PublicKey() (postQuantum bool) { return true }

func (r *hybridRecipient) Wrap(ctx context.Context, dek []byte, label string) ([]byte, error) {
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case r.key == nil:
		return nil, errNoHybridKey
	case hybridRefusedByFIPS():
		return nil, errHybridFIPS
	case len(dek) != dekSize:
		return nil, errWrapLen
	}
	sealed, err := hpke.Seal(r.key, hpke.HKDFSHA512(), hpke.AES256GCM(), hybridInfo(label), dek)
	if err != nil {
		return nil, fmt.Errorf("crypto: sealing to a hybrid key: %w", err)
	}
	return slices.Concat([]byte{versionHybrid}, sealed), nil
}

func (*hybridRecipient) Unwrap(context.Context, []byte, string) ([]byte, error) {
	return nil, errSealOnly
}

// hybridRefusedByFIPS reports whether crypto/hpke has no approved AES-GCM to use. It
// asks first since the failure would look like a wrapped key that was altered.
func hybridRefusedByFIPS() bool { return fips140.Enforced() && fips140.Version() == "v1.0.0" }

func hybridInfo(label string) []byte {
	info := binary.BigEndian.AppendUint32([]byte(labelHybrid), uint32(len(label)))
	return append(info, label...)
}

// hybridIdentity keeps its private key in a function, where no printer walks into it.
type hybridIdentity struct {
	*hybridRecipient
	open func(info, wrapped []byte) ([]byte, error)
}

func (i *hybridIdentity) Unwrap(ctx context.Context, wrapped []byte, label string) ([]byte, error) {
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case i.open == nil:
		return nil, errNoHybridKey
	case hybridRefusedByFIPS():
		return nil, errHybridFIPS
	case len(wrapped) == 0 || wrapped[0] != versionHybrid:
		return nil, ErrOpen
	}
	dek, err := i.open(hybridInfo(label), wrapped[1:])
	if err != nil || len(dek) != dekSize {
		clear(dek)
		return nil, ErrOpen
	}
	return dek, nil
}

// sealOnly reports whether r cannot open: it would answer for messages of others with
// an error that looks like an outage.
func (r recipient) sealOnly() bool {
	_, ok := r.kek.(*hybridRecipient)
	return ok
}

// sealOnly reports whether e has public keys alone, which its user should hear of.
func (e *Envelope) sealOnly() bool {
	return len(e.to) > 0 && !slices.ContainsFunc(e.to, func(r recipient) bool { return !r.sealOnly() })
}
