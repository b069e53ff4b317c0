// Package sqlstore keeps the keys of data subjects in Postgres, MySQL, MariaDB or
// SQLite through database/sql. Most programs call [NewSubjectKeys] once,
// [SubjectKeys.Migrate] at start or [Schema] in their own migrations, and give the
// result to crypto.WithSubjectKeys.
//
// It imports no driver. It is tested with github.com/jackc/pgx/v5/stdlib,
// github.com/go-sql-driver/mysql and modernc.org/sqlite; with a driver whose error
// codes it cannot read, a deadlock or a busy file is an error at once.
//
// # Security
//
// What stands here is wrapped: without a KEK of the Envelope it opens nothing. Whoever
// reads the table learns the subjects and which messages are whose; who writes to it
// can delete keys and put old ones back, but make none.
//
// A key is created by one INSERT that never replaces, and deleted by one DELETE. That is
// as good as the database: it must be durable (Postgres synchronous_commit, InnoDB
// innodb_flush_log_at_trx_commit=1, SQLite synchronous=FULL, each its default), and db
// must reach the primary, not a replica, and commit each statement by itself: under
// autocommit=0 a key that was deleted comes back with the next crash.
//
// A deleted key is in no answer of the database any more, yet its bytes may remain in
// the database's files, logs and backups, where who holds a KEK too can make use of them:
//
//   - Postgres: the row until VACUUM, and its page's free space until it is used again;
//     the write-ahead log until it is recycled, longer where it is archived; replicas.
//   - MySQL, MariaDB: the row until the purge thread has removed it, its page's free
//     space until it is used again; redo, undo and binary logs until they expire; replicas.
//   - SQLite: none in the file, nor in its -wal unless another connection was reading
//     at that moment. The store writes with PRAGMA secure_delete, which stays on for the
//     connections that it used, and Delete ends with PRAGMA wal_checkpoint(TRUNCATE).
//     A -wal that could not be truncated, a rollback journal with journal_mode PERSIST,
//     and what other programs have written to the table are the exceptions.
//   - All: backups, snapshots, and blocks that a file system or a disk has set free.
//
// Keep backups for a stated time, and rotate the KEK if what remains must end sooner:
// remains of a key that crypto.Envelope.RewrapSubject has not seen need the old KEK.
//
// # Errors
//
// Values over a limit are refused before the database sees them. Every other error is
// the driver's, wrapped: it is not known what happened, and the call may be repeated.
// Deadlocks, serialization failures and a busy SQLite file are retried.
//
// # Events
//
// None: the Envelope reports them.
//
// # Performance
//
// Load, Find, Replace and Delete are one statement by an index each, Create is two. The
// Envelope caches what it has read. With SQLite, Delete also waits for the checkpoint.
package sqlstore

import (
	"database/sql"
	"errors"
	"fmt"
)

// Dialect is the SQL that a database speaks.
type Dialect int

const (
	Postgres Dialect = iota + 1 // Postgres is version 12 and later.
	MySQL                       // MySQL is version 8.0 and later, and MariaDB 10.5 and later; InnoDB.
	SQLite                      // SQLite is version 3.37 and later.
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

// SubjectKeys is a crypto.SubjectKeys. It is safe for concurrent use, keeps no state
// of its own and starts no goroutine: any number of processes may share the table.
type SubjectKeys struct {
	db      *sql.DB
	dialect Dialect
	q       queries
}

// NewSubjectKeys returns a store in the table of [Schema], which it does not look at:
// without it every call fails. The caller keeps db and closes it.
func NewSubjectKeys(db *sql.DB, d Dialect) (*SubjectKeys, error) {
	if db == nil {
		return nil, errors.New("sqlstore: no database")
	}
	if d < Postgres || d > SQLite {
		return nil, errors.New("sqlstore: unknown dialect")
	}
	return &SubjectKeys{db: db, dialect: d, q: newQueries(d)}, nil
}
