// Package secrets_test compares package secrets with its peers.
package secrets_test

import (
	"strings"
	"testing"

	"github.com/awnumar/memguard"
	"github.com/pavise/pavise/secrets"
)

// value has the size of a key or a long password.
var value = strings.Repeat("x", 32)

// sink keeps results alive.
var sink string

// BenchmarkReveal takes 32 bytes out as a string of their own. The peer that does
// nothing but copy is the floor.
func BenchmarkReveal(b *testing.B) {
	b.Run("pavise", func(b *testing.B) {
		s := secrets.New(value)
		b.ReportAllocs()
		for b.Loop() {
			sink = s.Reveal()
		}
	})
	b.Run("copy", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			sink = strings.Clone(value)
		}
	})
	b.Run("memguard", func(b *testing.B) {
		e := memguard.NewEnclave([]byte(value))
		b.ReportAllocs()
		for b.Loop() {
			buf, err := e.Open()
			if err != nil {
				b.Fatal(err)
			}
			sink = strings.Clone(buf.String()) // String aliases the guarded page
			buf.Destroy()
		}
	})
}

// BenchmarkUse lends 32 bytes to a function and wipes the copy.
func BenchmarkUse(b *testing.B) {
	var n int
	b.Run("pavise", func(b *testing.B) {
		s := secrets.New(value)
		b.ReportAllocs()
		for b.Loop() {
			s.Use(func(v []byte) { n += len(v) })
		}
	})
	b.Run("memguard", func(b *testing.B) {
		e := memguard.NewEnclave([]byte(value))
		b.ReportAllocs()
		for b.Loop() {
			buf, err := e.Open()
			if err != nil {
				b.Fatal(err)
			}
			n += len(buf.Bytes())
			buf.Destroy()
		}
	})
	_ = n
}

// BenchmarkEqual compares 32 bytes with 32 others in constant time.
func BenchmarkEqual(b *testing.B) {
	b.Run("pavise", func(b *testing.B) {
		s, o := secrets.New(value), secrets.New(value)
		b.ReportAllocs()
		for b.Loop() {
			if !s.Equal(o) {
				b.Fatal("not equal")
			}
		}
	})
	b.Run("memguard", func(b *testing.B) {
		buf := memguard.NewBufferFromBytes([]byte(value)) // open all the time: its fastest form
		defer buf.Destroy()
		other := []byte(value)
		b.ReportAllocs()
		for b.Loop() {
			if !buf.EqualTo(other) {
				b.Fatal("not equal")
			}
		}
	})
}
