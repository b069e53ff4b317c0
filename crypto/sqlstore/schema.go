package sqlstore

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Schema returns the statements that create the table pavise_subject_keys, each ended
// by ";\n". They may be run again, and a later version of this package only appends
// to them. Subjects and ids are bytes, so that no collation takes two for one.
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

const schemaPostgres = `
CREATE TABLE IF NOT EXISTS pavise_subject_keys (
	subject BYTEA PRIMARY KEY,
	key_id  BYTEA NOT NULL UNIQUE,
	wrapped BYTEA NOT NULL
);
`

// MEDIUMBLOB, because a BLOB ends short of the longest wrapped key.
const schemaMySQL = `
CREATE TABLE IF NOT EXISTS pavise_subject_keys (
	subject VARBINARY(1024) NOT NULL PRIMARY KEY,
	key_id  BINARY(16) NOT NULL,
	wrapped MEDIUMBLOB NOT NULL,
	UNIQUE KEY pavise_subject_keys_id (key_id)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC;
`

const schemaSQLite = `
CREATE TABLE IF NOT EXISTS pavise_subject_keys (
	subject BLOB NOT NULL PRIMARY KEY,
	key_id  BLOB NOT NULL UNIQUE,
	wrapped BLOB NOT NULL
) STRICT;
`

// Migrate runs the statements of [Schema]. Several processes may do so at once.
func (s *SubjectKeys) Migrate(ctx context.Context) error {
	for statement := range strings.SplitSeq(strings.TrimSpace(Schema(s.dialect)), ";\n") {
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

// madeByAnother tells that a parallel CREATE IF NOT EXISTS was faster, which Postgres
// may answer with a duplicate key in its catalogue, a duplicate table or its row type.
func madeByAnother(d Dialect, err error) bool {
	return d == Postgres && slices.Contains([]string{"23505", "42P07", "42710"}, sqlState(err))
}

// queries are the statements of one dialect.
type queries struct{ insert, load, find, replace, remove, list string }

func newQueries(d Dialect) queries {
	keep := "ON CONFLICT (subject) DO NOTHING"
	if d == MySQL { // INSERT IGNORE would also ignore a value that does not fit
		keep = "ON DUPLICATE KEY UPDATE subject = pavise_subject_keys.subject"
	}
	return queries{
		insert:  d.number("INSERT INTO pavise_subject_keys (subject, key_id, wrapped) VALUES (?, ?, ?) " + keep),
		load:    d.number("SELECT key_id, wrapped FROM pavise_subject_keys WHERE subject = ?"),
		find:    d.number("SELECT subject, wrapped FROM pavise_subject_keys WHERE key_id = ?"),
		replace: d.number("UPDATE pavise_subject_keys SET wrapped = ? WHERE key_id = ? AND wrapped = ?"),
		remove:  d.number("DELETE FROM pavise_subject_keys WHERE subject = ?"),
		list:    d.number("SELECT subject FROM pavise_subject_keys WHERE subject > ? ORDER BY subject LIMIT ?"),
	}
}

// number writes ? as $1, $2... where the dialect wants it.
func (d Dialect) number(query string) string {
	if d != Postgres {
		return query
	}
	for n := 1; strings.Contains(query, "?"); n++ {
		query = strings.Replace(query, "?", "$"+strconv.Itoa(n), 1)
	}
	return query
}
