package session

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/fips140"
	"crypto/hkdf"
	"crypto/sha256"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"
)

// ownBlock is AES as a type that the standard library does not know, as in builds
// with another cryptographic module.
type ownBlock struct{ cipher.Block }

// The data key is HKDF-Extract as the standard library computes it, and both ways
// to make the AEAD read what the other wrote.
func TestSealer(t *testing.T) {
	var pool scratchPool
	tok := newToken(7)
	s, err := pool.sealer(&tok)
	if err != nil {
		t.Fatal(err)
	}
	key, err := hkdf.Extract(sha256.New, tok[:], []byte("pavise/session/data-key/v1"))
	if err != nil {
		t.Fatal(err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	if fips140.Enforced() {
		t.Skip("the fallback is for builds that this mode does not know")
	}
	aead, err := newAEAD(ownBlock{block})
	if err != nil || aead.NonceSize() != 12 {
		t.Fatal(err)
	}
	fallback := sealer{aead, &pool}
	r := Record{Key: tok.key(), User: "ann", Version: 3, Created: time.UnixMicro(1)}
	for _, pair := range [][2]sealer{{s, fallback}, {fallback, s}} {
		r.Data = pair[0].seal(&r, 9, []byte("data"))
		plain, schema, err := pair[1].open(&r)
		if err != nil || schema != 9 || string(plain) != "data" || len(r.Data) != sealOverhead+4 {
			t.Errorf("%q %d %v", plain, schema, err)
		}
	}
}

// Every field of a Record either changes the additional data or is one of those
// that it must not cover: a field that is added later has to be decided about.
func TestBindCoversTheRecord(t *testing.T) {
	free := map[string]bool{"Data": true, "Idle": true, "Seen": true, "IdleUntil": true, "Now": true}
	base := bind(nil, &Record{}, 1)
	for f := range reflect.TypeFor[Record]().Fields() {
		var r Record
		v := reflect.ValueOf(&r).Elem().FieldByIndex(f.Index)
		switch x := v.Addr().Interface().(type) {
		case *Key:
			x.Hash[31] = 1
		case *time.Time:
			*x = x.Add(time.Microsecond)
		case *[]byte:
			*x = []byte{1}
		case *[]string:
			*x = []string{""}
		case *bool:
			*x = true
		default:
			if v.CanUint() {
				v.SetUint(1)
			} else if v.CanInt() {
				v.SetInt(1)
			} else {
				v.SetString("x")
			}
		}
		if bound := !bytes.Equal(bind(nil, &r, 1), base); bound == free[f.Name] {
			t.Errorf("%s: bound %v", f.Name, bound)
		}
	}
}

// What one decoding left over must not reach the next session.
func TestDecoderHoldsOneValue(t *testing.T) {
	c, err := newCodec[map[string]int](new(options))
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		for _, bad := range []string{`{"a":1} {"b":2}`, `{"a":1}]`, `{"a":`, ``, `null null`, `{"a":"x"}`} {
			var v map[string]int
			if c.decode([]byte(bad), 0, &v) == nil {
				t.Errorf("%s: accepted", bad)
			}
			v = nil
			if err := c.decode([]byte(`{"c":3}`), 0, &v); err != nil || len(v) != 1 || v["c"] != 3 {
				t.Errorf("after %s: %v %v", bad, v, err)
			}
		}
	}
}

func FuzzParseToken(f *testing.F) {
	tok := newToken(1)
	for _, s := range []string{"", tok.String(), strings.Repeat("A", 46), strings.Repeat("A", 44) + "\r\n", strings.Repeat("_", 46)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if tok, ok := parseToken(s); ok && tok.String() != s {
			t.Error("one token with two spellings")
		}
	})
}

// The oracle is net/http's parser: what it sees as our cookie, with a value that
// can be a token, is what ours sees.
func FuzzFindCookie(f *testing.F) {
	tok := newToken(1)
	good := "__Host-session=" + tok.String()
	for _, s := range []string{"", good, "a=b; " + good, good + ";" + good, "__Host-session", ";;=;" + good, `__Host-session="x"`, " __Host-session =x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		h := http.Header{"Cookie": {line}}
		value, n := findCookie(h, "__Host-session")
		got, ok := parseToken(value)
		if n != 1 || !ok {
			return
		}
		for _, c := range (&http.Request{Header: h}).CookiesNamed("__Host-session") {
			if c.Value == got.String() {
				return
			}
		}
		t.Error("found a cookie that net/http does not")
	})
}

func TestUserShardIsStable(t *testing.T) {
	// Tokens and cluster slots depend on it: a change logs everybody out.
	if a, b := UserShard("ann"), UserShard("bob"); a != 48194 || b != 33940 {
		t.Errorf("ann %d, bob %d", a, b)
	}
	tok := newToken(UserShard("ann"))
	if tok.key().Shard != UserShard("ann") {
		t.Error("the token does not carry the shard")
	}
}

// Data that somebody wrote into the store opens nothing, whatever it is.
func FuzzOpenRecord(f *testing.F) {
	tok := newToken(1)
	s, err := new(scratchPool).sealer(&tok)
	if err != nil {
		f.Fatal(err)
	}
	r := Record{Key: tok.key(), User: "ann", Version: 3}
	good := s.seal(&r, 7, []byte("plain"))
	for _, b := range [][]byte{nil, good, good[:len(good)-1], append(bytes.Clone(good), 0), make([]byte, sealOverhead), {sealFormat}} {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r.Data = bytes.Clone(b)
		if _, _, err := s.open(&r); (err == nil) != bytes.Equal(b, good) {
			t.Errorf("%x: %v", b, err)
		}
	})
}
