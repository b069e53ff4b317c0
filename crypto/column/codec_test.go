package column_test

import (
	"bytes"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"testing/quick"
	"time"

	"github.com/pavise/pavise/crypto"
	"github.com/pavise/pavise/crypto/column"
)

type (
	word    string
	blob    []byte
	yes     bool
	count   int16
	stamp   time.Time
	address struct {
		Street string
		Tags   []string `json:",omitempty"`
		IP     netip.Addr
	}
)

// returns checks that what is sealed comes back, for random values of T and the given ones.
func returns[T any](t *testing.T, given ...T) {
	t.Helper()
	t.Run(reflect.TypeFor[T]().String(), func(t *testing.T) {
		c := newColumn[T](t)
		same := func(v T) bool {
			got, err := open(c, seal(t, c, v, "1"), "1")
			if err != nil || !reflect.DeepEqual(got, v) {
				t.Errorf("%#v came back as %#v, %v", v, got, err)
				return false
			}
			return true
		}
		for _, v := range given {
			same(v)
		}
		if given == nil {
			if err := quick.Check(same, &quick.Config{MaxCount: 50}); err != nil {
				t.Error(err)
			}
		}
	})
}

func pointer[T any](v T) *T { return &v }

func TestTypesReturn(t *testing.T) {
	returns[string](t)
	returns(t, "", "\x00\xff not UTF-8", strings.Repeat("x", 100_000))
	returns(t, []byte{}, []byte{0, 255}, nil)
	returns[word](t)
	returns(t, blob("b"), nil)
	returns[bool](t)
	returns[yes](t)
	returns[int](t)
	returns[int8](t)
	returns[count](t)
	returns(t, int64(math.MinInt64), math.MaxInt64, -1)
	returns[uint](t)
	returns[uint8](t)
	returns(t, uint64(math.MaxUint64), 0)
	returns[float32](t)
	returns[float64](t)
	returns(t, math.Inf(-1), math.SmallestNonzeroFloat64, math.MaxFloat64)
	returns(t, float32(math.MaxFloat32), math.SmallestNonzeroFloat32)
	returns[time.Duration](t)
	returns(t, time.Time{}, time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC), time.Date(-5000, 1, 1, 0, 0, 0, 1, time.UTC))
	returns(t, stamp(time.Unix(1, 2).UTC()))
	returns[map[string]int](t)
	returns[[]string](t)
	returns[[16]byte](t)
	returns[*string](t)
	returns(t, nil, pointer(""), pointer("value"))
	returns(t, nil, pointer(time.Unix(1, 2).UTC()))
	returns[*map[string]string](t)
	returns[sql.Null[int64]](t, sql.Null[int64]{}, sql.Null[int64]{Valid: true}, sql.Null[int64]{V: -1, Valid: true})
	returns(t, sql.Null[address]{}, sql.Null[address]{V: address{Street: "<Main>"}, Valid: true})
	returns(t, address{"Street", []string{"a"}, netip.MustParseAddr("::1")})
	returns(t, pointer(pointer("value")), pointer((*string)(nil)), nil)
	returns(t, *big.NewInt(0).Lsh(big.NewInt(1), 200))
	returns[any](t, "text", 1.5, true, []any{"a"}, map[string]any{"a": 1.0})
}

func TestNaNReturns(t *testing.T) {
	c, small := newColumn[float64](t), newColumn[float32](t)
	nan := math.Float64frombits(0x7ff8_0000_dead_beef)
	if got, err := open(c, seal(t, c, nan, "1"), "1"); err != nil || math.Float64bits(got) != math.Float64bits(nan) {
		t.Errorf("%x, %v", math.Float64bits(got), err)
	}
	if got, err := open(small, seal(t, small, float32(math.NaN()), "1"), "1"); err != nil || got == got {
		t.Errorf("%v, %v", got, err)
	}
}

// The instant stays to the nanosecond; the zone and the monotonic clock do not.
func TestTime(t *testing.T) {
	c := newColumn[time.Time](t)
	for range 200 {
		v := time.Unix(rand.Int64N(1<<40)-1<<39, rand.Int64N(1e9)).In(time.FixedZone("somewhere", rand.IntN(80_000)-40_000))
		if got, err := open(c, seal(t, c, v, "1"), "1"); err != nil || !got.Equal(v) || got.Location() != time.UTC {
			t.Fatalf("%v came back as %v, %v", v, got, err)
		}
	}
}

