package crypto_test

import (
	"context"
	"fmt"
	"log"

	"github.com/pavise/pavise/crypto"
	"github.com/pavise/pavise/secrets"
)

func ExampleLiveKeyring() {
	source := secrets.Static(map[string]string{"NOTES_KEY": keyFromStore().Reveal()}) // or secrets.Dir
	live, err := secrets.Open(context.Background(), source, "NOTES_KEY", secrets.Options[crypto.Key]{Decode: crypto.ParseKey})
	if err != nil {
		log.Fatal(err)
	}
	defer live.Close()
	keyring, err := crypto.LiveKeyring(live)
	if err != nil {
		log.Fatal(err)
	}
	sealed, err := keyring.Seal(nil, []byte("my diary"), crypto.Bind("note-body", "note-17"))
	if err != nil {
		log.Fatal(err)
	}
	plaintext, err := keyring.Open(nil, sealed, crypto.Bind("note-body", "note-17"))
	fmt.Printf("%s, %v\n", plaintext, err)
	// Output: my diary, <nil>
}
