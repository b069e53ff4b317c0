package pkcs11kek_test

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/pavise/pavise/crypto/pkcs11kek"
)

// A service reads the PIN at each login, from where its platform puts secrets.
func Example() {
	ctx := context.Background()
	token := pkcs11kek.Token{Label: "notes", PIN: func(context.Context) ([]byte, error) {
		return os.ReadFile("/run/secrets/hsm-pin")
	}}
	keys := []pkcs11kek.Key{{Label: "kek-2026"}, {Label: "kek-2025"}} // the first wraps, all unwrap
	kek, err := pkcs11kek.New(ctx, "/usr/lib/no-hsm-here.so", token, keys)
	if err != nil {
		fmt.Println(errors.Is(err, pkcs11kek.ErrRefused))
		return
	}
	defer kek.Close()
	// Output: true
}

// What is loaded does not depend on a search path that others may set.
func ExampleNew() {
	token := pkcs11kek.Token{Label: "notes", PIN: func(context.Context) ([]byte, error) { return []byte("1234"), nil }}
	_, err := pkcs11kek.New(context.Background(), "libsofthsm2.so", token, []pkcs11kek.Key{{Label: "kek"}})
	fmt.Println(err)
	// Output: pkcs11kek: module is not an absolute path: a search path would decide what is loaded
}
