package column

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
)

var (
	errNotJSON = errors.New("column: sealed JSON is not of this type, or has a field that the type has not")
	errChanged = errors.New("column: value is not what comes back of its JSON (text that is not UTF-8, a large number in an interface, a MarshalJSON without its UnmarshalJSON)")
)

// encodeJSON drops the cause of an error because it may quote the value.
func (c codec) encodeJSON(v reflect.Value) ([]byte, error) {
	text, err := json.Marshal(v.Addr().Interface())
	switch {
	case err != nil:
		return nil, fmt.Errorf("column: %v does not encode as JSON: %T", c.typ, err)
	case c.interfaces && secretWithin(v, map[pointee]bool{}):
		err = errSecret
	case !c.comesBack(text):
		err = errChanged
	}
	return text, err
}

// comesBack makes sure that text can be read, now that the value is still at hand.
func (c codec) comesBack(text []byte) bool {
	read := reflect.New(c.typ)
	if decodeJSON(read.Elem(), text) != nil {
		return false
	}
	again, err := json.Marshal(read.Interface())
	defer clear(again)
	return err == nil && bytes.Equal(again, text)
}

// decodeJSON is strict: a field that T does not know would be lost when the value is
// written back, and null would be a struct of zeros. The cause of an error is dropped
// because it may quote the value.
func decodeJSON(dst reflect.Value, text []byte) error {
	fresh := reflect.New(dst.Type())
	if k := dst.Kind(); (k == reflect.Struct || k == reflect.Array) && !hasMarshaler(dst.Type()) && string(text) == "null" {
		return errNotJSON
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(fresh.Interface()); err != nil {
		return errNotJSON
	}
	if _, err := decoder.Token(); err != io.EOF {
		return errNotJSON
	}
	dst.Set(fresh.Elem())
	return nil
}
