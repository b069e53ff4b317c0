package column_test

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/pavise/pavise/crypto"
	"github.com/pavise/pavise/crypto/column"
	"github.com/pavise/pavise/secrets"
)

type (
	level  uint8
	closed struct{ _ int }
	around struct{ Inside []closed }
	self   *self
	loop   struct {
		Next *loop
		Any  any
	}
	oneWay  struct{ V string }
	notSame struct{ V json.Number }
)

// MarshalJSON has no counterpart that reads what it writes.
func (o oneWay) MarshalJSON() ([]byte, error) { return []byte(`["` + o.V + `"]`), nil }

// named is written as its name, so that it may well point to itself.
type named struct {
	Name string
	Any  any
}

func (n *named) MarshalJSON() ([]byte, error)    { return json.Marshal(n.Name) }
func (n *named) UnmarshalJSON(text []byte) error { return json.Unmarshal(text, &n.Name) }

func refusesToSeal[T any](t *testing.T, v T, want string) {
	t.Helper()
	sealed, err := newColumn[T](t).Value(v, "1").Value()
	if err == nil || sealed != nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%T is sealed: %v, want %q", v, err, want)
	} else if strings.Contains(err.Error(), "7654321") {
		t.Errorf("%T: the error holds the value: %v", v, err)
	}
}

// What JSON would give back otherwise, or not at all, is known when it is sealed and not
// when it is lost.
func TestJSONSealsWhatComesBack(t *testing.T) {
	refusesToSeal(t, map[string]any{"id": int64(1<<53 + 1)}, "comes back")
	refusesToSeal(t, any(uint64(math.MaxUint64)), "comes back")
	refusesToSeal(t, address{Street: "not UTF-8: \xff"}, "comes back")
	refusesToSeal(t, map[string]int{"\xfe": 1, "\xff": 2}, "comes back")
	refusesToSeal(t, oneWay{"7654321"}, "comes back")
	refusesToSeal(t, map[string]any{"n": json.Number("7654321.0")}, "comes back")

	returns(t, address{Street: "<&>\u2028 \ufffd is UTF-8"})
	returns(t, map[string]any{"id": float64(1 << 53), "big": 1e300, "nothing": nil})
	returns(t, notSame{"7654321.00"}, notSame{"0"})
	returns(t, []json.RawMessage{json.RawMessage(`{"b":1,"a":1.0}`)})
}

// A Secret would be stored as its placeholder, for good.
func TestSecretInInterface(t *testing.T) {
	s := secrets.New([]byte("7654321"))
	type holder struct{ Any any }
	refusesToSeal(t, any(s), "secrets.Secret")
	refusesToSeal(t, any(&s), "secrets.Secret")
	refusesToSeal(t, map[string]any{"a": []any{map[string]any{"b": s}}}, "secrets.Secret")
	refusesToSeal(t, holder{[]secrets.Secret{s}}, "secrets.Secret")
	refusesToSeal(t, &holder{map[string]*secrets.Secret{"a": &s}}, "secrets.Secret")
	refusesToSeal(t, sql.Null[holder]{V: holder{&holder{s}}, Valid: true}, "secrets.Secret")
	refusesToSeal(t, [1]any{struct{ K crypto.Key }{crypto.GenerateKey()}}, "secrets.Secret")
	cycle := &named{Name: "a"}
	cycle.Any = cycle
	seal(t, newColumn[*named](t), cycle, "1")
}

func TestCyclesEnd(t *testing.T) {
	cycle := &loop{}
	cycle.Next = cycle
	refusesToSeal(t, cycle, "JSON")
	refusesToSeal(t, loop{Any: cycle}, "JSON")
	var s self
	s = &s
	refusesToSeal(t, s, "JSON")
	m := map[string]any{}
	m["m"] = m
	refusesToSeal(t, m, "JSON")
}

// A wrapper of database/sql in another wrapper has a NULL that would not be one.
func TestConstructorRefusesHidden(t *testing.T) {
	for name, err := range map[string]error{
		"*sql.NullString":          refused[*sql.NullString](),
		"*sql.Null":                refused[*sql.Null[string]](),
		"sql.Null[sql.Null]":       refused[sql.Null[sql.Null[int]]](),
		"sql.RawBytes":             refused[sql.RawBytes](),
		"*sql.RawBytes":            refused[*sql.RawBytes](),
		"closed struct in a slice": refused[[]closed](),
		"closed struct in a field": refused[map[string]*around](),
		"errors in a list":         refused[[]error](),
		"channel in a field":       refused[struct{ C chan int }](),
		"nil option":               refused[string](nil),
		"normalizers of two types": refused[int](column.WithIndex(8), column.WithNormalizer(strings.ToLower), column.WithNormalizer[int](nil)),
	} {
		if err == nil || !strings.HasPrefix(err.Error(), "column: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := refused[struct {
		C chan int `json:"-"`
		s []closed
		V []loop
	}](); err != nil {
		t.Errorf("what JSON leaves out: %v", err)
	}
}

// JSON's null is not a struct whose fields are all zero.
func TestNullIsNoStruct(t *testing.T) {
	if got, err := as[map[string]string, address](t, nil); err == nil {
		t.Errorf("null as a struct: %+v", got)
	}
	if got, err := as[any, sql.Null[[1]int]](t, nil); err == nil || got.Valid {
		t.Errorf("null as an array: %+v", got)
	}
	if got, err := as[map[string]string, []string](t, nil); err != nil || got != nil {
		t.Errorf("null as a slice: %v, %v", got, err)
	}
}

