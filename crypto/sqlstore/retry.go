package sqlstore

import (
	"context"
	"errors"
	"math/rand/v2"
	"reflect"
	"time"
)

const (
	attempts = 30
	maxPause = 100 * time.Millisecond
)

// retry repeats f while the database says that it did nothing.
func (s *SubjectKeys) retry(ctx context.Context, f func() error) error {
	pause := time.Millisecond
	for n := 1; ; n++ {
		err := f()
		if !didNothing(s.dialect, err) || n == attempts {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause/2 + rand.N(pause)):
		}
		pause = min(2*pause, maxPause)
	}
}

// didNothing knows deadlocks and serialization failures by their SQLSTATE, and
// SQLITE_BUSY and SQLITE_LOCKED of https://www.sqlite.org/rescode.html.
func didNothing(d Dialect, err error) bool {
	if err == nil {
		return false
	}
	if d != SQLite {
		state := sqlState(err)
		return state == "40001" || state == "40P01"
	}
	var coded interface{ Code() int }
	return errors.As(err, &coded) && (coded.Code()&0xff == 5 || coded.Code()&0xff == 6)
}

// sqlState finds the five characters of the SQL standard: the Postgres drivers have a
// method for them, go-sql-driver/mysql an exported field, which reflection reads so
// that no driver has to be imported.
func sqlState(err error) string {
	var stated interface{ SQLState() string }
	if errors.As(err, &stated) {
		return stated.SQLState()
	}
	for ; err != nil; err = errors.Unwrap(err) {
		v := reflect.Indirect(reflect.ValueOf(err))
		if v.Kind() != reflect.Struct {
			continue
		}
		if f := v.FieldByName("SQLState"); f.IsValid() && f.CanInterface() {
			if state, ok := f.Interface().([5]byte); ok {
				return string(state[:])
			}
		}
	}
	return ""
}
