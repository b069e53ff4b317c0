package crypto_test

import (
	"bytes"
	"io"
	"testing"

	"filippo.io/age"
	"github.com/minio/sio"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/streamingaead"
	"github.com/tink-crypto/tink-go/v2/tink"

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

func tinkStream() tink.StreamingAEAD {
	return must(streamingaead.New(must(keyset.NewHandle(streamingaead.AES256GCMHKDF1MBKeyTemplate()))))
}

func sioConfig() sio.Config { return sio.Config{Key: make([]byte, 32), MinVersion: sio.Version20} }

// nowhere does what io.Discard does, without its shortcuts.
type nowhere struct{}

func (nowhere) Write(p []byte) (int, error) { return len(p), nil }

// BenchmarkStreamWrite16MiB writes a stream on one core; raw is AES-256-GCM over the
// same pieces.
func BenchmarkStreamWrite16MiB(b *testing.B) {
	plaintext := make([]byte, streamSize)
	k, gcm, t, identity := keyring(), raw(), tinkStream(), must(age.GenerateX25519Identity())
	dst, nonce := make([]byte, 0, pieceSize+16), make([]byte, 12)
	run(b, "pavise", streamSize, func() { encrypt(must(k.Writer(nowhere{}, streamBound)), plaintext) })
	run(b, "raw", streamSize, func() {
		for p := plaintext; len(p) > 0; p = p[pieceSize:] {
			gcm.Seal(dst, nonce, p[:pieceSize], nil)
		}
	})
	run(b, "tink", streamSize, func() { encrypt(must(t.NewEncryptingWriter(nowhere{}, nil)), plaintext) })
	run(b, "sio", streamSize, func() { encrypt(must(sio.EncryptWriter(nowhere{}, sioConfig())), plaintext) })
	run(b, "age", streamSize, func() { encrypt(must(age.Encrypt(nowhere{}, identity.Recipient())), plaintext) })
}

// BenchmarkStreamRead16MiB reads a stream on one core.
func BenchmarkStreamRead16MiB(b *testing.B) {
	plaintext := make([]byte, streamSize)
	k, gcm, t, identity := keyring(), raw(), tinkStream(), must(age.GenerateX25519Identity())
	var ours, tinked, theirs, aged bytes.Buffer
	encrypt(must(k.Writer(&ours, streamBound)), plaintext)
	encrypt(must(t.NewEncryptingWriter(&tinked, nil)), plaintext)
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
	run(b, "tink", streamSize, func() { read(must(t.NewDecryptingReader(bytes.NewReader(tinked.Bytes()), nil))) })
	run(b, "sio", streamSize, func() { read(must(sio.DecryptReader(bytes.NewReader(theirs.Bytes()), sioConfig()))) })
	run(b, "age", streamSize, func() { read(must(age.Decrypt(bytes.NewReader(aged.Bytes()), identity))) })
}

// BenchmarkReadAt1MiB reads one MiB from the middle of a stream, BenchmarkReadAt4KiB
// a record that lies within one chunk; raw opens as many bytes.
func BenchmarkReadAt1MiB(b *testing.B) { benchReadAt(b, 1<<20) }
func BenchmarkReadAt4KiB(b *testing.B) { benchReadAt(b, 4<<10) }

func benchReadAt(b *testing.B, size int) {
	k, gcm := keyring(), raw()
	sealed := must(k.Seal(nil, make([]byte, streamSize), streamBound))
	r := must(k.ReaderAt(bytes.NewReader(sealed), int64(len(sealed)), streamBound))
	nonce, p := make([]byte, 12), make([]byte, size)
	bare := gcm.Seal(nil, nonce, p, nil)
	run(b, "pavise", size, func() { must(r.ReadAt(p, 8<<20+100)) })
	run(b, "raw", size, func() { must(gcm.Open(p[:0], nonce, bare, nil)) })
}

// wall is run for work that several cores share: what counts is the time of the clock.
func wall(b *testing.B, name string, size int, f func()) {
	b.Run(name, func(b *testing.B) {
		cores(b, 2)
		b.SetBytes(int64(size))
		b.ReportAllocs()
		for b.Loop() {
			f()
		}
	})
}

// BenchmarkTwoCoreWrite64MiB writes a stream through io.Copy, with two workers and with one.
func BenchmarkTwoCoreWrite64MiB(b *testing.B) {
	plaintext, k := make([]byte, 64<<20), keyring()
	write := func(k *crypto.Keyring) {
		w := must(k.Writer(nowhere{}, streamBound))
		must(io.Copy(w, bytes.NewReader(plaintext)))
		w.Close()
	}
	two, one := k.WithWorkers(2), k.WithWorkers(1)
	wall(b, "pavise", len(plaintext), func() { write(two) })
	wall(b, "one-core", len(plaintext), func() { write(one) })
}

func BenchmarkTwoCoreRead64MiB(b *testing.B) {
	k := keyring()
	sealed := must(k.Seal(nil, make([]byte, 64<<20), streamBound))
	read := func(k *crypto.Keyring) {
		must(io.Copy(nowhere{}, must(k.Reader(bytes.NewReader(sealed), streamBound))))
	}
	two, one := k.WithWorkers(2), k.WithWorkers(1)
	wall(b, "pavise", 64<<20, func() { read(two) })
	wall(b, "one-core", 64<<20, func() { read(one) })
}

func BenchmarkTwoCoreSeal64MiB(b *testing.B) {
	plaintext, k := make([]byte, 64<<20), keyring()
	dst := make([]byte, 0, len(plaintext)+1<<20)
	two, one := k.WithWorkers(2), k.WithWorkers(1)
	wall(b, "pavise", len(plaintext), func() { must(two.Seal(dst, plaintext, streamBound)) })
	wall(b, "one-core", len(plaintext), func() { must(one.Seal(dst, plaintext, streamBound)) })
}
