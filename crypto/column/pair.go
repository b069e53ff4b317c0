package column

import (
	"bytes"
	"context"
	"database/sql/driver"
	"reflect"
	"sync"
)

// Pair returns Value(v, row) and Token(v) that belong together: both under one key, also
// while that of a [crypto.LiveKeyring] rotates. A value under a new key beside the token
// of an old one would not be noticed by [Column.NeedsReseal], and no lookup would find
// the row once the old key is dropped.
//
// Both are made once, when the statement runs; an UPDATE that runs later needs another
// Pair.
func (c *Column[T]) Pair(v T, row string) (value, token driver.Valuer) {
	var sealed, marked driver.Value
	both := sync.OnceValue(func() (err error) {
		sealed, marked, err = c.field().pair(reflect.ValueOf(&v).Elem(), row)
		return err
	})
	value = valuer(func() (driver.Value, error) { err := both(); return sealed, err })
	token = valuer(func() (driver.Value, error) { err := both(); return marked, err })
	return value, token
}

// pair seals between two tokens: if they are equal, so was the key.
func (f *field) pair(v reflect.Value, row string) (sealed, token driver.Value, err error) {
	token, err = f.token(v)
	for err == nil {
		before, _ := token.([]byte)
		if sealed, err = f.seal(context.Background(), v, row); err != nil {
			break
		}
		if token, err = f.token(v); err != nil {
			break
		}
		if after, _ := token.([]byte); bytes.Equal(before, after) {
			return sealed, token, nil
		}
	}
	return nil, nil, err
}
