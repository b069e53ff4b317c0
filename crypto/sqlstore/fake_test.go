package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"strings"
	"testing"
)

// fake is a database that answers each statement by a function and writes down what
// it was sent. It knows no SQL.
type fake struct {
	answer func(query string) (row []driver.Value, err error) // a nil row is none
	sent   []string
}

func (f *fake) open(t *testing.T, d Dialect) *SubjectKeys {
	t.Helper()
	db := sql.OpenDB(f)
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { db.Close() })
	s, err := NewSubjectKeys(db, d)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// count returns how many statements began so.
func (f *fake) count(prefix string) (n int) {
	for _, q := range f.sent {
		if strings.HasPrefix(q, prefix) {
			n++
		}
	}
	return n
}

func (f *fake) say(query string) ([]driver.Value, error) {
	f.sent = append(f.sent, query)
	if f.answer != nil {
		if row, err := f.answer(query); row != nil || err != nil {
			return row, err
		}
	}
	if strings.HasPrefix(query, "PRAGMA secure_delete") {
		return []driver.Value{int64(1)}, nil
	}
	return nil, nil
}

func (f *fake) Connect(context.Context) (driver.Conn, error) { return fakeConn{f}, nil }
func (f *fake) Driver() driver.Driver                        { return nil }

type fakeConn struct{ f *fake }

func (c fakeConn) Prepare(string) (driver.Stmt, error) { return nil, errors.New("not prepared") }
func (c fakeConn) Close() error                        { return nil }
func (c fakeConn) Begin() (driver.Tx, error)           { return nil, errors.New("no transactions") }

func (c fakeConn) ExecContext(_ context.Context, q string, _ []driver.NamedValue) (driver.Result, error) {
	_, err := c.f.say(q)
	return driver.RowsAffected(1), err
}

func (c fakeConn) QueryContext(_ context.Context, q string, _ []driver.NamedValue) (driver.Rows, error) {
	row, err := c.f.say(q)
	return &fakeRows{row}, err
}

type fakeRows struct{ row []driver.Value }

func (r *fakeRows) Columns() []string { return make([]string, len(r.row)) }
func (r *fakeRows) Close() error      { return nil }
func (r *fakeRows) Next(dest []driver.Value) error {
	if r.row == nil {
		return io.EOF
	}
	copy(dest, r.row)
	r.row = nil
	return nil
}
