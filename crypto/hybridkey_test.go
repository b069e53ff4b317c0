package crypto

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/gob"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"reflect"
	"strings"
	"testing"

	"github.com/pavise/pavise/secrets"
)

func TestHybridKeyTextForms(t *testing.T) {
	publicLen := map[string]int{"X-Wing": 1654, "MLKEM1024-P384": 2252}
	for name, kind := range hybridKinds {
		private := kind.generate()
		text := private.Export()
		if s := text.Reveal(); len(s) != 76 || !strings.HasPrefix(s, "pavise_hybrid_private_v1_") {
			t.Errorf("%s: text of %d characters", name, len(s))
		}
		again, err := ParseHybridPrivateKey(text)
		if err != nil || !again.seed.Equal(private.seed) || again.kem != private.kem {
			t.Errorf("%s: private: %v", name, err)
		}
		public := private.Public().String()
		if len(public) != publicLen[name] || fmt.Sprint(private.Public()) != public {
			t.Errorf("%s: public text of %d characters", name, len(public))
		}
		parsed, err := ParseHybridPublicKey(public)
		if err != nil || parsed.String() != public || again.Public().String() != public {
			t.Errorf("%s: public: %v", name, err)
		}
		if kind.generate().Public().String() == public {
			t.Errorf("%s: two generated keys are equal", name)
		}
	}
	var zero HybridPrivateKey
	if zero.Export().Reveal() != "" || zero.Public().String() != "" {
		t.Error("a zero key has a text")
	}
}

func TestParseHybridRefuses(t *testing.T) {
	for name, kind := range hybridKinds {
		private := kind.generate()
		refuse(t, name+", private", private.Export().Reveal(), func(s string) error {
			k, err := ParseHybridPrivateKey(secrets.New(s))
			if err != nil && !k.seed.IsZero() {
				t.Error("an error came with a key")
			}
			return err
		})
		refuse(t, name+", public", private.Public().String(), func(s string) error {
			k, err := ParseHybridPublicKey(s)
			if err != nil && k.key != nil {
				t.Error("an error came with a key")
			}
			return err
		})
		if _, err := ParseHybridPublicKey(private.Export().Reveal()); err != errHybridPublic {
			t.Errorf("%s: private text as a public one: %v", name, err)
		}
		if _, err := ParseHybridPrivateKey(secrets.New(private.Public().String())); err != errHybridPrivate {
			t.Errorf("%s: public text as a private one: %v", name, err)
		}
	}
}

// refuse has parse refuse what is nearly text: among them every mistyped character, or
// some hundred of many.
func refuse(t *testing.T, name, text string, parse func(string) error) {
	t.Helper()
	if err := parse(text); err != nil {
		t.Errorf("%s: control: %v", name, err)
	}
	version := strings.Index(text, "_v1_")
	bad := []string{
		"", " ", text[:version+4], text[:len(text)-1], text + "A", text + "\n", "\n" + text, " " + text, text + "=",
		text[:version] + "_v2_" + text[version+4:], strings.ToUpper(text), text[version+4:],
		text[:60] + "\n" + text[60:], text[:60] + "\r\n" + text[60:], text[:60] + " " + text[60:], text + strings.Repeat("A", 8<<10),
	}
	for i := 0; i < len(text); i += 1 + len(text)/200 {
		c := "A"
		if text[i] == 'A' {
			c = "B"
		}
		bad = append(bad, text[:i]+c+text[i+1:])
	}
	// The last character has bits that belong to no byte: no other may stand for it.
	for _, c := range "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_" {
		if byte(c) != text[len(text)-1] {
			bad = append(bad, text[:len(text)-1]+string(c))
		}
	}
	for _, s := range bad {
		err := parse(s)
		if err == nil {
			t.Errorf("%s: %.100q was taken", name, s)
		} else if len(s) > 80 && strings.Contains(err.Error(), s[30:60]) {
			t.Errorf("%s: the error quotes the text: %v", name, err)
		}
	}
}

