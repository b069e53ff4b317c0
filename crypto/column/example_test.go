package column_test

import (
	"context"
	"database/sql"
	"fmt"
	"log"
	"strings"

	"github.com/pavise/pavise/crypto"
	"github.com/pavise/pavise/crypto/column"
)

// exampleKeys stands for keys read from a secret store, see [crypto.ParseKey].
func exampleKeys() *crypto.Keyring {
	keys, err := crypto.NewKeyring(crypto.GenerateKey())
	if err != nil {
		log.Fatal(err)
	}
	return keys
}

// Mallory can write to the table. She copies Alice's address into her own row, to have
// the program show it to her.
func Example() {
	ctx, db, keyring := context.Background(), openFake(), exampleKeys()
	defer db.Close()

	emails, err := column.New[string](keyring, "users", "email")
	if err != nil {
		log.Fatal(err)
	}
	insert := func(id, email string) {
		_, err := db.ExecContext(ctx, "INSERT INTO users (id, email, email_idx) VALUES (?, ?, ?)", id, emails.Value(email, id), nil)
		if err != nil {
			log.Fatal(err)
		}
	}
	show := func(id string) {
		var email string
		err := db.QueryRowContext(ctx, "SELECT id, email FROM users WHERE id = ?", id).Scan(&id, emails.Scan(&email, &id))
		fmt.Printf("%s: %q, %v\n", id, email, err)
	}

	insert("alice", "alice@example.com")
	insert("mallory", "mallory@example.com")
	show("mallory")
	if _, err := db.ExecContext(ctx, "UPDATE users SET email = (SELECT email FROM users WHERE id = ?) WHERE id = ?", "alice", "mallory"); err != nil {
		log.Fatal(err)
	}
	show("mallory")
	show("alice")
	// Output:
	// mallory: "mallory@example.com", <nil>
	// mallory: "", sql: Scan error on column index 1, name "email": crypto: ciphertext did not open
	// alice: "alice@example.com", <nil>
}

// A table that will have 100,000 users: 9 to 15 bits.
func ExampleWithIndex() {
	ctx, db, keyring := context.Background(), openFake(), exampleKeys()
	defer db.Close()

	emails, err := column.New[string](keyring, "users", "email",
		column.WithIndex(12), column.WithNormalizer(strings.ToLower))
	if err != nil {
		log.Fatal(err)
	}

	id, email := "0199d5a4-6f0e-7cc3-98c4-dc0c0c07398f", "Alice@example.com"
	value, token := emails.Pair(email, id)
	_, err = db.ExecContext(ctx, "INSERT INTO users (id, email, email_idx) VALUES (?, ?, ?)", id, value, token)
	if err != nil {
		log.Fatal(err)
	}

	found, err := findUsers(ctx, db, emails, "alice@EXAMPLE.com")
	fmt.Println(found, err)
	// Output: [Alice@example.com] <nil>
}

func findUsers(ctx context.Context, db *sql.DB, emails *column.Column[string], wanted string) (found []string, err error) {
	tokens, err := emails.Index(wanted)
	if err != nil {
		return nil, err
	}
	var args []any
	for _, token := range tokens { // one for each key, none of NULL
		args = append(args, token)
	}
	rows, err := db.QueryContext(ctx, "SELECT id, email FROM users WHERE email_idx IN (NULL"+strings.Repeat(", ?", len(args))+")", args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var id, email string
		if err := rows.Scan(&id, emails.Scan(&email, &id)); err != nil {
			return nil, err
		}
		if emails.Match(wanted, email) { // others may have the same token
			found = append(found, email)
		}
	}
	return found, rows.Err()
}

// The keys of an EnvelopeColumn are those of a key management service, here of a file.
func ExampleNewEnvelope() {
	ctx := context.Background()
	envelope, err := crypto.NewEnvelope("users", []crypto.KEK{crypto.KeyringKEK(exampleKeys())}, crypto.WithXAES())
	if err != nil {
		log.Fatal(err)
	}
	birthdays, err := column.NewEnvelope[sql.Null[string]](envelope, nil, "users", "birthday")
	if err != nil {
		log.Fatal(err)
	}

	sealed, err := birthdays.Seal(ctx, sql.Null[string]{V: "1815-12-10", Valid: true}, "ada")
	if err != nil {
		log.Fatal(err)
	}
	birthday, err := birthdays.Open(ctx, sealed.([]byte), "ada")
	fmt.Println(birthday.V, err)

	unknown, err := birthdays.Seal(ctx, sql.Null[string]{}, "bob")
	fmt.Println(unknown, err)
	// Output:
	// 1815-12-10 <nil>
	// <nil> <nil>
}
