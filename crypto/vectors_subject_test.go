package crypto_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"

	"github.com/pavise/pavise/crypto"
)

type subjectVector struct {
	Name       string      `json:"name"`
	Keys       []hexBytes  `json:"keys"`
	Label      string      `json:"label"`
	Binding    binding     `json:"binding"`
	Store      []storedRow `json:"store"`
	Suite      byte        `json:"suite,omitempty"`
	SubjectKey hexBytes    `json:"subjectKey,omitempty"`
	DEK        hexBytes    `json:"dek,omitempty"`
	WrapNonce  hexBytes    `json:"wrapNonce,omitempty"`
	Nonce      hexBytes    `json:"nonce,omitempty"`
	Plaintext  *byteSpec   `json:"plaintext,omitempty"`
	Ciphertext *byteSpec   `json:"ciphertext"`
	Failure    string      `json:"failure,omitempty"`
}

type storedRow struct {
	Subject hexBytes  `json:"subject"`
	ID      hexBytes  `json:"id"`
	Stored  *byteSpec `json:"stored"`
}

func subjectBinding(form byte, id, subject []byte) []byte {
	out := []byte{form}
	for _, field := range [][]byte{id, subject} {
		out = binary.BigEndian.AppendUint32(out, uint32(len(field)))
		out = append(out, field...)
	}
	return out
}

// sealStored returns the stored form of key, or of what is not one.
func sealStored(v subjectVector, bound, key []byte) *byteSpec {
	dek, nonce := fixed("stored dek of "+v.Name, 32), fixed("stored nonce of "+v.Name, 24)
	recipients := encodeRecipient(1, []byte("keyring"), wrapDEK(v.Keys[0], fixed("stored wrap of "+v.Name, 24), dek, v.Label))
	seal := map[byte]func(key, nonce, plaintext, context []byte) []byte{1: cobblestone, 2: xaes}[v.Suite]
	return literal(envelope{
		version: 3, suite: v.Suite, n: 1, length: 6 + len(recipients) + 32, recipients: recipients, dek: dek,
		payload: seal(derive(dek, "payload/v1", 32), nonce, key, append([]byte{3, v.Suite}, bound...)),
	}.encode())
}

func (v subjectVector) wrap(additional ...[]byte) []byte {
	return xaes(v.SubjectKey, v.WrapNonce, v.DEK, slices.Concat(additional...))
}

// parts returns the message that v describes, its data key wrapped so.
func (v subjectVector) parts(wrapped []byte) envelope {
	recipients := encodeRecipient(4, v.Store[0].ID, wrapped)
	return envelope{
		version: 3, suite: v.Suite, n: 1, length: 6 + len(recipients) + 32, recipients: recipients,
		dek: v.DEK, payload: sealPayload(v.Suite, v.DEK, v.Nonce, v.Plaintext.bytes(nil), v.Binding),
	}
}

func (v subjectVector) seal() []byte { return v.parts(v.wrap(v.Store[0].ID, []byte(v.Label))).encode() }

func newSubjectVector(name, subject string, suite byte) subjectVector {
	v := subjectVector{
		Name: name, Keys: []hexBytes{keyA}, Label: "notes", Binding: binding{"note-body", []string{"note-17", "alice"}}, Suite: suite,
		SubjectKey: fixed("subject key of "+name, 32), DEK: fixed("dek of "+name, 32), WrapNonce: fixed("wrap nonce of "+name, 24),
		Nonce: fixed("nonce of "+name, 24), Plaintext: literal([]byte("plaintext")),
	}
	id := fixed("id of "+name, 16)
	v.Store = []storedRow{{hexBytes(subject), id, sealStored(v, subjectBinding(3, id, []byte(subject)), v.SubjectKey)}}
	return v
}

