package password

import (
	"bytes"
	"crypto/fips140"
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"errors"
	"fmt"
	"hash"
	"strings"

	"golang.org/x/crypto/bcrypt"
	"golang.org/x/crypto/scrypt"
)

const (
	maxBcryptCost  = 14
	maxBcryptInput = 72
	maxIterations  = 5_000_000
)

// bcryptHash is the string as it is stored.
type bcryptHash string

func parseBcrypt(stored string) (scheme, error) {
	cost, err := bcrypt.Cost([]byte(stored))
	if err != nil || len(stored) != 60 || !strings.HasPrefix(stored[3:], fmt.Sprintf("$%02d$", cost)) || !isBcryptBase64(stored[7:]) {
		return nil, ErrFormat
	}
	if cost > maxBcryptCost {
		return nil, ErrCeiling
	}
	return bcryptHash(stored), nil
}

func isBcryptBase64(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '.' && r != '/'
	})
}

func (bcryptHash) charge() uint64 { return 16 << 10 }

// matches refuses what bcrypt cannot tell apart: it reads 72 bytes of a password, and
// to it "a" and "a\x00a" are one. A match would be stored as a rehash of bytes that
// nobody has ever proven to know. It takes no less time to do so.
func (h bcryptHash) matches(pw []byte) (bool, error) {
	readInFull := len(pw) <= maxBcryptInput && bytes.IndexByte(pw, 0) < 0
	err := bcrypt.CompareHashAndPassword([]byte(h), pw)
	if err != nil && !errors.Is(err, bcrypt.ErrMismatchedHashAndPassword) {
		return false, ErrFormat
	}
	return err == nil && readInFull, nil
}

// legacySalt returns the shortest salt of what is made with PBKDF2, as scrypt is:
// FIPS 140-3 enforcement refuses less than 128 bits, and x/crypto then panics.
func legacySalt() int {
	if fips140.Enforced() {
		return 16
	}
	return minSalt
}

// scryptHash is one hash by scrypt, RFC 7914.
type scryptHash struct {
	logN, r, p int
	salt, tag  []byte
}

// parseScrypt reads $scrypt$ln=<log2 N>,r=<r>,p=<p>$<salt>$<tag>.
func (c *config) parseScrypt(stored string) (scheme, error) {
	f := strings.Split(stored, "$")
	if len(f) != 5 || f[0] != "" {
		return nil, ErrFormat
	}
	params := strings.Split(f[2], ",")
	if len(params) != 3 {
		return nil, ErrFormat
	}
	logN, err1 := number(params[0], "ln", 6)
	r, err2 := number(params[1], "r", 16)
	p, err3 := number(params[2], "p", 16)
	salt, err4 := decode(f[3], legacySalt(), maxSalt)
	tag, err5 := decode(f[4], minTag, maxTag)
	if errors.Join(err1, err2, err3, err4, err5) != nil || logN == 0 || r == 0 || p == 0 {
		return nil, ErrFormat
	}
	memory := uint64(c.ceiling.Memory) << 10
	if logN > 30 || r<<logN > memory/128 || r*p > memory/128 || p > uint64(c.ceiling.Time) {
		return nil, ErrCeiling
	}
	return &scryptHash{int(logN), int(r), int(p), salt, tag}, nil
}

func (h *scryptHash) charge() uint64 { return 2 * 128 * uint64(h.r) * (1<<h.logN + uint64(h.p)) }

func (h *scryptHash) matches(pw []byte) (bool, error) {
	sum, err := scrypt.Key(pw, h.salt, 1<<h.logN, h.r, h.p, len(h.tag))
	if err != nil {
		return false, fmt.Errorf("password: scrypt: %w", err)
	}
	return subtle.ConstantTimeCompare(sum, h.tag) == 1, nil
}

// pbkdf2Hash is one hash by PBKDF2, RFC 8018 section 5.2.
type pbkdf2Hash struct {
	hash       func() hash.Hash
	iterations int
	salt, tag  []byte
}

// parsePBKDF2 reads $pbkdf2-sha256$<iterations>$<salt>$<tag>, where base64 has a dot
// in the place of the plus sign.
func parsePBKDF2(stored string) (scheme, error) {
	f := strings.Split(stored, "$")
	if len(f) != 5 || f[0] != "" || strings.ContainsRune(f[3]+f[4], '+') {
		return nil, ErrFormat
	}
	h := &pbkdf2Hash{}
	switch f[1] {
	case "pbkdf2-sha256":
		h.hash = sha256.New
	case "pbkdf2-sha512":
		h.hash = sha512.New
	default:
		return nil, ErrFormat
	}
	n, err1 := number("i="+f[2], "i", 32)
	salt, err2 := decode(strings.ReplaceAll(f[3], ".", "+"), legacySalt(), maxTag)
	tag, err3 := decode(strings.ReplaceAll(f[4], ".", "+"), minTag, maxTag)
	if errors.Join(err1, err2, err3) != nil || n == 0 {
		return nil, ErrFormat
	}
	if n > maxIterations {
		return nil, ErrCeiling
	}
	h.iterations, h.salt, h.tag = int(n), salt, tag
	return h, nil
}

func (*pbkdf2Hash) charge() uint64 { return 16 << 10 }

func (h *pbkdf2Hash) matches(pw []byte) (bool, error) {
	sum, err := pbkdf2.Key(h.hash, string(pw), h.salt, h.iterations, len(h.tag))
	if err != nil {
		return false, fmt.Errorf("password: pbkdf2: %w", err)
	}
	return subtle.ConstantTimeCompare(sum, h.tag) == 1, nil
}
