package crypto

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/pavise/pavise/secrets"
)

func TestKeyTextForm(t *testing.T) {
	k := GenerateKey()
	text := k.Export().Reveal()
	if len(text) != 62 || !strings.HasPrefix(text, "pavise_key_v1_") {
		t.Fatalf("text of %d characters", len(text))
	}
	again, err := ParseKey(secrets.New(text))
	if err != nil || !again.secret.Equal(k.secret) {
		t.Fatal(err)
	}
	if GenerateKey().secret.Equal(k.secret) {
		t.Fatal("two generated keys are equal")
	}
	if (Key{}).Export().Reveal() != "" {
		t.Fatal("the zero Key has a text")
	}
}

// The text form of a fixed key: it must never change.
func TestKeyTextIsStable(t *testing.T) {
	k := Key{secrets.New(bytes.Repeat([]byte{0xa5}, 32))}
	const text = "pavise_key_v1_paWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWqz0xl"
	if got := k.Export().Reveal(); got != text {
		t.Fatalf("text is %s", got)
	}
	id, err := k.derive(labelKeyID, 4)
	if err != nil || fmt.Sprintf("%x", id) != "3115cabd" {
		t.Fatalf("id is %x, %v", id, err)
	}
}

func TestParseKeyRefuses(t *testing.T) {
	text := GenerateKey().Export().Reveal()
	bad := []string{
		"", " ", "pavise_key_v1_", text[:61], text + "A", text + "\n", " " + text, text + "=",
		"pavise_key_v2_" + text[14:], strings.ToUpper(text), text[14:],
		text[:20] + "\n" + text[21:], text[:61] + "\n",
		base64.StdEncoding.EncodeToString(make([]byte, 32)),
	}
	for i := range text { // every single mistyped character
		c := byte('x')
		if text[i] == c {
			c = 'y'
		}
		bad = append(bad, text[:i]+string(c)+text[i+1:])
	}
	for _, s := range bad {
		_, err := ParseKey(secrets.New(s))
		if err == nil {
			t.Fatalf("%q was taken", s)
		}
		if len(s) > 20 && strings.Contains(err.Error(), s[20:]) {
			t.Fatalf("the error quotes the text: %v", err)
		}
	}
}

func TestKeyDoesNotPrint(t *testing.T) {
	k := Key{secrets.New([]byte("0123456789abcdef0123456789abcdef"))}
	text := k.Export().Reveal()
	ring := newKeyring(t, k)
	var out bytes.Buffer
	for _, v := range []any{k, &k, []Key{k}, map[string]Key{"k": k}, struct{ K Key }{k}, struct{ k Key }{k}, ring, *ring} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		json.NewEncoder(&out).Encode(v)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("m", "k", v)
		slog.New(slog.NewTextHandler(&out, nil)).Info("m", "k", v)
	}
	for _, leak := range []string{"0123456789abcdef", text[14:], "30313233343536", "[48 49 50", "0x30, 0x31"} {
		if strings.Contains(out.String(), leak) {
			t.Errorf("printed as %q", leak)
		}
	}
	if !strings.Contains(out.String(), "[REDACTED]") {
		t.Error("control: nothing was printed")
	}
}

func FuzzParseKey(f *testing.F) {
	f.Add(GenerateKey().Export().Reveal())
	f.Add("pavise_key_v1_")
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		k, err := ParseKey(secrets.New(text))
		if err == nil && k.Export().Reveal() != text {
			t.Fatal("a key has two texts")
		}
		if err != nil && !k.secret.IsZero() {
			t.Fatal("an error came with a key")
		}
	})
}
