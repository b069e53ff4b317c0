package crypto

import (
	"bytes"
	"context"
	"testing"
)

// A KEK rotates without a message being touched: RewrapSubject over the store is all.
func TestRewrapSubject(t *testing.T) {
	oldKey, newKey := GenerateKey(), GenerateKey()
	store := &testStore{}
	both := func(ring *Keyring) *Envelope {
		e := newEnvelope(t, []KEK{KeyringKEK(ring)}, WithSubjectKeys(store))
		t.Cleanup(func() { e.Close() })
		return e
	}
	before := both(newKeyring(t, oldKey))
	sealed := sealFor(t, before, "alice", "diary")
	if opens(t, both(newKeyring(t, newKey)), sealed, "diary") {
		t.Fatal("the new key alone opens")
	}

	rotated := both(newKeyring(t, newKey, oldKey))
	if rotated.NeedsRewrap(sealed) {
		t.Error("a message for a subject needs a rewrap")
	}
	if _, err := rotated.RewrapHeader(t.Context(), bytes.NewReader(sealed)); err != errSubjectHead {
		t.Errorf("RewrapHeader: %v", err)
	}
	for range 2 {
		if err := rotated.RewrapSubject(t.Context(), "alice"); err != nil {
			t.Fatal(err)
		}
	}
	if n := store.calls["replace"]; n != 1 {
		t.Errorf("replaced %d times", n)
	}
	if !opens(t, both(newKeyring(t, newKey)), sealed, "diary") {
		t.Error("the new key alone does not open after RewrapSubject")
	}
	if opens(t, both(newKeyring(t, oldKey)), sealed, "diary") {
		t.Error("the old key alone opens after RewrapSubject")
	}
	if err := rotated.RewrapSubject(t.Context(), "nobody"); err != nil {
		t.Errorf("a subject without a key: %v", err)
	}
}

// agingKEK takes what it wrapped before a rotation for outdated.
type agingKEK struct {
	*testKEK
	version byte
}

func (k *agingKEK) NeedsRewrap(wrapped []byte) bool { return wrapped[len(wrapped)-1] != k.version }

func (k *agingKEK) Unwrap(ctx context.Context, wrapped []byte, label string) ([]byte, error) {
	return k.testKEK.Unwrap(ctx, wrapped[:len(wrapped)-1], label)
}

// A data key that was wrapped before a rotation does not serve the rewrap after it.
func TestRewrapSubjectAfterRotationInPlace(t *testing.T) {
	kek := &agingKEK{testKEK: newTestKEK(t, "kek")}
	kek.wrapped = func(w []byte) []byte { return append(w, kek.version) }
	store := &testStore{}
	e := newEnvelope(t, []KEK{kek}, WithSubjectKeys(store))
	sealed := sealFor(t, e, "alice", "diary")
	kek.version++
	if err := e.RewrapSubject(t.Context(), "alice"); err != nil || store.calls["replace"] != 1 {
		t.Errorf("%v, replaced %d times", err, store.calls["replace"])
	}
	if !opens(t, newEnvelope(t, []KEK{kek}, WithSubjectKeys(store)), sealed, "diary") {
		t.Error("does not open")
	}
}

// RewrapSubject beside Forget does not bring the key back, and beside other rewraps
// ends with a clear error at the latest.
func TestRewrapSubjectBesideOthers(t *testing.T) {
	store, kek := &testStore{}, newTestKEK(t, "kek")
	old := newEnvelope(t, []KEK{kek}, WithSubjectKeys(store))
	sealed := sealFor(t, old, "alice", "diary")
	e := newEnvelope(t, []KEK{kek, newTestKEK(t, "second")}, WithSubjectKeys(store))

	store.after = func(call string) {
		if call == "replace" { // another process, still with the old KEKs, is faster
			id, held, _ := store.MemorySubjectKeys.Load(t.Context(), "alice")
			key, err := old.openSubjectKey(t.Context(), "alice", id, held)
			if err != nil {
				t.Fatal(err)
			}
			again, err := old.sealSubjectKey(t.Context(), key)
			if err != nil {
				t.Fatal(err)
			}
			store.MemorySubjectKeys.Replace(t.Context(), id, held, again)
		}
	}
	if err := e.RewrapSubject(t.Context(), "alice"); err != errSubjectBusy {
		t.Errorf("RewrapSubject against a rival: %v", err)
	}
	if !opens(t, e, sealed, "diary") {
		t.Error("does not open after a rewrap that lost")
	}

	store.after = func(call string) {
		if call == "replace" {
			if err := old.Forget(t.Context(), "alice"); err != nil {
				t.Error(err)
			}
		}
	}
	if err := e.RewrapSubject(t.Context(), "alice"); err != nil {
		t.Errorf("RewrapSubject beside Forget: %v", err)
	}
	if id, _, _ := store.MemorySubjectKeys.Load(t.Context(), "alice"); id != nil {
		t.Error("RewrapSubject brought a forgotten key back")
	}
}