// Values behind a right checksum.
func TestParseHybridValues(t *testing.T) {
	xwing, p384 := GenerateHybridKey().Public().key, GenerateHybridKeyP384().Public().key
	overflow := bytes.Repeat([]byte{0xff}, 1216) // coefficients that are not below q
	offCurve := append(p384.Bytes()[:1568:1568], bytes.Repeat([]byte{4}, 97)...)
	withPoint := func(u []byte) []byte { return append(xwing.Bytes()[:1184:1184], u...) }
	small := func(n byte) []byte { return append([]byte{n}, make([]byte, 31)...) }
	aboveP := func(n byte) []byte { return append(append([]byte{0xed + n}, bytes.Repeat([]byte{0xff}, 30)...), 0x7f) }
	topBit := xwing.Bytes()
	topBit[len(topBit)-1] ^= 0x80
	for name, c := range map[string]struct {
		kem   uint16
		value []byte
		want  error
	}{
		"X-Wing":            {0x647a, xwing.Bytes(), nil},
		"X25519 of 9":       {0x647a, withPoint(small(9)), nil},
		"X25519 of 0":       {0x647a, withPoint(small(0)), errHybridValue},
		"X25519 of order 4": {0x647a, withPoint(small(1)), errHybridValue},
		"X25519 of order 8": {0x647a, withPoint(unhex(t, "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800")), errHybridValue},
		"X25519 of p - 1":   {0x647a, withPoint(aboveP(0xff)), errHybridValue},
		"X25519 of p - 3":   {0x647a, withPoint(aboveP(0xfd)), nil},
		"X25519 of p":       {0x647a, withPoint(aboveP(0)), errHybridValue},
		"X25519 of p + 9":   {0x647a, withPoint(aboveP(9)), errHybridValue},
		"X25519 and 2^255":  {0x647a, topBit, errHybridValue},
		"X-Wing as P384":    {0x0051, xwing.Bytes(), errHybridValue},
		"a byte less":       {0x647a, xwing.Bytes()[:1215], errHybridValue},
		"a byte more":       {0x647a, append(xwing.Bytes(), 0), errHybridValue},
		"empty":             {0x647a, nil, errHybridValue},
		"overflow":          {0x647a, overflow, errHybridValue},
		"off the curve":     {0x0051, offCurve, errHybridValue},
		"classical X25519":  {0x0020, xwing.Bytes()[1184:], errHybridAlgorithm},
		"ML-KEM-768 alone":  {0x0041, xwing.Bytes()[:1184], errHybridAlgorithm},
		"hybrid with P-256": {0x0050, make([]byte, 1249), errHybridAlgorithm},
		"KEM 0":             {0, xwing.Bytes(), errHybridAlgorithm},
	} {
		k, err := ParseHybridPublicKey(string(formatHybrid(hybridPublicPrefix, c.kem, c.value)))
		if err != c.want || (k.key == nil) != (err != nil) {
			t.Errorf("public: %s: %v", name, err)
		}
	}
	for n, want := range map[int]error{0: errHybridValue, 31: errHybridValue, 32: nil, 33: errHybridValue} {
		text := formatHybrid(hybridPrivatePrefix, 0x647a, make([]byte, n))
		if _, err := ParseHybridPrivateKey(secrets.New(text)); err != want {
			t.Errorf("seed of %d bytes: %v", n, err)
		}
	}
	text := formatHybrid(hybridPrivatePrefix, 0x0020, make([]byte, 32))
	if _, err := ParseHybridPrivateKey(secrets.New(text)); err != errHybridAlgorithm {
		t.Errorf("classical private key: %v", err)
	}
	for n := range 2 { // shorter than a KEM id, and the checksum is right
		b := make([]byte, n)
		b = binary.BigEndian.AppendUint32(b, textChecksum(hybridPrivatePrefix, b))
		text := hybridPrivatePrefix + base64.RawURLEncoding.EncodeToString(b)
		if _, err := ParseHybridPrivateKey(secrets.New(text)); err != errHybridChecksum {
			t.Errorf("%d bytes and a checksum: %v", n, err)
		}
	}
	for n := range 6 { // shorter than a checksum
		text := hybridPrivatePrefix + strings.Repeat("A", n)
		if _, err := ParseHybridPrivateKey(secrets.New(text)); err != errHybridChecksum {
			t.Errorf("%d characters: %v", n, err)
		}
	}
}

