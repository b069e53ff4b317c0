package secrets

import (
	"crypto/rand"
	"errors"
	"fmt"
	"hash/crc32"
	"strings"
)

// ErrFormat is returned by [CheckFormat] for a token that cannot have come from
// [Generate].
var ErrFormat = errors.New("secrets: malformed token")

var errTokenKind = errors.New("secrets: a token kind is 2 to 32 lower-case letters, digits and inner underscores, and begins with a letter")

// A token is KIND_ and then, in base62, 256 random bits and a CRC-32 of all before it.
const (
	alphabet    = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	randomLen   = 43 // 62^43 > 2^256
	checksumLen = 6  // 62^6 > 2^32
)

// Generate returns a new token such as
//
//	acme_live_4q1U…43 random characters and a checksum of 6 characters
//
// of 256 random bits. Its prefix tells a reader of a log, and a scanner (see
// [GitleaksRule]), what leaked; its checksum lets [CheckFormat] tell a token from a
// typo and a scanner tell it from a look-alike. Kind is 2 to 32 lower-case letters,
// digits and inner underscores, and begins with a letter.
//
// Generate panics on a malformed kind, which is a constant of the program.
func Generate(kind string) Secret {
	if !validKind(kind) {
		panic(errTokenKind.Error())
	}
	token := make([]byte, 0, len(kind)+1+randomLen+checksumLen)
	defer func() { clear(token) }()
	token = append(token, kind...)
	token = append(token, '_')
	token = appendRandom(token)
	token = appendChecksum(token, token)
	return New(token)
}

// CheckFormat returns [ErrFormat] unless token has the form and the checksum that
// [Generate] gives to tokens of this kind. It refuses every single wrong character
// and every swap of two neighbours before a database has to be asked. It does not
// authenticate: anybody can compute the checksum.
func CheckFormat(kind, token string) error {
	if !validKind(kind) {
		return errTokenKind
	}
	body, ok := strings.CutPrefix(token, kind)
	if !ok || len(body) != 1+randomLen+checksumLen || body[0] != '_' {
		return ErrFormat
	}
	for _, c := range []byte(body[1:]) {
		if !isAlnum(c) {
			return ErrFormat
		}
	}
	var sum [checksumLen]byte
	signed := len(token) - checksumLen
	if string(appendChecksum(sum[:0], token[:signed])) != token[signed:] {
		return ErrFormat
	}
	return nil
}

// GitleaksRule returns a rule for gitleaks (TOML, https://github.com/gitleaks/gitleaks)
// that finds tokens of this kind.
func GitleaksRule(kind string) (string, error) {
	if !validKind(kind) {
		return "", errTokenKind
	}
	return fmt.Sprintf(`[[rules]]
id = "%[1]s"
description = "Token of kind %[1]s"
regex = '''\b%[1]s_[0-9A-Za-z]{%[2]d}\b'''
keywords = ["%[1]s_"]
`, kind, randomLen+checksumLen), nil
}

func validKind(kind string) bool {
	if len(kind) < 2 || len(kind) > 32 || strings.HasSuffix(kind, "_") {
		return false
	}
	for i, c := range []byte(kind) {
		letter := 'a' <= c && c <= 'z'
		if !letter && (i == 0 || c != '_' && (c < '0' || c > '9')) {
			return false
		}
	}
	return true
}

// appendRandom appends randomLen characters, each equally likely.
func appendRandom(b []byte) []byte {
	var pool [64]byte
	defer clear(pool[:])
	for end := len(b) + randomLen; ; {
		rand.Read(pool[:])
		for _, c := range pool {
			if c &= 63; int(c) < len(alphabet) { // reject rather than fold: no character is likelier
				if b = append(b, alphabet[c]); len(b) == end {
					return b
				}
			}
		}
	}
}

// appendChecksum appends the CRC-32 (IEEE) of text in base62, big end first.
func appendChecksum[T ~string | ~[]byte](b []byte, text T) []byte {
	sum := crc32.ChecksumIEEE([]byte(text))
	var digits [checksumLen]byte
	for i := range digits {
		digits[checksumLen-1-i] = alphabet[sum%uint32(len(alphabet))]
		sum /= uint32(len(alphabet))
	}
	return append(b, digits[:]...)
}
