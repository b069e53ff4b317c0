package sqlstore_test

import (
	"context"
	"database/sql"
	"fmt"
	"log"
	"strings"

	"github.com/pavise/pavise/crypto"
	"github.com/pavise/pavise/crypto/sqlstore"
)

func Example() {
	ctx := context.Background()
	db, err := sql.Open("pgx", "postgres://localhost/app")
	if err != nil {
		log.Fatal(err)
	}
	store, err := sqlstore.NewSubjectKeys(db, sqlstore.Postgres)
	if err != nil {
		log.Fatal(err)
	}
	if err := store.Migrate(ctx); err != nil {
		log.Fatal(err)
	}
	envelope, err := crypto.NewEnvelope("notes", []crypto.KEK{kek()}, crypto.WithSubjectKeys(store))
	if err != nil {
		log.Fatal(err)
	}
	sealed, err := envelope.SealFor(ctx, "user-17", nil, []byte("my diary"), crypto.Bind("note-body", "note-3"))
	if err != nil {
		log.Fatal(err)
	}
	_ = sealed

	// When user 17 has asked to be forgotten:
	if err := envelope.Forget(ctx, "user-17"); err != nil {
		log.Fatal(err) // and try again
	}
}

// Before an old KEK is retired, the keys of all subjects are wrapped for the new one.
// The messages stay as they are.
func ExampleSubjectKeys_Subjects() {
	rewrapAll := func(ctx context.Context, store *sqlstore.SubjectKeys, envelope *crypto.Envelope) error {
		for last := ""; ; {
			subjects, err := store.Subjects(ctx, last, 1000)
			if err != nil || len(subjects) == 0 {
				return err
			}
			for _, subject := range subjects {
				if err := envelope.RewrapSubject(ctx, subject); err != nil {
					return err
				}
				last = subject
			}
		}
	}
	_ = rewrapAll
}

// The table for your own migrations.
func ExampleSchema() {
	for _, d := range []sqlstore.Dialect{sqlstore.Postgres, sqlstore.MySQL, sqlstore.SQLite} {
		for line := range strings.Lines(sqlstore.Schema(d)) {
			if strings.HasPrefix(line, "\tsubject ") {
				fmt.Println(d, strings.Join(strings.Fields(line), " "))
			}
		}
	}
	// Output:
	// postgres subject BYTEA PRIMARY KEY,
	// mysql subject VARBINARY(1024) NOT NULL PRIMARY KEY,
	// sqlite subject BLOB NOT NULL PRIMARY KEY,
}

// kek stands for that of a key management service.
func kek() crypto.KEK {
	ring, err := crypto.NewKeyring(crypto.GenerateKey())
	if err != nil {
		log.Fatal(err)
	}
	return crypto.KeyringKEK(ring)
}
