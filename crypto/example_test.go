package crypto_test

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"slices"

	"github.com/pavise/pavise/crypto"
	"github.com/pavise/pavise/secrets"
)

// keyFromStore stands for a read from a secret store, see package secrets.
func keyFromStore() secrets.Secret { return crypto.GenerateKey().Export() }

// A sealed note that is copied to another row of the table does not open there.
func ExampleKeyring() {
	key, err := crypto.ParseKey(keyFromStore())
	if err != nil {
		log.Fatal(err)
	}
	keyring, err := crypto.NewKeyring(key)
	if err != nil {
		log.Fatal(err)
	}

	sealed, err := keyring.Seal(nil, []byte("my diary"), crypto.Bind("note-body", "note-17", "alice"))
	if err != nil {
		log.Fatal(err)
	}
	plaintext, err := keyring.Open(nil, sealed, crypto.Bind("note-body", "note-17", "alice"))
	fmt.Printf("alice: %s, %v\n", plaintext, err)

	plaintext, err = keyring.Open(nil, sealed, crypto.Bind("note-body", "note-99", "mallory"))
	fmt.Printf("mallory: %q, %v\n", plaintext, err)
	// Output:
	// alice: my diary, <nil>
	// mallory: "", crypto: ciphertext did not open
}

// Old data stays readable while it moves to a new key.
func ExampleKeyring_NeedsReseal() {
	oldKey, newKey := crypto.GenerateKey(), crypto.GenerateKey()
	before, err := crypto.NewKeyring(oldKey)
	if err != nil {
		log.Fatal(err)
	}
	after, err := crypto.NewKeyring(newKey, oldKey)
	if err != nil {
		log.Fatal(err)
	}
	bound := crypto.Bind("note-body", "note-17")
	sealed, err := before.Seal(nil, []byte("my diary"), bound)
	if err != nil {
		log.Fatal(err)
	}

	plaintext, err := after.Open(nil, sealed, bound)
	fmt.Printf("%s, %v, reseal: %v\n", plaintext, err, after.NeedsReseal(sealed))
	if sealed, err = after.Seal(nil, plaintext, bound); err != nil {
		log.Fatal(err)
	}
	fmt.Println("reseal:", after.NeedsReseal(sealed))
	// Output:
	// my diary, <nil>, reseal: true
	// reseal: false
}

// A second recipient gets a header; the payload, which may be large, stays as it is.
func ExampleEnvelope() {
	ctx := context.Background()
	keyring, err := crypto.NewKeyring(crypto.GenerateKey())
	if err != nil {
		log.Fatal(err)
	}
	envelope, err := crypto.NewEnvelope("backups", []crypto.KEK{crypto.KeyringKEK(keyring)})
	if err != nil {
		log.Fatal(err)
	}
	bound := crypto.Bind("backup", "2026-11-23")
	sealed, err := envelope.Seal(ctx, nil, []byte("all the data"), bound)
	if err != nil {
		log.Fatal(err)
	}

	recovery := offlineKEK()
	header, err := envelope.RewrapHeader(ctx, bytes.NewReader(sealed), crypto.KeyringKEK(keyring), recovery)
	if err != nil {
		log.Fatal(err)
	}
	oldHeader := len(sealed) - payloadLen("all the data")
	sealed = slices.Concat(header, sealed[oldHeader:])

	office, err := crypto.NewEnvelope("backups", []crypto.KEK{recovery})
	if err != nil {
		log.Fatal(err)
	}
	plaintext, err := office.Open(ctx, nil, sealed, bound)
	fmt.Printf("%s, %v\n", plaintext, err)
	// Output: all the data, <nil>
}

// payloadLen is the length of a payload of less than 16 KiB: salt, commitment, tag.
func payloadLen(plaintext string) int { return 24 + 32 + len(plaintext) + 16 }

// named gives a KEK an ID of its own.
type named struct {
	crypto.KEK
	id string
}

func (n named) ID() string { return n.id }

func offlineKEK() crypto.KEK {
	keyring, err := crypto.NewKeyring(crypto.GenerateKey())
	if err != nil {
		log.Fatal(err)
	}
	return named{crypto.KeyringKEK(keyring), "recovery"}
}
