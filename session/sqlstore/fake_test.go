package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"strings"
	"testing"
)

// fake is a database of one connection that answers each statement by a function
// and writes down what it was sent.
type fake struct {
	answer func(query string) error // nil: it went well, with one row
	sent   []string
	closed int
}

func (f *fake) open(t *testing.T, d Dialect) *Store {
	t.Helper()
	db := sql.OpenDB(f)
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { db.Close() })
	s, err := New(db, d)
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

func (f *fake) say(query string) error {
	f.sent = append(f.sent, query)
	if f.answer == nil {
		return nil
	}
	return f.answer(query)
}

func (f *fake) Connect(context.Context) (driver.Conn, error) { return fakeConn{f}, nil }
func (f *fake) Driver() driver.Driver                        { return nil }

type fakeConn struct{ f *fake }

func (c fakeConn) Prepare(string) (driver.Stmt, error) { return nil, errors.New("not prepared") }
func (c fakeConn) Close() error                        { c.f.closed++; return nil }
func (c fakeConn) Begin() (driver.Tx, error)           { return nil, errors.New("no options") }

func (c fakeConn) BeginTx(_ context.Context, o driver.TxOptions) (driver.Tx, error) {
	if sql.IsolationLevel(o.Isolation) != sql.LevelReadCommitted {
		return nil, errors.New("another isolation level")
	}
	return c, c.f.say("BEGIN")
}
func (c fakeConn) Commit() error   { return c.f.say("COMMIT") }
func (c fakeConn) Rollback() error { return c.f.say("ROLLBACK") }

func (c fakeConn) ExecContext(_ context.Context, q string, _ []driver.NamedValue) (driver.Result, error) {
	return fakeResult{}, c.f.say(q)
}

func (c fakeConn) QueryContext(_ context.Context, q string, _ []driver.NamedValue) (driver.Rows, error) {
	return fakeRows{}, c.f.say(q)
}

type fakeResult struct{}

func (fakeResult) LastInsertId() (int64, error) { return 1, nil }
func (fakeResult) RowsAffected() (int64, error) { return 1, nil }

// fakeRows is one row with the number 1: the epoch of every user.
type fakeRows struct{}

func (fakeRows) Columns() []string { return []string{"epoch"} }
func (fakeRows) Close() error      { return nil }
func (fakeRows) Next(dest []driver.Value) error {
	dest[0] = int64(1)
	return nil
}
