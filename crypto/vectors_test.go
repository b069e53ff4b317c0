package crypto_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/pavise/pavise/crypto"
	"github.com/pavise/pavise/secrets"
)

var update = flag.Bool("update", false, "write the vectors of testdata anew")

// The committed vectors are what the second sealer makes of its fixed values.
func TestVectorsAreCurrent(t *testing.T) {
	for name, made := range map[string]any{
		"key": makeKeys(), "binding": makeBindings(), "message": makeMessages(), "compact": makeCompacts(), "envelope": makeEnvelopes(),
		"hybridkey": makeHybridKeys(), "hybrid": makeHybrids(), "subject": makeSubjects(),
		"column": makeColumns(),
	} {
		file := vectorFile(name)
		text := append(must(json.MarshalIndent(made, "", "\t")), '\n')
		if *update {
			if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, text, 0o644)); err != nil {
				t.Fatal(err)
			}
		}
		if committed, err := os.ReadFile(file); err != nil || !bytes.Equal(committed, text) {
			t.Errorf("%s is not what the generator makes (go test ./crypto -run Vectors -update): %v", file, err)
		}
	}
}

func vectorFile(name string) string { return filepath.Join("testdata", "vectors", name+".json") }

func load[T any](t *testing.T, name string) (all []T) {
	t.Helper()
	if *update {
		t.Skip("the vectors are being written; test them without -update")
	}
	text, err := os.ReadFile(vectorFile(name))
	if err != nil {
		t.Fatal(err)
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&all); err != nil || len(all) == 0 {
		t.Fatalf("%s: %d vectors, %v", name, len(all), err)
	}
	return all
}

func keyring(t *testing.T, keys ...hexBytes) *crypto.Keyring {
	t.Helper()
	var all []crypto.Key
	for _, key := range keys {
		all = append(all, must(crypto.ParseKey(secrets.New(keyText(key)))))
	}
	return must(crypto.NewKeyring(all[0], all[1:]...)).SkipFIPSNonceEnforcement()
}

// keyID is what messages sealed with key say.
func TestVectorsKey(t *testing.T) {
	errs := map[string]error{}
	for _, v := range load[keyVector](t, "key") {
		key, err := crypto.ParseKey(secrets.New(v.Text))
		if v.Failure != "" {
			if err == nil {
				t.Errorf("%s: parsed", v.Name)
			}
			if before := errs[v.Failure]; before != nil && before.Error() != err.Error() {
				t.Errorf("%s: %v, another error than the class has", v.Name, err)
			}
			errs[v.Failure] = err
			continue
		}
		if err != nil || key.Export().Reveal() != v.Text || keyText(v.Key) != v.Text {
			t.Errorf("%s: %v", v.Name, err)
			continue
		}
		wrapped, err := crypto.KeyringKEK(must(crypto.NewKeyring(key))).Wrap(t.Context(), make([]byte, 32), "label")
		if err != nil || !bytes.Equal(wrapped[1:5], v.KeyID) {
			t.Errorf("%s: key id is not %x, %v", v.Name, v.KeyID, err)
		}
	}
}

func TestVectorsBinding(t *testing.T) {
	ring := keyring(t, keyA)
	for _, v := range load[bindingVector](t, "binding") {
		sealed := sealMessage(keyA, make([]byte, 24), nil, v.Binding)
		_, err := ring.Open(nil, sealed, v.Binding.public())
		if v.Failure != "" {
			if err == nil || err == crypto.ErrOpen {
				t.Errorf("%s: %v", v.Name, err)
			}
			continue
		}
		if err != nil || !bytes.Equal(v.Encoded.bytes(nil), v.Binding.encode()) {
			t.Errorf("%s: %v", v.Name, err)
		}
	}
}

func TestVectorsMessage(t *testing.T) {
	named := map[string][]byte{}
	for _, v := range load[messageVector](t, "message") {
		ciphertext := v.Ciphertext.bytes(func(name string) []byte {
			if name == "" {
				return v.seal()
			}
			return named[name]
		})
		got, err := keyring(t, v.Keys...).Open(nil, ciphertext, v.Binding.public())
		if v.Failure != "" {
			if err != crypto.ErrOpen || got != nil {
				t.Errorf("%s: %v, want %s", v.Name, err, v.Failure)
			}
			continue
		}
		named[v.Name] = ciphertext
		if err != nil || !bytes.Equal(got, v.Plaintext.bytes(nil)) || !bytes.Equal(ciphertext, v.seal()) {
			t.Errorf("%s: opened to %d bytes, %v", v.Name, len(got), err)
		}
	}
}

// What a Keyring seals is, byte for byte, what the second sealer makes of the salt
// that stands in it.
func TestVectorsSealMessage(t *testing.T) {
	for _, v := range load[messageVector](t, "message") {
		if v.Failure != "" {
			continue
		}
		sealed, err := keyring(t, v.Keys...).Seal(nil, v.Plaintext.bytes(nil), v.Binding.public())
		if err != nil {
			t.Fatal(err)
		}
		v.Salt = sealed[6:30]
		if !bytes.Equal(sealed, v.seal()) {
			t.Errorf("%s: sealed otherwise", v.Name)
		}
	}
}

