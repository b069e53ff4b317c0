package crypto_test

import (
	"context"
	"fmt"
	"log"

	"github.com/pavise/pavise/crypto"
)

// privateKeyOfOffice stands for a key that a safe holds, and publicKeyOfOffice for the
// text that its owner published.
var (
	privateKeyOfOffice = crypto.GenerateHybridKey()
	publicKeyOfOffice  = privateKeyOfOffice.Public().String()
)

// A server seals what it cannot open itself: who takes it over reads nothing of what
// was sealed before.
func ExampleHybridRecipient() {
	ctx := context.Background()
	public, err := crypto.ParseHybridPublicKey(publicKeyOfOffice)
	if err != nil {
		log.Fatal(err)
	}
	server, err := crypto.NewEnvelope("reports", []crypto.KEK{crypto.HybridRecipient(public)})
	if err != nil {
		log.Fatal(err)
	}
	sealed, err := server.Seal(ctx, nil, []byte("a report"), crypto.Bind("report", "17"))
	if err != nil {
		log.Fatal(err)
	}
	_, err = server.Open(ctx, nil, sealed, crypto.Bind("report", "17"))
	fmt.Println("server:", err)

	office, err := crypto.NewEnvelope("reports", []crypto.KEK{crypto.HybridIdentity(privateKeyOfOffice)})
	if err != nil {
		log.Fatal(err)
	}
	plaintext, err := office.Open(ctx, nil, sealed, crypto.Bind("report", "17"))
	fmt.Printf("office: %s, %v\n", plaintext, err)
	// Output:
	// server: crypto: a public key only seals: opening takes the HybridIdentity of its private key
	// office: a report, <nil>
}

// Anybody can seal to a public key. An Envelope that also has a symmetric KEK does not
// take such a message for one of its own.
func ExampleHybridIdentity() {
	ctx := context.Background()
	keyring, err := crypto.NewKeyring(crypto.GenerateKey())
	if err != nil {
		log.Fatal(err)
	}
	own, err := crypto.NewEnvelope("orders", []crypto.KEK{crypto.KeyringKEK(keyring), crypto.HybridIdentity(privateKeyOfOffice)})
	if err != nil {
		log.Fatal(err)
	}

	attacker, err := crypto.NewEnvelope("orders", []crypto.KEK{crypto.HybridRecipient(privateKeyOfOffice.Public())})
	if err != nil {
		log.Fatal(err)
	}
	forged, err := attacker.Seal(ctx, nil, []byte("pay mallory"), crypto.Bind("order", "17"))
	if err != nil {
		log.Fatal(err)
	}
	plaintext, err := own.Open(ctx, nil, forged, crypto.Bind("order", "17"))
	fmt.Printf("%q, %v\n", plaintext, err)
	// Output: "", crypto: ciphertext did not open
}

// The text to keep in a secret store, and the one to publish.
func ExampleGenerateHybridKey() {
	private := crypto.GenerateHybridKey()
	text := private.Export().Reveal()
	fmt.Println(text[:25], len(text))
	public := private.Public().String()
	fmt.Println(public[:24], len(public))
	fmt.Println(private)
	// Output:
	// pavise_hybrid_private_v1_ 76
	// pavise_hybrid_public_v1_ 1654
	// [REDACTED]
}
