package sqlstore

import (
	"bytes"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pavise/pavise/crypto"
)

var _ crypto.SubjectKeys = (*SubjectKeys)(nil)

var (
	dialects = []Dialect{Postgres, MySQL, SQLite}
	id       = bytes.Repeat([]byte{'i'}, idLen)
	wrapped  = []byte("wrapped")
)

// Errors as the drivers shape them.
type (
	stateError  string                     // pgx, lib/pq
	mysqlError  struct{ SQLState [5]byte } // go-sql-driver/mysql
	sqliteError int                        // modernc.org/sqlite
)

func (e stateError) Error() string    { return "state " + string(e) }
func (e stateError) SQLState() string { return string(e) }
func (e *mysqlError) Error() string   { return "mysql" }
func (e sqliteError) Error() string   { return "sqlite" }
func (e sqliteError) Code() int       { return int(e) }

func deadlock(d Dialect) error {
	switch d {
	case MySQL:
		return &mysqlError{[5]byte([]byte("40001"))}
	case SQLite:
		return sqliteError(5)
	}
	return stateError("40P01")
}

func TestNewRefuses(t *testing.T) {
	if _, err := NewSubjectKeys(nil, SQLite); err == nil {
		t.Error("without a database: no error")
	}
	db := sql.OpenDB(&fake{})
	defer db.Close()
	for _, d := range []Dialect{-1, 0, SQLite + 1} {
		if _, err := NewSubjectKeys(db, d); err == nil || Schema(d) != "" {
			t.Errorf("with %v: %v", d, err)
		}
	}
}

// Only what the database says it has not done is done again.
func TestDidNothing(t *testing.T) {
	for _, d := range dialects {
		for err, want := range map[error]bool{
			deadlock(d):                              true,
			fmt.Errorf("wrapped: %w", deadlock(d)):   true,
			errors.New("connection lost"):            false,
			stateError("08006"):                      false,
			sqliteError(10):                          false,
			&mysqlError{}:                            false,
			(*mysqlError)(nil):                       false,
			&mysqlError{[5]byte([]byte("23000"))}:    false,
			fmt.Errorf("wrapped: %w", sql.ErrNoRows): false,
		} {
			if got := didNothing(d, err); got != want {
				t.Errorf("%v: %v: %v", d, err, got)
			}
		}
	}
}

func TestDeadlockIsRetried(t *testing.T) {
	for _, d := range dialects {
		synctest.Test(t, func(t *testing.T) {
			f := &fake{}
			f.answer = func(q string) ([]driver.Value, error) {
				if strings.HasPrefix(q, "DELETE") && f.count("DELETE") < 3 {
					return nil, deadlock(d)
				}
				return nil, nil
			}
			s := f.open(t, d)
			defer s.db.Close()
			if err := s.Delete(t.Context(), "alice"); err != nil || f.count("DELETE") != 3 {
				t.Errorf("%v: %v, %d times", d, err, f.count("DELETE"))
			}
			f.answer = func(string) ([]driver.Value, error) { return nil, deadlock(d) }
			f.sent = nil
			if _, _, err := s.Load(t.Context(), "alice"); !errors.Is(err, deadlock(d)) && d != MySQL || err == nil || len(f.sent) != attempts {
				t.Errorf("%v: endless deadlock: %v after %d attempts", d, err, len(f.sent))
			}
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			defer cancel()
			begin := time.Now()
			if err := s.Delete(ctx, "alice"); err == nil || time.Since(begin) > 20*time.Millisecond {
				t.Errorf("%v: went on after the context had ended: %v", d, err)
			}
		})
	}
}

// A key that is deleted between the INSERT and the SELECT is created again, and not
// for ever.
func TestCreateBesideDelete(t *testing.T) {
	for _, d := range dialects {
		f := &fake{}
		s := f.open(t, d)
		f.answer = func(q string) ([]driver.Value, error) {
			if strings.HasPrefix(q, "SELECT") && f.count("SELECT") == 3 {
				return []driver.Value{id, wrapped}, nil
			}
			return nil, nil
		}
		heldID, held, err := s.Create(t.Context(), "alice", id, wrapped)
		if err != nil || !bytes.Equal(heldID, id) || !bytes.Equal(held, wrapped) || f.count("INSERT") != 3 {
			t.Errorf("%v: %q, %q, %v after %d INSERTs", d, heldID, held, err, f.count("INSERT"))
		}
		f.answer = nil
		if _, _, err := s.Create(t.Context(), "alice", id, wrapped); err != errGone {
			t.Errorf("%v: deleted each time: %v", d, err)
		}
	}
}

