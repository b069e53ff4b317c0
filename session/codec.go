package session

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
)

// errDecode is what a record that opened but does not fit T is reported as.
var errDecode = errors.New("session: data does not decode")

// codec turns T into JSON of one schema version and back.
type codec[T any] struct {
	schema  uint32
	migrate func(from uint32, data []byte) ([]byte, error)
	pool    sync.Pool // of *decoder
}

func newCodec[T any](o *options) codec[T] { return codec[T]{schema: o.schema, migrate: o.migrate} }

// decoder is used again, which saves a third of the allocations of a read. It
// never holds more than one value, and is thrown away if it met anything odd.
type decoder struct {
	src  bytes.Reader
	json *json.Decoder
}

func (c *codec[T]) encode(v *T) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("session: encode data: %w", err)
	}
	if len(b) > maxSealed-sealOverhead {
		return nil, ErrTooLarge
	}
	return b, nil
}

// decode never returns the cause: it could quote the data.
func (c *codec[T]) decode(plain []byte, schema uint32, v *T) error {
	if schema != c.schema {
		if schema > c.schema || c.migrate == nil {
			return errDecode
		}
		var err error
		if plain, err = c.migrate(schema, bytes.Clone(plain)); err != nil { // it may work in place
			return errDecode
		}
	}
	return c.unmarshal(bytes.TrimSpace(plain), v)
}

func (c *codec[T]) unmarshal(b []byte, v *T) error {
	d, ok := c.pool.Get().(*decoder)
	if !ok {
		d = new(decoder)
		d.json = json.NewDecoder(&d.src)
	}
	d.src.Reset(b)
	start := d.json.InputOffset()
	if d.json.Decode(v) != nil || d.json.InputOffset()-start != int64(len(b)) {
		return errDecode
	}
	d.src.Reset(nil)
	c.pool.Put(d)
	return nil
}

// checkData refuses a T that cannot be kept: one that JSON cannot encode, and one
// that holds a value of package secrets, which would be written redacted.
func checkData[T any]() error {
	t := reflect.TypeFor[T]()
	if p := findSecret(t, map[reflect.Type]bool{}); p != "" {
		return fmt.Errorf("session: data type %s holds a secret (%s): keep a reference to it instead", t, p)
	}
	var zero T
	b, err := json.Marshal(&zero)
	if err == nil {
		err = json.Unmarshal(b, &zero)
	}
	if err != nil {
		return fmt.Errorf("session: data type %s: %w", t, err)
	}
	return nil
}

const secretsPackage = "/pavise/secrets"

// findSecret returns the path to a value of package secrets inside t, or "".
func findSecret(t reflect.Type, seen map[reflect.Type]bool) string {
	if strings.HasSuffix(t.PkgPath(), secretsPackage) {
		return t.String()
	}
	if seen[t] {
		return ""
	}
	seen[t] = true
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array:
		return findSecret(t.Elem(), seen)
	case reflect.Map:
		if p := findSecret(t.Key(), seen); p != "" {
			return p
		}
		return findSecret(t.Elem(), seen)
	case reflect.Struct:
		for f := range t.Fields() {
			if p := findSecret(f.Type, seen); p != "" {
				return f.Name + "." + p
			}
		}
	}
	return ""
}
