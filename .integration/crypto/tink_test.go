package crypto_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"

	tinkpb "github.com/tink-crypto/tink-go/v2/proto/tink_go_proto"

	"github.com/pavise/pavise/crypto"
	"github.com/pavise/pavise/secrets"
)

// keysetForms are the ways in which Tink writes a keyset in the clear.
var keysetForms = map[string]func(*bytes.Buffer) keyset.Writer{
	"JSON":   func(b *bytes.Buffer) keyset.Writer { return keyset.NewJSONWriter(b) },
	"binary": func(b *bytes.Buffer) keyset.Writer { return keyset.NewBinaryWriter(b) },
}

func exported(t *testing.T, m *keyset.Manager, form string) secrets.Secret {
	t.Helper()
	var b bytes.Buffer
	if err := insecurecleartextkeyset.Write(must(m.Handle()), keysetForms[form](&b)); err != nil {
		t.Fatal(err)
	}
	return secrets.New(b.Bytes())
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func primitive(m *keyset.Manager) tink.AEAD { return must(aead.New(must(m.Handle()))) }

// newManager returns a keyset of n XAES-256-GCM keys, the last of them primary.
func newManager(t *testing.T, n int) (m *keyset.Manager, ids []uint32) {
	t.Helper()
	m = keyset.NewManager()
	for range n {
		ids = append(ids, must(m.Add(aead.XAES256GCM192BitNonceKeyTemplate())))
		if err := m.SetPrimary(ids[len(ids)-1]); err != nil {
			t.Fatal(err)
		}
	}
	return m, ids
}

// bindings are each a Binding with the associated data of the Tink side.
func bindings() map[string]crypto.Binding {
	return map[string]crypto.Binding{
		"Bind":         crypto.Bind("note-body", "note-17", "alice"),
		"Unbound":      crypto.Unbound("note-body"),
		"TinkBinding":  crypto.TinkBinding([]byte("notes/17")),
		"long":         crypto.TinkBinding(bytes.Repeat([]byte("x"), 100_000)),
		"TinkUnbound":  crypto.TinkUnbound(),
		"binary bytes": crypto.TinkBinding([]byte{0}),
	}
}

// requireInterop seals with each side and opens with the other.
func requireInterop(t *testing.T, c *crypto.Compact, theirs tink.AEAD) {
	t.Helper()
	for name, b := range bindings() {
		associated := must(b.AssociatedData())
		for _, n := range []int{0, 1, 1 << 10, 100_000} {
			plaintext := bytes.Repeat([]byte{'p'}, n)
			got, err := c.Open(nil, must(theirs.Encrypt(plaintext, associated)), b)
			if err != nil || !bytes.Equal(got, plaintext) {
				t.Errorf("%s, %d bytes: Tink's message: %v", name, n, err)
			}
			ours := must(c.Seal(nil, plaintext, b))
			if got, err := theirs.Decrypt(ours, associated); err != nil || !bytes.Equal(got, plaintext) {
				t.Errorf("%s, %d bytes: our message: %v", name, n, err)
			}
			if _, err := theirs.Decrypt(ours, append(associated, 0)); err == nil {
				t.Errorf("%s: control: Tink opened our message with other associated data", name)
			}
		}
	}
}

func TestTinkKeysetOpensHere(t *testing.T) {
	for form := range keysetForms {
		t.Run(form, func(t *testing.T) {
			m, ids := newManager(t, 1)
			byFirst := must(primitive(m).Encrypt([]byte("first"), []byte("ad")))
			for range 3 {
				id := must(m.Add(aead.XAES256GCM192BitNonceKeyTemplate()))
				if err := m.SetPrimary(id); err != nil {
					t.Fatal(err)
				}
			}
			c, err := crypto.ImportTink(exported(t, m, form))
			if err != nil {
				t.Fatal(err)
			}
			requireInterop(t, c, primitive(m))

			b := crypto.TinkBinding([]byte("ad"))
			got, err := c.Open(nil, byFirst, b)
			if err != nil || string(got) != "first" || !c.NeedsReseal(byFirst) {
				t.Errorf("message of an older key: %q, %v", got, err)
			}

			// What Tink no longer opens, nobody opens.
			if err := m.Disable(ids[0]); err != nil {
				t.Fatal(err)
			}
			c = must(crypto.ImportTink(exported(t, m, form)))
			if _, err := c.Open(nil, byFirst, b); err != crypto.ErrOpen {
				t.Errorf("message of a disabled key: %v", err)
			}
			if _, err := primitive(m).Decrypt(byFirst, []byte("ad")); err == nil {
				t.Error("control: Tink opens a message of a disabled key")
			}
			requireInterop(t, c, primitive(m))
		})
	}
}

func TestOurKeysetOpensInTink(t *testing.T) {
	oldKey, newKey := crypto.GenerateKey(), crypto.GenerateKey()
	before, after := must(crypto.NewCompact(oldKey)), must(crypto.NewCompact(newKey, oldKey))
	m, _ := newManager(t, 3)
	for name, c := range map[string]*crypto.Compact{
		"one key": before, "two keys": after, "imported": must(crypto.ImportTink(exported(t, m, "binary"))),
	} {
		t.Run(name, func(t *testing.T) {
			text := must(c.ExportTink())
			handle, err := insecurecleartextkeyset.Read(keyset.NewJSONReader(bytes.NewBufferString(text.Reveal())))
			if err != nil {
				t.Fatal(err)
			}
			theirs := must(aead.New(handle))
			requireInterop(t, c, theirs)
			requireInterop(t, must(crypto.ImportTink(exported(t, keyset.NewManagerFromHandle(handle), "JSON"))), theirs)
		})
	}

	sealed := must(before.Seal(nil, []byte("old"), crypto.TinkUnbound()))
	handle := must(insecurecleartextkeyset.Read(keyset.NewJSONReader(bytes.NewBufferString(must(after.ExportTink()).Reveal()))))
	if got, err := must(aead.New(handle)).Decrypt(sealed, nil); err != nil || string(got) != "old" {
		t.Errorf("message of our older key: %v", err)
	}
}

func TestOtherTinkKeysAreRefused(t *testing.T) {
	for name, template := range map[string]*tinkpb.KeyTemplate{
		"XAES-256-GCM without prefix":       aead.XAES256GCM192BitNonceNoPrefixKeyTemplate(),
		"XAES-256-GCM with a salt of 8":     aead.XAES256GCM160BitNonceKeyTemplate(),
		"AES-256-GCM":                       aead.AES256GCMKeyTemplate(),
		"AES-256-GCM-SIV":                   aead.AES256GCMSIVKeyTemplate(),
		"XChaCha20-Poly1305":                aead.XChaCha20Poly1305KeyTemplate(),
		"AES-256-CTR with HMAC-SHA-256":     aead.AES256CTRHMACSHA256KeyTemplate(),
		"AES-128-GCM without output prefix": aead.AES128GCMNoPrefixKeyTemplate(),
	} {
		for form := range keysetForms {
			m, _ := newManager(t, 1)
			id := must(m.Add(template))
			_, err := crypto.ImportTink(exported(t, m, form))
			if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("key %d ", id)) {
				t.Errorf("%s, %s: %v", name, form, err)
			}
			if err := m.Disable(id); err != nil {
				t.Fatal(err)
			}
			if _, err := crypto.ImportTink(exported(t, m, form)); err != nil {
				t.Errorf("%s, %s, disabled: %v", name, form, err)
			}
		}
	}
}

