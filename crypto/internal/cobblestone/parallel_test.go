package cobblestone

import (
	"bytes"
	"crypto/fips140"
	"math/rand/v2"
	"testing"
)

func TestParallelIsSerial(t *testing.T) {
	if fips140.Enforced() {
		t.Skip("cannot seal here")
	}
	k, _ := New(bytes.Repeat([]byte{7}, KeySize))
	one, salt := k.WithWorkers(1), bytes.Repeat([]byte{9}, saltSize)
	for _, n := range []int{0, ChunkSize, 63 * ChunkSize, 64*ChunkSize - 1, 64 * ChunkSize, 64*ChunkSize + 1, 100*ChunkSize + 77, 129 * ChunkSize} {
		plaintext := make([]byte, n)
		rand.NewChaCha8([32]byte{byte(n)}).Read(plaintext)
		want, err := one.seal(nil, salt, plaintext, []byte("context"))
		if err != nil {
			t.Fatal(err)
		}
		for _, workers := range []int{0, 2, 3, 100} {
			many := k.WithWorkers(workers)
			got, err := many.seal([]byte("kept"), salt, plaintext, []byte("context"))
			if err != nil || !bytes.Equal(got, append([]byte("kept"), want...)) {
				t.Errorf("%d bytes, %d workers: another message, %v", n, workers, err)
			}
			opened, err := many.Open([]byte("too"), want, []byte("context"))
			if err != nil || !bytes.Equal(opened, append([]byte("too"), plaintext...)) {
				t.Errorf("%d bytes, %d workers: opened %d, %v", n, workers, len(opened), err)
			}
		}
	}
}

// However many workers there are, what stands before the first damage comes out.
func TestParallelDamage(t *testing.T) {
	if fips140.Enforced() {
		t.Skip("cannot seal here")
	}
	const n = 70
	k, _ := New(bytes.Repeat([]byte{7}, KeySize))
	plaintext := bytes.Repeat([]byte("x"), n*ChunkSize)
	message, err := k.Seal(nil, plaintext)
	if err != nil {
		t.Fatal(err)
	}
	sealed := message[HeaderSize:][:n*SealedSize]
	for at := range n {
		later := at + rand.IntN(n-at)
		sealed[at*SealedSize+at] ^= 1
		sealed[later*SealedSize+at+1] ^= 1
		for _, workers := range []int{1, 2, 8} {
			c, err := k.WithWorkers(workers).Resume(message[:HeaderSize])
			if err != nil {
				t.Fatal(err)
			}
			memory := make([]byte, n*ChunkSize)
			got, ok := c.OpenFull(memory[:0], sealed, 0)
			if ok || !bytes.Equal(got, plaintext[:at*ChunkSize]) || bytes.ContainsRune(memory[len(got):], 'x') {
				t.Fatalf("%d workers, damage at %d: %d chunks, %v", workers, at, len(got)/ChunkSize, ok)
			}
		}
		sealed[at*SealedSize+at] ^= 1
		sealed[later*SealedSize+at+1] ^= 1
	}
	if _, err := k.Open(nil, message); err != nil {
		t.Fatalf("control: %v", err)
	}
}
