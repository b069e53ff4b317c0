// Package session tests the session stores against real servers.
package session

import (
	"database/sql"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	_ "github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"

	"github.com/pavise/pavise/session"
	"github.com/pavise/pavise/session/sessiontest"
	"github.com/pavise/pavise/session/sqlstore"
)

// options sizes the suite: PAVISE_INTERLEAVINGS is set for recorded runs.
func options(t *testing.T) []sessiontest.Option {
	n := os.Getenv("PAVISE_INTERLEAVINGS")
	if n == "" {
		return nil
	}
	many, err := strconv.Atoi(n)
	if err != nil {
		t.Fatal("PAVISE_INTERLEAVINGS is not a number")
	}
	return []sessiontest.Option{sessiontest.Interleavings(many), sessiontest.Histories(many)}
}

// server returns the address in the variable; without it the test is skipped, or
// fails where servers have to be there.
func server(t *testing.T, variable string) string {
	t.Helper()
	address := os.Getenv(variable)
	if address == "" && os.Getenv("CI") == "true" {
		t.Fatalf("%s is not set", variable)
	}
	if address == "" {
		t.Skipf("%s is not set: run eval \"$(.ci/servers start)\"", variable)
	}
	return address
}

// open returns a migrated store on db.
func open(t *testing.T, db *sql.DB, d sqlstore.Dialect) *sqlstore.Store {
	t.Helper()
	s, err := sqlstore.New(db, d)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

func connect(t *testing.T, driver, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(20)
	db.SetMaxIdleConns(20)
	t.Cleanup(func() { db.Close() })
	return db
}

func TestPostgres(t *testing.T) {
	dsn := server(t, "PAVISE_POSTGRES")
	db := connect(t, "pgx", dsn)
	sessiontest.Store(t, func(t *testing.T) session.Store { return open(t, db, sqlstore.Postgres) }, options(t)...)
}

func TestMariaDB(t *testing.T) {
	dsn := server(t, "PAVISE_MARIADB")
	for _, mode := range []string{"", "?interpolateParams=true", "?clientFoundRows=true"} {
		t.Run("dsn"+mode, func(t *testing.T) {
			db := connect(t, "mysql", dsn+mode)
			sessiontest.Store(t, func(t *testing.T) session.Store { return open(t, db, sqlstore.MySQL) }, options(t)...)
		})
	}
}

func TestSQLite(t *testing.T) {
	for _, mode := range []string{"WAL", "DELETE"} {
		t.Run(mode, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "sessions.db")
			db := connect(t, "sqlite", "file:"+path+"?_pragma=journal_mode("+mode+")&_pragma=busy_timeout(5000)&_pragma=synchronous(NORMAL)")
			sessiontest.Store(t, func(t *testing.T) session.Store { return open(t, db, sqlstore.SQLite) }, options(t)...)
		})
	}
}
