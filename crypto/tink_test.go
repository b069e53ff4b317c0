package crypto

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/pavise/pavise/secrets"
)

// A keyset and a message that tink-go 2.9.0 made. Of the three keys the first is
// disabled and the second one is primary.
const (
	tinkJSON = `{"primaryKeyId":1618245691, "key":[` +
		`{"keyData":{"typeUrl":"type.googleapis.com/google.crypto.tink.XAesGcmKey", "value":"EgIIDBog2hPSxqwX3bRznaVpNdWCstBo8dNVTKJgCLUyPPT57A8=", "keyMaterialType":"SYMMETRIC"}, "status":"DISABLED", "keyId":1287064482, "outputPrefixType":"TINK"}, ` +
		`{"keyData":{"typeUrl":"type.googleapis.com/google.crypto.tink.XAesGcmKey", "value":"EgIIDBogoS0aetTIhmJBckAA9Hw2EQVebhkE2xEMvw2mHbV9HnY=", "keyMaterialType":"SYMMETRIC"}, "status":"ENABLED", "keyId":1618245691, "outputPrefixType":"TINK"}, ` +
		`{"keyData":{"typeUrl":"type.googleapis.com/google.crypto.tink.XAesGcmKey", "value":"EgIIDBoge+Ugm1sH7+4zsX4ZArgMrYP9OA1RO/Uhenq7kQfahbM=", "keyMaterialType":"SYMMETRIC"}, "status":"ENABLED", "keyId":1797020218, "outputPrefixType":"TINK"}]}`
	tinkBinary = "08bbf0d183061269" +
		"0a5d0a31747970652e676f6f676c65617069732e636f6d2f676f6f676c652e63727970746f2e74696e6b2e5841657347636d4b6579" +
		"12261202080c1a20da13d2c6ac17ddb4739da56935d582b2d068f1d3554ca26008b5323cf4f9ec0f1801100218a297dce5042001" + "1269" +
		"0a5d0a31747970652e676f6f676c65617069732e636f6d2f676f6f676c652e63727970746f2e74696e6b2e5841657347636d4b6579" +
		"12261202080c1a20a12d1a7ad4c8866241724000f47c3611055e6e1904db110cbf0da61db57d1e761801100118bbf0d183062001" + "1269" +
		"0a5d0a31747970652e676f6f676c65617069732e636f6d2f676f6f676c652e63727970746f2e74696e6b2e5841657347636d4b6579" +
		"12261202080c1a207be5209b5b07efee33b17e1902b80cad83fd380d513bf5217a7abb9107da85b31801100118bab4f1d8062001"
	tinkMessage = "016074783bad6ea4c1aa5d175927c6a53e9d4fa085afa0d952a964b224f9f835fb270899d52c0c12dba9daba13c5ea1fff3a28661a413018fad9bf"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func importKeyset(t testing.TB, text string) *Compact {
	t.Helper()
	c, err := ImportTink(secrets.New(text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestTinkMessageOpens(t *testing.T) {
	message, b := unhex(t, tinkMessage), TinkBinding([]byte("notes/17"))
	for form, text := range map[string]string{"JSON": tinkJSON, "binary": string(unhex(t, tinkBinary))} {
		c := importKeyset(t, text)
		got, err := c.Open(nil, message, b)
		if err != nil || string(got) != "sealed by Tink" || c.NeedsReseal(message) {
			t.Errorf("%s: %q, %v", form, got, err)
		}
		if _, err := c.Open(nil, message, TinkBinding([]byte("notes/18"))); err != ErrOpen {
			t.Errorf("%s: another binding: %v", form, err)
		}
		if len(c.keys) != 2 || c.primary.id != 1618245691 || c.byID[1287064482] != nil {
			t.Errorf("%s: %d keys, primary %d", form, len(c.keys), c.primary.id)
		}
	}
}

func TestTinkExportImports(t *testing.T) {
	b := Bind("test", "1")
	for name, c := range map[string]*Compact{
		"imported": importKeyset(t, tinkJSON), "generated": newCompact(t, GenerateKey(), GenerateKey(), GenerateKey()),
		"primary key last": importKeyset(t, strings.Replace(tinkJSON, `{"primaryKeyId":1618245691`, `{"primaryKeyId":1797020218`, 1)),
	} {
		text, err := c.ExportTink()
		if err != nil {
			t.Fatal(err)
		}
		again := importKeyset(t, text.Reveal())
		sealed := sealCompact(t, c, []byte("plaintext"), b)
		if got, err := again.Open(nil, sealed, b); err != nil || string(got) != "plaintext" || again.NeedsReseal(sealed) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		requireSameKeys(t, c, again)
	}
}

func requireSameKeys(t *testing.T, a, b *Compact) {
	t.Helper()
	if a.primary.id != b.primary.id || !slices.EqualFunc(a.keys, b.keys, func(x, y *compactKey) bool {
		return x.id == y.id && x.value.Equal(y.value)
	}) {
		t.Error("the keys differ")
	}
}

// What Tink's writers in other languages, or older ones, do differently.
func TestTinkJSONVariants(t *testing.T) {
	first := `{"keyData":{"typeUrl":"type.googleapis.com/google.crypto.tink.XAesGcmKey", "value":"EgIIDBog2hPSxqwX3bRznaVpNdWCstBo8dNVTKJgCLUyPPT57A8=", "keyMaterialType":"SYMMETRIC"}, "status":"DISABLED", "keyId":1287064482, "outputPrefixType":"TINK"}`
	destroyed := strings.NewReplacer(first, `{"status":"DESTROYED","keyId":7,"outputPrefixType":"TINK"}`)
	for name, text := range map[string]string{
		"escaped slashes":    strings.ReplaceAll(tinkJSON, "/", `\/`),
		"escaped base64":     strings.ReplaceAll(tinkJSON, "=", `\u003d`),
		"indented":           strings.NewReplacer(",", ",\r\n\t", ":", " :  ").Replace(tinkJSON) + "\n",
		"destroyed":          destroyed.Replace(tinkJSON),
		"destroyed, null":    strings.Replace(destroyed.Replace(tinkJSON), `{"status"`, `{"keyData":null,"status"`, 1),
		"disabled, other":    strings.Replace(tinkJSON, "XAesGcmKey", "AesGcmKey", 1),
		"disabled, escapes":  strings.Replace(tinkJSON, "XAesGcmKey", `\"X\\`, 1),
		"disabled, material": strings.Replace(tinkJSON, "SYMMETRIC", "ASYMMETRIC_PRIVATE", 1),
		"disabled, prefix":   strings.Replace(tinkJSON, `"TINK"`, `"CRUNCHY"`, 1),
	} {
		c, err := ImportTink(secrets.New(text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		requireSameKeys(t, c, importKeyset(t, tinkJSON))
	}
}

func TestImportTinkRefuses(t *testing.T) {
	last := func(from, to string) string {
		i := strings.LastIndex(tinkJSON, from)
		return tinkJSON[:i] + to + tinkJSON[i+len(from):]
	}
	value := func(key string) string {
		return last("EgIIDBoge+Ugm1sH7+4zsX4ZArgMrYP9OA1RO/Uhenq7kQfahbM=", base64.StdEncoding.EncodeToString([]byte(key)))
	}
	key := strings.Repeat("k", 32)
	binary := string(unhex(t, tinkBinary))
	for name, c := range map[string]struct{ text, cause string }{
		"empty":                     {"", "empty"},
		"too long":                  {tinkJSON + strings.Repeat(" ", 64<<10), "longer"},
		"white space":               {"  ", "not an unencrypted"},
		"null":                      {"null", "not an unencrypted"},
		"number":                    {"1", "not an unencrypted"},
		"array":                     {"[" + tinkJSON + "]", "not an unencrypted"},
		"two":                       {tinkJSON + tinkJSON, "not an unencrypted"},
		"deep":                      {strings.Repeat(`{"key":[`, 8000), "not an unencrypted"},
		"no keys":                   {`{"primaryKeyId":1,"key":[]}`, "primary"},
		"no object":                 {`{"primaryKeyId":1,"key":[3]}`, "not an unencrypted"},
		"encrypted":                 {`{"encryptedKeyset":"AAAA","keysetInfo":{}}`, "decrypt"},
		"unknown field":             {last(`"status"`, `"more":1,"status"`), "unknown or repeated"},
		"name in another case":      {last(`"status"`, `"Status"`), "unknown or repeated"},
		"field twice":               {last(`"keyId"`, `"keyId":1,"keyId"`), "unknown or repeated"},
		"field twice, escaped":      {last(`"keyId"`, `"keyI\u0064":1,"keyId"`), "unknown or repeated"},
		"id of 33 bits":             {last("1797020218", "4294967296"), "not an unencrypted"},
		"negative id":               {last("1797020218", "-1"), "not an unencrypted"},
		"id with a fraction":        {last("1797020218", "1.5"), "not an unencrypted"},
		"id that is a string":       {last("1797020218", `"1"`), "not an unencrypted"},
		"status that is a number":   {last(`"ENABLED"`, "1"), "not an unencrypted"},
		"value without padding":     {last("hbM=", "hbM"), "not an unencrypted"},
		"value with trailing bits":  {last("hbM=", "hbN="), "not an unencrypted"},
		"primary key disabled":      {strings.Replace(tinkJSON, "ENABLED", "DISABLED", 1), "primary"},
		"primary key missing":       {strings.Replace(tinkJSON, "1618245691", "5", 1), "primary"},
		"primary key is disabled":   {strings.Replace(tinkJSON, "1618245691", "1287064482", 1), "primary"},
		"two keys of one id":        {last("1797020218", "1618245691"), "key 1618245691 of the Tink keyset shares"},
		"id of a disabled key":      {last("1797020218", "1287064482"), "key 1287064482 of the Tink keyset shares"},
		"two keys of one value":     {last("EgIIDBoge+Ugm1sH7+4zsX4ZArgMrYP9OA1RO/Uhenq7kQfahbM=", "EgIIDBogoS0aetTIhmJBckAA9Hw2EQVebhkE2xEMvw2mHbV9HnY="), "one value"},
		"unknown status":            {last("ENABLED", "UNKNOWN_STATUS"), "key 1797020218 of the Tink keyset is neither"},
		"status of the future":      {last("ENABLED", "PAUSED"), "is neither"},
		"another type":              {last("XAesGcmKey", "AesGcmKey"), "is not of type"},
		"another material":          {last("SYMMETRIC", "REMOTE"), "symmetric"},
		"no prefix":                 {last(`"TINK"`, `"RAW"`), "output prefix"},
		"prefix CRUNCHY":            {last(`"TINK"`, `"CRUNCHY"`), "output prefix"},
		"keys twice":                {last(`"keyData":`, `"keyId":1}],"key":[{"keyData":`), "unknown or repeated"},
		"enabled without key data":  {`{"primaryKeyId":1,"key":[{"keyData":null,"status":"ENABLED","keyId":1,"outputPrefixType":"TINK"}]}`, "is not of type"},
		"version 1":                 {value("\x08\x01\x12\x02\x08\x0c\x1a\x20" + key), "version 0"},
		"salt of 8":                 {value("\x12\x02\x08\x08\x1a\x20" + key), "salt"},
		"no parameters":             {value("\x1a\x20" + key), "salt"},
		"key of 31 bytes":           {value("\x12\x02\x08\x0c\x1a\x1f" + key[1:]), "32 bytes"},
		"key cut short":             {value("\x12\x02\x08\x0c\x1a\x20" + key[1:]), "version 0"},
		"key with a byte more":      {value("\x12\x02\x08\x0c\x1a\x20" + key + "\x00"), "version 0"},
		"key with an unknown field": {value("\x12\x02\x08\x0c\x1a\x20" + key + "\x20\x01"), "version 0"},
		"key with its value twice":  {value("\x12\x02\x08\x0c\x1a\x20" + key + "\x1a\x20" + key), "version 0"},
		"binary, cut":               {binary[:len(binary)-1], "not an unencrypted"},
		"binary, longer":            {binary + "\x00", "not an unencrypted"},
		"binary, primary id twice":  {binary + "\x08\x01", "unknown or repeated"},
		"binary, id of 33 bits":     {"\x08\xbb\xf0\xd1\x83\x16" + binary[6:], "not an unencrypted"},
		"binary, unknown field":     {binary + "\x18\x01", "unknown or repeated"},
		"binary, length of 2^63":    {"\x12\xff\xff\xff\xff\xff\xff\xff\xff\x7f", "not an unencrypted"},
		"binary, endless number":    {"\x08" + strings.Repeat("\xff", 20), "not an unencrypted"},
		"binary, encrypted":         {"\x12\x03abc", "not an unencrypted"},
	} {
		got, err := ImportTink(secrets.New(c.text))
		if err == nil || got != nil || !strings.HasPrefix(err.Error(), "crypto: ") || !strings.Contains(err.Error(), c.cause) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The binary form is wiped where it stands; that of base64 is where JSON is decoded to.
func TestImportTinkWipes(t *testing.T) {
	binary := unhex(t, tinkBinary)
	var set tinkKeyset
	if err := set.parse([]byte(tinkJSON)); err != nil {
		t.Fatal(err)
	}
	set.wipe()
	for _, k := range set.keys {
		if len(k.value) == 0 || !bytes.Equal(k.value, make([]byte, len(k.value))) {
			t.Errorf("JSON: %x", k.value)
		}
	}
	c, err := importTink(binary)
	if err != nil {
		t.Fatal(err)
	}
	for i, k := range c.keys {
		if bytes.Contains(binary, []byte(k.value.Reveal())) || !bytes.Contains(unhex(t, tinkBinary), []byte(k.value.Reveal())) {
			t.Errorf("binary: key %d was not wiped, or not there before", i)
		}
	}
}

// An error tells nothing of a keyset but a key id, wherever the damage is.
func TestImportTinkErrorsHoldNoKey(t *testing.T) {
	binary := string(unhex(t, tinkBinary))
	failed := 0
	for _, text := range []string{tinkJSON, binary} {
		for i := range text {
			for _, damaged := range []string{text[:i], text[:i] + "\x7f" + text[i+1:], text[:i] + `"` + text[i:]} {
				if _, err := ImportTink(secrets.New(damaged)); err != nil {
					failed++
					requireNothingOf(t, text, err)
				}
			}
		}
	}
	if failed < 1000 {
		t.Errorf("control: %d imports failed", failed)
	}
}

func requireNothingOf(t *testing.T, text string, err error) {
	t.Helper()
	for i := range len(text) - 8 {
		at := text[i : i+8]
		if strings.Contains(err.Error(), at) && !strings.Contains("XAesGcmKey 1618245691 1287064482 1797020218", at) {
			t.Fatalf("%q has %q", err, at)
		}
	}
}

func TestTinkBindings(t *testing.T) {
	c := newCompact(t)
	bound := Bind("p", "qr")
	associated, err := bound.AssociatedData()
	if err != nil || string(associated) != "\x01\x00\x00\x00\x01p\x00\x00\x00\x02qr" {
		t.Fatalf("%x, %v", associated, err)
	}
	same := TinkBinding(associated)
	clear(associated) // neither Binding shares the memory of the caller
	if _, err := c.Open(nil, sealCompact(t, c, nil, bound), same); err != nil {
		t.Errorf("the associated data of a Binding as a TinkBinding: %v", err)
	}
	if got, err := TinkUnbound().AssociatedData(); err != nil || len(got) != 0 {
		t.Errorf("%x, %v", got, err)
	}
	k, e := newKeyring(t), newEnvelope(t, []KEK{KeyringKEK(newKeyring(t))}, WithXAES())
	for _, b := range []Binding{same, TinkUnbound()} {
		if _, err := k.Seal(nil, nil, b); !errors.Is(err, errTinkBinding) {
			t.Errorf("Keyring: %v", err)
		}
		if _, err := e.Seal(t.Context(), nil, nil, b); !errors.Is(err, errTinkBinding) {
			t.Errorf("Envelope: %v", err)
		}
	}
}

func FuzzImportTink(f *testing.F) {
	f.Add([]byte(tinkJSON))
	f.Add(unhex(f, tinkBinary))
	f.Add([]byte(strings.ReplaceAll(tinkJSON, "/", `\/`)))
	f.Add([]byte(`{"encryptedKeyset":"AAAA"}`))
	f.Add([]byte{protoKeysetKey, 0})
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := ImportTink(secrets.New(text))
		if err != nil {
			if c != nil {
				t.Fatal("an error came with a Compact")
			}
			return
		}
		again, err := c.ExportTink()
		if err != nil {
			t.Fatal(err)
		}
		requireSameKeys(t, c, importKeyset(t, again.Reveal()))
	})
}
