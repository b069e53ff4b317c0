package vaultkek_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http/httptest"

	"github.com/pavise/pavise/crypto"
	"github.com/pavise/pavise/crypto/vaultkek"
	"github.com/pavise/pavise/secrets"
)

// A data key leaves Vault only for the label it was wrapped for.
func Example() {
	server := httptest.NewServer(vaultkek.NewFakeVault()) // stands for Vault
	defer server.Close()
	ctx := context.Background()

	source := secrets.Static(map[string]string{"VAULT_SECRET_ID": "canary-secret-id"}) // in production: secrets.Dir
	kek, err := vaultkek.New(server.URL, "notes", vaultkek.AppRole("app", source, "VAULT_SECRET_ID"), vaultkek.InsecurePlainHTTP())
	if err != nil {
		log.Fatal(err)
	}
	defer kek.Close()
	if err := kek.Check(ctx); err != nil {
		log.Fatal(err)
	}
	envelope, err := crypto.NewEnvelope("notes", []crypto.KEK{kek})
	if err != nil {
		log.Fatal(err)
	}
	sealed, err := envelope.Seal(ctx, nil, []byte("my diary"), crypto.Bind("note-body", "note-17"))
	if err != nil {
		log.Fatal(err)
	}
	plaintext, err := envelope.Open(ctx, nil, sealed, crypto.Bind("note-body", "note-17"))
	fmt.Printf("%s, %v\n", plaintext, err)

	other, err := crypto.NewEnvelope("invoices", []crypto.KEK{kek})
	if err != nil {
		log.Fatal(err)
	}
	_, err = other.Open(ctx, nil, sealed, crypto.Bind("note-body", "note-17"))
	fmt.Println("another label:", errors.Is(err, vaultkek.ErrUnwrap))
	// Output:
	// my diary, <nil>
	// another label: true
}

// In a pod, the token of the service account is read anew at each login.
func ExampleKubernetes() {
	account := secrets.Dir("/var/run/secrets/kubernetes.io/serviceaccount")
	kek, err := vaultkek.New("https://vault.example.com:8200", "notes", vaultkek.Kubernetes("notes", account, "token"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(kek.ID())
	// Output: vault:transit/notes
}

// A token is not sent where others could read it.
func ExampleNew() {
	auth := vaultkek.Token(secrets.Env("VAULT_TOKEN"), "VAULT_TOKEN")
	_, err := vaultkek.New("http://vault.example.com:8200", "notes", auth, vaultkek.InsecurePlainHTTP())
	fmt.Println(err)
	// Output: vaultkek: plain http needs a loopback address and InsecurePlainHTTP
}
