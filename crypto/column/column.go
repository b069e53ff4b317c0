package column

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"reflect"

	"github.com/pavise/pavise/crypto"
)

var errNoKeys = errors.New("column: keyring or envelope is missing")

// Column seals values of type T for one column of a table with keys that this process
// holds, and opens them. It is safe for concurrent use. What belongs to a
// nil or zero Column fails with an error.
type Column[T any] struct {
	f    *field
	keys *crypto.Keyring
}

// New returns the Column of a table's column, both of which are bound to what it seals:
// renaming either means sealing anew. Values are XAES-256-GCM messages of the Compact of
// keys, 46 bytes longer than the encoded value.
//
// It returns an error for a T that cannot be sealed without loss, see the package
// comment; for a Keyring without keys; for an empty or overlong name; and for options
// that contradict each other or T.
func New[T any](keys *crypto.Keyring, table, column string, opts ...Option) (*Column[T], error) {
	if keys == nil {
		return nil, errNoKeys
	}
	f, err := newField(reflect.TypeFor[T](), keyringCipher{keys}, table, column, opts)
	if err != nil {
		return nil, err
	}
	if err := f.indexBy(keys); err != nil {
		return nil, err
	}
	return &Column[T]{f, keys}, nil
}

// Value returns what to hand to Exec in the place of v: it seals v for the row when the
// statement runs. The row is the id under which the value is stored, made by the
// application before it inserts; an empty one is an error.
//
// What it returns prints nothing of v.
func (c *Column[T]) Value(v T, row string) driver.Valuer {
	return valuer(func() (driver.Value, error) {
		return c.field().seal(context.Background(), reflect.ValueOf(&v).Elem(), row)
	})
}

// Scan returns what to hand to Scan of a row in the place of dst. The id of the row is
// read through row when its turn comes, so that one call of Scan can read both, the id
// before the value:
//
//	rows.Scan(&id, users.Scan(&email, &id))
//
// The text of the id has to be the one that Value was given. If the value does not open,
// dst stays as it was and the error is [crypto.ErrOpen].
func (c *Column[T]) Scan(dst *T, row *string) sql.Scanner {
	return scanner(func(src any) error {
		return c.field().scan(context.Background(), reflect.ValueOf(dst), src, row)
	})
}

// NeedsReseal reports whether ciphertext, as it stands in the table, was sealed with a
// key other than the primary one; its token is then an old one, too.
func (c *Column[T]) NeedsReseal(ciphertext []byte) bool {
	return c.field() != nil && c.keys.Compact().NeedsReseal(ciphertext)
}

// Token returns what to store beside the value, in the index column: the token of v under
// the primary key, or NULL if v is NULL. See [Column.Pair].
func (c *Column[T]) Token(v T) driver.Valuer {
	return valuer(func() (driver.Value, error) { return c.field().token(reflect.ValueOf(&v).Elem()) })
}

// Index returns the tokens to look v up by, newest key first: the row is among those
// whose index column holds any of them, and so may be others, see [Column.Match]. There
// are none for a NULL, which equals nothing in SQL either. A column made without
// [WithIndex] is an error.
func (c *Column[T]) Index(v T) ([][]byte, error) { return c.field().tokens(reflect.ValueOf(&v).Elem()) }

// Match reports whether decrypted, a value that was looked up by the tokens of v, equals
// v: as normalized, if [WithNormalizer] was given, and otherwise in every byte of its
// encoding. NULL matches nothing.
func (c *Column[T]) Match(v, decrypted T) bool {
	return c.field().match(reflect.ValueOf(&v).Elem(), reflect.ValueOf(&decrypted).Elem())
}

func (c *Column[T]) field() *field {
	if c == nil {
		return nil
	}
	return c.f
}

// keyringCipher is a Keyring as a cipher. It asks for the Compact each time, as the keys
// of a Keyring may follow a rotation.
type keyringCipher struct{ keys *crypto.Keyring }

func (k keyringCipher) Seal(_ context.Context, dst, plaintext []byte, b crypto.Binding) ([]byte, error) {
	return k.keys.Compact().Seal(dst, plaintext, b)
}

func (k keyringCipher) Open(_ context.Context, dst, ciphertext []byte, b crypto.Binding) ([]byte, error) {
	return k.keys.Compact().Open(dst, ciphertext, b)
}

// valuer and scanner are functions because nothing that walks or prints the arguments of
// a statement, a query logger for one, sees what a function has captured.
type (
	valuer  func() (driver.Value, error)
	scanner func(src any) error
)

// Value implements [driver.Valuer].
func (f valuer) Value() (driver.Value, error) { return f() }

// Scan implements [sql.Scanner].
func (f scanner) Scan(src any) error { return f(src) }
