package crypto

import (
	"encoding/binary"
	"errors"
)

// maxBinding bounds the encoded form of a Binding in bytes.
const maxBinding = 4 << 10

var (
	errNoBinding   = errors.New("crypto: binding is missing: use Bind or Unbound")
	errNoPurpose   = errors.New("crypto: binding has no purpose")
	errLongBinding = errors.New("crypto: binding is longer than 4 KiB")
	errTinkBinding = errors.New("crypto: binding made by TinkBinding or TinkUnbound is for Compact alone")
)

// Binding says what a ciphertext belongs to: it opens under an equal Binding only,
// so a sealed value that was copied to another record, column or user does not
// open there. A Binding is authenticated, not stored: the reader states it again
// from where the ciphertext was found. It is not secret.
//
// The zero Binding is refused by everything that takes one.
type Binding struct {
	encoded []byte // never changed once made
	tink    bool   // encoded is associated data of Tink's, for Compact alone
	err     error
}

// The first byte of an encoded Binding.
const (
	boundForm   = 1
	unboundForm = 2
	subjectForm = 3 // of the keys of subjects, never of messages
)

// Bind returns the Binding to purpose and to one or more parts, typically a
// constant and the identifiers of a record: Bind("note-body", noteID, ownerID).
// Parts are told apart by length: ("a", "bc") differs from ("ab", "c"), and an
// empty part differs from a missing one.
//
// A purpose must not be empty, and purpose and parts together are limited to
// 4,096 bytes, 1 byte and 4 bytes for each string included; otherwise the calls
// that take the Binding return an error.
func Bind(purpose, part string, more ...string) Binding {
	var few [8]string // stays on the stack
	return newBinding(boundForm, append(append(few[:0], purpose, part), more...))
}

// Unbound returns the Binding to a purpose alone: whatever was sealed with it can
// be moved between records without notice. It is the opt-out for data that has no
// identity of its own yet. It differs from every result of [Bind].
func Unbound(purpose string) Binding { return newBinding(unboundForm, []string{purpose}) }

func newBinding(form byte, fields []string) Binding {
	if fields[0] == "" {
		return Binding{err: errNoPurpose}
	}
	size := 1
	for _, f := range fields {
		if len(f) > maxBinding-size-4 {
			return Binding{err: errLongBinding}
		}
		size += 4 + len(f)
	}
	encoded := append(make([]byte, 0, size), form)
	for _, f := range fields {
		encoded = binary.BigEndian.AppendUint32(encoded, uint32(len(f)))
		encoded = append(encoded, f...)
	}
	return Binding{encoded: encoded}
}

// encode returns the bytes to authenticate, which the caller must not change.
func (b Binding) encode() ([]byte, error) {
	if b.tink {
		return nil, errTinkBinding
	}
	return b.associatedData()
}
