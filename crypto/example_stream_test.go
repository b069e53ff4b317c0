package crypto_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log"
	"strings"

	"github.com/pavise/pavise/crypto"
)

// backUp encrypts all of src. It does not defer Close, which would end the stream as
// if it were complete.
func backUp(dst io.Writer, src io.Reader, keyring *crypto.Keyring) error {
	w, err := keyring.Writer(dst, crypto.Bind("backup", "2026-11-23"))
	if err != nil {
		return err
	}
	if _, err := io.Copy(w, src); err != nil {
		return err
	}
	return w.Close()
}

// A backup whose end was cut off is noticed, at a chunk boundary too.
func ExampleKeyring_Writer() {
	keyring, err := crypto.NewKeyring(crypto.GenerateKey())
	if err != nil {
		log.Fatal(err)
	}
	var stored bytes.Buffer
	if err := backUp(&stored, strings.NewReader(strings.Repeat("all the data ", 5000)), keyring); err != nil {
		log.Fatal(err)
	}

	for _, kept := range []int{stored.Len(), 62 + 2*(16<<10+16)} {
		r, err := keyring.Reader(bytes.NewReader(stored.Bytes()[:kept]), crypto.Bind("backup", "2026-11-23"))
		if err != nil {
			log.Fatal(err)
		}
		n, err := io.Copy(io.Discard, r)
		fmt.Println(n, err, errors.Is(err, crypto.ErrOpen))
	}
	// Output:
	// 65000 <nil> false
	// 32768 crypto: ciphertext did not open true
}

// A part of a large object is decrypted from a part of its ciphertext.
func ExampleReaderAt_CiphertextRange() {
	keyring, err := crypto.NewKeyring(crypto.GenerateKey())
	if err != nil {
		log.Fatal(err)
	}
	bound := crypto.Bind("video", "17")
	sealed, err := keyring.Seal(nil, bytes.Repeat([]byte("frame by frame, "), 10_000), bound)
	if err != nil {
		log.Fatal(err)
	}

	r, err := keyring.ReaderAt(bytes.NewReader(sealed), int64(len(sealed)), bound)
	if err != nil {
		log.Fatal(err)
	}
	from, length := r.CiphertextRange(100_000, 14)
	fmt.Printf("bytes=%d-%d of %d\n", from, from+length-1, len(sealed))
	part := make([]byte, 14)
	_, err = r.ReadAt(part, 100_000)
	fmt.Printf("%s, %v\n", part, err)
	// Output:
	// bytes=98462-114861 of 160222
	// frame by frame, <nil>
}