// An encrypted keyset gets an error that says so.
func TestEncryptedTinkKeysetIsRefused(t *testing.T) {
	m, _ := newManager(t, 1)
	kek, _ := newManager(t, 1)
	for form := range keysetForms {
		var b bytes.Buffer
		if err := must(m.Handle()).Write(keysetForms[form](&b), primitive(kek)); err != nil {
			t.Fatal(err)
		}
		if _, err := crypto.ImportTink(secrets.New(b.Bytes())); err == nil || !strings.Contains(err.Error(), "encrypted") {
			t.Errorf("%s: %v", form, err)
		}
	}
}

// Whatever of a damaged keyset is still imported, Tink takes too, and both agree.
func TestDamagedKeysetsAgree(t *testing.T) {
	m, _ := newManager(t, 2)
	taken := 0
	for form := range keysetForms {
		whole := []byte(exported(t, m, form).Reveal())
		for i := range whole {
			for _, flip := range []byte{1, 2, 8, 0x20} {
				damaged := slices.Clone(whole)
				damaged[i] ^= flip
				c, err := crypto.ImportTink(secrets.New(damaged))
				if err != nil {
					continue
				}
				taken++
				requireAgreement(t, c, form, damaged)
			}
		}
	}
	if taken == 0 {
		t.Error("control: no damaged keyset was taken")
	}
	t.Log(taken, "damaged keysets agree")
}

func requireAgreement(t *testing.T, c *crypto.Compact, form string, text []byte) {
	t.Helper()
	var r keyset.Reader = keyset.NewJSONReader(bytes.NewReader(text))
	if form == "binary" {
		r = keyset.NewBinaryReader(bytes.NewReader(text))
	}
	handle, err := insecurecleartextkeyset.Read(r)
	if err != nil {
		t.Fatalf("%s: taken here, and by Tink: %v", form, err)
	}
	sealed := must(must(aead.New(handle)).Encrypt([]byte("p"), []byte("ad")))
	if _, err := c.Open(nil, sealed, crypto.TinkBinding([]byte("ad"))); err != nil {
		t.Fatalf("%s: Tink's message: %v", form, err)
	}
}
