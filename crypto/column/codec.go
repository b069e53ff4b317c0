package column

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"reflect"
	"time"
)

// encoding is the first byte of every sealed value: which form follows. A form that has
// to change gets a byte of its own, and the old one stays readable.
type encoding byte

const (
	encodingString encoding = 1 + iota // its bytes
	encodingBytes                      // themselves
	encodingBool                       // 00 or 01
	encodingInt                        // 8 bytes, two's complement
	encodingUint                       // 8 bytes
	encodingFloat                      // 8 bytes, IEEE 754 binary64
	encodingTime                       // seconds since 1970 UTC, 8 bytes, two's complement; nanoseconds, 4 bytes
	encodingJSON
)

const nanoseconds = 1e9 // of a second

var (
	errEncoding = errors.New("column: sealed value is in no form that this version knows")
	timeType    = reflect.TypeFor[time.Time]()
)

func (e encoding) String() string {
	names := [...]string{"", "a string", "bytes", "a bool", "a signed integer", "an unsigned integer", "a float", "a time", "JSON"}
	return names[e]
}

func (e encoding) indexable() bool {
	return e != encodingBool && e != encodingFloat && e != encodingJSON
}

// size is that of a value after its first byte; ok is false where any will do.
func (e encoding) size() (n int, ok bool) {
	switch e {
	case encodingBool:
		return 1, true
	case encodingInt, encodingUint, encodingFloat:
		return 8, true
	case encodingTime:
		return 12, true
	}
	return 0, false
}

func encodingOf(t reflect.Type) encoding {
	switch k := t.Kind(); {
	case k == reflect.String:
		return encodingString
	case k == reflect.Slice && t.Elem().Kind() == reflect.Uint8:
		return encodingBytes
	case k == reflect.Bool:
		return encodingBool
	case reflect.Zero(t).CanInt():
		return encodingInt
	case reflect.Zero(t).CanUint():
		return encodingUint
	case reflect.Zero(t).CanFloat():
		return encodingFloat
	case t.ConvertibleTo(timeType):
		return encodingTime
	}
	return encodingJSON
}

// encode returns the first byte and the value v, which is addressable and of type c.typ.
func (c codec) encode(v reflect.Value) ([]byte, error) {
	switch c.encoding {
	case encodingString:
		return append(c.encoded(v.Len()), v.String()...), nil
	case encodingBytes:
		return append(c.encoded(v.Len()), v.Bytes()...), nil
	case encodingJSON:
		text, err := c.encodeJSON(v)
		defer clear(text)
		return append(c.encoded(len(text)), text...), err
	}
	return c.encodeFixed(v), nil
}

// encoded returns the first byte, with room for n more.
func (c codec) encoded(n int) []byte {
	return append(make([]byte, 0, 1+n), byte(c.encoding))
}

func (c codec) encodeFixed(v reflect.Value) []byte {
	n, _ := c.encoding.size()
	out := c.encoded(n)
	switch c.encoding {
	case encodingBool:
		if v.Bool() {
			return append(out, 1)
		}
		return append(out, 0)
	case encodingInt:
		return binary.BigEndian.AppendUint64(out, uint64(v.Int()))
	case encodingUint:
		return binary.BigEndian.AppendUint64(out, v.Uint())
	case encodingFloat:
		return binary.BigEndian.AppendUint64(out, math.Float64bits(v.Float()))
	case encodingTime:
		t := v.Convert(timeType).Interface().(time.Time)
		out = binary.BigEndian.AppendUint64(out, uint64(t.Unix()))
		return binary.BigEndian.AppendUint32(out, uint32(t.Nanosecond()))
	}
	return out
}

// decode sets dst, of type c.typ, unless it returns an error.
func (c codec) decode(dst reflect.Value, plaintext []byte) error {
	if len(plaintext) == 0 || plaintext[0] == 0 || plaintext[0] > byte(encodingJSON) {
		return errEncoding
	}
	if was := encoding(plaintext[0]); was != c.encoding {
		return fmt.Errorf("column: value was sealed as %v and is read as %v", was, c.encoding)
	}
	value := plaintext[1:]
	if n, fixed := c.encoding.size(); fixed && len(value) != n {
		return errEncoding
	}
	switch c.encoding {
	case encodingString:
		dst.SetString(string(value))
	case encodingBytes:
		dst.SetBytes(append([]byte{}, value...)) // not nil, which is NULL
	case encodingJSON:
		return decodeJSON(dst, value)
	default:
		return c.decodeFixed(dst, value)
	}
	return nil
}

func (c codec) decodeFixed(dst reflect.Value, value []byte) error {
	if c.encoding == encodingBool {
		if value[0] > 1 {
			return errEncoding
		}
		dst.SetBool(value[0] == 1)
		return nil
	}
	n := binary.BigEndian.Uint64(value)
	switch c.encoding {
	case encodingInt:
		if dst.OverflowInt(int64(n)) {
			return c.tooSmall()
		}
		dst.SetInt(int64(n))
	case encodingUint:
		if dst.OverflowUint(n) {
			return c.tooSmall()
		}
		dst.SetUint(n)
	case encodingFloat:
		f := math.Float64frombits(n)
		if c.typ.Kind() == reflect.Float32 && math.Float64bits(float64(float32(f))) != n {
			return c.tooSmall()
		}
		dst.SetFloat(f)
	case encodingTime:
		nanos := binary.BigEndian.Uint32(value[8:])
		if nanos >= nanoseconds {
			return errEncoding
		}
		dst.Set(reflect.ValueOf(time.Unix(int64(n), int64(nanos)).UTC()).Convert(c.typ))
	}
	return nil
}

func (c codec) tooSmall() error {
	return fmt.Errorf("column: sealed number does not fit into %v", c.typ)
}