func makeSubjects() (all []subjectVector) {
	for _, suite := range []byte{1, 2} {
		for name, subject := range map[string]string{"text": "alice", "any bytes": "\xff\x00", "longest": string(bytes.Repeat([]byte{'s'}, 1024))} {
			v := newSubjectVector(fmt.Sprintf("suite %02d, subject of %s", suite, name), subject, suite)
			v.Ciphertext = literal(v.seal())
			all = append(all, v)
		}
	}
	slices.SortFunc(all, func(a, b subjectVector) int { return bytes.Compare([]byte(a.Name), []byte(b.Name)) })

	invalid := func(name, failure string, change func(v *subjectVector) []byte) {
		v := newSubjectVector(name, "alice", 1)
		sealed := change(&v)
		all = append(all, subjectVector{
			Name: name, Keys: v.Keys, Label: v.Label, Binding: v.Binding, Store: v.Store, Failure: failure, Ciphertext: literal(sealed),
		})
	}
	store := func(name string, stored func(v subjectVector, row storedRow) *byteSpec) {
		invalid(name, "recipient", func(v *subjectVector) []byte {
			v.Store[0].Stored = stored(*v, v.Store[0])
			return v.seal()
		})
	}
	wrapped := func(name string, wrap func(v *subjectVector) []byte) {
		invalid(name, "unwrap", func(v *subjectVector) []byte { return v.parts(wrap(v)).encode() })
	}
	invalid("store without this id", "recipient", func(v *subjectVector) []byte {
		sealed := v.seal()
		v.Store[0].ID = fixed("another id", 16)
		return sealed
	})
	store("stored for another subject", func(v subjectVector, r storedRow) *byteSpec {
		return sealStored(v, subjectBinding(3, r.ID, []byte("bob")), v.SubjectKey)
	})
	store("stored under another id", func(v subjectVector, r storedRow) *byteSpec {
		return sealStored(v, subjectBinding(3, fixed("another id", 16), r.Subject), v.SubjectKey)
	})
	store("stored as a message is bound", func(v subjectVector, r storedRow) *byteSpec {
		return sealStored(v, subjectBinding(1, r.ID, r.Subject), v.SubjectKey)
	})
	store("stored under another label", func(v subjectVector, r storedRow) *byteSpec {
		v.Label = "other"
		return sealStored(v, subjectBinding(3, r.ID, r.Subject), v.SubjectKey)
	})
	store("stored key of 31 bytes", func(v subjectVector, r storedRow) *byteSpec {
		return sealStored(v, subjectBinding(3, r.ID, r.Subject), v.SubjectKey[:31])
	})
	store("stored under itself", func(v subjectVector, r storedRow) *byteSpec { return literal(v.seal()) })
	store("stored in the clear", func(v subjectVector, _ storedRow) *byteSpec { return literal(v.SubjectKey) })
	wrapped("wrapped under another label", func(v *subjectVector) []byte { return v.wrap(v.Store[0].ID, []byte("other")) })
	wrapped("wrapped without the id", func(v *subjectVector) []byte { return v.wrap([]byte(v.Label)) })
	wrapped("wrapped by KeyringKEK", func(v *subjectVector) []byte { return wrapDEK(keyA, v.WrapNonce, v.DEK, v.Label) })
	wrapped("wrapped key cut", func(v *subjectVector) []byte { return v.wrap(v.Store[0].ID, []byte(v.Label))[:71] })
	wrapped("data key of 31 bytes", func(v *subjectVector) []byte {
		v.DEK = v.DEK[:31]
		return v.wrap(v.Store[0].ID, []byte(v.Label))
	})
	invalid("another data key", "header", func(v *subjectVector) []byte {
		e := v.parts(v.wrap(v.Store[0].ID, []byte(v.Label)))
		e.dek = keyB
		return e.encode()
	})
	invalid("another binding", "commitment", func(v *subjectVector) []byte {
		sealed := v.seal()
		v.Binding.Purpose = "note-title"
		return sealed
	})
	return all
}

func (v subjectVector) envelope(t *testing.T) *crypto.Envelope {
	t.Helper()
	store := new(crypto.MemorySubjectKeys)
	for _, row := range v.Store {
		if _, _, err := store.Create(t.Context(), string(row.Subject), row.ID, row.Stored.bytes(nil)); err != nil {
			t.Fatal(err)
		}
	}
	suite := crypto.SkipFIPSNonceEnforcement()
	if v.Suite == 2 {
		suite = crypto.WithXAES()
	}
	e := must(crypto.NewEnvelope(v.Label, []crypto.KEK{crypto.KeyringKEK(keyring(t, v.Keys...))}, suite, crypto.WithSubjectKeys(store)))
	t.Cleanup(func() { e.Close() })
	return e
}

func TestVectorsSubject(t *testing.T) {
	for _, v := range load[subjectVector](t, "subject") {
		e := v.envelope(t)
		got, err := e.Open(t.Context(), nil, v.Ciphertext.bytes(nil), v.Binding.public())
		if v.Failure != "" {
			if err != crypto.ErrOpen || got != nil {
				t.Errorf("%s: %v, want %s", v.Name, err, v.Failure)
			}
			continue
		}
		if err != nil || !bytes.Equal(got, v.Plaintext.bytes(nil)) || !bytes.Equal(v.Ciphertext.bytes(nil), v.seal()) {
			t.Errorf("%s: opened to %q, %v", v.Name, got, err)
		}
		// What SealFor makes is what the second sealer makes of the same random values.
		sealed, err := e.SealFor(t.Context(), string(v.Store[0].Subject), nil, v.Plaintext.bytes(nil), v.Binding.public())
		if err != nil {
			t.Fatal(err)
		}
		const at = 6 + 2 + 16 + 2
		v.WrapNonce, v.Nonce = sealed[at:at+24], sealed[at+72+32:at+72+32+24]
		v.DEK = xaes(v.SubjectKey, v.WrapNonce, sealed[at+24:at+56], nil)[24:56] // a stream cipher is its own inverse
		if !bytes.Equal(sealed, v.seal()) {
			t.Errorf("%s: sealed otherwise", v.Name)
		}
	}
}
