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

// codec turns T into bytes of one schema version and back.
type codec[T any] struct {
	schema  uint32
	migrate func(from uint32, data []byte) ([]byte, error)
	append  func(b []byte, v *T) ([]byte, error)
	parse   func(b []byte, v *T) error
}

// newCodec refuses a T that cannot be kept: one that does not encode, and one that holds a
// value of package secrets, which would be written redacted.
func newCodec[T any](o *options) (c codec[T], err error) {
	t := reflect.TypeFor[T]()
	if p := findSecret(t, map[reflect.Type]bool{}); p != "" {
		return c, fmt.Errorf("session: data type %s holds a secret (%s): keep a reference to it instead", t, p)
	}
	switch given := o.codec.(type) {
	case nil:
		c = codec[T]{append: appendJSON[T], parse: new(jsonParser[T]).parse}
	case codec[T]:
		c = given
	default:
		return c, fmt.Errorf("session: Codec is not one of data type %s", t)
	}
	c.schema, c.migrate = o.schema, o.migrate
	var zero T
	b, err := c.encode(&zero)
	if err == nil {
		err = c.parse(b, &zero)
	}
	if err != nil {
		return c, fmt.Errorf("session: data type %s: %w", t, err)
	}
	return c, nil
}

func (c *codec[T]) encode(v *T) ([]byte, error) {
	b, err := c.append(nil, v)
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
	if c.parse(plain, v) != nil {
		return errDecode
	}
	return nil
}

func appendJSON[T any](_ []byte, v *T) ([]byte, error) { return json.Marshal(v) }

// jsonParser uses decoders again, which saves a third of the allocations of a read. One
// never holds more than one value, and is thrown away if it met anything odd.
type jsonParser[T any] struct{ pool sync.Pool }

type jsonDecoder struct {
	src bytes.Reader
	*json.Decoder
}

func (p *jsonParser[T]) parse(b []byte, v *T) error {
	d, ok := p.pool.Get().(*jsonDecoder)
	if !ok {
		d = new(jsonDecoder)
		d.Decoder = json.NewDecoder(&d.src)
	}
	b = bytes.TrimSpace(b)
	d.src.Reset(b)
	start := d.InputOffset()
	if err := d.Decode(v); err != nil {
		return err
	}
	if d.InputOffset()-start != int64(len(b)) {
		return errDecode
	}
	d.src.Reset(nil)
	p.pool.Put(d)
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
