package secrets

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"sync"
)

// Secret holds a value that must not be printed, logged or serialized.
//
// A Secret is small, safe for concurrent use, and meant to be passed and stored
// by value; copies share one value. Only [Secret.Reveal] and [Secret.Use] give
// the value out. The zero Secret is empty and ready to use. A Secret cannot be
// compared with ==: use [Secret.Equal].
type Secret struct {
	// A func value is the only thing that no printer can look into: fmt, reflect
	// and the dumpers built on it follow pointers, also those in unexported
	// fields, where they may not call the methods that would redact.
	// It also makes Secret incomparable. Nil means empty.
	open func() *value
}

// value is what all copies of a Secret share.
type value struct {
	mu        sync.RWMutex // Destroy must not wipe what a reader is copying
	bytes     []byte
	destroyed bool
}

const destroyed = "secrets: use of a destroyed Secret"

// New returns a Secret that holds a copy of v. The caller may wipe its own.
// New of an empty v is the zero Secret.
func New[T ~string | ~[]byte](v T) Secret {
	if len(v) == 0 {
		return Secret{}
	}
	val := &value{bytes: append([]byte(nil), v...)} // []byte(v) would alias a []byte
	return Secret{open: func() *value { return val }}
}

// Reveal returns the value as a string, which Go cannot erase afterwards.
// Prefer [Secret.Use] where the consumer takes bytes.
// It panics if the Secret was destroyed.
func (s Secret) Reveal() string {
	if s.open == nil {
		return ""
	}
	v := s.open()
	v.mu.RLock()
	defer v.mu.RUnlock()
	if v.destroyed {
		panic(destroyed)
	}
	return string(v.bytes)
}

// Use calls f with a copy of the value and wipes the copy when f returns or
// panics. f must not keep b; it may change it. The copy of an empty Secret is nil.
// It panics if the Secret was destroyed.
//
// In a build with GOEXPERIMENT=runtimesecret, f runs inside runtime/secret.Do,
// which also erases the stack, registers and heap that f used.
func (s Secret) Use(f func(b []byte)) {
	if s.open == nil {
		f(nil)
		return
	}
	erasing(func() {
		b, ok := s.copyTo(nil)
		if !ok {
			panic(destroyed)
		}
		defer clear(b)
		f(b)
	})
}

// Equal reports whether s and o hold the same value, in a time that depends on
// their lengths only. An empty or destroyed Secret equals nothing, not even itself:
// a key that was never configured must not match a header that was never sent.
func (s Secret) Equal(o Secret) bool {
	// Copies, because holding both locks at once could deadlock with Destroy.
	// Those of the usual sizes stay off the heap.
	var bufA, bufB [64]byte
	a, okA := s.copyTo(bufA[:0])
	defer clear(a)
	b, okB := o.copyTo(bufB[:0])
	defer clear(b)
	return okA && okB && subtle.ConstantTimeCompare(a, b) == 1
}

// IsZero reports whether the Secret is empty. A destroyed Secret is not.
// Encoders ask it for their omitzero options.
func (s Secret) IsZero() bool { return s.open == nil }

// Destroy wipes the value for all copies of the Secret. Reveal and Use panic from
// then on. It cannot reach strings that Reveal returned earlier.
func (s Secret) Destroy() {
	if s.open == nil {
		return
	}
	v := s.open()
	v.mu.Lock()
	defer v.mu.Unlock()
	clear(v.bytes)
	v.bytes, v.destroyed = nil, true
}

// Fingerprint returns 16 hexadecimal digits that are equal for equal values within
// this process and say nothing about the value outside it: they are a truncated
// HMAC-SHA-256 under a random key that never leaves the process, so that even a
// short password cannot be searched for. It is meant for logs. It returns
// "empty" or "destroyed" for a Secret that holds nothing.
func (s Secret) Fingerprint() string {
	if s.open == nil {
		return "empty"
	}
	m, ok := s.mark()
	if !ok {
		return "destroyed"
	}
	return hex.EncodeToString(m[:8])
}

// mark is the whole of what Fingerprint shows the beginning of; ok is false if there
// is no value.
func (s Secret) mark() (m mark, ok bool) {
	b, ok := s.copyTo(nil)
	defer clear(b)
	h := hmac.New(sha256.New, processKey())
	h.Write(b)
	h.Sum(m[:0])
	return m, ok
}

// copyTo appends the value to dst; ok is false if there is none.
func (s Secret) copyTo(dst []byte) (b []byte, ok bool) {
	if s.open == nil {
		return dst, false
	}
	v := s.open()
	v.mu.RLock()
	defer v.mu.RUnlock()
	return append(dst, v.bytes...), !v.destroyed
}

// processKey keys fingerprints.
var processKey = sync.OnceValue(func() []byte {
	k := make([]byte, sha256.Size)
	rand.Read(k) // never fails: crypto/rand aborts the process instead
	return k
})
