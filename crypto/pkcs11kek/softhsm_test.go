//go:build cgo

package pkcs11kek

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/miekg/pkcs11"
)

// softHSM is a fresh token "notes" of SoftHSM2.
type softHSM struct{ module, tokens string }

func newSoftHSM(t *testing.T) softHSM {
	t.Helper()
	module := ""
	for _, path := range []string{os.Getenv("PAVISE_SOFTHSM"), "/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/pkcs11/libsofthsm2.so", "/usr/local/lib/softhsm/libsofthsm2.so", "/opt/homebrew/lib/softhsm/libsofthsm2.so"} {
		if _, err := os.Stat(path); path != "" && err == nil {
			module = path
			break
		}
	}
	util, err := exec.LookPath("softhsm2-util")
	if module == "" || err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("SoftHSM2 is not installed")
		}
		t.Skip("SoftHSM2 is not installed")
	}
	dir := t.TempDir()
	h := softHSM{module, filepath.Join(dir, "tokens")}
	if err := os.Mkdir(h.tokens, 0o700); err != nil {
		t.Fatal(err)
	}
	conf := filepath.Join(dir, "softhsm2.conf")
	text := fmt.Sprintf("directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\n", h.tokens)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SOFTHSM2_CONF", conf)
	out, err := exec.Command(util, "--init-token", "--free", "--label", "notes", "--pin", "1234", "--so-pin", "5678").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return h
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// makeKey makes a safe AES key, but for what attributes say. It is the last to
// initialize and the first to finalize the library: no KEK is open by then.
func (h softHSM) makeKey(t *testing.T, label string, value []byte, attributes ...*pkcs11.Attribute) {
	t.Helper()
	c := pkcs11.New(h.module)
	must(t, c.Initialize())
	defer c.Finalize()
	slots, err := c.GetSlotList(true)
	must(t, err)
	s, err := c.OpenSession(slots[0], pkcs11.CKF_SERIAL_SESSION|pkcs11.CKF_RW_SESSION)
	must(t, err)
	must(t, c.Login(s, pkcs11.CKU_USER, "1234"))
	template := map[uint]any{
		pkcs11.CKA_CLASS: pkcs11.CKO_SECRET_KEY, pkcs11.CKA_KEY_TYPE: pkcs11.CKK_AES, pkcs11.CKA_LABEL: label,
		pkcs11.CKA_TOKEN: true, pkcs11.CKA_PRIVATE: true, pkcs11.CKA_SENSITIVE: true, pkcs11.CKA_EXTRACTABLE: false,
		pkcs11.CKA_ENCRYPT: true, pkcs11.CKA_DECRYPT: true, pkcs11.CKA_VALUE_LEN: 32,
	}
	if value != nil {
		delete(template, pkcs11.CKA_VALUE_LEN)
		template[pkcs11.CKA_VALUE] = value
	}
	all := attributes
	for name, v := range template {
		if !has(attributes, name) {
			all = append(all, pkcs11.NewAttribute(name, v))
		}
	}
	if value != nil {
		_, err = c.CreateObject(s, all)
	} else {
		_, err = c.GenerateKey(s, []*pkcs11.Mechanism{pkcs11.NewMechanism(pkcs11.CKM_AES_KEY_GEN, nil)}, all)
	}
	must(t, err)
}

func has(attributes []*pkcs11.Attribute, name uint) bool {
	for _, a := range attributes {
		if a.Type == name {
			return true
		}
	}
	return false
}

func (h softHSM) dial(t *testing.T, pin string, labels ...string) (*KEK, error) {
	t.Helper()
	var keys []Key
	for _, label := range labels {
		keys = append(keys, Key{Label: label})
	}
	k, err := New(t.Context(), h.module, Token{Label: "notes", PIN: pinOf(pin)}, keys)
	if k != nil {
		t.Cleanup(func() { k.Close() })
	}
	return k, err
}

func (h softHSM) connect(t *testing.T, labels ...string) *KEK {
	t.Helper()
	k, err := h.dial(t, "1234", labels...)
	must(t, err)
	return k
}

// What the token makes is AES-256-GCM over the additional data of the package comment.
func TestSoftHSMFormat(t *testing.T) {
	h, value := newSoftHSM(t), bytes.Repeat([]byte{7}, 32)
	h.makeKey(t, "kek", value)
	wrapped := wrap(t, h.connect(t, "kek"))
	block, err := aes.NewCipher(value)
	must(t, err)
	aead, err := cipher.NewGCM(block)
	must(t, err)
	got, err := aead.Open(nil, wrapped[5:17], wrapped[17:], append(bytes.Clone(wrapped[:5]), "test"...))
	if err != nil || !bytes.Equal(got, dek) {
		t.Error(err)
	}
}

