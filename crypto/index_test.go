package crypto

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

func TestIndex(t *testing.T) {
	keyA, keyB := GenerateKey(), GenerateKey()
	both, reversed, one := newKeyring(t, keyA, keyB), newKeyring(t, keyB, keyA), newKeyring(t, keyB)
	index := func(k *Keyring, b Binding, value string, bits int) [][]byte {
		t.Helper()
		tokens, err := k.Index(b, []byte(value), bits)
		if err != nil {
			t.Fatal(err)
		}
		return tokens
	}
	b := Bind("index", "users", "email")
	ab, ba, only := index(both, b, "v", 32), index(reversed, b, "v", 32), index(one, b, "v", 32)
	if len(ab) != 2 || len(only) != 1 || !bytes.Equal(ab[0], ba[1]) || !bytes.Equal(ab[1], ba[0]) || !bytes.Equal(ba[0], only[0]) {
		t.Errorf("the primary key is not first: %x, %x, %x", ab, ba, only)
	}
	if again := index(both.WithWorkers(1).SkipFIPSNonceEnforcement(), b, "v", 32); !bytes.Equal(again[0], ab[0]) {
		t.Error("a copy of the keyring has other tokens")
	}
	for name, other := range map[string][][]byte{
		"value":    index(both, b, "w", 32),
		"part":     index(both, Bind("index", "users", "phone"), "v", 32),
		"boundary": index(both, Bind("index", "usersemail"), "v", 32),
		"purpose":  index(both, Bind("inde", "users", "email"), "v", 32),
		"form":     index(both, Unbound("index"), "v", 32),
	} {
		if bytes.Equal(other[0], ab[0]) {
			t.Errorf("another %s has the same token", name)
		}
	}
	for bits, size := range map[int]int{1: 1, 8: 1, 9: 2, 32: 4} {
		if token := index(both, b, "v", bits)[0]; len(token) != size || cap(token) != size {
			t.Errorf("%d bits: %d bytes of %d", bits, len(token), cap(token))
		}
	}
}

func TestIndexRefuses(t *testing.T) {
	k, b := newKeyring(t), Bind("index", "1")
	of := func(_ [][]byte, err error) error { return err }
	for name, test := range map[string]struct{ err, want error }{
		"zero Binding": {of(k.Index(Binding{}, nil, 8)), errNoBinding},
		"Tink Binding": {of(k.Index(TinkUnbound(), nil, 8)), errTinkBinding},
		"0 bits":       {of(k.Index(b, nil, 0)), errIndexBits},
		"33 bits":      {of(k.Index(b, nil, 33)), errIndexBits},
		"zero Keyring": {of((&Keyring{}).Index(b, nil, 8)), errNoKey},
	} {
		if test.err != test.want {
			t.Errorf("%s: %v, want %v", name, test.err, test.want)
		}
	}
}

// The Compact of a Keyring is that of its keys, through copies too.
func TestKeyringCompact(t *testing.T) {
	keyA, keyB, b := GenerateKey(), GenerateKey(), Bind("test", "1")
	k := newKeyring(t, keyA, keyB).WithWorkers(1).SkipFIPSNonceEnforcement()
	other, err := NewCompact(keyB, keyA)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []*Compact{k.Compact(), other} {
		sealed := sealCompact(t, c, []byte("plaintext"), b)
		if got, err := k.Compact().Open(nil, sealed, b); err != nil || string(got) != "plaintext" {
			t.Errorf("opens to %q, %v", got, err)
		}
		if needs := k.Compact().NeedsReseal(sealed); needs != (c == other) {
			t.Errorf("needs reseal: %v", needs)
		}
		if _, err := k.Open(nil, sealed, b); err != ErrOpen {
			t.Errorf("the Keyring opens it: %v", err)
		}
	}
	if _, err := (&Keyring{}).Compact().Seal(nil, nil, b); err != errNoKey {
		t.Errorf("of the zero Keyring: %v", err)
	}
}

// A Keyring in a log shows none of the keys that it derived.
func TestKeyringPrintsNoIndexKey(t *testing.T) {
	key := GenerateKey()
	index, err := key.derive(labelIndex, indexKeySize)
	if err != nil {
		t.Fatal(err)
	}
	shown := func(v any) bool {
		text := fmt.Sprintf("%v %+v %#v %x", v, v, v, v)
		return strings.Contains(text, fmt.Sprintf("%x", index)) || strings.Contains(text, fmt.Sprint(index)[1:40]) ||
			strings.Contains(text, fmt.Sprintf("%#v", index)[8:40])
	}
	if shown(newKeyring(t, key)) || shown(*newKeyring(t, key)) {
		t.Error("printing a Keyring shows its index key")
	}
	if !shown(struct{ k [][]byte }{[][]byte{index}}) {
		t.Error("the search finds nothing")
	}
}
