// Package crypto_test measures package crypto beside what people use now, the same
// work in one run. In each row raw is AES-256-GCM of crypto/cipher alone: one key, one
// nonce, one buffer. pavise-reuse writes to one buffer too; the others, whose API has no
// such way, and pavise return a new one.
package crypto_test

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"runtime"
	"syscall"
	"testing"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"
	"gocloud.dev/secrets/localsecrets"

	"github.com/pavise/pavise/crypto"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func keyring() *crypto.Keyring { return must(crypto.NewKeyring(crypto.GenerateKey())) }

func envelope(opts ...crypto.EnvelopeOption) *crypto.Envelope {
	return must(crypto.NewEnvelope("bench", []crypto.KEK{crypto.KeyringKEK(keyring())}, opts...))
}

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

// cpuTime is what this process has used, in all its threads: unlike the time on the
// wall it does not count what other processes of a busy machine take.
func cpuTime() int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}

func run(b *testing.B, name string, size int, f func()) {
	b.Run(name, func(b *testing.B) {
		cores(b, 1)
		b.SetBytes(int64(size))
		b.ReportAllocs()
		runtime.GC() // the garbage of others is not on this account
		before := cpuTime()
		for b.Loop() {
			f()
		}
		b.ReportMetric(float64(cpuTime()-before)/float64(b.N), "cpu-ns/op")
	})
}

// cores lets a benchmark that has no others run on n cores, whatever -cpu says.
func cores(b *testing.B, n int) {
	before := runtime.GOMAXPROCS(n)
	b.Cleanup(func() { runtime.GOMAXPROCS(before) })
}

var (
	bound      = crypto.Bind("note-body", "8d6f3a91")
	associated = []byte("note-body/8d6f3a91")
)

// tink-envelope, gocloud and aws-esdk wrap with a key of this process, where each
// message costs users of a KMS a call; aws-esdk has the suite that commits to its key
// and does not sign.
func benchSeal(b *testing.B, size int) {
	ctx, plaintext := context.Background(), make([]byte, size)
	k, gcm, t, te, esdk := keyring(), raw(), tinkAEAD(), tinkEnvelope(), newESDK()
	keeper := localsecrets.NewKeeper(must(localsecrets.NewRandomKey()))
	dst, nonce := make([]byte, 0, size+size/512+128), make([]byte, 12)
	run(b, "pavise", size, func() { must(k.Seal(nil, plaintext, bound)) })
	run(b, "pavise-reuse", size, func() { must(k.Seal(dst, plaintext, bound)) })
	run(b, "raw", size, func() { gcm.Seal(dst, nonce, plaintext, nil) })
	run(b, "tink", size, func() { must(t.Encrypt(plaintext, associated)) })
	run(b, "tink-envelope", size, func() { must(te.Encrypt(plaintext, associated)) })
	run(b, "gocloud", size, func() { must(keeper.Encrypt(ctx, plaintext)) })
	run(b, "aws-esdk", size, func() { esdk.encrypt(plaintext) })
}

func benchOpen(b *testing.B, size int) {
	ctx, plaintext := context.Background(), make([]byte, size)
	k, gcm, t, te, esdk := keyring(), raw(), tinkAEAD(), tinkEnvelope(), newESDK()
	keeper := localsecrets.NewKeeper(must(localsecrets.NewRandomKey()))
	dst, nonce := make([]byte, 0, size+size/512+128), make([]byte, 12)
	ours, bare := must(k.Seal(nil, plaintext, bound)), gcm.Seal(nil, nonce, plaintext, nil)
	theirs, wrapped := must(t.Encrypt(plaintext, associated)), must(te.Encrypt(plaintext, associated))
	kept, message := must(keeper.Encrypt(ctx, plaintext)), esdk.encrypt(plaintext)
	run(b, "pavise", size, func() { must(k.Open(nil, ours, bound)) })
	run(b, "pavise-reuse", size, func() { must(k.Open(dst, ours, bound)) })
	run(b, "raw", size, func() { must(gcm.Open(dst, nonce, bare, nil)) })
	run(b, "tink", size, func() { must(t.Decrypt(theirs, associated)) })
	run(b, "tink-envelope", size, func() { must(te.Decrypt(wrapped, associated)) })
	run(b, "gocloud", size, func() { must(keeper.Decrypt(ctx, kept)) })
	run(b, "aws-esdk", size, func() { esdk.decrypt(message) })
}

func BenchmarkSeal1KiB(b *testing.B) { benchSeal(b, 1<<10) }
func BenchmarkSeal1MiB(b *testing.B) { benchSeal(b, 1<<20) }
func BenchmarkOpen1KiB(b *testing.B) { benchOpen(b, 1<<10) }
func BenchmarkOpen1MiB(b *testing.B) { benchOpen(b, 1<<20) }

// Cached data keys; keyring is the same without an envelope, uncached has a data key
// for each message as the peers of benchSeal have.
func BenchmarkEnvelopeSeal1KiB(b *testing.B) {
	ctx, plaintext := context.Background(), make([]byte, 1<<10)
	e, k, each, gcm := envelope(), keyring(), envelope(crypto.WithoutDEKCache()), raw()
	dst, nonce := make([]byte, 0, 2<<10), make([]byte, 12)
	run(b, "pavise", 1<<10, func() { must(e.Seal(ctx, nil, plaintext, bound)) })
	run(b, "keyring", 1<<10, func() { must(k.Seal(nil, plaintext, bound)) })
	run(b, "raw", 1<<10, func() { gcm.Seal(dst, nonce, plaintext, nil) })
	run(b, "uncached", 1<<10, func() { must(each.Seal(ctx, nil, plaintext, bound)) })
}

func BenchmarkEnvelopeOpen1KiB(b *testing.B) {
	ctx, plaintext := context.Background(), make([]byte, 1<<10)
	e, k, each, gcm := envelope(), keyring(), envelope(crypto.WithoutDEKCache()), raw()
	dst, nonce := make([]byte, 0, 1<<10), make([]byte, 12)
	sealed, bare := must(e.Seal(ctx, nil, plaintext, bound)), gcm.Seal(nil, nonce, plaintext, nil)
	message, own := must(k.Seal(nil, plaintext, bound)), must(each.Seal(ctx, nil, plaintext, bound))
	run(b, "pavise", 1<<10, func() { must(e.Open(ctx, nil, sealed, bound)) })
	run(b, "keyring", 1<<10, func() { must(k.Open(nil, message, bound)) })
	run(b, "raw", 1<<10, func() { must(gcm.Open(dst, nonce, bare, nil)) })
	run(b, "uncached", 1<<10, func() { must(each.Open(ctx, nil, own, bound)) })
}

// XAES-256-GCM under a key that this process holds, the same bytes on both sides.
func BenchmarkCompactSeal1KiB(b *testing.B) {
	plaintext := make([]byte, 1<<10)
	c, gcm := must(crypto.NewCompact(crypto.GenerateKey())), raw()
	t := must(aead.New(must(keyset.NewHandle(aead.XAES256GCM192BitNonceKeyTemplate()))))
	dst, nonce := make([]byte, 0, 2<<10), make([]byte, 12)
	run(b, "pavise", 1<<10, func() { must(c.Seal(nil, plaintext, bound)) })
	run(b, "pavise-reuse", 1<<10, func() { must(c.Seal(dst, plaintext, bound)) })
	run(b, "raw", 1<<10, func() { gcm.Seal(dst, nonce, plaintext, nil) })
	run(b, "tink", 1<<10, func() { must(t.Encrypt(plaintext, associated)) })
}
