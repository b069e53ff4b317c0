package crypto

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"slices"
)

// The header of an envelope; integers are big-endian:
//
//	03 | suite | flags = 0 | n | length (2) | n recipients | HMAC-SHA-256 (32)
//
// n is 1 to 32 and length counts the whole header. A recipient is
//
//	kind | idLen | id | wrapLen (2) | wrapped data key
//
// with 1 to 255 bytes of id and 1 to 8,192 bytes of wrapped key. No two have one id,
// and no classical public key stands beside a post-quantum one. The key of a subject
// stands alone, and its id has 16 bytes.
// The HMAC is over all before it, under HKDF-Expand-SHA-512(DEK, labelHeader, 32).
const (
	versionEnvelope  = 3
	envelopeFixedLen = 6
	maxHeader        = 1<<16 - 1
	maxWrapped       = 8 << 10
)

// suite says how the payload is sealed.
type suite byte

const (
	suitePayloadCobblestone suite = 1
	suitePayloadXAES        suite = 2
)

var (
	errWrappedLen = errors.New("crypto: KEK returned a wrapped key that is not 1 to 8,192 bytes long")
	errHeaderLen  = errors.New("crypto: header of the envelope is longer than 65,535 bytes: too many recipients")
)

// header is a header that keeps every rule that can be checked without a key.
type header struct {
	suite      suite
	recipients []wrappedKey
	authentic  []byte // what the HMAC is over
	mac        []byte
}

// wrappedKey is the data key as one recipient of a parsed header has it.
type wrappedKey struct {
	kind    kind
	id      []byte
	wrapped []byte
}

// encodeHeader returns the header of a data key, wrapped[i] being for to[i].
func encodeHeader(s suite, to []recipient, wrapped [][]byte, dek []byte) ([]byte, error) {
	out := append(make([]byte, 0, 256), versionEnvelope, byte(s), 0, byte(len(to)), 0, 0)
	for i, r := range to {
		if len(wrapped[i]) == 0 || len(wrapped[i]) > maxWrapped {
			return nil, &KEKError{r.id, "wrap", errWrappedLen}
		}
		out = append(out, byte(r.kind), byte(len(r.id)))
		out = append(out, r.id...)
		out = binary.BigEndian.AppendUint16(out, uint16(len(wrapped[i])))
		out = append(out, wrapped[i]...)
	}
	length := len(out) + sha256.Size
	if length > maxHeader {
		return nil, errHeaderLen
	}
	binary.BigEndian.PutUint16(out[4:], uint16(length))
	mac, err := headerMAC(dek, out)
	return append(out, mac...), err
}

func headerMAC(dek, authentic []byte) ([]byte, error) {
	key, err := expand(dek, labelHeader, sha256.Size)
	if err != nil {
		return nil, err
	}
	defer clear(key)
	m := hmac.New(sha256.New, key)
	m.Write(authentic)
	return m.Sum(nil), nil
}

// headerLen checks the fixed part of a header and returns the length of the whole.
func headerLen(fixed []byte) (int, bool) {
	if len(fixed) < envelopeFixedLen || fixed[0] != versionEnvelope || fixed[2] != 0 {
		return 0, false
	}
	if s := suite(fixed[1]); s != suitePayloadCobblestone && s != suitePayloadXAES {
		return 0, false
	}
	n, length := fixed[3], int(binary.BigEndian.Uint16(fixed[4:]))
	return length, n >= 1 && n <= maxRecipients && length >= envelopeFixedLen+sha256.Size
}

// parseHeader splits an envelope into its header and its payload.
func parseHeader(envelope []byte) (h header, payload []byte, ok bool) {
	length, ok := headerLen(envelope)
	if !ok || length > len(envelope) {
		return h, nil, false
	}
	end := length - sha256.Size
	h = header{
		suite: suite(envelope[1]), authentic: envelope[:end], mac: envelope[end:length],
		recipients: make([]wrappedKey, 0, envelope[3]),
	}
	rest := h.authentic[envelopeFixedLen:]
	for range envelope[3] {
		if rest, ok = h.parseRecipient(rest); !ok {
			return header{}, nil, false
		}
	}
	if len(rest) != 0 || !h.coherent() {
		return header{}, nil, false
	}
	return h, envelope[length:], true
}

func (h *header) parseRecipient(b []byte) (rest []byte, ok bool) {
	if len(b) < 2 {
		return nil, false
	}
	r, idLen := wrappedKey{kind: kind(b[0])}, int(b[1])
	b = b[2:]
	if len(b) < idLen+2 || r.kind < kindSymmetric || r.kind > kindSubject || r.kind == kindSubject && idLen != subjectIDLen {
		return nil, false
	}
	r.id = b[:idLen]
	n := int(binary.BigEndian.Uint16(b[idLen:]))
	b = b[idLen+2:]
	if n == 0 || n > maxWrapped || n > len(b) {
		return nil, false
	}
	r.wrapped = b[:n]
	h.recipients = append(h.recipients, r)
	return b[n:], true
}

// coherent is checkRecipients for a header whose recipients are counted.
func (h *header) coherent() bool {
	var kinds [kindSubject + 1]bool
	for i, r := range h.recipients {
		kinds[r.kind] = true
		if len(r.id) == 0 || slices.ContainsFunc(h.recipients[:i], func(other wrappedKey) bool { return bytes.Equal(other.id, r.id) }) {
			return false
		}
	}
	if kinds[kindSubject] && len(h.recipients) > 1 {
		return false
	}
	return !kinds[kindPublic] || !kinds[kindPostQuantum]
}

// forSubject reports whether h is the header of a message for a subject.
func (h *header) forSubject() bool { return h.recipients[0].kind == kindSubject }

// wrappedFor returns the data key that is wrapped for r, or nil.
func (h *header) wrappedFor(r recipient) []byte {
	for _, have := range h.recipients {
		if string(have.id) == r.id && have.kind == r.kind {
			return have.wrapped
		}
	}
	return nil
}
