package crypto_test

import (
	"bytes"
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"testing"
	"time"

	"github.com/pavise/pavise/crypto"
	"github.com/pavise/pavise/crypto/column"
)

type columnVector struct {
	Name       string     `json:"name"`
	Keys       []hexBytes `json:"keys"`
	Table      string     `json:"table"`
	Column     string     `json:"column"`
	Row        string     `json:"row"`
	Type       string     `json:"type"`
	Value      string     `json:"value,omitempty"`
	Nonce      hexBytes   `json:"nonce,omitempty"`
	Plaintext  hexBytes   `json:"plaintext,omitempty"`
	Ciphertext hexBytes   `json:"ciphertext"`
	Bits       int        `json:"bits,omitempty"`
	Tokens     []hexBytes `json:"tokens,omitempty"`
	Failure    string     `json:"failure,omitempty"`
}

func columnBinding(parts ...string) binding {
	return binding{"github.com/pavise/pavise/crypto/column/v1", parts}
}

func (v columnVector) seal() hexBytes {
	return sealCompact(v.Keys[0], v.Nonce, v.Plaintext, columnBinding(v.Table, v.Column, v.Row))
}

func (v columnVector) tokens() (all []hexBytes) {
	for _, key := range v.Keys {
		h := hmac.New(sha256.New, expand(derive(key, "index/v1", 32), string(columnBinding(v.Table, v.Column).encode()), 32))
		h.Write(v.Plaintext)
		bits := binary.BigEndian.Uint32(h.Sum(nil)) >> (32 - v.Bits) << (32 - v.Bits)
		all = append(all, binary.BigEndian.AppendUint32(nil, bits)[:(v.Bits+7)/8])
	}
	return all
}

func makeColumns() (all []columnVector) {
	u64 := func(first byte, n uint64) hexBytes { return binary.BigEndian.AppendUint64([]byte{first}, n) }
	add := func(typ, value string, plaintext hexBytes, bits int) {
		v := columnVector{
			Name: typ + ", " + cmp.Or(value, "empty"), Keys: []hexBytes{keyA, keyB}, Table: "users", Column: "c_" + typ, Row: "user-17",
			Type: typ, Value: value, Plaintext: plaintext, Bits: bits,
		}
		v.Nonce = fixed("nonce of column "+v.Name, 24)
		v.Ciphertext = v.seal()
		if bits > 0 {
			v.Tokens = v.tokens()
		}
		all = append(all, v)
	}
	when := time.Date(1815, 12, 10, 1, 2, 3, 4, time.UTC)
	add("string", "", hexBytes("\x01"), 32)
	add("string", "alice@example.com", hexBytes("\x01alice@example.com"), 15)
	add("bytes", "", hexBytes{2}, 1)
	add("bytes", "00ff", hexBytes{2, 0, 0xff}, 8)
	add("bool", "false", hexBytes{3, 0}, 0)
	add("bool", "true", hexBytes{3, 1}, 0)
	add("int", "-2", u64(4, math.MaxUint64-1), 9)
	add("uint", "18446744073709551615", u64(5, math.MaxUint64), 31)
	add("float", "0.1", u64(6, math.Float64bits(0.1)), 0)
	add("time", when.Format(time.RFC3339Nano), append(u64(7, uint64(when.Unix())), 0, 0, 0, 4), 16)
	add("json", `{"a":[1,null]}`, hexBytes("\x08"+`{"a":[1,null]}`), 0)

	good := all[1]
	invalid := func(name, failure string, change func(v *columnVector)) {
		v := columnVector{
			Name: name, Keys: good.Keys, Table: good.Table, Column: good.Column, Row: good.Row, Type: good.Type,
			Ciphertext: good.Ciphertext, Failure: failure,
		}
		change(&v)
		all = append(all, v)
	}
	resealed := func(plaintext string) hexBytes {
		v := good
		v.Plaintext = hexBytes(plaintext)
		return v.seal()
	}
	invalid("another row", "payload", func(v *columnVector) { v.Row = "user-18" })
	invalid("another column", "payload", func(v *columnVector) { v.Column = "c_strings" })
	invalid("another table", "payload", func(v *columnVector) { v.Table = "admins" })
	invalid("parts shifted", "payload", func(v *columnVector) { v.Table, v.Column = "usersc", "_string" })
	invalid("another key", "key", func(v *columnVector) { v.Keys = []hexBytes{keyB} })
	invalid("altered", "payload", func(v *columnVector) { v.Ciphertext = bytes.Clone(v.Ciphertext); v.Ciphertext[40] ^= 1 })
	invalid("no encoding", "encoding", func(v *columnVector) { v.Ciphertext = resealed("") })
	invalid("encoding 00", "encoding", func(v *columnVector) { v.Ciphertext = resealed("\x00") })
	invalid("encoding 09", "encoding", func(v *columnVector) { v.Ciphertext = resealed("\x09") })
	invalid("bytes as a string", "encoding", func(v *columnVector) { v.Ciphertext = resealed("\x02a") })
	invalid("integer of 7 bytes", "encoding", func(v *columnVector) { v.Type, v.Ciphertext = "int", resealed("\x04\x00\x00\x00\x00\x00\x00\x01") })
	invalid("bool of 02", "encoding", func(v *columnVector) { v.Type, v.Ciphertext = "bool", resealed("\x03\x02") })
	invalid("a second of nanoseconds", "encoding", func(v *columnVector) {
		v.Type, v.Ciphertext = "time", resealed("\x07\x00\x00\x00\x00\x00\x00\x00\x00\x3b\x9a\xca\x00")
	})
	invalid("two JSON values", "encoding", func(v *columnVector) { v.Type, v.Ciphertext = "json", resealed("\x08{}{}") })
	return all
}

