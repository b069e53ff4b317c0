// Package crypto_test measures package crypto beside what people use now, the same
// work in one run.
package crypto_test

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"testing"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"

	"github.com/pavise/pavise/crypto"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func keyring() *crypto.Keyring { return must(crypto.NewKeyring(crypto.GenerateKey())) }

// raw is AES-256-GCM with a random nonce and nothing else.
func raw() cipher.AEAD {
	key := make([]byte, 32)
	rand.Read(key)
	return must(cipher.NewGCM(must(aes.NewCipher(key))))
}

func tinkAEAD() tink.AEAD {
	return must(aead.New(must(keyset.NewHandle(aead.AES256GCMKeyTemplate()))))
}

func tinkEnvelope() tink.AEAD {
	return aead.NewKMSEnvelopeAEAD2(aead.AES256GCMKeyTemplate(), tinkAEAD())
}

func run(b *testing.B, name string, size int, f func()) {
	b.Run(name, func(b *testing.B) {
		b.SetBytes(int64(size))
		b.ReportAllocs()
		for b.Loop() {
			f()
		}
	})
}

func benchSeal(b *testing.B, size int) {
	plaintext, bound := make([]byte, size), crypto.Bind("note-body", "8d6f3a91")
	k, gcm, t := keyring(), raw(), tinkAEAD()
	dst, nonce := make([]byte, 0, size+size/64+1024), make([]byte, 12)
	run(b, "pavise", size, func() { must(k.Seal(nil, plaintext, bound)) })
	run(b, "raw", size, func() { gcm.Seal(dst, nonce, plaintext, nil) })
	run(b, "tink", size, func() { must(t.Encrypt(plaintext, []byte("note-body/8d6f3a91"))) })
}

func benchOpen(b *testing.B, size int) {
	plaintext, bound := make([]byte, size), crypto.Bind("note-body", "8d6f3a91")
	k, gcm, t := keyring(), raw(), tinkAEAD()
	dst, nonce := make([]byte, 0, size), make([]byte, 12)
	ours, theirs, bare := must(k.Seal(nil, plaintext, bound)), must(t.Encrypt(plaintext, nil)), gcm.Seal(nil, nonce, plaintext, nil)
	run(b, "pavise", size, func() { must(k.Open(nil, ours, bound)) })
	run(b, "raw", size, func() { must(gcm.Open(dst, nonce, bare, nil)) })
	run(b, "tink", size, func() { must(t.Decrypt(theirs, nil)) })
}

func BenchmarkSeal1KiB(b *testing.B) { benchSeal(b, 1<<10) }
func BenchmarkSeal1MiB(b *testing.B) { benchSeal(b, 1<<20) }
func BenchmarkOpen1KiB(b *testing.B) { benchOpen(b, 1<<10) }
func BenchmarkOpen1MiB(b *testing.B) { benchOpen(b, 1<<20) }

// Cached data keys; keyring is the same without an envelope, uncached has a data key
// for each message as tink has, all wrapped by a key of this process.
func BenchmarkEnvelopeSeal1KiB(b *testing.B) {
	ctx, plaintext, bound := context.Background(), make([]byte, 1<<10), crypto.Bind("note-body", "8d6f3a91")
	e := must(crypto.NewEnvelope("bench", []crypto.KEK{crypto.KeyringKEK(keyring())}))
	t := tinkEnvelope()
	k, each := keyring(), must(crypto.NewEnvelope("bench", []crypto.KEK{crypto.KeyringKEK(keyring())}, crypto.WithoutDEKCache()))
	run(b, "pavise", 1<<10, func() { must(e.Seal(ctx, nil, plaintext, bound)) })
	run(b, "keyring", 1<<10, func() { must(k.Seal(nil, plaintext, bound)) })
	run(b, "uncached", 1<<10, func() { must(each.Seal(ctx, nil, plaintext, bound)) })
	run(b, "tink", 1<<10, func() { must(t.Encrypt(plaintext, []byte("note-body/8d6f3a91"))) })
}

func BenchmarkEnvelopeOpen1KiB(b *testing.B) {
	ctx, plaintext, bound := context.Background(), make([]byte, 1<<10), crypto.Bind("note-body", "8d6f3a91")
	e := must(crypto.NewEnvelope("bench", []crypto.KEK{crypto.KeyringKEK(keyring())}))
	t := tinkEnvelope()
	ours, theirs := must(e.Seal(ctx, nil, plaintext, bound)), must(t.Encrypt(plaintext, nil))
	k := keyring()
	bare := must(k.Seal(nil, plaintext, bound))
	run(b, "pavise", 1<<10, func() { must(e.Open(ctx, nil, ours, bound)) })
	run(b, "keyring", 1<<10, func() { must(k.Open(nil, bare, bound)) })
	run(b, "tink", 1<<10, func() { must(t.Decrypt(theirs, nil)) })
}

// XAES-256-GCM under a key that this process holds, the same bytes on both sides.
func BenchmarkCompactSeal1KiB(b *testing.B) {
	plaintext, bound := make([]byte, 1<<10), crypto.Bind("note-body", "8d6f3a91")
	c, gcm := must(crypto.NewCompact(crypto.GenerateKey())), raw()
	t := must(aead.New(must(keyset.NewHandle(aead.XAES256GCM192BitNonceKeyTemplate()))))
	dst, nonce := make([]byte, 0, 2<<10), make([]byte, 12)
	run(b, "pavise", 1<<10, func() { must(c.Seal(nil, plaintext, bound)) })
	run(b, "raw", 1<<10, func() { gcm.Seal(dst, nonce, plaintext, nil) })
	run(b, "tink", 1<<10, func() { must(t.Encrypt(plaintext, []byte("note-body/8d6f3a91"))) })
}
