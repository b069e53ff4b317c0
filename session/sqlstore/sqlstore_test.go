package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pavise/pavise/session"
)

var dialects = []Dialect{Postgres, MySQL, SQLite}

// Errors as the drivers shape them.
type (
	stateError string   // pgx, lib/pq
	mysqlError struct { // go-sql-driver/mysql
		Number   uint16
		SQLState [5]byte
	}
	sqliteError int // modernc.org/sqlite
)

func (e stateError) Error() string    { return "state " + string(e) }
func (e stateError) SQLState() string { return string(e) }
func (e *mysqlError) Error() string   { return "mysql" }
func (e sqliteError) Error() string   { return "sqlite" }
func (e sqliteError) Code() int       { return int(e) }

func deadlock(d Dialect) error {
	switch d {
	case MySQL:
		return &mysqlError{1213, [5]byte([]byte("40001"))}
	case SQLite:
		return sqliteError(5)
	}
	return stateError("40P01")
}

func duplicateKey(d Dialect) error {
	switch d {
	case MySQL:
		return &mysqlError{1062, [5]byte([]byte("23000"))}
	case SQLite:
		return sqliteError(1555)
	}
	return stateError("23505")
}

func record(user string) session.Record {
	now := time.UnixMicro(1_800_000_000_000_000).UTC()
	return session.Record{
		Key: session.Key{Shard: session.UserShard(user)}, Handle: "abcdefghijklmnopqrstuvwxyz", User: user, Version: 1,
		Created: now, Expires: now.Add(time.Hour), Idle: time.Minute,
	}
}

func TestNewRefuses(t *testing.T) {
	if _, err := New(nil, SQLite); err == nil {
		t.Error("New without a database: no error")
	}
	db := sql.OpenDB(&fake{})
	defer db.Close()
	for _, d := range []Dialect{-1, 0, SQLite + 1} {
		if _, err := New(db, d); err == nil {
			t.Errorf("New with %v: no error", d)
		}
	}
}

func TestClassify(t *testing.T) {
	for _, d := range dialects {
		for _, tt := range []struct {
			err  error
			want class
		}{
			{nil, unknown},
			{errors.New("connection lost"), unknown},
			{deadlock(d), retryable},
			{fmt.Errorf("wrapped: %w", deadlock(d)), retryable},
			{duplicateKey(d), duplicate},
			{fmt.Errorf("wrapped: %w", duplicateKey(d)), duplicate},
			{errCommit{deadlock(d)}, unknown},
			{fmt.Errorf("wrapped: %w", errCommit{duplicateKey(d)}), unknown},
			{stateError("08006"), unknown},
			{sqliteError(10), unknown},
			{&mysqlError{}, unknown},
			{&mysqlError{1048, [5]byte([]byte("23000"))}, unknown}, // NOT NULL
			{&mysqlError{1452, [5]byte([]byte("23000"))}, unknown}, // a foreign key
			{(*mysqlError)(nil), unknown},
		} {
			if got := classify(d, tt.err); got != tt.want {
				t.Errorf("%v: %v is %d, want %d", d, tt.err, got, tt.want)
			}
		}
	}
}

// A deadlock undid the whole transaction, so the whole transaction is repeated.
func TestDeadlockRepeatsTransaction(t *testing.T) {
	for _, d := range dialects {
		synctest.Test(t, func(t *testing.T) {
			f := &fake{}
			f.answer = func(q string) error {
				if strings.HasPrefix(q, "INSERT INTO pavise_sessions") && f.count("INSERT INTO pavise_sessions") < 3 {
					return deadlock(d)
				}
				return nil
			}
			s := f.open(t, d)
			if err := s.Create(t.Context(), record("ann"), 1); err != nil {
				t.Fatalf("%v: %v", d, err)
			}
			if b, c, r := f.count("BEGIN"), f.count("COMMIT"), f.count("ROLLBACK"); b != 3 || c != 1 || r != 2 {
				t.Errorf("%v: %d BEGIN, %d COMMIT, %d ROLLBACK, want 3, 1, 2", d, b, c, r)
			}
			s.db.Close()
		})
	}
}

// What a lost answer to COMMIT means is not known: it is said, and not tried again.
func TestCommitIsNeverRepeated(t *testing.T) {
	for _, d := range dialects {
		f := &fake{}
		f.answer = func(q string) error {
			if q == "COMMIT" {
				return deadlock(d)
			}
			return nil
		}
		_, err := f.open(t, d).DeleteUser(t.Context(), "ann")
		if err == nil {
			t.Errorf("%v: no error", d)
		}
		if n := f.count("COMMIT"); n != 1 {
			t.Errorf("%v: %d COMMITs, want 1", d, n)
		}
	}
}

// A SQLite connection that could not be rolled back still has its transaction open:
// it must not be used again.
func TestSQLiteDropsConnectionInTransaction(t *testing.T) {
	f := &fake{answer: func(q string) error {
		if q == "COMMIT" || q == "ROLLBACK" {
			return sqliteError(10)
		}
		return nil
	}}
	s := f.open(t, SQLite)
	if _, err := s.DeleteUser(t.Context(), "ann"); err == nil {
		t.Fatal("no error")
	}
	if f.closed != 1 {
		t.Errorf("%d connections closed, want 1", f.closed)
	}
}

func TestEndlessDeadlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{answer: func(string) error { return deadlock(Postgres) }}
		s := f.open(t, Postgres)
		defer s.db.Close()
		if err := s.Touch(t.Context(), session.Key{}, time.Minute); !errors.Is(err, deadlock(Postgres)) {
			t.Errorf("error %v, want the deadlock", err)
		}
		if len(f.sent) != attempts {
			t.Errorf("%d attempts, want %d", len(f.sent), attempts)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		begin := time.Now()
		_ = s.Touch(ctx, session.Key{}, time.Minute)
		if took := time.Since(begin); took > 20*time.Millisecond {
			t.Errorf("went on for %v after the context had ended", took-20*time.Millisecond)
		}
	})
}

// What a lax database would cut short never reaches it.
func TestLimits(t *testing.T) {
	change := func(f func(*session.Record)) session.Record {
		r := record("ann")
		f(&r)
		return r
	}
	for name, r := range map[string]session.Record{
		"long user":     record(strings.Repeat("u", 256)),
		"NUL in user":   record("ann\x00"),
		"not UTF-8":     record("ann\xff"),
		"no handle":     change(func(r *session.Record) { r.Handle = "" }),
		"long handle":   change(func(r *session.Record) { r.Handle = session.Handle(strings.Repeat("h", 65)) }),
		"odd handle":    change(func(r *session.Record) { r.Handle = "a b" }),
		"long data":     change(func(r *session.Record) { r.Data = make([]byte, 65_537) }),
		"AAL 4":         change(func(r *session.Record) { r.AAL = 4 }),
		"version 0":     change(func(r *session.Record) { r.Version = 0 }),
		"high version":  change(func(r *session.Record) { r.Version = 1 << 63 }),
		"nine methods":  change(func(r *session.Record) { r.Methods = make([]string, 9) }),
		"empty method":  change(func(r *session.Record) { r.Methods = []string{""} }),
		"spaced method": change(func(r *session.Record) { r.Methods = []string{"a b"} }),
		"long method":   change(func(r *session.Record) { r.Methods = []string{strings.Repeat("m", 33)} }),
	} {
		for _, d := range dialects {
			f := &fake{}
			s := f.open(t, d)
			for method, err := range map[string]error{
				"Create": s.Create(t.Context(), r, 1),
				"Rotate": s.Rotate(t.Context(), session.Key{}, 1, r, 1),
			} {
				if err == nil || len(f.sent) > 0 {
					t.Errorf("%v: %s of a record with %s: error %v and %d statements", d, method, name, err, len(f.sent))
				}
				if r.User != "ann" && strings.Contains(fmt.Sprint(err), r.User) {
					t.Errorf("the error holds the value")
				}
			}
		}
	}
}

// The texts that make the guarantees: no statement but one inserts a session, none
// replaces, and each UPDATE of a session names the expiry.
func TestStatements(t *testing.T) {
	for _, d := range dialects {
		q := newQueries(d)
		for name, text := range map[string]string{"save": q.save, "rotate": q.rotate, "touch": q.touch} {
			where := text[strings.LastIndex(text, "WHERE"):]
			for _, want := range []string{"skey = ", "< idle_until", "< expires_at"} {
				if !strings.Contains(where, want) {
					t.Errorf("%v: the WHERE of %s lacks %q", d, name, want)
				}
			}
			if name == "rotate" && !strings.HasPrefix(text, "UPDATE pavise_sessions SET previous_key = ") {
				t.Errorf("%v: MySQL would remember the new key for the previous one", d)
			}
			if name != "touch" && !strings.Contains(where, "version = ") {
				t.Errorf("%v: the WHERE of %s lacks the version", d, name)
			}
		}
		if strings.Contains(q.insert, "CONFLICT") || strings.Contains(q.insert, "DUPLICATE") || strings.Contains(q.insert, "REPLACE") {
			t.Errorf("%v: the insertion replaces", d)
		}
		if all := fmt.Sprint(q); strings.ContainsAny(all[1:len(all)-1], "{}") {
			t.Errorf("%v: a word was not translated", d)
		}
		if s := Schema(d); strings.Contains(s, "INDEX") && strings.Contains(s, "(idle_until)") {
			t.Errorf("%v: idle_until is indexed", d)
		}
	}
	if Schema(0) != "" {
		t.Error("a schema of no dialect")
	}
}

// Keys come back from their bytes, and times from their number.
func TestScan(t *testing.T) {
	if _, err := scan(rowOf{[]byte("short")}); err == nil {
		t.Error("a malformed key was accepted")
	}
	if got := micro(time.Time{}.UnixMicro()); !got.IsZero() {
		t.Errorf("the zero Time became %v", got)
	}
}

// rowOf is a row whose first column is set, and nothing else.
type rowOf struct{ key []byte }

func (r rowOf) Scan(dest ...any) error {
	*dest[0].(*[]byte) = r.key
	return nil
}