func TestVectorsColumn(t *testing.T) {
	for _, v := range load[columnVector](t, "column") {
		switch v.Type {
		case "string":
			checkColumn(t, v, v.Value)
		case "bytes":
			checkColumn(t, v, must(hex.DecodeString(v.Value)))
		case "bool":
			checkColumn(t, v, v.Value == "true")
		case "int":
			checkColumn(t, v, must(strconv.ParseInt(cmp.Or(v.Value, "0"), 10, 64)))
		case "uint":
			checkColumn(t, v, must(strconv.ParseUint(v.Value, 10, 64)))
		case "float":
			checkColumn(t, v, must(strconv.ParseFloat(v.Value, 64)))
		case "time":
			checkColumn(t, v, must(time.Parse(time.RFC3339Nano, cmp.Or(v.Value, "1970-01-01T00:00:00Z"))))
		case "json":
			var parsed any
			_ = json.Unmarshal([]byte(v.Value), &parsed) // what must not open has none
			checkColumn(t, v, parsed)
		default:
			t.Errorf("%s: type %q", v.Name, v.Type)
		}
	}
}

func checkColumn[T any](t *testing.T, v columnVector, value T) {
	t.Helper()
	var opts []column.Option
	if v.Bits > 0 {
		opts = append(opts, column.WithIndex(v.Bits))
	}
	c := must(column.New[T](keyring(t, v.Keys...), v.Table, v.Column, opts...))
	var got T
	err := c.Scan(&got, &v.Row).Scan([]byte(v.Ciphertext))
	if v.Failure != "" {
		if err == nil || errors.Is(err, crypto.ErrOpen) == (v.Failure == "encoding") {
			t.Errorf("%s: %v, want %s", v.Name, err, v.Failure)
		}
		return
	}
	sealed := must(c.Value(got, v.Row).Value()).([]byte)
	if err != nil || !c.Match(got, value) || !bytes.Equal(v.Ciphertext, v.seal()) {
		t.Errorf("%s: opened otherwise, %v", v.Name, err)
	}
	v.Nonce = sealed[5:29]
	if !bytes.Equal(sealed, v.seal()) {
		t.Errorf("%s: sealed otherwise", v.Name)
	}
	if v.Bits == 0 {
		return
	}
	tokens := must(c.Index(value))
	for i, want := range v.Tokens {
		if len(tokens) != len(v.Tokens) || !bytes.Equal(tokens[i], want) {
			t.Errorf("%s: tokens %x, want %x", v.Name, tokens, v.Tokens)
		}
	}
}
