package crypto_test

import (
	"context"
	"fmt"
	"log"
	"sync/atomic"
	"time"

	"github.com/pavise/pavise/crypto"
)

// countingKMS stands for a key management service that bills each call.
type countingKMS struct {
	crypto.KEK
	calls atomic.Int64
}

func newCountingKMS() *countingKMS {
	keyring, err := crypto.NewKeyring(crypto.GenerateKey())
	if err != nil {
		log.Fatal(err)
	}
	return &countingKMS{KEK: crypto.KeyringKEK(keyring)}
}

func (k *countingKMS) Wrap(ctx context.Context, dek []byte, label string) ([]byte, error) {
	k.calls.Add(1)
	return k.KEK.Wrap(ctx, dek, label)
}

func (k *countingKMS) Unwrap(ctx context.Context, wrapped []byte, label string) ([]byte, error) {
	k.calls.Add(1)
	return k.KEK.Unwrap(ctx, wrapped, label)
}

// A thousand messages cost one call of the key management service, and reading them
// one more. Within these limits, an outage of it is not noticed.
func ExampleWithDEKCache() {
	ctx, kms := context.Background(), newCountingKMS()
	envelope, err := crypto.NewEnvelope("notes", []crypto.KEK{kms}, crypto.WithDEKCache(crypto.DEKCache{
		MaxAge:      time.Minute,
		MaxMessages: 100_000,
	}))
	if err != nil {
		log.Fatal(err)
	}
	defer envelope.Close()

	var notes [1000][]byte
	for i := range notes {
		bound := crypto.Bind("note-body", fmt.Sprint("note-", i))
		if notes[i], err = envelope.Seal(ctx, nil, []byte("my diary"), bound); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println("calls to seal 1000 notes:", kms.calls.Swap(0))

	for i, sealed := range notes {
		bound := crypto.Bind("note-body", fmt.Sprint("note-", i))
		if _, err := envelope.Open(ctx, nil, sealed, bound); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println("calls to open them:", kms.calls.Load())
	// Output:
	// calls to seal 1000 notes: 1
	// calls to open them: 1
}