// NULL is not sealed, and comes back as NULL where the type has a place for it.
func TestNull(t *testing.T) {
	for name, sealed := range map[string]any{
		"pointer": seal(t, newColumn[*string](t), nil, "1"),
		"Null":    seal(t, newColumn[sql.Null[string]](t), sql.Null[string]{V: "left over"}, "1"),
		"[]byte":  seal(t, newColumn[[]byte](t), nil, "1"),
	} {
		if sealed != nil {
			t.Errorf("NULL of a %s is sealed as %v", name, sealed)
		}
	}
	row, p, n, b := "1", pointer("before"), sql.Null[string]{V: "before", Valid: true}, []byte("before")
	err := errors.Join(
		newColumn[*string](t).Scan(&p, &row).Scan(nil),
		newColumn[sql.Null[string]](t).Scan(&n, nil).Scan(nil), // of an outer join that found no row
		newColumn[[]byte](t).Scan(&b, &row).Scan(nil))
	if err != nil || p != nil || n != (sql.Null[string]{}) || b != nil {
		t.Errorf("%v, %v, %q, %v", p, n, b, err)
	}
	for name, empty := range map[string]any{
		"pointer": seal(t, newColumn[*string](t), pointer(""), "1"),
		"Null":    seal(t, newColumn[sql.Null[string]](t), sql.Null[string]{Valid: true}, "1"),
		"[]byte":  seal(t, newColumn[[]byte](t), []byte{}, "1"),
	} {
		if empty == nil {
			t.Errorf("the empty %s is NULL", name)
		}
	}
}

// as seals a value of one type and reads it as another.
func as[From, To any](t *testing.T, v From, opts ...column.Option) (To, error) {
	t.Helper()
	k := newKeyring(t)
	return open(columnOf[To](t, k, "t", "c"), seal(t, columnOf[From](t, k, "t", "c"), v, "1"), "1")
}

func TestAnotherType(t *testing.T) {
	fails := func(_ any, err error) error { return err }
	for name, test := range map[string]struct {
		err  error
		want string
	}{
		"string as bytes":     {fails(as[string, []byte](t, "7")), "sealed as a string and is read as bytes"},
		"string as integer":   {fails(as[string, int](t, "7654321")), "sealed as a string and is read as a signed integer"},
		"integer as unsigned": {fails(as[int, uint](t, 7)), "sealed as a signed integer and is read as an unsigned integer"},
		"integer as time":     {fails(as[int, time.Time](t, 7)), "and is read as a time"},
		"time as JSON":        {fails(as[time.Time, address](t, time.Now())), "and is read as JSON"},
		"float as bool":       {fails(as[float64, bool](t, 1)), "and is read as a bool"},
		"wide as narrow":      {fails(as[int, int8](t, 128)), "does not fit into int8"},
		"wide as narrow uint": {fails(as[uint, uint8](t, 256)), "does not fit into uint8"},
		"float64 as float32":  {fails(as[float64, float32](t, 1e300)), "does not fit into float32"},
		"0.1 as float32":      {fails(as[float64, float32](t, 0.1)), "does not fit into float32"},
		"JSON as other JSON":  {fails(as[map[string]string, address](t, map[string]string{"Secret": "7654321"})), "is not of this type"},
		"JSON list as struct": {fails(as[[]int, address](t, []int{7654321})), "is not of this type"},
		"JSON number overflow": {
			fails(as[map[string]int, map[string]int8](t, map[string]int{"a": 7654321})), "is not of this type",
		},
	} {
		if test.err == nil || !strings.Contains(test.err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, test.err, test.want)
		} else if strings.Contains(test.err.Error(), "7654321") {
			t.Errorf("%s: the error holds the value: %v", name, test.err)
		}
	}
	if got, err := as[int8, int64](t, -7); err != nil || got != -7 {
		t.Errorf("narrow as wide: %v, %v", got, err)
	}
	if got, err := as[string, sql.Null[word]](t, "v"); err != nil || got.V != "v" || !got.Valid {
		t.Errorf("string as a nullable named one: %v, %v", got, err)
	}
}

