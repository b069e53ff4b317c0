package crypto_test

import (
	"context"
	"fmt"
	"log"

	"github.com/pavise/pavise/crypto"
)

// A person asks to be forgotten. The message is still in the table, in its backups and
// in the attacker's copy, and the attacker has the KEK too: the key of the subject,
// which is gone, is what it takes.
func ExampleEnvelope_Forget() {
	ctx := context.Background()
	keyring, err := crypto.NewKeyring(crypto.GenerateKey())
	if err != nil {
		log.Fatal(err)
	}
	kek := crypto.KeyringKEK(keyring)      // in production: a key management service
	store := new(crypto.MemorySubjectKeys) // in production: crypto/sqlstore

	envelope, err := crypto.NewEnvelope("notes", []crypto.KEK{kek}, crypto.WithSubjectKeys(store))
	if err != nil {
		log.Fatal(err)
	}
	sealed, err := envelope.SealFor(ctx, "user-17", nil, []byte("my diary"), crypto.Bind("note-body", "note-3"))
	if err != nil {
		log.Fatal(err)
	}
	plaintext, err := envelope.Open(ctx, nil, sealed, crypto.Bind("note-body", "note-3"))
	fmt.Printf("before: %s, %v\n", plaintext, err)

	if err := envelope.Forget(ctx, "user-17"); err != nil {
		log.Fatal(err) // and try again
	}
	_, err = envelope.Open(ctx, nil, sealed, crypto.Bind("note-body", "note-3"))
	fmt.Println("after:", err)

	attacker, err := crypto.NewEnvelope("notes", []crypto.KEK{kek}, crypto.WithSubjectKeys(store))
	if err != nil {
		log.Fatal(err)
	}
	_, err = attacker.Open(ctx, nil, sealed, crypto.Bind("note-body", "note-3"))
	fmt.Println("attacker with the KEK:", err)
	// Output:
	// before: my diary, <nil>
	// after: crypto: ciphertext did not open
	// attacker with the KEK: crypto: ciphertext did not open
}
