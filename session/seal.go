package session

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash"
	"sync"
	"time"
)

// Sealed data is: format (1 byte, 01) | schema version (uint32, big-endian) |
// nonce (12) | AES-256-GCM ciphertext and tag. The key exists only where the
// token is. It seals one message for each version of one record, far from the
// 2^32 at which random nonces of 96 bits have to stop.
const (
	sealFormat   = 1
	sealHeader   = 1 + 4
	sealOverhead = sealHeader + 12 + 16
	maxSealed    = 65_536
)

// errOpen has no detail: what failed to authenticate says nothing about itself.
var errOpen = errors.New("session: record does not authenticate")

// A deriver computes the data key of a token: HKDF-Extract with SHA-256 (RFC 5869
// section 2.2) over the token, with a fixed salt as domain. A single key is needed,
// so nothing is expanded. The salt is public: what the pool keeps is keyed by
// nothing secret and is reset after each use.
type deriver struct{ pool sync.Pool }

var sealSalt = []byte("pavise/session/data-key/v1")

func (d *deriver) sealer(t *token) (*sealer, error) {
	h, ok := d.pool.Get().(*extractor)
	if !ok {
		h = &extractor{Hash: hmac.New(sha256.New, sealSalt)}
	}
	h.Write(t[:])
	key := h.Sum(h.out[:0])
	defer func() {
		h.Reset()
		clear(h.out[:])
		d.pool.Put(h)
	}()
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return newSealer(block)
}

// An extractor is an HMAC keyed with sealSalt and the place for its result.
type extractor struct {
	hash.Hash
	out [sha256.Size]byte
}

// A sealer seals and opens the data of the records under one token.
type sealer struct {
	aead cipher.AEAD
	aad  []byte
	buf  [224]byte // backs aad, unless the user id is long
}

func newSealer(block cipher.Block) (*sealer, error) {
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil { // a build whose AES is not the standard library's own
		if aead, err = cipher.NewGCM(block); err != nil {
			return nil, err
		}
	}
	s := &sealer{aead: aead}
	s.aad = s.buf[:0]
	return s, nil
}

// seal returns the data of r with the given plaintext. Version, and every other
// field that bind covers, is what the store will hold with it.
func (s *sealer) seal(r *Record, schema uint32, plain []byte) []byte {
	out := make([]byte, sealHeader, sealOverhead+len(plain))
	out[0] = sealFormat
	binary.BigEndian.PutUint32(out[1:], schema)
	s.bind(r, schema)
	if s.aead.NonceSize() == 0 {
		return s.aead.Seal(out, nil, plain, s.aad)
	}
	nonce := out[len(out) : len(out)+s.aead.NonceSize()]
	rand.Read(nonce)
	return s.aead.Seal(out[:len(out)+len(nonce)], nonce, plain, s.aad)
}

func (s *sealer) open(r *Record) (plain []byte, schema uint32, err error) {
	if len(r.Data) < sealOverhead || r.Data[0] != sealFormat {
		return nil, 0, errOpen
	}
	schema = binary.BigEndian.Uint32(r.Data[1:])
	s.bind(r, schema)
	box, n := r.Data[sealHeader:], s.aead.NonceSize()
	plain, err = s.aead.Open(nil, box[:n], box[n:], s.aad)
	if err != nil {
		return nil, 0, errOpen
	}
	return plain, schema, nil
}

// bind writes the additional data: everything about the record that must not be
// changed by whoever can write to the store. Seen and IdleUntil, which the store
// moves by itself, are not among it.
func (s *sealer) bind(r *Record, schema uint32) {
	b := append(s.aad[:0], "pavise/session/record/v1"...)
	b = binary.BigEndian.AppendUint16(b, r.Key.Shard)
	b = append(b, r.Key.Hash[:]...)
	b = binary.BigEndian.AppendUint64(b, r.Version)
	b = binary.BigEndian.AppendUint32(b, schema)
	b = appendString(b, string(r.Handle))
	b = appendString(b, r.User)
	b = append(b, byte(r.AAL), bit(r.Persist), byte(len(r.Methods)))
	for _, m := range r.Methods {
		b = appendString(b, m)
	}
	for _, t := range [...]time.Time{r.Created, r.AuthTime, r.Expires} {
		b = binary.BigEndian.AppendUint64(b, uint64(t.UnixMicro()))
	}
	s.aad = b
}

func appendString(b []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint32(b, uint32(len(s))), s...)
}

func bit(b bool) byte {
	if b {
		return 1
	}
	return 0
}
