package password_test

import (
	"context"
	"fmt"
	"log"

	"github.com/pavise/pavise/crypto/password"
	"github.com/pavise/pavise/secrets"
)

func ExampleHasher() {
	ctx := context.Background()
	hasher, err := password.New()
	if err != nil {
		log.Fatal(err)
	}
	stored, err := hasher.Hash(ctx, secrets.New("correct horse battery staple"))
	if err != nil {
		log.Fatal(err)
	}

	result, err := hasher.Verify(ctx, secrets.New("correct horse battery staple"), stored)
	if err != nil {
		log.Fatal(err) // not a wrong password: the answer is not known
	}
	fmt.Println("right password:", result.OK)
	if result.Rehash != "" {
		fmt.Println("store the rehash")
	}
	// Output: right password: true
}

// What an attacker gets: no answer, no difference in time for a user that does not
// exist, and no allocation for a planted hash that asks for 4 TiB.
func ExampleHasher_Verify() {
	ctx := context.Background()
	hasher, err := password.New()
	if err != nil {
		log.Fatal(err)
	}
	guess := secrets.New("letmein")

	result, err := hasher.Verify(ctx, guess, "")
	fmt.Println("unknown user:", result.OK, err)

	planted := "$argon2id$v=19$m=4294967295,t=1,p=1$c2FsdHNhbHRzYWx0c2FsdA$dGFndGFndGFndGFndGFndGFndGFndGFndGFndGFndGE"
	_, err = hasher.Verify(ctx, guess, planted)
	fmt.Println("planted hash:", err)
	// Output:
	// unknown user: false <nil>
	// planted hash: password: parameters of the stored hash exceed the ceiling
}

// bcrypt hashes are verified, and replaced when their user logs in.
func ExampleAcceptLegacy() {
	ctx := context.Background()
	hasher, err := password.New(password.AcceptLegacy(password.Bcrypt))
	if err != nil {
		log.Fatal(err)
	}
	stored := "$2b$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e"
	result, err := hasher.Verify(ctx, secrets.New("correct horse"), stored)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(result.OK, result.Rehash[:31])
	// Output: true $argon2id$v=19$m=19456,t=2,p=1$
}
