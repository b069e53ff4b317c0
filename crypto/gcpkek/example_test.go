package gcpkek_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http/httptest"

	"github.com/pavise/pavise/crypto/gcpkek"
)

// A data key leaves Cloud KMS only for the label it was wrapped for.
func Example() {
	fake := gcpkek.NewFakeKMS() // stands for Cloud KMS
	server := httptest.NewServer(fake)
	defer server.Close()
	ctx := context.Background()

	client := fake.Client(server.URL, server.Client()) // in production: kms.NewKeyManagementClient(ctx)
	kek, err := gcpkek.New(client, "projects/acme/locations/europe-west3/keyRings/services/cryptoKeys/notes")
	if err != nil {
		log.Fatal(err)
	}
	if err := kek.Check(ctx, "notes"); err != nil {
		log.Fatal(err)
	}
	wrapped, err := kek.Wrap(ctx, []byte("a data key that is 32 bytes long"), "notes")
	if err != nil {
		log.Fatal(err)
	}
	dek, err := kek.Unwrap(ctx, wrapped, "notes")
	fmt.Printf("%s, %v\n", dek, err)

	_, err = kek.Unwrap(ctx, wrapped, "invoices")
	fmt.Println("another label:", errors.Is(err, gcpkek.ErrUnwrap))
	// Output:
	// a data key that is 32 bytes long, <nil>
	// another label: true
}
