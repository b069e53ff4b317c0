package column

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"reflect"

	"github.com/pavise/pavise/crypto"
)

var errIndexKeys = errors.New("column: index keys and WithIndex go together")

// EnvelopeColumn is a [Column] whose keys a key management service holds. Calls that may
// ask it take a context. It is safe for concurrent use. What belongs to a
// nil or zero EnvelopeColumn fails with an error.
type EnvelopeColumn[T any] struct{ f *field }

// NewEnvelope returns the EnvelopeColumn of a table's column. An index needs keys of this
// process, since a data key is not the same for each value: indexKeys is nil for a column
// without [WithIndex] and must not be nil for one with it.
//
// It returns an error where [New] does. Under FIPS 140-3 enforcement the Envelope must be
// one [crypto.WithXAES].
func NewEnvelope[T any](e *crypto.Envelope, indexKeys *crypto.Keyring, table, column string, opts ...Option) (*EnvelopeColumn[T], error) {
	if e == nil {
		return nil, errNoKeys
	}
	f, err := newField(reflect.TypeFor[T](), e, table, column, opts)
	if err != nil {
		return nil, err
	}
	if (indexKeys != nil) != f.indexed {
		return nil, errIndexKeys
	}
	if indexKeys != nil {
		err = f.indexBy(indexKeys)
	}
	if err != nil {
		return nil, err
	}
	return &EnvelopeColumn[T]{f}, nil
}

// Seal returns v sealed for the row, to hand to Exec: a []byte, or nil for NULL. It is
// called before the statement and not from inside of it, where a service that is slow
// to answer would hold a connection of the database.
func (c *EnvelopeColumn[T]) Seal(ctx context.Context, v T, row string) (driver.Value, error) {
	return c.field().seal(ctx, reflect.ValueOf(&v).Elem(), row)
}

// Open returns the value that Seal made ciphertext of for the row; nil is NULL. Read the
// rows first and open them then, for the reason that Seal has.
func (c *EnvelopeColumn[T]) Open(ctx context.Context, ciphertext []byte, row string) (v T, err error) {
	err = c.field().scan(ctx, reflect.ValueOf(&v), ciphertext, &row)
	return v, err
}

// Scan is [Column.Scan], with the context of the query. While the service is asked, which
// the cache of the Envelope makes rare, the rows and their connection stay open.
func (c *EnvelopeColumn[T]) Scan(ctx context.Context, dst *T, row *string) sql.Scanner {
	return scanner(func(src any) error { return c.field().scan(ctx, reflect.ValueOf(dst), src, row) })
}

// Token is [Column.Token].
func (c *EnvelopeColumn[T]) Token(v T) driver.Valuer {
	return valuer(func() (driver.Value, error) { return c.field().token(reflect.ValueOf(&v).Elem()) })
}

// Index is [Column.Index].
func (c *EnvelopeColumn[T]) Index(v T) ([][]byte, error) {
	return c.field().tokens(reflect.ValueOf(&v).Elem())
}

// Match is [Column.Match].
func (c *EnvelopeColumn[T]) Match(v, decrypted T) bool {
	return c.field().match(reflect.ValueOf(&v).Elem(), reflect.ValueOf(&decrypted).Elem())
}

func (c *EnvelopeColumn[T]) field() *field {
	if c == nil {
		return nil
	}
	return c.f
}
