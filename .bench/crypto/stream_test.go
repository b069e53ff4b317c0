package crypto_test

import (
	"bytes"
	"io"
	"runtime"
	"testing"

	"filippo.io/age"
	"github.com/minio/sio"

	"github.com/pavise/pavise/crypto"
)

const (
	streamSize = 16 << 20
	pieceSize  = 64 << 10 // of a Write, as a copy loop has it
)

var streamBound = crypto.Bind("backup", "8d6f3a91")

// encrypt runs plaintext through an encrypting writer.
func encrypt(w io.WriteCloser, plaintext []byte) {
	for ; len(plaintext) > 0; plaintext = plaintext[pieceSize:] {
		must(w.Write(plaintext[:pieceSize]))
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
}

func oneCore(b *testing.B) {
	before := runtime.GOMAXPROCS(1)
	b.Cleanup(func() { runtime.GOMAXPROCS(before) })
}

func sioConfig() sio.Config { return sio.Config{Key: make([]byte, 32), MinVersion: sio.Version20} }

// nowhere does what io.Discard does, without its shortcuts.
type nowhere struct{}

func (nowhere) Write(p []byte) (int, error) { return len(p), nil }

// BenchmarkStreamWrite16MiB writes a stream on one core; raw is AES-256-GCM over the
// same pieces.
func BenchmarkStreamWrite16MiB(b *testing.B) {
	oneCore(b)
	plaintext := make([]byte, streamSize)
	k, gcm, identity := keyring(), raw(), must(age.GenerateX25519Identity())
	dst, nonce := make([]byte, 0, pieceSize+16), make([]byte, 12)
	run(b, "pavise", streamSize, func() { encrypt(must(k.Writer(nowhere{}, streamBound)), plaintext) })
	run(b, "raw", streamSize, func() {
		for p := plaintext; len(p) > 0; p = p[pieceSize:] {
			gcm.Seal(dst, nonce, p[:pieceSize], nil)
		}
	})
	run(b, "sio", streamSize, func() { encrypt(must(sio.EncryptWriter(nowhere{}, sioConfig())), plaintext) })
	run(b, "age", streamSize, func() { encrypt(must(age.Encrypt(nowhere{}, identity.Recipient())), plaintext) })
}

// BenchmarkStreamRead16MiB reads a stream on one core.
func BenchmarkStreamRead16MiB(b *testing.B) {
	oneCore(b)
	plaintext := make([]byte, streamSize)
	k, gcm, identity := keyring(), raw(), must(age.GenerateX25519Identity())
	var ours, theirs, aged bytes.Buffer
	encrypt(must(k.Writer(&ours, streamBound)), plaintext)
	encrypt(must(sio.EncryptWriter(&theirs, sioConfig())), plaintext)
	encrypt(must(age.Encrypt(&aged, identity.Recipient())), plaintext)
	nonce := make([]byte, 12)
	piece := gcm.Seal(nil, nonce, plaintext[:pieceSize], nil)
	bare := bytes.Repeat(piece, streamSize/pieceSize)
	dst, buf := make([]byte, 0, pieceSize), make([]byte, pieceSize)
	read := func(r io.Reader) { must(io.CopyBuffer(nowhere{}, r, buf)) }
	run(b, "pavise", streamSize, func() { read(must(k.Reader(bytes.NewReader(ours.Bytes()), streamBound))) })
	run(b, "raw", streamSize, func() {
		for c := bare; len(c) > 0; c = c[len(piece):] {
			must(gcm.Open(dst, nonce, c[:len(piece)], nil))
		}
	})
	run(b, "sio", streamSize, func() { read(must(sio.DecryptReader(bytes.NewReader(theirs.Bytes()), sioConfig()))) })
	run(b, "age", streamSize, func() { read(must(age.Decrypt(bytes.NewReader(aged.Bytes()), identity))) })
}

// BenchmarkStreamWrite64MiB writes a stream through io.Copy, with two workers and with one.
func BenchmarkStreamWrite64MiB(b *testing.B) {
	plaintext, k := make([]byte, 64<<20), keyring()
	write := func(k *crypto.Keyring) {
		w := must(k.Writer(nowhere{}, streamBound))
		must(io.Copy(w, bytes.NewReader(plaintext)))
		w.Close()
	}
	two, one := k.WithWorkers(2), k.WithWorkers(1)
	run(b, "pavise", len(plaintext), func() { write(two) })
	run(b, "one-worker", len(plaintext), func() { write(one) })
}

func BenchmarkStreamRead64MiB(b *testing.B) {
	k := keyring()
	sealed := must(k.Seal(nil, make([]byte, 64<<20), streamBound))
	read := func(k *crypto.Keyring) {
		must(io.Copy(nowhere{}, must(k.Reader(bytes.NewReader(sealed), streamBound))))
	}
	two, one := k.WithWorkers(2), k.WithWorkers(1)
	run(b, "pavise", 64<<20, func() { read(two) })
	run(b, "one-worker", 64<<20, func() { read(one) })
}

func BenchmarkSeal64MiB(b *testing.B) {
	plaintext, k := make([]byte, 64<<20), keyring()
	dst := make([]byte, 0, len(plaintext)+1<<20)
	two, one := k.WithWorkers(2), k.WithWorkers(1)
	run(b, "pavise", len(plaintext), func() { must(two.Seal(dst, plaintext, streamBound)) })
	run(b, "one-worker", len(plaintext), func() { must(one.Seal(dst, plaintext, streamBound)) })
}
