package session

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
)

// errDecode is what a record that opened but does not fit T is reported as.
var errDecode = errors.New("session: data does not decode")

// codec turns T into JSON of one schema version and back.
type codec[T any] struct {
	schema  uint32
	migrate func(from uint32, data []byte) ([]byte, error)
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
		if plain, err = c.migrate(schema, plain); err != nil {
			return errDecode
		}
	}
	if json.Unmarshal(plain, v) != nil {
		return errDecode
	}
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