func TestOneJSONValue(t *testing.T) {
	k := newKeyring(t)
	c := columnOf[map[string]int](t, k, "t", "c")
	for text, want := range map[string]bool{`{"a":1}`: true, `{"a":1} `: true, `{"a":1}{}`: false, `{"a":1}x`: false, `{"a":`: false, ``: false} {
		ciphertext, err := sealed(k, []byte("\x08"+text))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := open(c, ciphertext, "1"); (err == nil) != want || want && got["a"] != 1 || !want && got != nil {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
}

// A driver uses its buffer again, and a program its variable.
func TestScanSharesNothing(t *testing.T) {
	k, row := newKeyring(t), "1"
	b, raw := columnOf[[]byte](t, k, "t", "b"), columnOf[map[string]json.RawMessage](t, k, "t", "j")
	buffer := make([]byte, 0, 200)
	sealedB, sealedRaw := seal(t, b, []byte("first"), row).([]byte), seal(t, raw, map[string]json.RawMessage{"a": json.RawMessage(`"first"`)}, row).([]byte)
	next := seal(t, b, []byte("other"), row).([]byte)

	var got []byte
	var gotRaw map[string]json.RawMessage
	for _, err := range []error{
		b.Scan(&got, &row).Scan(append(buffer, sealedB...)),
		raw.Scan(&gotRaw, &row).Scan(append(buffer, sealedRaw...)),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	kept := got
	if err := b.Scan(&got, &row).Scan(append(buffer, next...)); err != nil {
		t.Fatal(err)
	}
	clear(buffer[:cap(buffer)])
	if string(kept) != "first" || string(got) != "other" || string(gotRaw["a"]) != `"first"` {
		t.Errorf("%q, %q, %q", kept, got, gotRaw["a"])
	}
	source := slices.Clone(next)
	if err := b.Scan(&got, &row).Scan(source); err != nil || !bytes.Equal(source, next) {
		t.Errorf("the driver's bytes were changed: %v", err)
	}
}

// An id that stands for another row, or is none yet, opens nothing.
func TestRowOfAnotherTurn(t *testing.T) {
	c := newColumn[string](t)
	alice, bob := seal(t, c, "alice", "1"), seal(t, c, "bob", "2")
	var row, got string
	scan := c.Scan(&got, &row)
	if err := scan.Scan(alice); err == nil || !strings.Contains(err.Error(), "row id is empty") {
		t.Errorf("before its id: %v", err)
	}
	row = "1"
	if err := scan.Scan(alice); err != nil || got != "alice" {
		t.Errorf("%q, %v", got, err)
	}
	if err := scan.Scan(bob); err != crypto.ErrOpen || got != "alice" {
		t.Errorf("with the id of the row before: %q, %v", got, err)
	}
	for _, id := range []string{"01", "1.0", "+1", "1\x00", " 1", "\uff11"} {
		row = id
		if err := scan.Scan(alice); err != crypto.ErrOpen {
			t.Errorf("id %q: %v", id, err)
		}
	}
}

func TestNilColumn(t *testing.T) {
	var c *column.Column[string]
	var e *column.EnvelopeColumn[string]
	v, row := "", "1"
	_, errIndex := c.Index("v")
	_, errValue := c.Value("v", row).Value()
	_, errToken := c.Token("v").Value()
	_, errSeal := e.Seal(t.Context(), "v", row)
	_, errOpen := e.Open(t.Context(), []byte("x"), row)
	_, errIndex2 := e.Index("v")
	_, errToken2 := e.Token("v").Value()
	for i, err := range []error{
		errIndex, errValue, errToken, errSeal, errOpen, errIndex2, errToken2,
		c.Scan(&v, &row).Scan([]byte("x")), e.Scan(t.Context(), &v, &row).Scan([]byte("x")),
	} {
		if err == nil || !strings.Contains(err.Error(), "column is empty") {
			t.Errorf("%d: %v", i, err)
		}
	}
	if c.Match("v", "v") || e.Match("v", "v") || c.NeedsReseal([]byte("x")) {
		t.Error("a nil column matches or needs a reseal")
	}
}

func TestNamedBytes(t *testing.T) {
	returns(t, []level{1, 255}, []level{}, nil)
	returns[sql.Null[[]level]](t, sql.Null[[]level]{V: []level{7}, Valid: true}, sql.Null[[]level]{})
}

// One Column serves all goroutines of a program.
func TestConcurrentUse(t *testing.T) {
	c := newColumn[*string](t, column.WithIndex(16), column.WithNormalizer(strings.ToLower))
	var all sync.WaitGroup
	for g := range 8 {
		all.Go(func() {
			row := strconv.Itoa(g)
			for i := range 50 {
				v, other, got := fmt.Sprint("Value", g, i), fmt.Sprint("vALUE", g, i), (*string)(nil)
				sealed, err := c.Value(&v, row).Value()
				if err != nil || c.Scan(&got, &row).Scan(sealed) != nil || got == nil || *got != v {
					t.Errorf("%s came back otherwise, %v", v, err)
					return
				}
				mine, err := c.Index(&v)
				same, errSame := c.Index(&other)
				if err != nil || errSame != nil || !bytes.Equal(mine[0], same[0]) || !c.Match(&v, &other) || c.NeedsReseal(sealed.([]byte)) {
					t.Errorf("%s is not found", v)
				}
			}
		})
	}
	all.Wait()
}
