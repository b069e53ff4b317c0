package column

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"reflect"

	"github.com/pavise/pavise/crypto"
)

// purpose is that of each Binding of this package. It is part of the format.
const purpose = "github.com/pavise/pavise/crypto/column/v1"

var (
	errZero      = errors.New("column: column is empty: use New or NewEnvelope")
	errNoName    = errors.New("column: table or column has no name")
	errNilOption = errors.New("column: option is nil")
	errNoRow     = errors.New("column: row id is empty; scan it before the value, in one call of Scan")
	errNoDst     = errors.New("column: destination is nil")
)

// field is a column of either kind, for the T of its codec. A nil *field is that of a
// zero Column.
type field struct {
	table, column string
	codec         codec
	cipher        cipher
	index
}

// cipher is what *crypto.Envelope has.
type cipher interface {
	Seal(ctx context.Context, dst, plaintext []byte, b crypto.Binding) ([]byte, error)
	Open(ctx context.Context, dst, ciphertext []byte, b crypto.Binding) ([]byte, error)
}

func newField(t reflect.Type, c cipher, table, column string, opts []Option) (*field, error) {
	if table == "" || column == "" {
		return nil, errNoName
	}
	f := &field{table: table, column: column, cipher: c}
	if _, err := f.binding("row").AssociatedData(); err != nil {
		return nil, fmt.Errorf("column: names of table and column: %w", err)
	}
	var err error
	if f.codec, err = newCodec(t); err != nil {
		return nil, err
	}
	for _, opt := range opts {
		if opt == nil {
			return nil, errNilOption
		}
		opt(&f.index)
	}
	return f, f.checkIndex(f.codec)
}

func (f *field) binding(row string) crypto.Binding {
	return crypto.Bind(purpose, f.table, f.column, row)
}

func (f *field) seal(ctx context.Context, v reflect.Value, row string) (driver.Value, error) {
	switch {
	case f == nil:
		return nil, errZero
	case row == "":
		return nil, errNoRow
	}
	inner, ok := f.codec.inner(v)
	if !ok {
		return nil, nil
	}
	plaintext, err := f.codec.encode(inner)
	defer clear(plaintext)
	if err != nil {
		return nil, err
	}
	sealed, err := f.cipher.Seal(ctx, nil, plaintext, f.binding(row))
	if err != nil {
		return nil, err // and not a nil []byte, which is a driver.Value
	}
	return sealed, nil
}

// scan sets what dst, a *T, points to.
func (f *field) scan(ctx context.Context, dst reflect.Value, src any, row *string) error {
	switch {
	case f == nil:
		return errZero
	case dst.IsNil():
		return errNoDst
	}
	ciphertext, ok := src.([]byte)
	switch {
	case src == nil || ok && ciphertext == nil:
		return f.codec.setNull(dst.Elem())
	case row == nil || *row == "":
		return errNoRow
	case !ok:
		return fmt.Errorf("column: sealed value is a %T and not a []byte: the column's type must be one of bytes, such as BYTEA, BLOB or VARBINARY", src)
	}
	plaintext, err := f.cipher.Open(ctx, nil, ciphertext, f.binding(*row))
	if err != nil {
		return err
	}
	defer clear(plaintext)
	return f.codec.decodeInto(dst.Elem(), plaintext)
}