// What a lax database would cut short never reaches it.
func TestLimits(t *testing.T) {
	long := strings.Repeat("s", maxSubject)
	for _, d := range dialects {
		f := &fake{}
		s := f.open(t, d)
		for want, call := range map[error][]struct {
			subject string
			id      []byte
			wrapped []byte
		}{
			errSubject: {{"", id, wrapped}, {long + "s", id, wrapped}},
			errID:      {{"alice", nil, wrapped}, {"alice", id[1:], wrapped}, {"alice", append(id[:idLen:idLen], 'i'), wrapped}},
			errWrapped: {{"alice", id, nil}, {"alice", id, make([]byte, maxWrapped+1)}},
		} {
			for _, c := range call {
				if _, _, err := s.Create(t.Context(), c.subject, c.id, c.wrapped); err != want || len(f.sent) > 0 {
					t.Errorf("%v: %v, want %v; %d statements", d, err, want, len(f.sent))
				}
				if want == errSubject {
					continue // Replace has none
				}
				if err := s.Replace(t.Context(), c.id, wrapped, c.wrapped); err != want || len(f.sent) > 0 {
					t.Errorf("%v: Replace: %v, want %v; %d statements", d, err, want, len(f.sent))
				}
			}
		}
		f.answer = func(q string) ([]driver.Value, error) {
			if strings.HasPrefix(q, "SELECT") {
				return []driver.Value{id, wrapped}, nil
			}
			return nil, nil
		}
		if _, _, err := s.Create(t.Context(), long, id, make([]byte, maxWrapped)); err != nil {
			t.Errorf("%v: at the limits: %v", d, err)
		}
	}
}

// The order of what makes SQLite forget: the pragma on the same connection first, the
// checkpoint last. Without the pragma nothing is written.
func TestSQLiteDeletesSecurely(t *testing.T) {
	f := &fake{}
	s := f.open(t, SQLite)
	if err := s.Delete(t.Context(), "alice"); err != nil {
		t.Fatal(err)
	}
	want := []string{"PRAGMA secure_delete = ON", s.q.remove, "PRAGMA wal_checkpoint(TRUNCATE)"}
	if !slices.Equal(f.sent, want) {
		t.Errorf("sent %q", f.sent)
	}
	f.sent = nil
	f.answer = func(string) ([]driver.Value, error) { return []driver.Value{int64(0)}, nil }
	if err := s.Delete(t.Context(), "alice"); !errors.Is(err, errSecure) || len(f.sent) != 1 {
		t.Errorf("without secure_delete: %v, sent %q", err, f.sent)
	}
	if _, _, err := s.Create(t.Context(), "alice", id, wrapped); !errors.Is(err, errSecure) {
		t.Errorf("Create without secure_delete: %v", err)
	}
}

func TestMigrateBesideOthers(t *testing.T) {
	for _, state := range []string{"23505", "42P07", "42710"} {
		f := &fake{answer: func(string) ([]driver.Value, error) { return nil, stateError(state) }}
		if err := f.open(t, Postgres).Migrate(t.Context()); err != nil {
			t.Errorf("%s: %v", state, err)
		}
		if err := f.open(t, SQLite).Migrate(t.Context()); err == nil {
			t.Errorf("%s in SQLite: no error", state)
		}
	}
}

// The texts that make the guarantees: no statement but one inserts, and none replaces
// a row or names it by less than its key.
func TestStatements(t *testing.T) {
	for _, d := range dialects {
		q := newQueries(d)
		if strings.Contains(q.insert, "REPLACE") || strings.Contains(q.insert, "wrapped =") || strings.Contains(q.insert, "IGNORE") {
			t.Errorf("%v: %s", d, q.insert)
		}
		for _, text := range []string{q.replace, q.remove} {
			if !strings.Contains(text, "WHERE ") || strings.Contains(text, "INSERT") {
				t.Errorf("%v: %s", d, text)
			}
		}
		if numbered := strings.Contains(fmt.Sprint(q), "$3"); numbered != (d == Postgres) || strings.Contains(fmt.Sprint(q), "?") == numbered {
			t.Errorf("%v: %v", d, q)
		}
	}
}
