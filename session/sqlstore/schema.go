package sqlstore

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Schema returns the statements that create the tables pavise_sessions and
// pavise_session_epochs, each ended by ";\n". They may be run again. A table that an
// earlier version made lacks what came later: [Store.Migrate] adds it, or
//
//	ALTER TABLE pavise_sessions ADD COLUMN previous_key ...
//
// with the type that the column has in Schema, before the statements are run again.
//
// Times are microseconds since 1970 in UTC, on the clock of the database. The user
// id of an anonymous session is NULL.
//
// The table of epochs has a row for each user who ever logged in. Keep it: a user
// whose row is gone starts again at the first epoch.
func Schema(d Dialect) string {
	switch d {
	case Postgres:
		return schemaPostgres
	case MySQL:
		return schemaMySQL
	case SQLite:
		return schemaSQLite
	}
	return ""
}

// Migrate runs the statements of [Schema], and brings tables of an earlier version up
// to date. Several processes may do so at once.
func (s *Store) Migrate(ctx context.Context) error {
	table, rest, _ := strings.Cut(strings.TrimSpace(Schema(s.dialect)), ";\n")
	if err := s.run(ctx, table); err != nil {
		return err
	}
	if err := s.addPreviousKey(ctx); err != nil {
		return err
	}
	return s.run(ctx, rest)
}

func (s *Store) run(ctx context.Context, statements string) error {
	for statement := range strings.SplitSeq(statements, ";\n") {
		err := s.retry(ctx, func() error {
			_, err := s.db.ExecContext(ctx, strings.TrimSuffix(statement, ";"))
			return err
		})
		if err != nil && !madeByAnother(s.dialect, err) {
			return fmt.Errorf("sqlstore: migrate: %w", err)
		}
	}
	return nil
}

// addPreviousKey adds the column to a table that was made without it. Not every
// dialect can say ADD COLUMN IF NOT EXISTS; and of several processes all but one fail.
func (s *Store) addPreviousKey(ctx context.Context) error {
	if s.hasPreviousKey(ctx) == nil {
		return nil
	}
	add := map[Dialect]string{
		Postgres: `ALTER TABLE pavise_sessions ADD COLUMN previous_key BYTEA`,
		MySQL:    `ALTER TABLE pavise_sessions ADD COLUMN previous_key BINARY(34), ADD KEY pavise_sessions_previous (previous_key)`,
		SQLite:   `ALTER TABLE pavise_sessions ADD COLUMN previous_key BLOB`,
	}
	_, err := s.exec(ctx, s.db, add[s.dialect])
	if err == nil || s.hasPreviousKey(ctx) == nil {
		return nil
	}
	return fmt.Errorf("sqlstore: migrate: %w", err)
}

func (s *Store) hasPreviousKey(ctx context.Context) error {
	return s.retry(ctx, func() error {
		rows, err := s.db.QueryContext(ctx, `SELECT previous_key FROM pavise_sessions WHERE version = 0`)
		if err == nil {
			err = rows.Close()
		}
		return err
	})
}

// madeByAnother tells that a parallel CREATE IF NOT EXISTS was faster. Postgres
// may answer that with a duplicate key in its catalogue, a duplicate table, or a
// duplicate object: the row type of the table.
func madeByAnother(d Dialect, err error) bool {
	return d == Postgres && slices.Contains([]string{"23505", "42P07", "42710"}, sqlState(err))
}

// Neither seen_at nor idle_until is indexed: every request may change them, and
// Postgres keeps an update heap-only when it touches no index. The free tenth of
// each page is where such an update goes.
const schemaPostgres = `
CREATE TABLE IF NOT EXISTS pavise_sessions (
	skey       BYTEA PRIMARY KEY,
	handle     TEXT COLLATE "C" NOT NULL,
	user_id    TEXT COLLATE "C",
	version    BIGINT NOT NULL,
	data       BYTEA NOT NULL,
	aal        SMALLINT NOT NULL,
	methods    TEXT COLLATE "C" NOT NULL,
	persist    BOOLEAN NOT NULL,
	created_at BIGINT NOT NULL,
	auth_at    BIGINT NOT NULL,
	expires_at BIGINT NOT NULL,
	seen_at    BIGINT NOT NULL,
	idle_until BIGINT NOT NULL,
	previous_key BYTEA,
	UNIQUE (user_id, handle)
) WITH (fillfactor = 90);
CREATE INDEX IF NOT EXISTS pavise_sessions_expires ON pavise_sessions (expires_at);
CREATE INDEX IF NOT EXISTS pavise_sessions_previous ON pavise_sessions (previous_key);
CREATE TABLE IF NOT EXISTS pavise_session_epochs (
	user_id TEXT COLLATE "C" PRIMARY KEY,
	epoch   BIGINT NOT NULL
);
`

// VARBINARY, because even the _bin collations of text take "ann" and "ann " for
// equal; MEDIUMBLOB, because a BLOB ends one byte short of the longest data.
const schemaMySQL = `
CREATE TABLE IF NOT EXISTS pavise_sessions (
	skey       BINARY(34) NOT NULL PRIMARY KEY,
	handle     VARBINARY(64) NOT NULL,
	user_id    VARBINARY(255),
	version    BIGINT NOT NULL,
	data       MEDIUMBLOB NOT NULL,
	aal        SMALLINT NOT NULL,
	methods    VARBINARY(300) NOT NULL,
	persist    BOOLEAN NOT NULL,
	created_at BIGINT NOT NULL,
	auth_at    BIGINT NOT NULL,
	expires_at BIGINT NOT NULL,
	seen_at    BIGINT NOT NULL,
	idle_until BIGINT NOT NULL,
	previous_key BINARY(34),
	UNIQUE KEY pavise_sessions_user (user_id, handle),
	KEY pavise_sessions_expires (expires_at),
	KEY pavise_sessions_previous (previous_key)
) ENGINE=InnoDB;
CREATE TABLE IF NOT EXISTS pavise_session_epochs (
	user_id VARBINARY(255) NOT NULL PRIMARY KEY,
	epoch   BIGINT NOT NULL
) ENGINE=InnoDB;
`

const schemaSQLite = `
CREATE TABLE IF NOT EXISTS pavise_sessions (
	skey       BLOB NOT NULL PRIMARY KEY,
	handle     TEXT NOT NULL,
	user_id    TEXT,
	version    INTEGER NOT NULL,
	data       BLOB NOT NULL,
	aal        INTEGER NOT NULL,
	methods    TEXT NOT NULL,
	persist    INTEGER NOT NULL,
	created_at INTEGER NOT NULL,
	auth_at    INTEGER NOT NULL,
	expires_at INTEGER NOT NULL,
	seen_at    INTEGER NOT NULL,
	idle_until INTEGER NOT NULL,
	previous_key BLOB,
	UNIQUE (user_id, handle)
) STRICT;
CREATE INDEX IF NOT EXISTS pavise_sessions_expires ON pavise_sessions (expires_at);
CREATE INDEX IF NOT EXISTS pavise_sessions_previous ON pavise_sessions (previous_key);
CREATE TABLE IF NOT EXISTS pavise_session_epochs (
	user_id TEXT NOT NULL PRIMARY KEY,
	epoch   INTEGER NOT NULL
) STRICT;
`
