package main

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/pavise/pavise/session/sqlstore"
)

// openStore opens the database: SQLite in a file of the data folder, or Postgres if a URL is given. It brings the tables up
// to date. An empty database is only accepted together with fresh, which says that there is no key yet either.
func openStore(ctx context.Context, dataDir, postgres string, fresh bool) (*store, error) {
	open := openPostgres
	where := postgres
	if postgres == "" {
		open, where = openSQLite, filepath.Join(dataDir, "notes.db")
	}
	s, err := open(ctx, where, fresh)
	if err != nil {
		return nil, err
	}
	if err := s.prepare(ctx, fresh); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// prepare makes the tables, of notes and of sessions, or brings them up to date.
func (s *store) prepare(ctx context.Context, fresh bool) (err error) {
	if err = s.migrate(ctx, fresh); err != nil {
		return err
	}
	if s.sessions, err = sqlstore.New(s.db, s.dialect); err != nil {
		return err
	}
	return failed(s.sessions.Migrate(ctx))
}

// sqlitePragmas make SQLite keep what it acknowledged (WAL with synchronous=FULL survives kill -9 and power loss), overwrite
// what is deleted, and wait for another writer instead of failing at once.
const sqlitePragmas = "_txlock=immediate&_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)" +
	"&_pragma=foreign_keys(ON)&_pragma=secure_delete(ON)&_pragma=trusted_schema(OFF)"

func openSQLite(ctx context.Context, path string, create bool) (*store, error) {
	if err := sqliteFile(path, create); err != nil {
		return nil, err
	}
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // C:/notes.db
	}
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: path, RawQuery: "mode=rw&" + sqlitePragmas}).String())
	if err != nil {
		return nil, failed(err)
	}
	db.SetMaxOpenConns(8)
	db.SetMaxIdleConns(8)
	if err := writeAhead(ctx, db); err != nil {
		return nil, errors.Join(failed(err), db.Close())
	}
	return &store{db: db, dialect: sqlstore.SQLite}, nil
}

// writeAhead makes the first connection, which turns the write-ahead log on. SQLite's busy_timeout does not cover that one
// step: of the programs that start together on a new file, all but one are told to come again.
func writeAhead(ctx context.Context, db *sql.DB) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	for {
		err := db.PingContext(ctx)
		if e, ok := errors.AsType[*sqlite.Error](err); !ok || e.Code()&0xff != sqlite3.SQLITE_BUSY {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// sqliteFile makes sure that the file is there: SQLite itself would quietly start an empty one when a disk is not mounted.
// Its -wal and -shm take over its permissions.
func sqliteFile(path string, create bool) error {
	if _, err := os.Stat(path); err == nil {
		return nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if !create {
		return fmt.Errorf("notes: there is a key, but no database at %s: %w", path, errKeyWithoutDatabase)
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) { // another process was faster
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), syncDir(filepath.Dir(path)))
}

func openPostgres(_ context.Context, dsn string, _ bool) (*store, error) {
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, errors.New("notes: -db is not a Postgres URL") // the driver's error would repeat it, password included
	}
	if optionalTLS(config) {
		return nil, errors.New("notes: -db leaves it to the network whether there is TLS: add sslmode=verify-full, or sslmode=disable where nobody can listen")
	}
	config.RuntimeParams["synchronous_commit"] = "on" // an acknowledged note is on the disk, whatever the server's default
	db := stdlib.OpenDB(*config)
	db.SetMaxOpenConns(16)
	db.SetMaxIdleConns(16)
	db.SetConnMaxIdleTime(5 * time.Minute)
	return &store{db: db, dialect: sqlstore.Postgres}, nil
}

// optionalTLS finds the modes prefer, which is the default, and allow: whoever sits in between can turn TLS off.
func optionalTLS(c *pgx.ConnConfig) bool {
	return !loopback(net.JoinHostPort(c.Host, "")) && slices.ContainsFunc(c.Fallbacks, func(f *pgconn.FallbackConfig) bool {
		return f.Host == c.Host && (f.TLSConfig == nil) != (c.TLSConfig == nil)
	})
}

//go:embed migrations
var migrationFiles embed.FS

// migrations returns the steps to the newest schema; step n leads from version n to n+1. A step that was released is never
// changed.
func migrations(d sqlstore.Dialect) ([]string, error) {
	first, err := migrationFiles.ReadFile("migrations/1." + d.String() + ".sql")
	return []string{string(first)}, err
}

// migrate brings the tables up to date in one transaction: a crash leaves either all of it or nothing.
func (s *store) migrate(ctx context.Context, create bool) error {
	steps, err := migrations(s.dialect)
	if err != nil {
		return err
	}
	tx, err := s.db.BeginTx(ctx, nil) // SQLite: IMMEDIATE, so two processes cannot migrate at once
	if err != nil {
		return failed(err)
	}
	defer tx.Rollback()
	if s.dialect == sqlstore.Postgres {
		if _, err := tx.ExecContext(ctx, `SELECT pg_advisory_xact_lock(2026112301)`); err != nil {
			return failed(err)
		}
	}
	version, err := schemaVersion(ctx, tx)
	switch {
	case err != nil:
		return failed(err)
	case version == 0 && !create:
		return fmt.Errorf("notes: there is a key, but the database is empty: %w", errKeyWithoutDatabase)
	case version > len(steps):
		return fmt.Errorf("notes: the database has schema %d, made by a newer version of this program; this one knows %d", version, len(steps))
	}
	for ; version < len(steps); version++ {
		if _, err := tx.ExecContext(ctx, steps[version]); err != nil {
			return failed(err)
		}
	}
	if _, err := tx.ExecContext(ctx, `UPDATE schema_version SET version = $1`, len(steps)); err != nil {
		return failed(err)
	}
	return failed(tx.Commit())
}

// schemaVersion returns 0 for a database without tables.
func schemaVersion(ctx context.Context, tx *sql.Tx) (version int, err error) {
	if _, err = tx.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL)`); err != nil {
		return 0, err
	}
	err = tx.QueryRowContext(ctx, `SELECT version FROM schema_version`).Scan(&version)
	if errors.Is(err, sql.ErrNoRows) {
		_, err = tx.ExecContext(ctx, `INSERT INTO schema_version (version) VALUES (0)`)
	}
	return version, err
}