func TestSoftHSMRefusals(t *testing.T) {
	h := newSoftHSM(t)
	h.makeKey(t, "kek", nil)
	h.makeKey(t, "short", nil, pkcs11.NewAttribute(pkcs11.CKA_VALUE_LEN, 16))
	h.makeKey(t, "generic", make([]byte, 32), pkcs11.NewAttribute(pkcs11.CKA_KEY_TYPE, pkcs11.CKK_GENERIC_SECRET))
	h.makeKey(t, "readable", nil, pkcs11.NewAttribute(pkcs11.CKA_SENSITIVE, false))
	h.makeKey(t, "extractable", nil, pkcs11.NewAttribute(pkcs11.CKA_EXTRACTABLE, true))
	h.makeKey(t, "public", nil, pkcs11.NewAttribute(pkcs11.CKA_PRIVATE, false))
	h.makeKey(t, "mute", nil, pkcs11.NewAttribute(pkcs11.CKA_ENCRYPT, false))
	h.makeKey(t, "deaf", nil, pkcs11.NewAttribute(pkcs11.CKA_DECRYPT, false))
	h.makeKey(t, "twin", nil)
	h.makeKey(t, "twin", nil)
	for label, want := range map[string]error{
		"missing": errNoKey, "short": errKeyType, "generic": errKeyType, "readable": errKeyOpen, "extractable": errKeyOpen,
		"public": errKeyOpen, "mute": errKeyUsage, "deaf": errKeyUsage, "twin": errKeys,
	} {
		if k, err := h.dial(t, "1234", label); k != nil || !errors.Is(err, ErrRefused) || !errors.Is(err, want) {
			t.Errorf("%s: %v", label, err)
		}
	}
	_, err := h.dial(t, "4321", "kek")
	if failed, ok := errors.AsType[*Error](err); !ok || failed.Kind != ErrDenied || failed.Code != codePINIncorrect {
		t.Errorf("wrong PIN: %v", err)
	}
	token := Token{Label: "other", PIN: pinOf("1234")}
	if _, err := New(t.Context(), h.module, token, []Key{{Label: "kek"}}); !errors.Is(err, ErrUnavailable) || !errors.Is(err, errNoToken) {
		t.Errorf("missing token: %v", err)
	}
	if _, err := New(t.Context(), h.tokens, token, []Key{{Label: "kek"}}); !errors.Is(err, ErrRefused) || !errors.Is(err, errLoad) {
		t.Errorf("not a module: %v", err)
	}
	if k := h.connect(t, "kek", "mute"); k.NeedsRewrap(wrap(t, k)) {
		t.Error("a mute key is no older key")
	}
}

func TestSoftHSMTampering(t *testing.T) {
	h := newSoftHSM(t)
	h.makeKey(t, "kek", nil)
	h.makeKey(t, "old", nil)
	k := h.connect(t, "kek", "old")
	wrapped := wrap(t, k)
	for i := range wrapped {
		for _, flip := range []byte{1, 0x80} {
			wrapped[i] ^= flip
			if _, err := k.Unwrap(t.Context(), wrapped, "test"); err != ErrUnwrap {
				t.Errorf("byte %d: %v", i, err)
			}
			wrapped[i] ^= flip
		}
	}
	moved := append(append(bytes.Clone(wrapped[:1]), (*k.names.Load())[1][:]...), wrapped[5:]...)
	if _, err := k.Unwrap(t.Context(), moved, "test"); err != ErrUnwrap {
		t.Errorf("under the other key: %v", err)
	}
	if _, err := k.Unwrap(t.Context(), wrapped, "other"); err != ErrUnwrap {
		t.Errorf("another label: %v", err)
	}
	unwrap(t, k, wrapped)
}

func TestSoftHSMConcurrent(t *testing.T) {
	h := newSoftHSM(t)
	h.makeKey(t, "kek", nil)
	k := h.connect(t, "kek")
	for _, err := range together(func(i int) error {
		for range 10 {
			label := fmt.Sprint("label ", i)
			wrapped, err := k.Wrap(t.Context(), dek, label)
			if err != nil {
				return err
			}
			if got, err := k.Unwrap(t.Context(), wrapped, label); err != nil || !bytes.Equal(got, dek) {
				return fmt.Errorf("pkcs11kek: unwrapped %d bytes: %w", len(got), err)
			}
		}
		return nil
	}) {
		if err != nil {
			t.Error(err)
		}
	}
}

// Other code ends all sessions, and with them the login; then the token goes, and comes
// back.
func TestSoftHSMRemoved(t *testing.T) {
	h := newSoftHSM(t)
	h.makeKey(t, "kek", nil)
	k := h.connect(t, "kek")
	k.breaker.pause = 100 * time.Millisecond
	wrapped := wrap(t, k)
	lib := k.module.lib.(*cryptoki)
	slots, err := lib.ctx.GetSlotList(true)
	must(t, err)
	must(t, lib.ctx.CloseAllSessions(slots[0]))
	unwrap(t, k, wrapped)

	must(t, os.Rename(h.tokens, h.tokens+".away"))
	if _, err := k.Unwrap(t.Context(), wrapped, "test"); !errors.Is(err, ErrUnavailable) {
		t.Errorf("removed: %v", err)
	}
	must(t, os.Rename(h.tokens+".away", h.tokens))
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for {
		_, err := k.Unwrap(ctx, wrapped, "test")
		if err == nil {
			break
		}
		if !errors.Is(err, ErrUnavailable) {
			t.Fatal(err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// Another process opens what this one has wrapped, and so does the next KEK of this one.
func TestSoftHSMRestart(t *testing.T) {
	if text := os.Getenv("PAVISE_PKCS11_WRAPPED"); text != "" {
		wrapped, err := hex.DecodeString(text)
		must(t, err)
		unwrap(t, softHSM{module: os.Getenv("PAVISE_PKCS11_MODULE")}.connect(t, "kek"), wrapped)
		return
	}
	h := newSoftHSM(t)
	h.makeKey(t, "kek", nil)
	k := h.connect(t, "kek")
	wrapped := wrap(t, k)
	must(t, k.Close())
	unwrap(t, h.connect(t, "kek"), wrapped)

	child := exec.Command(os.Args[0], "-test.run=^TestSoftHSMRestart$", "-test.v")
	child.Env = append(os.Environ(), "PAVISE_PKCS11_WRAPPED="+hex.EncodeToString(wrapped), "PAVISE_PKCS11_MODULE="+h.module)
	if out, err := child.CombinedOutput(); err != nil || !bytes.Contains(out, []byte("--- PASS")) {
		t.Errorf("%v: %s", err, out)
	}
}
