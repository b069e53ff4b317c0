package column

import (
	"crypto/hmac"
	"database/sql/driver"
	"errors"
	"fmt"
	"reflect"

	"github.com/pavise/pavise/crypto"
)

var (
	errNoIndex    = errors.New("column: column has no index: use WithIndex")
	errIndexType  = errors.New("column: index is for strings, []byte, integers and time.Time")
	errIndexBits  = fmt.Errorf("column: width of an index is not 1 to %d bits", crypto.MaxIndexBits)
	errNormalizer = errors.New("column: normalizer is nil or stands without WithIndex")
)

// Option is an option of [New] and [NewEnvelope].
type Option func(*index)

// index is the blind index of a column. Without options there is none.
type index struct {
	bits    int
	indexed bool
	keys    *crypto.Keyring
	binding crypto.Binding

	normalize      func(reflect.Value) reflect.Value // nil is none
	normalizedType reflect.Type
}

// WithIndex gives the column a blind index with tokens of so many bits, 1 to 32. The
// package comment says how to choose them and what an index tells whom.
//
// It is for strings, []byte, integers and time.Time, also where they may be NULL: a bool
// has too few values for an index to hide any, and of floats and JSON equal values need
// not have equal encodings.
func WithIndex(bits int) Option {
	return func(x *index) { x.bits, x.indexed = bits, true }
}

// WithNormalizer has f decide what the index takes for equal, such as strings.ToLower
// for e-mail addresses: tokens are those of f(v), and Match compares them. What is sealed
// is v itself. Without it, only values equal in every byte are found.
//
// U is the T of the column, or what a *T or sql.Null[T] holds. What f returns for a value
// must not change as long as tokens of it are stored, and f must not write to a []byte
// that it is given.
func WithNormalizer[U any](f func(U) U) Option {
	return func(x *index) {
		x.normalizedType, x.normalize = reflect.TypeFor[U](), nil
		if f == nil {
			return
		}
		x.normalize = func(v reflect.Value) reflect.Value {
			u := f(v.Interface().(U))
			return reflect.ValueOf(&u).Elem()
		}
	}
}

func (x *index) checkIndex(c codec) error {
	switch {
	case x.normalizedType != nil && (x.normalize == nil || !x.indexed):
		return errNormalizer
	case !x.indexed:
		return nil
	case x.bits < 1 || x.bits > crypto.MaxIndexBits:
		return errIndexBits
	case !c.encoding.indexable():
		return errIndexType
	case x.normalizedType != nil && x.normalizedType != c.typ:
		return fmt.Errorf("column: normalizer is for %v and not for %v", x.normalizedType, c.typ)
	}
	return nil
}

// indexBy makes a trial, so that a Keyring without keys does not wait for the first row.
func (f *field) indexBy(keys *crypto.Keyring) error {
	f.keys, f.index.binding = keys, crypto.Bind(purpose, f.table, f.column)
	if _, err := keys.Index(f.index.binding, nil, 1); err != nil {
		return fmt.Errorf("column: keyring: %w", err)
	}
	return nil
}

func (f *field) tokens(v reflect.Value) ([][]byte, error) {
	switch {
	case f == nil:
		return nil, errZero
	case !f.indexed:
		return nil, errNoIndex
	}
	value, ok, err := f.normalized(v)
	defer clear(value)
	if !ok || err != nil {
		return nil, err
	}
	return f.keys.Index(f.index.binding, value, f.bits)
}

func (f *field) token(v reflect.Value) (driver.Value, error) {
	all, err := f.tokens(v)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	return all[0], nil
}

func (f *field) match(a, b reflect.Value) bool {
	if f == nil {
		return false
	}
	left, ok, err := f.normalized(a)
	defer clear(left)
	if !ok || err != nil {
		return false
	}
	right, ok, err := f.normalized(b)
	defer clear(right)
	return ok && err == nil && hmac.Equal(left, right)
}

// normalized returns the encoding that stands for v in the index; ok is false for NULL.
func (f *field) normalized(v reflect.Value) (value []byte, ok bool, err error) {
	v, ok = f.codec.inner(v)
	if !ok {
		return nil, false, nil
	}
	if f.normalize != nil {
		v = f.normalize(v)
	}
	value, err = f.codec.encode(v)
	return value, true, err
}
