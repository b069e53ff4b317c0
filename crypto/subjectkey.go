package crypto

import (
	"bytes"
	"context"
	"crypto/rand"

	"github.com/pavise/pavise/crypto/internal/cobblestone"
	"github.com/pavise/pavise/crypto/internal/xaes"
)

// A message for a subject is an envelope with one recipient, of kindSubject: the id is
// that of the subject key, and the wrapped key is XAES-256-GCM of the data key under
// the subject key, with id and label as additional data.
//
// The subject key itself stands in the store only, as an envelope that the same
// Envelope seals to its KEKs, bound to id and subject.
const (
	subjectIDLen = 16
	maxStoredKey = maxHeader + cobblestone.HeaderSize + dekSize + cobblestone.TagSize
)

// subjectKey is the key of a subject in the clear. Whoever gets one wipes it.
type subjectKey struct {
	subject string
	id      []byte
	secret  []byte
}

func (k subjectKey) wipe() { clear(k.secret) }

func (k subjectKey) clone() subjectKey {
	k.secret = bytes.Clone(k.secret)
	return k
}

// binding ties the stored form of a key to its id and its subject. No Binding that a
// caller can make encodes alike, so no message is taken for a key.
func (k subjectKey) binding() Binding {
	return newBinding(subjectForm, []string{string(k.id), k.subject})
}

func (k subjectKey) wrap(dek []byte, label string) ([]byte, error) {
	cipher, err := xaes.New(k.secret)
	if err != nil {
		return nil, err
	}
	defer cipher.Wipe()
	return cipher.Seal(nil, dek, k.id, []byte(label))
}

func (k subjectKey) unwrap(wrapped []byte, label string) ([]byte, error) {
	cipher, err := xaes.New(k.secret)
	if err != nil {
		return nil, err
	}
	defer cipher.Wipe()
	dek, err := cipher.Open(nil, wrapped, k.id, []byte(label))
	if err != nil {
		return nil, ErrOpen
	}
	return dek, nil
}

// generateKeyFor returns a new data key whose header names the key of subject alone.
func (e *Envelope) generateKeyFor(ctx context.Context, subject string) (*dataKey, error) {
	by, err := e.subjectKeyToSeal(ctx, subject)
	if err != nil {
		return nil, err
	}
	defer by.wipe()
	dek := make([]byte, dekSize)
	rand.Read(dek) // never fails: crypto/rand aborts the process instead
	key, err := e.newDataKey(e.suite, dek)
	if err != nil {
		return nil, err
	}
	head, err := e.subjectHeader(by, dek)
	if err != nil {
		key.release()
		return nil, err
	}
	key.header.Store(&head)
	return key, nil
}

func (e *Envelope) subjectHeader(by subjectKey, dek []byte) ([]byte, error) {
	wrapped, err := by.wrap(dek, e.label)
	if err != nil {
		return nil, err
	}
	to := []recipient{{kind: kindSubject, id: string(by.id)}}
	return encodeHeader(e.suite, to, [][]byte{wrapped}, dek)
}

// openKeyFor returns the data key of a header that names a subject key.
func (e *Envelope) openKeyFor(ctx context.Context, h header) (*dataKey, error) {
	if e.subjects == nil {
		return nil, ErrOpen
	}
	by, err := e.subjectKeyToOpen(ctx, h.recipients[0].id)
	if err != nil {
		return nil, err
	}
	defer by.wipe()
	dek, err := by.unwrap(h.recipients[0].wrapped, e.label)
	if err != nil {
		return nil, err
	}
	key, err := e.newDataKey(h.suite, dek)
	if err != nil {
		return nil, ErrOpen
	}
	if !key.authenticates(h) {
		key.release()
		return nil, ErrOpen
	}
	return key, nil
}

