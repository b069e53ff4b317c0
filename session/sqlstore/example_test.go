package sqlstore_test

import (
	"context"
	"database/sql"
	"fmt"
	"log"
	"strings"

	"github.com/pavise/pavise/session"
	"github.com/pavise/pavise/session/sqlstore"
)

type profile struct{ Theme string }

func Example() {
	ctx := context.Background()
	db, err := sql.Open("pgx", "postgres://localhost/app")
	if err != nil {
		log.Fatal(err)
	}
	store, err := sqlstore.New(db, sqlstore.Postgres)
	if err != nil {
		log.Fatal(err)
	}
	if err := store.Migrate(ctx); err != nil {
		log.Fatal(err)
	}
	sessions, err := session.New[profile](store)
	if err != nil {
		log.Fatal(err)
	}
	_ = sessions
}

// The tables for your own migrations. Keys and user ids are compared byte by byte
// in each dialect.
func ExampleSchema() {
	for _, d := range []sqlstore.Dialect{sqlstore.Postgres, sqlstore.MySQL, sqlstore.SQLite} {
		for line := range strings.Lines(sqlstore.Schema(d)) {
			if strings.Contains(line, "user_id ") && !strings.Contains(line, "INDEX") {
				fmt.Println(d, strings.Join(strings.Fields(line), " "))
				break
			}
		}
	}
	// Output:
	// postgres user_id TEXT COLLATE "C",
	// mysql user_id VARBINARY(255),
	// sqlite user_id TEXT,
}
