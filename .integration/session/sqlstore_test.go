// Package session tests the session stores against real servers.
package session

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	_ "github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"

	"github.com/pavise/pavise/session"
	"github.com/pavise/pavise/session/sessiontest"
	"github.com/pavise/pavise/session/sqlstore"
)

// options sizes the suite: PAVISE_INTERLEAVINGS=10000 is for recorded runs.
func options(t *testing.T) []sessiontest.Option {
	n := os.Getenv("PAVISE_INTERLEAVINGS")
	if n == "" {
		return nil
	}
	many, err := strconv.Atoi(n)
	if err != nil {
		t.Fatal("PAVISE_INTERLEAVINGS is not a number")
	}
	return []sessiontest.Option{sessiontest.Interleavings(many), sessiontest.Histories(many / 5)}
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

// What the driver reports as affected, and how often it goes to the server, hangs on
// the DSN; what the store does must not.
func TestMariaDB(t *testing.T) {
	dsn := server(t, "PAVISE_MARIADB")
	for _, mode := range []string{"", "?interpolateParams=true", "?clientFoundRows=true"} {
		t.Run("dsn"+mode, func(t *testing.T) {
			db := connect(t, "mysql", dsn+mode)
			sessiontest.Store(t, func(t *testing.T) session.Store { return open(t, db, sqlstore.MySQL) }, options(t)...)
		})
	}
}

// Without WAL a write also waits for readers, and without busy_timeout it is
// refused at once: both only cost retries.
func TestSQLite(t *testing.T) {
	for name, pragmas := range map[string]string{
		"WAL":     "_pragma=journal_mode(WAL)&_pragma=busy_timeout(5000)&_pragma=synchronous(NORMAL)",
		"DELETE":  "_pragma=journal_mode(DELETE)&_pragma=busy_timeout(5000)&_pragma=synchronous(OFF)",
		"no wait": "_pragma=journal_mode(WAL)&_pragma=busy_timeout(0)&_pragma=synchronous(OFF)",
	} {
		t.Run(name, func(t *testing.T) {
			db := connect(t, "sqlite", "file:"+filepath.Join(t.TempDir(), "sessions.db")+"?"+pragmas)
			sessiontest.Store(t, func(t *testing.T) session.Store { return open(t, db, sqlstore.SQLite) }, options(t)...)
		})
	}
}

// Hosts that start together all migrate.
func TestMigrateAtOnce(t *testing.T) {
	for _, d := range []struct {
		dialect          sqlstore.Dialect
		driver, variable string // "" is a file
	}{
		{sqlstore.Postgres, "pgx", "PAVISE_POSTGRES"},
		{sqlstore.MySQL, "mysql", "PAVISE_MARIADB"},
		{sqlstore.SQLite, "sqlite", ""},
	} {
		t.Run(d.dialect.String(), func(t *testing.T) {
			dsn := "file:" + filepath.Join(t.TempDir(), "sessions.db") + "?_pragma=journal_mode(WAL)"
			if d.variable != "" {
				dsn = server(t, d.variable)
			}
			db := connect(t, d.driver, dsn)
			for range 10 { // the hosts do not collide each time
				dropTables(t, db)
				migrateAtOnce(t, db, d.dialect)
			}
		})
	}
}

func dropTables(t *testing.T, db *sql.DB) {
	t.Helper()
	for _, table := range []string{"pavise_sessions", "pavise_session_epochs"} {
		if _, err := db.Exec("DROP TABLE IF EXISTS " + table); err != nil {
			t.Fatal(err)
		}
	}
}

func migrateAtOnce(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
	t.Helper()
	var hosts sync.WaitGroup
	for range 8 {
		hosts.Go(func() {
			s, err := sqlstore.New(db, d)
			if err == nil {
				err = s.Migrate(t.Context())
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	hosts.Wait()
}

// A plan that has to look at every row would make each page slower as users come.
func TestIndexes(t *testing.T) {
	db := connect(t, "sqlite", "file:"+filepath.Join(t.TempDir(), "sessions.db"))
	open(t, db, sqlstore.SQLite)
	for where, index := range map[string]string{
		"skey = ?":                         "sqlite_autoindex_pavise_sessions_1",
		"user_id = ? AND handle = 'h'":     "sqlite_autoindex_pavise_sessions_2 (user_id=? AND handle=?)",
		"user_id = ?":                      "sqlite_autoindex_pavise_sessions_2 (user_id=?)",
		"expires_at <= ?":                  "pavise_sessions_expires",
		"previous_key = ?":                 "pavise_sessions_previous",
		"version = ? AND data IS NOT NULL": "SCAN", // the control
	} {
		var id, parent, unused int
		var plan string
		err := db.QueryRow("EXPLAIN QUERY PLAN SELECT data FROM pavise_sessions WHERE "+where, 1).Scan(&id, &parent, &unused, &plan)
		if err != nil || !strings.Contains(plan, index) {
			t.Errorf("%s: plan %q, error %v, want %s", where, plan, err, index)
		}
	}
}

// Cleaning up must not wait for the sessions that live, nor they for it.
func TestDeleteExpiredLeavesTheLivingAlone(t *testing.T) {
	for _, d := range []struct {
		dialect                sqlstore.Dialect
		driver, variable, save string
	}{
		{sqlstore.Postgres, "pgx", "PAVISE_POSTGRES", "UPDATE pavise_sessions SET version = 2 WHERE skey = $1"},
		{sqlstore.MySQL, "mysql", "PAVISE_MARIADB", "UPDATE pavise_sessions SET version = 2 WHERE skey = ?"},
	} {
		t.Run(d.dialect.String(), func(t *testing.T) {
			db := connect(t, d.driver, server(t, d.variable))
			dropTables(t, db)
			s := open(t, db, d.dialect)
			_, now, err := s.Epoch(t.Context(), "")
			if err != nil {
				t.Fatal(err)
			}
			for i, life := range []time.Duration{-time.Hour, -time.Minute, -time.Second, time.Hour, 2 * time.Hour} {
				r := session.Record{
					Key: session.Key{Shard: uint16(i)}, Handle: session.Handle(strings.Repeat("abcde"[i:i+1], 26)), Version: 1,
					Created: now, Expires: now.Add(life), Idle: time.Hour,
				}
				if err := s.Create(t.Context(), r, 1); err != nil {
					t.Fatal(err)
				}
			}
			busy, err := db.BeginTx(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer busy.Rollback()
			// Not the next one to die: InnoDB looks at that one to see where to stop.
			last := append([]byte{0, 4}, make([]byte, 32)...)
			if _, err := busy.Exec(d.save, last); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			for _, want := range []int{2, 1} {
				if n, err := s.DeleteExpired(ctx, 2); n != want || err != nil {
					t.Errorf("DeleteExpired beside a transaction: %d and error %v, want %d", n, err, want)
				}
			}
		})
	}
}
