package crypto

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/pavise/pavise/crypto/internal/xaes"
)

// KEK is a key-encryption key: all that a key management service, a Vault, an HSM
// or a public key has to implement to be a recipient of an [Envelope]. It must be
// safe for concurrent use, and return soon after its context ends.
//
// A KEK made of a public key, or of its private key, must also have the method
//
//	PublicKey() (postQuantum bool)
//
// since anybody can wrap for such a recipient. A KEK that knows when one of its own
// wrapped keys is outdated may have
//
//	NeedsRewrap(wrapped []byte) bool
//
// which [Envelope.NeedsRewrap] asks. All of them use standard types only, so that an
// implementation need not import this package.
type KEK interface {
	// ID names the KEK for as long as anything wrapped by it exists, through
	// rotations too: 1 to 255 bytes. It is stored in the clear in each message.
	ID() string

	// Wrap encrypts and authenticates a data key of 32 bytes, and authenticates the
	// label with it. It must not keep dek. The result is 1 to 8,192 bytes long.
	Wrap(ctx context.Context, dek []byte, label string) ([]byte, error)

	// Unwrap returns the data key of which Wrap returned wrapped, under an equal
	// label only. The result belongs to the caller, who wipes it. Errors must hold
	// neither the key nor wrapped.
	Unwrap(ctx context.Context, wrapped []byte, label string) ([]byte, error)
}

// KEKError is the failure of a KEK. On opening it may be an outage or the refusal
// of an altered message: only the KEK knows.
type KEKError struct {
	ID  string // of the KEK
	Op  string // "wrap" or "unwrap"
	Err error  // what the KEK returned
}

// Error names the KEK and the call, and quotes what the KEK returned.
func (e *KEKError) Error() string { return fmt.Sprintf("crypto: KEK %q: %s: %v", e.ID, e.Op, e.Err) }

// Unwrap returns the error of the KEK.
func (e *KEKError) Unwrap() error { return e.Err }

// KeyringKEK returns a KEK that wraps with the keys of k, under a key derived for
// that use alone: the local alternative to a key management service. Its ID is
// "keyring" and stays when the keys rotate. A wrapped key is 77 bytes long:
//
//	01 | key id (4) | XAES-256-GCM: nonce (24), encrypted key (32), tag (16)
//
// with the five bytes before the nonce and the label as additional data. The
// header of the envelope adds the key commitment that XAES-256-GCM lacks.
//
// With the zero Keyring, or nil, it wraps and unwraps nothing.
func KeyringKEK(k *Keyring) KEK {
	if k == nil {
		k = &Keyring{}
	}
	return &keyringKEK{k}
}

type keyringKEK struct{ keys *Keyring }

const (
	versionCompact   = 1
	compactHeaderLen = 5
	wrappedLen       = compactHeaderLen + xaes.Overhead + dekSize
)

func (*keyringKEK) ID() string { return "keyring" }

func (k *keyringKEK) Wrap(ctx context.Context, dek []byte, label string) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	keys, err := k.keys.now()
	if err != nil {
		return nil, err
	}
	key := keys.primary
	if key == nil {
		return nil, errNoKey
	}
	return key.kek.Seal(slices.Clone(key.wrapHeader), dek, key.wrapHeader, []byte(label))
}

func (k *keyringKEK) Unwrap(ctx context.Context, wrapped []byte, label string) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	keys, err := k.keys.now()
	if err != nil {
		return nil, err
	}
	key := keys.wrapperOf(wrapped)
	if key == nil {
		return nil, ErrOpen
	}
	dek, err := key.kek.Open(nil, wrapped[compactHeaderLen:], key.wrapHeader, []byte(label))
	if err != nil {
		return nil, ErrOpen
	}
	return dek, nil
}

func (k *keyringKEK) NeedsRewrap(wrapped []byte) bool {
	keys, err := k.keys.now()
	return err != nil || keys.wrapperOf(wrapped) != keys.primary
}

// wrapperOf returns the key that wrapped was made with, or nil.
func (k *Keyring) wrapperOf(wrapped []byte) *ringKey {
	if len(wrapped) != wrappedLen {
		return nil
	}
	key := k.byID[binary.BigEndian.Uint32(wrapped[1:])]
	if key == nil || !bytes.HasPrefix(wrapped, key.wrapHeader) {
		return nil
	}
	return key
}

// recipient is a KEK as the header of an envelope sees it.
type recipient struct {
	kek  KEK // nil in a parsed header
	kind kind
	id   string
}

// kind says who can wrap for a recipient.
type kind byte

const (
	kindSymmetric   kind = 1 // only who holds the KEK
	kindPublic      kind = 2 // anybody; falls to a quantum computer
	kindPostQuantum kind = 3 // anybody
	kindSubject     kind = 4 // only who holds the subject key, which is no KEK
)

func (k kind) public() bool { return k == kindPublic || k == kindPostQuantum }

const maxRecipients = 32

var (
	errNoRecipient    = errors.New("crypto: envelope has no recipient")
	errNilKEK         = errors.New("crypto: a KEK of the envelope is nil")
	errManyRecipients = fmt.Errorf("crypto: envelope has more than %d recipients", maxRecipients)
	errKEKID          = errors.New("crypto: ID of a KEK is not 1 to 255 bytes long, or its key is empty")
	errSameID         = errors.New("crypto: two recipients of an envelope have one ID")
	errQuantumMix     = errors.New("crypto: a post-quantum recipient stands beside a classical public key, which undoes it")
)

func newRecipients(keks []KEK) ([]recipient, error) {
	to := make([]recipient, 0, min(len(keks), maxRecipients+1))
	for _, kek := range keks[:min(len(keks), maxRecipients+1)] {
		if kek == nil {
			return nil, errNilKEK
		}
		r := recipient{kek: kek, kind: kindOf(kek), id: kek.ID()}
		if r.kind != kindPostQuantum && isHybridID(r.id) {
			return nil, errHiddenPublic
		}
		to = append(to, r)
	}
	return to, checkRecipients(to)
}

func kindOf(kek KEK) kind {
	key, ok := kek.(interface{ PublicKey() (postQuantum bool) })
	switch {
	case !ok:
		return kindSymmetric
	case key.PublicKey():
		return kindPostQuantum
	default:
		return kindPublic
	}
}

// checkRecipients holds for what is sealed; header.coherent, for what is opened, says the same.
func checkRecipients(to []recipient) error {
	switch {
	case len(to) == 0:
		return errNoRecipient
	case len(to) > maxRecipients:
		return errManyRecipients
	case has(to, kindPublic) && has(to, kindPostQuantum):
		return errQuantumMix
	}
	for i, r := range to {
		if len(r.id) == 0 || len(r.id) > 255 {
			return errKEKID
		}
		if slices.ContainsFunc(to[:i], func(other recipient) bool { return other.id == r.id }) {
			return errSameID
		}
	}
	return nil
}

func has(to []recipient, k kind) bool {
	return slices.ContainsFunc(to, func(r recipient) bool { return r.kind == k })
}
