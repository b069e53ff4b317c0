package column_test

import (
	"bytes"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
)

// openFake returns a database that has one table, users (id, email, email_idx), and
// understands the statements of this package's tests. .integration has real ones.
func openFake() *sql.DB { return sql.OpenDB(&fakeDB{}) }

type fakeDB struct{ rows [][]driver.Value }

func (db *fakeDB) Connect(context.Context) (driver.Conn, error) { return &fakeConn{db}, nil }
func (db *fakeDB) Driver() driver.Driver                        { return db }
func (db *fakeDB) Open(string) (driver.Conn, error)             { return db.Connect(context.Background()) }

type fakeConn struct{ db *fakeDB }

func (*fakeConn) Begin() (driver.Tx, error) { return nil, errors.ErrUnsupported }
func (*fakeConn) Close() error              { return nil }
func (c *fakeConn) Prepare(query string) (driver.Stmt, error) {
	return &fakeStmt{c.db, query}, nil
}

type fakeStmt struct {
	db    *fakeDB
	query string
}

func (*fakeStmt) Close() error  { return nil }
func (*fakeStmt) NumInput() int { return -1 }

func (s *fakeStmt) Exec(args []driver.Value) (driver.Result, error) {
	switch {
	case strings.HasPrefix(s.query, "INSERT"):
		s.db.rows = append(s.db.rows, slices.Clone(args))
	case strings.HasPrefix(s.query, "UPDATE users SET email = (SELECT email"):
		s.db.row(args[1])[1] = s.db.row(args[0])[1]
	default:
		return nil, errors.ErrUnsupported
	}
	return driver.RowsAffected(1), nil
}

func (db *fakeDB) row(id driver.Value) []driver.Value {
	return db.rows[slices.IndexFunc(db.rows, func(r []driver.Value) bool { return r[0] == id })]
}

func (s *fakeStmt) Query(args []driver.Value) (driver.Rows, error) {
	found := &fakeRows{}
	for _, r := range s.db.rows {
		switch {
		case strings.HasSuffix(s.query, "WHERE id = ?") && r[0] == args[0],
			strings.Contains(s.query, "WHERE email_idx IN") && slices.ContainsFunc(args, func(a driver.Value) bool {
				return r[2] != nil && bytes.Equal(a.([]byte), r[2].([]byte))
			}):
			found.rows = append(found.rows, r[:2])
		}
	}
	return found, nil
}

type fakeRows struct{ rows [][]driver.Value }

func (*fakeRows) Columns() []string { return []string{"id", "email"} }
func (*fakeRows) Close() error      { return nil }

func (r *fakeRows) Next(dst []driver.Value) error {
	if len(r.rows) == 0 {
		return io.EOF
	}
	copy(dst, r.rows[0])
	r.rows = r.rows[1:]
	return nil
}

// The statements of the real thing: the id column before the value, in one call.
func TestThroughDatabaseSQL(t *testing.T) {
	db := openFake()
	defer db.Close()
	c := newColumn[string](t)
	if _, err := db.Exec("INSERT INTO users (id, email, email_idx) VALUES (?, ?, ?)", "1", c.Value("value", "1"), nil); err != nil {
		t.Fatal(err)
	}
	var id, got string
	if err := db.QueryRow("SELECT id, email FROM users WHERE id = ?", "1").Scan(&id, c.Scan(&got, &id)); err != nil || got != "value" {
		t.Errorf("%q, %v", got, err)
	}
}
