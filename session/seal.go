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

// A sealer seals and opens the data of the records under one token.
type sealer struct {
	aead cipher.AEAD
	pool *scratchPool
}

// sealer derives the data key of a token: HKDF-Extract with SHA-256 (RFC 5869
// section 2.2) over the token, with a fixed salt as its domain. A single key is
// needed, so nothing is expanded.
func (p *scratchPool) sealer(t *token) (sealer, error) {
	s := p.get()
	defer p.put(s)
	s.buf = append(s.buf[:0], t[:]...)
	s.hkdf.Write(s.buf)
	s.buf = s.hkdf.Sum(s.buf[:0])
	block, err := aes.NewCipher(s.buf)
	if err != nil {
		return sealer{}, err
	}
	aead, err := newAEAD(block)
	return sealer{aead, p}, err
}

func newAEAD(block cipher.Block) (cipher.AEAD, error) {
	if aead, err := cipher.NewGCMWithRandomNonce(block); err == nil {
		return aead, nil
	}
	return cipher.NewGCM(block) // a build whose AES is not the standard library's own
}

// seal returns the data of r with the given plaintext. Version, and every other
// field that bind covers, is what the store will hold with it.
func (s sealer) seal(r *Record, schema uint32, plain []byte) []byte {
	out := make([]byte, sealHeader, sealOverhead+len(plain))
	out[0] = sealFormat
	binary.BigEndian.PutUint32(out[1:], schema)
	nonce := out[len(out) : len(out)+s.aead.NonceSize()] // none, if the AEAD makes it
	rand.Read(nonce)
	aad := s.pool.get()
	defer s.pool.put(aad)
	aad.buf = bind(aad.buf[:0], r, schema)
	return s.aead.Seal(out[:len(out)+len(nonce)], nonce, plain, aad.buf)
}

// open decrypts in the place of r.Data, which a Store gives away for good.
func (s sealer) open(r *Record) (plain []byte, schema uint32, err error) {
	if len(r.Data) < sealOverhead || r.Data[0] != sealFormat {
		return nil, 0, errOpen
	}
	schema = binary.BigEndian.Uint32(r.Data[1:])
	aad := s.pool.get()
	defer s.pool.put(aad)
	aad.buf = bind(aad.buf[:0], r, schema)
	box, n := r.Data[sealHeader:], s.aead.NonceSize()
	plain, err = s.aead.Open(box[n:n], box[:n], box[n:], aad.buf)
	if err != nil {
		return nil, 0, errOpen
	}
	return plain, schema, nil
}

// bind appends the additional data: everything about the record that must not be
// changed by whoever can write to the store. Seen and IdleUntil, which the store
// moves by itself, are not among it.
func bind(b []byte, r *Record, schema uint32) []byte {
	b = append(b, "pavise/session/record/v1"...)
	b = binary.BigEndian.AppendUint16(b, r.Key.Shard)
	b = append(b, r.Key.Hash[:]...)
	b = binary.BigEndian.AppendUint64(b, r.Version)
	b = binary.BigEndian.AppendUint32(b, schema)
	b = appendString(b, string(r.Handle))
	b = appendString(b, r.User)
	b = append(b, byte(r.AAL), bit(r.Persist))
	b = binary.BigEndian.AppendUint32(b, uint32(len(r.Methods)))
	for _, m := range r.Methods {
		b = appendString(b, m)
	}
	for _, t := range [...]time.Time{r.Created, r.AuthTime, r.Expires} {
		b = binary.BigEndian.AppendUint64(b, uint64(t.UnixMicro()))
	}
	return b
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

// A scratchPool saves allocations. The HMAC in it is keyed with a public salt, so
// that nothing keyed by a secret is shared, and both are wiped after each use.
type scratchPool struct{ pool sync.Pool }

type scratch struct {
	hkdf hash.Hash
	buf  []byte
}

func (p *scratchPool) get() *scratch {
	if s, ok := p.pool.Get().(*scratch); ok {
		return s
	}
	return &scratch{hkdf: hmac.New(sha256.New, []byte("pavise/session/data-key/v1"))}
}

func (p *scratchPool) put(s *scratch) {
	s.hkdf.Reset()
	clear(s.buf[:cap(s.buf)])
	p.pool.Put(s)
}
