package session

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"iter"
	"net/http"
	"strings"
)

// A token is what the cookie holds: the shard of the record and 256 random bits.
// It is never stored and never logged.
type token [tokenSize]byte

const (
	tokenSize = 2 + 32
	tokenLen  = (tokenSize*8 + 5) / 6 // characters in the cookie
)

// One token has one spelling: the unused bits of the last character are zero.
var tokenEncoding = base64.RawURLEncoding.Strict()

func newToken(shard uint16) (t token) {
	binary.BigEndian.PutUint16(t[:], shard)
	rand.Read(t[2:]) // never fails, see crypto/rand
	return t
}

// anonymousShard spreads sessions that belong to nobody.
func anonymousShard() uint16 {
	var b [2]byte
	rand.Read(b[:])
	return binary.BigEndian.Uint16(b[:])
}

func parseToken(s string) (t token, ok bool) {
	if len(s) != tokenLen {
		return t, false
	}
	var in [tokenLen]byte
	copy(in[:], s)
	n, err := tokenEncoding.Decode(t[:], in[:]) // skips CR and LF: count what came out
	return t, err == nil && n == tokenSize
}

func (t *token) String() string { return tokenEncoding.EncodeToString(t[:]) }

func (t *token) key() Key {
	return Key{Shard: binary.BigEndian.Uint16(t[:]), Hash: sha256.Sum256(t[:])}
}

// findCookie returns the value of the cookie with exactly this name, and how many
// there are. Two of them mean that somebody else could set one: none is believed.
func findCookie(h http.Header, name string) (value string, n int) {
	for v := range cookieValues(h, name) {
		value = v
		n++
	}
	return value, n
}

func cookieValues(h http.Header, name string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, line := range h["Cookie"] {
			for line != "" {
				var pair string
				pair, line, _ = strings.Cut(line, ";")
				k, v, ok := strings.Cut(strings.Trim(pair, " \t"), "=")
				if ok && k == name && !yield(v) {
					return
				}
			}
		}
	}
}
