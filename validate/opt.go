package validate

import (
	"bytes"
	"encoding/json"
	"reflect"
)

// Opt is a value that a client may leave out, or send as null: the three states of a member in a JSON merge patch
// (RFC 7396). The zero Opt is absent. Rules in the field's tag see the value inside, and only when there is one;
// `present` and `notnull` are about the state itself. To leave an absent Opt out of encoded JSON, add omitzero to
// its json tag.
type Opt[T any] struct {
	value T
	state optState
}

type optState uint8

const (
	optAbsent optState = iota
	optNull
	optValue
)

// Some returns an Opt that holds v.
func Some[T any](v T) Opt[T] { return Opt[T]{value: v, state: optValue} }

// Null returns an Opt that was sent as null.
func Null[T any]() Opt[T] { return Opt[T]{state: optNull} }

// Get returns the value and whether there is one.
func (o Opt[T]) Get() (T, bool) { return o.value, o.state == optValue }

// Or returns the value, or def when the Opt is absent or null.
func (o Opt[T]) Or(def T) T {
	if o.state == optValue {
		return o.value
	}
	return def
}

// IsNull reports whether the member was sent as null.
func (o Opt[T]) IsNull() bool { return o.state == optNull }

// IsZero reports whether the member is absent. It makes omitzero work.
func (o Opt[T]) IsZero() bool { return o.state == optAbsent }

// MarshalJSON encodes the value, or null when there is none.
func (o Opt[T]) MarshalJSON() ([]byte, error) {
	if o.state != optValue {
		return []byte("null"), nil
	}
	return json.Marshal(o.value)
}

// UnmarshalJSON decodes null or a value. Errors are those of encoding/json.
func (o *Opt[T]) UnmarshalJSON(data []byte) error {
	if bytes.Equal(data, []byte("null")) {
		*o = Null[T]()
		return nil
	}
	var v T
	if err := json.Unmarshal(data, &v); err != nil {
		return err
	}
	*o = Some(v)
	return nil
}

// optional is how the compiled plan looks inside an Opt whose type it knows only by reflection.
type optional interface {
	inside() (value reflect.Value, ok bool)
	fill() reflect.Value
}

func (o *Opt[T]) inside() (reflect.Value, bool) {
	return reflect.ValueOf(&o.value).Elem(), o.state == optValue
}

func (o *Opt[T]) fill() reflect.Value {
	o.state = optValue
	return reflect.ValueOf(&o.value).Elem()
}
