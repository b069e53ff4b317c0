package crypto_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/pavise/pavise/crypto"
)

// The vectors, as the last section of SPEC.md describes them.

type keyVector struct {
	Name    string   `json:"name"`
	Key     hexBytes `json:"key,omitempty"`
	KeyID   hexBytes `json:"keyID,omitempty"`
	Text    string   `json:"text"`
	Failure string   `json:"failure,omitempty"`
}

type bindingVector struct {
	Name    string    `json:"name"`
	Binding binding   `json:"binding"`
	Encoded *byteSpec `json:"encoded,omitempty"`
	Failure string    `json:"failure,omitempty"`
}

type messageVector struct {
	Name       string     `json:"name"`
	Keys       []hexBytes `json:"keys"`
	Binding    binding    `json:"binding"`
	Salt       hexBytes   `json:"salt,omitempty"`
	Plaintext  *byteSpec  `json:"plaintext,omitempty"`
	Ciphertext *byteSpec  `json:"ciphertext"`
	Failure    string     `json:"failure,omitempty"`
}

type envelopeVector struct {
	Name       string         `json:"name"`
	Keys       []hexBytes     `json:"keys"`
	Label      string         `json:"label"`
	Binding    binding        `json:"binding"`
	Suite      byte           `json:"suite,omitempty"`
	Recipients []recipientRow `json:"recipients,omitempty"`
	DEK        hexBytes       `json:"dek,omitempty"`
	WrapNonce  hexBytes       `json:"wrapNonce,omitempty"`
	Nonce      hexBytes       `json:"nonce,omitempty"`
	Plaintext  *byteSpec      `json:"plaintext,omitempty"`
	Ciphertext *byteSpec      `json:"ciphertext"`
	Failure    string         `json:"failure,omitempty"`
}

type recipientRow struct {
	Kind    byte      `json:"kind"`
	ID      hexBytes  `json:"id"`
	Wrapped *byteSpec `json:"wrapped,omitempty"` // absent: wrapped by KeyringKEK
}

type hexBytes []byte

func (h hexBytes) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, h), nil }

func (h *hexBytes) UnmarshalText(text []byte) (err error) {
	*h, err = hex.AppendDecode([]byte{}, text)
	return err
}

type binding struct {
	Purpose string   `json:"purpose"`
	Parts   []string `json:"parts,omitempty"`
}

func (b binding) public() crypto.Binding {
	if len(b.Parts) == 0 {
		return crypto.Unbound(b.Purpose)
	}
	return crypto.Bind(b.Purpose, b.Parts[0], b.Parts[1:]...)
}

// byteSpec describes bytes without holding long ones.
type byteSpec struct {
	Hex    *hexBytes  `json:"hex,omitempty"`
	Byte   hexBytes   `json:"byte,omitempty"`
	Length int        `json:"length,omitempty"`
	SHA256 hexBytes   `json:"sha256,omitempty"`
	Of     string     `json:"of,omitempty"`
	From   int        `json:"from,omitempty"`
	To     int        `json:"to,omitempty"`
	Pieces []byteSpec `json:"pieces,omitempty"`
}

func literal(b []byte) *byteSpec { return &byteSpec{Hex: (*hexBytes)(&b)} }

func repeat(b byte, n int) *byteSpec { return &byteSpec{Byte: hexBytes{b}, Length: n} }

func digest(b []byte) *byteSpec {
	sum := sha256.Sum256(b)
	return &byteSpec{Length: len(b), SHA256: sum[:]}
}

func slice(of string, from, to int) byteSpec { return byteSpec{Of: of, From: from, To: to} }

func pieces(all ...byteSpec) *byteSpec { return &byteSpec{Pieces: all} }

// describe writes long runs of one byte as such, and what is long nevertheless as
// its digest.
func describe(b []byte) *byteSpec {
	const run, long = 256, 1024
	var all []byteSpec
	hexed := 0
	for start := 0; start < len(b); {
		end := start
		for end < len(b) && sameRun(b[end:]) < run {
			end++
		}
		if end > start {
			hexed += end - start
			all = append(all, *literal(b[start:end]))
		}
		if end < len(b) {
			n := sameRun(b[end:])
			all = append(all, *repeat(b[end], n))
			end += n
		}
		start = end
	}
	switch {
	case hexed > long:
		return digest(b)
	case len(all) == 0:
		return literal(b)
	case len(all) == 1:
		return &all[0]
	}
	return pieces(all...)
}

// sameRun returns how many equal bytes b begins with.
func sameRun(b []byte) int {
	if n := slices.IndexFunc(b, func(c byte) bool { return c != b[0] }); n >= 0 {
		return n
	}
	return len(b)
}

// bytes returns what d describes. The function returns the ciphertext of a name, and
// for the name "" the one that d is the digest of.
func (d *byteSpec) bytes(ciphertext func(name string) []byte) []byte {
	switch {
	case d.Hex != nil:
		return *d.Hex
	case d.SHA256 != nil:
		b := ciphertext("")
		if sum := sha256.Sum256(b); len(b) != d.Length || !bytes.Equal(sum[:], d.SHA256) {
			panic(fmt.Sprintf("a long ciphertext of %d bytes is not the one of its digest", len(b)))
		}
		return b
	case len(d.Byte) == 1:
		return bytes.Repeat(d.Byte, d.Length)
	case d.Of != "":
		return ciphertext(d.Of)[d.From:d.To]
	}
	var all []byte
	for _, piece := range d.Pieces {
		all = append(all, piece.bytes(ciphertext)...)
	}
	return all
}
