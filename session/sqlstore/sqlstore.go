// Package sqlstore keeps sessions in Postgres, MySQL, MariaDB or SQLite through
// database/sql. Most programs call [New] once, [Store.Migrate] at start or
// [Schema] in their own migrations, and give the Store to session.New.
//
// It imports no driver. It is tested with github.com/jackc/pgx/v5/stdlib,
// github.com/go-sql-driver/mysql and modernc.org/sqlite; with a driver whose
// error codes it cannot read, a duplicate key and a deadlock are unspecific
// errors, on which the Manager fails closed.
//
// # Security
//
// A session that was deleted stays deleted: nothing but Create inserts, and it
// never replaces. Save, Touch and Rotate are one UPDATE each that names the
// version and the expiry in its WHERE. Only the clock of the database counts. Keys
// and user ids are compared byte by byte. Whoever reads the tables learns user ids,
// handles and times; data is sealed and keys are hashes of tokens.
//
// The promise is as good as the database's: it must be durable (Postgres
// synchronous_commit, InnoDB innodb_flush_log_at_trx_commit=1, SQLite
// synchronous=FULL, each its default) and db must reach
// the primary, not a replica. A restored backup brings old sessions back, until
// their absolute end.
//
// At the very instant of an idle timeout a Save or Touch that the database
// received in time may succeed although a parallel Load has seen the session
// dead. The absolute end has no such window.
//
// # Errors
//
// Those of session.Store. Every other error is the driver's, wrapped: it is not
// known what happened. Deadlocks, serialization failures and a busy SQLite file
// are retried, because there the database has said that nothing happened; a
// failed COMMIT never is.
//
// # Events
//
// None: the Manager reports them.
//
// # Performance
//
// One statement for each call, and another one for a Delete that did not find the key;
// Create and Rotate for a user and DeleteUser are transactions that lock the row of the
// user's epoch. Saving and touching change
// no indexed column, so Postgres can keep them heap-only (HOT). With
// go-sql-driver/mysql set interpolateParams=true: it saves a round trip for every
// statement. With SQLite use WAL: it lets reads go on beside a write. The switch to it is
// the one step that busy_timeout does not cover, so programs that start together on a new
// file have to make their first connection again after SQLITE_BUSY.
package sqlstore

import (
	"database/sql"
	"errors"
	"fmt"

	"github.com/pavise/pavise/session"
)

// Dialect is the SQL that a database speaks.
type Dialect int

const (
	Postgres Dialect = iota + 1 // Postgres is version 12 and later.
	MySQL                       // MySQL is version 8.0 and later, and MariaDB 10.5 and later; InnoDB.
	SQLite                      // SQLite is version 3.42 and later.
)

// String returns the dialect's name.
func (d Dialect) String() string {
	switch d {
	case Postgres:
		return "postgres"
	case MySQL:
		return "mysql"
	case SQLite:
		return "sqlite"
	}
	return fmt.Sprintf("Dialect(%d)", int(d))
}

// Store is a [session.Store]. It is safe for concurrent use, keeps no state of
// its own and starts no goroutine: any number of processes may share the tables.
type Store struct {
	db      *sql.DB
	dialect Dialect
	q       queries
}

var _ session.Store = (*Store)(nil)

// New returns a store in the tables of [Schema], which it does not look at:
// without them every call fails. The caller keeps db and closes it.
func New(db *sql.DB, d Dialect) (*Store, error) {
	if db == nil {
		return nil, errors.New("sqlstore: no database")
	}
	if d < Postgres || d > SQLite {
		return nil, errors.New("sqlstore: unknown dialect")
	}
	return &Store{db: db, dialect: d, q: newQueries(d)}, nil
}