// subjectKeyToSeal returns the key of subject, which it creates if there is none.
func (e *Envelope) subjectKeyToSeal(ctx context.Context, subject string) (subjectKey, error) {
	if key, ok := e.subjects.cache.ofSubject(subject); ok {
		return key, nil
	}
	asked := e.subjects.cache.ask()
	id, wrapped, err := e.subjects.store.load(ctx, subject)
	if err != nil {
		return subjectKey{}, err
	}
	var key subjectKey
	if len(wrapped) == 0 {
		key, err = e.createSubjectKey(ctx, subject)
	} else {
		key, err = e.openSubjectKey(ctx, subject, id, wrapped)
	}
	if err != nil {
		return subjectKey{}, err
	}
	e.subjects.cache.put(key, asked)
	return key, nil
}

// subjectKeyToOpen returns the key of an id, or ErrOpen.
func (e *Envelope) subjectKeyToOpen(ctx context.Context, id []byte) (subjectKey, error) {
	if key, ok := e.subjects.cache.ofID(id); ok {
		return key, nil
	}
	asked := e.subjects.cache.ask()
	subject, wrapped, err := e.subjects.store.find(ctx, id)
	if err != nil {
		return subjectKey{}, err
	}
	key, err := e.openSubjectKey(ctx, subject, id, wrapped)
	if err != nil {
		return subjectKey{}, err
	}
	e.subjects.cache.put(key, asked)
	return key, nil
}

// createSubjectKey returns the key that subject has when the store has answered:
// another process may have been faster.
func (e *Envelope) createSubjectKey(ctx context.Context, subject string) (subjectKey, error) {
	key := subjectKey{subject, make([]byte, subjectIDLen), make([]byte, dekSize)}
	rand.Read(key.id)
	rand.Read(key.secret)
	wrapped, err := e.sealSubjectKey(ctx, key)
	if err != nil {
		key.wipe()
		return subjectKey{}, err
	}
	id, held, err := e.subjects.store.create(ctx, subject, key.id, wrapped)
	if err == nil && bytes.Equal(id, key.id) {
		return key, nil
	}
	key.wipe()
	if err != nil {
		return subjectKey{}, err
	}
	return e.openSubjectKey(ctx, subject, id, held)
}

// sealSubjectKey returns what the store keeps of a key.
func (e *Envelope) sealSubjectKey(ctx context.Context, k subjectKey) ([]byte, error) {
	bound, err := k.binding().encode()
	if err != nil {
		return nil, err
	}
	under, err := e.keyOfStored(ctx)
	if err != nil {
		return nil, err
	}
	defer under.release()
	return e.sealUnder(under, nil, k.secret, bound)
}

// keyOfStored returns a data key for stored forms, which the caller releases. It serves
// many, so that not each subject costs a call of the KEKs; but one that was wrapped
// before a KEK rotated does not. It serves no message: whose header is rewrapped would
// take it to a new KEK, and with it what remains of deleted keys.
func (e *Envelope) keyOfStored(ctx context.Context) (*dataKey, error) {
	if e.subjects.sealing == nil {
		return e.generateKey(ctx)
	}
	key, err := e.subjects.sealing.get(ctx, dekSize)
	if err != nil || !e.NeedsRewrap(*key.header.Load()) {
		return key, err
	}
	key.release()
	return e.generateKey(ctx)
}

// isStoredKey tells what can be a stored form: no row longer than any, and no key under
// the key of a subject, of which a store could make a ring.
func isStoredKey(wrapped []byte) bool {
	h, _, ok := parseHeader(wrapped)
	return ok && !h.forSubject() && len(wrapped) <= maxStoredKey
}

// openSubjectKey is the inverse of sealSubjectKey. It returns ErrOpen if there is no
// stored form.
func (e *Envelope) openSubjectKey(ctx context.Context, subject string, id, wrapped []byte) (subjectKey, error) {
	key := subjectKey{subject: subject, id: bytes.Clone(id)}
	bound, err := key.binding().encode()
	if err != nil || !isStoredKey(wrapped) {
		return subjectKey{}, ErrOpen
	}
	if key.secret, err = e.open(ctx, nil, wrapped, bound); err != nil {
		return subjectKey{}, err
	}
	if len(key.secret) != dekSize {
		key.wipe()
		return subjectKey{}, ErrOpen
	}
	return key, nil
}
