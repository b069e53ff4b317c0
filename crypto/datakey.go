package crypto

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"slices"
	"sync/atomic"

	"github.com/pavise/pavise/crypto/internal/cobblestone"
	"github.com/pavise/pavise/crypto/internal/xaes"
)

var errDEKLen = errors.New("crypto: KEK returned a data key that is not 32 bytes long")

// dataKey is a DEK and what messages need of it, derived once. It is counted: the
// caches and each call that uses it hold one reference, and the last to release it
// wipes it.
type dataKey struct {
	dek     []byte
	payload payloadCipher
	context []byte // of every payload, before the Binding
	header  atomic.Pointer[[]byte]
	refs    atomic.Int64
}

// payloadCipher is what both suites have. The context of a payload does not cover
// the header, which authenticates itself and can be replaced.
type payloadCipher interface {
	Seal(dst, plaintext []byte, context ...[]byte) ([]byte, error)
	Open(dst, message []byte, context ...[]byte) ([]byte, error)
	Wipe()
}

// newDataKey takes dek over and returns it with one reference.
func (e *Envelope) newDataKey(s suite, dek []byte) (*dataKey, error) {
	if len(dek) != dekSize {
		clear(dek)
		return nil, errDEKLen
	}
	payload, err := e.cipher(s, dek)
	if err != nil {
		clear(dek)
		return nil, err
	}
	k := &dataKey{dek: dek, payload: payload, context: s.context()}
	k.refs.Store(1)
	return k, nil
}

func (s suite) context() []byte { return []byte{versionEnvelope, byte(s)} }

func (e *Envelope) cipher(s suite, dek []byte) (payloadCipher, error) {
	if s == suitePayloadCobblestone {
		return e.cobblestone(dek)
	}
	key, err := expand(dek, labelPayload, xaes.KeySize)
	if err != nil {
		return nil, err
	}
	defer clear(key)
	return xaes.New(key)
}

func (e *Envelope) cobblestone(dek []byte) (*cobblestone.Key, error) {
	key, err := expand(dek, labelPayload, cobblestone.KeySize)
	if err != nil {
		return nil, err
	}
	defer clear(key)
	c, err := cobblestone.New(key)
	if err != nil {
		return nil, err
	}
	return c.WithWorkers(e.workers), nil
}

// generateKey returns a new data key with its header, for which it calls every KEK.
func (e *Envelope) generateKey(ctx context.Context) (*dataKey, error) {
	dek := make([]byte, dekSize)
	rand.Read(dek) // never fails: crypto/rand aborts the process instead
	key, err := e.newDataKey(e.suite, dek)
	if err != nil {
		return nil, err
	}
	head, err := e.wrap(ctx, e.suite, e.to, dek)
	if err != nil {
		key.release()
		return nil, err
	}
	key.header.Store(&head)
	return key, nil
}

// retain must be called only by who knows of a reference that stays.
func (k *dataKey) retain() { k.refs.Add(1) }

func (k *dataKey) release() {
	if k.refs.Add(-1) == 0 {
		clear(k.dek)
		k.payload.Wipe()
	}
}

func (k *dataKey) seal(skipFIPS bool, dst, plaintext, bound []byte) ([]byte, error) {
	if key, ok := k.payload.(*cobblestone.Key); ok {
		return sealCobblestone(key, skipFIPS, dst, plaintext, k.context, bound)
	}
	return k.payload.Seal(dst, plaintext, k.context, bound)
}

func (k *dataKey) open(dst, payload, bound []byte) (out []byte, err error) {
	if key, ok := k.payload.(*cobblestone.Key); ok {
		out, err = key.Open(dst, payload, k.context, bound) // called as itself, which saves an allocation
	} else {
		out, err = k.payload.Open(dst, payload, k.context, bound)
	}
	if err != nil {
		return nil, ErrOpen
	}
	return out, nil
}

// authenticates reports whether k is the data key of this very header. It remembers
// the last header that was, since all messages of a data key have the same one.
func (k *dataKey) authenticates(h header) bool {
	if known := k.header.Load(); known != nil {
		head, mac := (*known)[:len(*known)-sha256.Size], (*known)[len(*known)-sha256.Size:]
		if bytes.Equal(head, h.authentic) && hmac.Equal(mac, h.mac) {
			return true
		}
	}
	mac, err := headerMAC(k.dek, h.authentic)
	if err != nil || !hmac.Equal(mac, h.mac) {
		return false
	}
	known := slices.Concat(h.authentic, h.mac)
	k.header.Store(&known)
	return true
}
