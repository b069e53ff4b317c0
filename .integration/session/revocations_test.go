package session

import (
	"path/filepath"
	"testing"

	goredis "github.com/redis/go-redis/v9"

	"github.com/pavise/pavise/session"
	"github.com/pavise/pavise/session/sessiontest"
	"github.com/pavise/pavise/session/sqlstore"
)

// Revocations of sealed sessions, kept in each store.
func TestRevocations(t *testing.T) {
	for name, store := range map[string]func(t *testing.T) session.Store{
		"Postgres": func(t *testing.T) session.Store {
			return open(t, connect(t, "pgx", server(t, "PAVISE_POSTGRES")), sqlstore.Postgres)
		},
		"MariaDB": func(t *testing.T) session.Store {
			return open(t, connect(t, "mysql", server(t, "PAVISE_MARIADB")), sqlstore.MySQL)
		},
		"SQLite": func(t *testing.T) session.Store {
			file := filepath.Join(t.TempDir(), "sessions.db")
			return open(t, connect(t, "sqlite", "file:"+file+"?_pragma=journal_mode(WAL)&_pragma=busy_timeout(5000)"), sqlstore.SQLite)
		},
		"Redis": func(t *testing.T) session.Store {
			client := goredis.NewClient(&goredis.Options{Addr: server(t, "PAVISE_REDIS"), PoolSize: 20})
			t.Cleanup(func() { client.Close() })
			return openRedis(t, goRedis(client))
		},
		"Redis, commands sent twice": func(t *testing.T) session.Store {
			client := goredis.NewClient(&goredis.Options{Addr: server(t, "PAVISE_REDIS"), PoolSize: 20})
			t.Cleanup(func() { client.Close() })
			return openRedis(t, sentTwice(goRedis(client)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := store(t)
			sessiontest.Revocations(t, func(t *testing.T) session.Revocations { return newRevocations(t, s) })
		})
	}
}

func newRevocations(t *testing.T, s session.Store) session.Revocations {
	t.Helper()
	r, err := session.NewRevocations(s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}