func TestHybridKeyDoesNotPrint(t *testing.T) {
	const seed = "0123456789abcdef0123456789abcdef"
	k, err := ParseHybridPrivateKey(secrets.New(formatHybrid(hybridPrivatePrefix, 0x647a, []byte(seed))))
	if err != nil {
		t.Fatal(err)
	}
	kek := HybridIdentity(k)
	var out bytes.Buffer
	for _, v := range []any{k, &k, []HybridPrivateKey{k}, struct{ K HybridPrivateKey }{k}, struct{ k HybridPrivateKey }{k}, kek, []KEK{kek}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%w"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		json.NewEncoder(&out).Encode(v)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("m", "k", v)
		slog.New(slog.NewTextHandler(&out, nil)).Info("m", "k", v)
	}
	for _, leak := range []string{seed[:16], k.Export().Reveal()[30:], "30313233343536", "[48 49 50", "0x30, 0x31"} {
		if strings.Contains(out.String(), leak) {
			t.Errorf("printed as %q", leak)
		}
	}
	for _, v := range []any{k, &k} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			if got := fmt.Sprintf(verb, v); got != "[REDACTED]" {
				t.Errorf("%T under %s: %s", v, verb, got)
			}
		}
		var line bytes.Buffer
		slog.New(slog.NewJSONHandler(&line, nil)).Info("m", "k", v)
		if !strings.Contains(line.String(), `"k":"[REDACTED]"`) {
			t.Errorf("logged as %s", &line)
		}
		if err := gob.NewEncoder(io.Discard).Encode(v); err == nil {
			t.Errorf("gob takes a %T", v)
		}
	}
}

// What a printer finds that follows every pointer, as those of debuggers and test
// tools do.
func TestHybridKeyDoesNotReflect(t *testing.T) {
	for name, kind := range hybridKinds {
		private := kind.generate()
		key, err := private.expand()
		if err != nil {
			t.Fatal(err)
		}
		seed, err := key.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		for what, v := range map[string]any{
			"private key": private, "identity": HybridIdentity(private), "envelope": newEnvelope(t, []KEK{HybridIdentity(private)}),
		} {
			if bytes.Contains(reachable(reflect.ValueOf(v), map[uintptr]bool{}), seed) {
				t.Errorf("%s: the seed is in reach of the %s", name, what)
			}
		}
		if !bytes.Contains(reachable(reflect.ValueOf([]any{&key}), map[uintptr]bool{}), seed) {
			t.Errorf("%s: control: the seed is not in reach of the key itself", name)
		}
	}
}

// reachable returns all bytes that reflection finds behind v.
func reachable(v reflect.Value, seen map[uintptr]bool) (found []byte) {
	switch v.Kind() {
	case reflect.Uint8:
		return []byte{byte(v.Uint())}
	case reflect.String:
		return []byte(v.String())
	case reflect.Pointer:
		if seen[v.Pointer()] {
			return nil
		}
		seen[v.Pointer()] = true
		return reachable(v.Elem(), seen)
	case reflect.Interface:
		return reachable(v.Elem(), seen)
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			found = append(found, reachable(v.Index(i), seen)...)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			found = append(found, reachable(v.Field(i), seen)...)
		}
	}
	return found
}

func FuzzParseHybridPrivateKey(f *testing.F) {
	for _, kind := range hybridKinds {
		f.Add(kind.generate().Export().Reveal())
	}
	f.Add("pavise_hybrid_private_v1_")
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		k, err := ParseHybridPrivateKey(secrets.New(text))
		if err == nil && (k.Export().Reveal() != text || k.Public().key == nil) {
			t.Fatal("a key has two texts, or no public key")
		}
		if err != nil && !k.seed.IsZero() {
			t.Fatal("an error came with a key")
		}
	})
}

func FuzzParseHybridPublicKey(f *testing.F) {
	for _, kind := range hybridKinds {
		f.Add(kind.generate().Public().String())
	}
	f.Add("pavise_hybrid_public_v1_")
	f.Fuzz(func(t *testing.T, text string) {
		k, err := ParseHybridPublicKey(text)
		if err == nil && k.String() != text {
			t.Fatal("a key has two texts")
		}
		// What the checksum keeps from the parser of the value.
		k, err = ParseHybridPublicKey(string(formatHybrid(hybridPublicPrefix, 0x647a, []byte(text))))
		if err == nil && !bytes.Equal(k.key.Bytes(), []byte(text)) {
			t.Fatal("a value was changed")
		}
	})
}
