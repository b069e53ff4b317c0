package crypto_test

import (
	"fmt"
	"log"

	"github.com/pavise/pavise/crypto"
	"github.com/pavise/pavise/secrets"
)

// tinkKeyset stands for a keyset that Tink wrote and a secret store keeps.
func tinkKeyset() secrets.Secret {
	c, err := crypto.NewCompact(crypto.GenerateKey())
	if err != nil {
		log.Fatal(err)
	}
	keyset, err := c.ExportTink()
	if err != nil {
		log.Fatal(err)
	}
	return keyset
}

// A service that uses Tink and one that uses this package share a keyset. What one
// of them seals for a record, the other opens for that record and for no other.
func ExampleImportTink() {
	c, err := crypto.ImportTink(tinkKeyset())
	if err != nil {
		log.Fatal(err)
	}

	// In Tink: primitive.Encrypt([]byte("my diary"), []byte("notes/17"))
	sealed, err := c.Seal(nil, []byte("my diary"), crypto.TinkBinding([]byte("notes/17")))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("bytes added:", len(sealed)-len("my diary"))

	plaintext, err := c.Open(nil, sealed, crypto.TinkBinding([]byte("notes/17")))
	fmt.Printf("note 17: %s, %v\n", plaintext, err)
	plaintext, err = c.Open(nil, sealed, crypto.TinkBinding([]byte("notes/99")))
	fmt.Printf("note 99: %q, %v\n", plaintext, err)
	// Output:
	// bytes added: 45
	// note 17: my diary, <nil>
	// note 99: "", crypto: ciphertext did not open
}

// The Tink side of a Binding is its associated data.
func ExampleBinding_AssociatedData() {
	associated, err := crypto.Bind("note", "17").AssociatedData()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%q\n", associated)
	// Output: "\x01\x00\x00\x00\x04note\x00\x00\x00\x0217"
}