func TestVectorsCompact(t *testing.T) {
	for _, v := range load[messageVector](t, "compact") {
		var keys []crypto.Key
		for _, key := range v.Keys {
			keys = append(keys, must(crypto.ParseKey(secrets.New(keyText(key)))))
		}
		compact := must(crypto.NewCompact(keys[0], keys[1:]...))
		ciphertext := v.Ciphertext.bytes(func(string) []byte { return v.sealCompact() })
		got, err := compact.Open(nil, ciphertext, v.Binding.public())
		if v.Failure != "" {
			if err != crypto.ErrOpen || got != nil {
				t.Errorf("%s: %v, want %s", v.Name, err, v.Failure)
			}
			continue
		}
		plaintext := v.Plaintext.bytes(nil)
		if err != nil || !bytes.Equal(got, plaintext) || !bytes.Equal(ciphertext, v.sealCompact()) {
			t.Errorf("%s: opened to %d bytes, %v", v.Name, len(got), err)
		}
		sealed := must(compact.Seal(nil, plaintext, v.Binding.public()))
		v.Salt = sealed[5:29]
		if !bytes.Equal(sealed, v.sealCompact()) {
			t.Errorf("%s: sealed otherwise", v.Name)
		}
	}
}

// watchedKEK counts what becomes of the calls of a KEK.
type watchedKEK struct {
	crypto.KEK
	unwrapped, failed int
	dek               []byte
}

func (k *watchedKEK) Wrap(ctx context.Context, dek []byte, label string) ([]byte, error) {
	k.dek = bytes.Clone(dek)
	return k.KEK.Wrap(ctx, dek, label)
}

func (k *watchedKEK) Unwrap(ctx context.Context, wrapped []byte, label string) ([]byte, error) {
	dek, err := k.KEK.Unwrap(ctx, wrapped, label)
	if err != nil {
		k.failed++
	} else {
		k.unwrapped++
	}
	return dek, err
}

func TestVectorsEnvelope(t *testing.T) {
	for _, v := range load[envelopeVector](t, "envelope") {
		kek := &watchedKEK{KEK: crypto.KeyringKEK(keyring(t, v.Keys...))}
		e := must(crypto.NewEnvelope(v.Label, []crypto.KEK{kek}))
		ciphertext := v.Ciphertext.bytes(func(string) []byte { return v.parts().encode() })
		got, err := e.Open(t.Context(), nil, ciphertext, v.Binding.public())

		calls := [2]int{kek.unwrapped, kek.failed}
		want := [2]int{1, 0}
		switch v.Failure {
		case "format", "recipient":
			want = [2]int{0, 0}
		case "unwrap":
			want = [2]int{0, 1}
		}
		if calls != want {
			t.Errorf("%s: the KEK unwrapped %d and failed %d times, want %s", v.Name, kek.unwrapped, kek.failed, v.Failure)
		}
		if v.Failure != "" {
			if err != crypto.ErrOpen || got != nil {
				t.Errorf("%s: %v, want %s", v.Name, err, v.Failure)
			}
			continue
		}
		if err != nil || !bytes.Equal(got, v.Plaintext.bytes(nil)) || !bytes.Equal(ciphertext, v.parts().encode()) {
			t.Errorf("%s: opened to %d bytes, %v", v.Name, len(got), err)
		}
	}
}

// otherKEK is a recipient of a vector that only stands there.
type otherKEK struct{ row recipientRow }

func (k otherKEK) ID() string { return string(k.row.ID) }

func (k otherKEK) Wrap(context.Context, []byte, string) ([]byte, error) {
	return k.row.Wrapped.bytes(nil), nil
}

func (k otherKEK) Unwrap(context.Context, []byte, string) ([]byte, error) {
	return nil, crypto.ErrOpen
}

type publicKEK struct{ otherKEK }

func (k publicKEK) PublicKey() bool { return k.row.Kind == 3 }

// As TestVectorsSealMessage, with the data key that the KEK was given and the nonces
// that stand in the envelope.
func TestVectorsSealEnvelope(t *testing.T) {
	for _, v := range load[envelopeVector](t, "envelope") {
		if v.Failure != "" {
			continue
		}
		kek := &watchedKEK{KEK: crypto.KeyringKEK(keyring(t, v.Keys...))}
		var to []crypto.KEK
		for _, row := range v.Recipients {
			switch {
			case row.Wrapped == nil:
				to = append(to, kek)
			case row.Kind == 1:
				to = append(to, otherKEK{row})
			default:
				to = append(to, publicKEK{otherKEK{row}})
			}
		}
		suite := crypto.SkipFIPSNonceEnforcement()
		if v.Suite == 2 {
			suite = crypto.WithXAES()
		}
		e := must(crypto.NewEnvelope(v.Label, to, suite))
		sealed, err := e.Seal(t.Context(), nil, v.Plaintext.bytes(nil), v.Binding.public())
		if err != nil {
			t.Fatal(err)
		}
		length := int(sealed[4])<<8 | int(sealed[5])
		id := derive(v.Keys[0], "keyid/v1", 4)
		at := bytes.Index(sealed, append([]byte{0, 77, 1}, id...)) + 2 + 5
		v.DEK, v.WrapNonce, v.Nonce = kek.dek, sealed[at:at+24], sealed[length:length+24]
		if !bytes.Equal(sealed, v.parts().encode()) {
			t.Errorf("%s: sealed otherwise", v.Name)
		}
	}
}