// A value that fails to decode leaves no part of itself in dst.
func TestDecodeIsWhole(t *testing.T) {
	k, row := newKeyring(t), "1"
	sealed := seal(t, columnOf[map[string]any](t, k, "t", "c"), map[string]any{"Street": "new", "Tags": []string{"new"}, "zzz": 1}, row)
	got := address{Street: "before"}
	if err := columnOf[address](t, k, "t", "c").Scan(&got, &row).Scan(sealed); err == nil || got.Street != "before" || got.Tags != nil {
		t.Errorf("%+v, %v", got, err)
	}
}

type refusing struct{ Value string }

func (r refusing) MarshalJSON() ([]byte, error) { return nil, fmt.Errorf("cannot do %s", r.Value) }

func TestJSONErrorHoldsNoValue(t *testing.T) {
	_, err := newColumn[refusing](t).Value(refusing{"7654321"}, "1").Value()
	_, errNaN := newColumn[[]float64](t).Value([]float64{math.Inf(1)}, "1").Value()
	if err == nil || errNaN == nil || strings.Contains(err.Error(), "7654321") || strings.Contains(errNaN.Error(), "Inf") {
		t.Errorf("%v, %v", err, errNaN)
	}
}

// sealed returns plaintext as if some version of this package had sealed it.
func sealed(k *crypto.Keyring, plaintext []byte) ([]byte, error) {
	return k.Compact().Seal(nil, plaintext, crypto.Bind("github.com/pavise/pavise/crypto/column/v1", "t", "c", "1"))
}

// decodes reads plaintext as a T: an error and no T, or a T that seals and reads as the same.
func decodes[T any](t *testing.T, k *crypto.Keyring, plaintext []byte) {
	c, zero := columnOf[T](t, k, "t", "c"), *new(T)
	ciphertext, err := sealed(k, plaintext)
	if err != nil {
		t.Fatal(err)
	}
	got, err := open(c, ciphertext, "1")
	if err != nil {
		if !reflect.DeepEqual(got, zero) || !strings.HasPrefix(err.Error(), "column: ") {
			t.Errorf("%T is %v after %v", got, got, err)
		}
		return
	}
	again, err := k.Compact().Open(nil, seal(t, c, got, "1").([]byte), crypto.Bind("github.com/pavise/pavise/crypto/column/v1", "t", "c", "1"))
	if err != nil || plaintext[0] != 8 && !bytes.Equal(again, plaintext) {
		t.Errorf("%T: %x reads as %v, which is %x, %v", got, plaintext, got, again, err)
	}
	if back, err := as[T, T](t, got); err != nil || plaintext[0] == 8 && !reflect.DeepEqual(back, got) {
		t.Errorf("%T: %v came back as %v, %v", got, got, back, err)
	}
}

func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		"", "\x00", "\x01text", "\x02\xff", "\x03\x01", "\x03\x02", "\x04\x7f\xff\xff\xff\xff\xff\xff\xff", "\x04\x00", "\x05\x00\x00\x00\x00\x00\x00\x01\x00",
		"\x06\x7f\xf0\x00\x00\x00\x00\x00\x01", "\x08{\"Street\":\"s\"}", "\x08{} {}", "\x08null", "\x09", "\x08{\"Street\":\"\xff\"}",
	} {
		f.Add([]byte(seed))
	}
	for _, nanos := range []uint32{0, 999_999_999, 1e9} {
		f.Add(binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64([]byte{7}, 1<<63), nanos))
	}
	k := newKeyring(f)
	f.Fuzz(func(t *testing.T, plaintext []byte) {
		decodes[string](t, k, plaintext)
		decodes[[]byte](t, k, plaintext)
		decodes[bool](t, k, plaintext)
		decodes[int8](t, k, plaintext)
		decodes[*int64](t, k, plaintext)
		decodes[uint32](t, k, plaintext)
		decodes[float32](t, k, plaintext)
		decodes[float64](t, k, plaintext)
		decodes[time.Time](t, k, plaintext)
		decodes[sql.Null[address]](t, k, plaintext)
		decodes[[]string](t, k, plaintext)
	})
}
