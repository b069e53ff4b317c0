package sqlstore

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"

	"github.com/pavise/pavise/session"
)

// class is what an error of a driver says about the statement.
type class int

const (
	unknown   class = iota // it may have taken effect
	duplicate              // a key or a handle exists; nothing happened
	retryable              // deadlock, serialization failure or busy; nothing happened
)

// errCommit marks the error of a COMMIT, which is never taken for anything but
// unknown: the server may have committed before its answer was lost.
type errCommit struct{ error }

func (e errCommit) Unwrap() error { return e.error }

func classify(d Dialect, err error) class {
	if err == nil || errors.As(err, new(errCommit)) {
		return unknown
	}
	if d == SQLite {
		return classifySQLite(err)
	}
	switch state := sqlState(err); {
	case state == "23505", d == MySQL && mysqlNumber(err) == 1062: // ER_DUP_ENTRY: state 23000 is every constraint's
		return duplicate
	case state == "40001", state == "40P01":
		return retryable
	}
	return unknown
}

// classifySQLite knows https://www.sqlite.org/rescode.html.
func classifySQLite(err error) class {
	var coded interface{ Code() int }
	if !errors.As(err, &coded) {
		return unknown
	}
	switch code := coded.Code(); {
	case code == 1555, code == 2067: // SQLITE_CONSTRAINT_PRIMARYKEY, _UNIQUE
		return duplicate
	case code&0xff == 5, code&0xff == 6: // SQLITE_BUSY, SQLITE_LOCKED
		return retryable
	}
	return unknown
}

// sqlState finds the five characters of the SQL standard: the Postgres drivers
// have a method for them, go-sql-driver/mysql an exported field.
func sqlState(err error) string {
	if e, ok := errors.AsType[interface {
		error
		SQLState() string
	}](err); ok {
		return e.SQLState()
	}
	state, _ := field[[5]byte](err, "SQLState")
	return string(bytes.TrimRight(state[:], "\x00"))
}

// mysqlNumber finds the error number of MySQL in go-sql-driver/mysql's error.
func mysqlNumber(err error) uint16 {
	n, _ := field[uint16](err, "Number")
	return n
}

// field reads an exported field of the first struct in the chain that has it, so that
// no driver has to be imported.
func field[T any](err error, name string) (value T, ok bool) {
	for ; err != nil; err = errors.Unwrap(err) {
		v := reflect.Indirect(reflect.ValueOf(err))
		if v.Kind() != reflect.Struct {
			continue
		}
		if f := v.FieldByName(name); f.IsValid() && f.CanInterface() {
			if value, ok = f.Interface().(T); ok {
				return value, true
			}
		}
	}
	return value, false
}

// named wraps an error for the caller; those of the contract stay as they are.
func named(method string, err error) error {
	switch err {
	case nil, session.ErrNotFound, session.ErrConflict, session.ErrStaleEpoch,
		errUser, errHandle, errData, errMethods, errAAL, errVersion:
		return err
	}
	return fmt.Errorf("sqlstore: %s: %w", method, err)
}
