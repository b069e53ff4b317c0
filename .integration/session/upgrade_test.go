package session

import (
	"database/sql"
	"errors"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pavise/pavise/session"
	"github.com/pavise/pavise/session/sqlstore"
)

// backend is one database of each dialect.
type backend struct {
	dialect          sqlstore.Dialect
	driver, variable string // no variable: a file
}

var backends = []backend{
	{sqlstore.Postgres, "pgx", "PAVISE_POSTGRES"},
	{sqlstore.MySQL, "mysql", "PAVISE_MARIADB"},
	{sqlstore.SQLite, "sqlite", ""},
}

func (b backend) connect(t *testing.T) *sql.DB {
	t.Helper()
	if b.variable == "" {
		return connect(t, b.driver, "file:"+filepath.Join(t.TempDir(), "sessions.db")+"?_pragma=journal_mode(WAL)&_pragma=busy_timeout(5000)")
	}
	return connect(t, b.driver, server(t, b.variable))
}

// A table that an earlier version made keeps its sessions and gets what it lacks, when
// several hosts start together too.
func TestMigrateUpgrades(t *testing.T) {
	for _, b := range backends {
		t.Run(b.dialect.String(), func(t *testing.T) {
			db := b.connect(t)
			dropTables(t, db)
			// Without the newer column, its key and its index.
			newer := regexp.MustCompile(`,\n\tKEY .*previous.*|\n.*previous.*`)
			for statement := range statements(newer.ReplaceAllString(sqlstore.Schema(b.dialect), "")) {
				if _, err := db.Exec(statement); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := db.Exec("SELECT previous_key FROM pavise_sessions"); err == nil {
				t.Fatal("control: the old table has the new column")
			}
			var hosts sync.WaitGroup
			for range 8 {
				hosts.Go(func() {
					s, err := sqlstore.New(db, b.dialect)
					if err == nil {
						err = s.Migrate(t.Context())
					}
					if err != nil {
						t.Error(err)
					}
				})
			}
			hosts.Wait()
			if _, err := db.Exec("SELECT previous_key FROM pavise_sessions WHERE previous_key IS NULL"); err != nil {
				t.Error(err)
			}
			endsByPreviousKey(t, open(t, db, b.dialect))
		})
	}
}

// endsByPreviousKey uses the newer column.
func endsByPreviousKey(t *testing.T, s session.Store) {
	t.Helper()
	epoch, now, err := s.Epoch(t.Context(), "ann")
	if err != nil {
		t.Fatal(err)
	}
	old := session.Record{
		Key: session.Key{Shard: session.UserShard("ann")}, Handle: "abcdefghijklmnopqrstuvwxyz", User: "ann", Version: 1,
		Created: now, Expires: now.Add(time.Hour), Idle: time.Hour,
	}
	next := old
	next.Key.Hash[0] = 1
	if err := s.Create(t.Context(), old, epoch); err != nil {
		t.Fatal(err)
	}
	if err := s.Rotate(t.Context(), old.Key, 1, next, epoch); err != nil {
		t.Fatal(err)
	}
	if err := s.Delete(t.Context(), old.Key); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Load(t.Context(), next.Key); !errors.Is(err, session.ErrNotFound) {
		t.Errorf("after Delete by the previous key: error %v, want %v", err, session.ErrNotFound)
	}
}

// statements are those of a schema.
func statements(schema string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for part := range strings.SplitSeq(strings.TrimSpace(schema), ";\n") {
			if !yield(strings.TrimSuffix(part, ";")) {
				return
			}
		}
	}
}
