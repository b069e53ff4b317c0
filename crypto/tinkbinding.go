package crypto

import (
	"bytes"
	"errors"
)

var errNoAssociated = errors.New("crypto: associated data is empty: use TinkUnbound if that is meant")

// TinkBinding returns the Binding of a message that Tink sealed with associatedData,
// or is to open with it. Only a [Compact] takes it. associatedData must not be empty
// and may be of any length.
//
// Where the parts of a record come from users, prefer [Bind] and hand its
// [Binding.AssociatedData] to Tink: nothing but that tells ("a", "bc") from ("ab", "c"),
// or keeps associatedData from being the encoding of another Binding.
func TinkBinding(associatedData []byte) Binding {
	if len(associatedData) == 0 {
		return Binding{err: errNoAssociated}
	}
	return Binding{encoded: bytes.Clone(associatedData), tink: true}
}

// TinkUnbound returns the Binding of a message that Tink sealed with no associated
// data, or is to open without it: such a message can be moved anywhere without notice.
// Only a [Compact] takes it.
func TinkUnbound() Binding { return Binding{encoded: []byte{}, tink: true} }

// AssociatedData returns the associated data that a [Compact] uses for b, to hand to
// Tink. It is what [TinkBinding] was given, empty for [TinkUnbound], and otherwise the
// encoding of b: a byte of 1 for [Bind] or 2 for [Unbound], then purpose and parts,
// each after its length in bytes (4 bytes, big-endian).
//
// It returns an error where [Compact.Seal] does: for the zero Binding and for one that
// is not within its limits.
func (b Binding) AssociatedData() ([]byte, error) {
	associated, err := b.associatedData()
	return bytes.Clone(associated), err
}

// associatedData is AssociatedData without a copy.
func (b Binding) associatedData() ([]byte, error) {
	if b.err == nil && b.encoded == nil {
		return nil, errNoBinding
	}
	return b.encoded, b.err
}
