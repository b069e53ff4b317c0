package crypto

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/pavise/pavise/crypto/internal/xaes"
)

// A message for a subject is an envelope with one recipient, of kindSubject: the id is
// that of the subject key, and the wrapped key is XAES-256-GCM of the data key under
// the subject key, with id and label as additional data.
//
// The subject key itself stands in the store only, as an envelope that the same
// Envelope seals to its KEKs, bound to id and subject.
const subjectIDLen = 16

var errSubjectID = errors.New("crypto: store of subject keys returned an id that is not 16 bytes long")

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
	id, wrapped, err := e.loadSubject(ctx, subject)
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
	subject, wrapped, err := e.subjects.store.Find(ctx, id)
	if err != nil {
		return subjectKey{}, fmt.Errorf("crypto: finding the key of a subject: %w", err)
	}
	key, err := e.openSubjectKey(ctx, subject, id, wrapped)
	if err != nil {
		return subjectKey{}, err
	}
	e.subjects.cache.put(key, asked)
	return key, nil
}

func (e *Envelope) loadSubject(ctx context.Context, subject string) (id, wrapped []byte, err error) {
	id, wrapped, err = e.subjects.store.Load(ctx, subject)
	switch {
	case err != nil:
		return nil, nil, fmt.Errorf("crypto: loading the key of a subject: %w", err)
	case len(wrapped) > 0 && len(id) != subjectIDLen:
		return nil, nil, errSubjectID
	}
	return id, wrapped, nil
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
	id, held, err := e.subjects.store.Create(ctx, subject, bytes.Clone(key.id), wrapped)
	if err == nil && bytes.Equal(id, key.id) {
		return key, nil
	}
	key.wipe()
	switch {
	case err != nil:
		return subjectKey{}, fmt.Errorf("crypto: creating the key of a subject: %w", err)
	case len(id) != subjectIDLen:
		return subjectKey{}, errSubjectID
	}
	return e.openSubjectKey(ctx, subject, id, held)
}

// sealSubjectKey returns what the store keeps of a key. The data key of the Envelope
// serves many, so that not each subject costs a call of the KEKs; but one that was
// wrapped before a KEK rotated does not.
func (e *Envelope) sealSubjectKey(ctx context.Context, k subjectKey) ([]byte, error) {
	wrapped, err := e.Seal(ctx, nil, k.secret, k.binding())
	if err != nil || !e.NeedsRewrap(wrapped) {
		return wrapped, err
	}
	own, err := e.generateKey(ctx)
	if err != nil {
		return nil, err
	}
	defer own.release()
	bound, err := k.binding().encode()
	if err != nil {
		return nil, err
	}
	return e.sealUnder(own, nil, k.secret, bound)
}

// openSubjectKey is the inverse of sealSubjectKey. It returns ErrOpen if there is no
// stored form.
func (e *Envelope) openSubjectKey(ctx context.Context, subject string, id, wrapped []byte) (subjectKey, error) {
	key := subjectKey{subject: subject, id: bytes.Clone(id)}
	bound, err := key.binding().encode()
	if err != nil {
		return subjectKey{}, ErrOpen
	}
	if h, _, ok := parseHeader(wrapped); !ok || h.forSubject() { // nor a key under a key: a store could make a ring of them
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
