package awskek_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http/httptest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/pavise/pavise/crypto/awskek"
)

const key = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"

// A data key leaves KMS only for the label it was wrapped for.
func Example() {
	fake := awskek.NewFakeKMS() // stands for KMS
	server := httptest.NewServer(fake)
	defer server.Close()
	ctx := context.Background()

	kek, err := awskek.New(fake.Client(server.URL), key)
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
	fmt.Println("another label:", errors.Is(err, awskek.ErrUnwrap))
	// Output:
	// a data key that is 32 bytes long, <nil>
	// another label: true
}

// An alias can be pointed at another key, which never unwraps what is stored.
func ExampleNew() {
	cfg := aws.Config{Region: "eu-central-1"} // in production: config.LoadDefaultConfig
	kek, err := awskek.New(kms.NewFromConfig(cfg), "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(kek.ID())

	_, err = awskek.New(kms.NewFromConfig(cfg), "alias/notes")
	fmt.Println(err != nil)
	// Output:
	// arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab
	// true
}

// A replica goes by the ID of its primary key, so that each region opens what the
// other sealed.
func ExampleWithID() {
	client := kms.NewFromConfig(aws.Config{Region: "eu-central-1"})
	primary := "arn:aws:kms:us-east-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab"
	replica := "arn:aws:kms:eu-central-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab"
	kek, err := awskek.New(client, replica, awskek.WithID(primary))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(kek.ID())
	// Output: arn:aws:kms:us-east-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab
}
