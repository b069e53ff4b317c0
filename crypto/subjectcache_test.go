package crypto

import (
	"bytes"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pavise/pavise/crypto/internal/fipstest"
)

// Another Envelope that has the key cached is the bound of Forget: MaxAge from before
// it asked the store.
func TestForgetElsewhere(t *testing.T) {
	fipstest.Bubble(t, func(t *testing.T) {
		store, kek := &testStore{}, newTestKEK(t, "kek")
		e := newEnvelope(t, []KEK{kek}, WithSubjectKeys(store))
		defer e.Close()
		other := newEnvelope(t, []KEK{kek}, WithSubjectKeys(store), WithDEKCache(DEKCache{MaxAge: time.Minute}))
		defer other.Close()
		sealed := sealFor(t, e, "alice", "diary")
		store.after = func(string) { time.Sleep(10 * time.Second) } // a slow answer
		if !opens(t, other, sealed, "diary") {
			t.Fatal("does not open")
		}
		if err := e.Forget(t.Context(), "alice"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(50*time.Second - time.Nanosecond)
		if !opens(t, other, sealed, "diary") || subjectIDOf(t, sealFor(t, other, "alice", "")) != subjectIDOf(t, sealed) {
			t.Error("the cached key is gone before its time")
		}
		time.Sleep(time.Nanosecond)
		if opens(t, other, sealed, "diary") {
			t.Error("opens after MaxAge")
		}
		if subjectIDOf(t, sealFor(t, other, "alice", "")) == subjectIDOf(t, sealed) {
			t.Error("sealed under the forgotten key after MaxAge")
		}
	})
}

func subjectSecrets(e *Envelope) (all [][]byte) {
	c := e.subjects.cache
	c.mu.Lock()
	defer c.mu.Unlock()
	for el := c.recent.Front(); el != nil; el = el.Next() {
		all = append(all, el.Value.(*subjectEntry).key.secret)
	}
	return all
}

func allWiped(secrets [][]byte) bool {
	for _, s := range secrets {
		if !bytes.Equal(s, make([]byte, dekSize)) {
			return false
		}
	}
	return len(secrets) > 0
}

// Keys that are forgotten, too old, too many or of a closed Envelope are wiped.
func TestSubjectKeysAreWiped(t *testing.T) {
	for name, end := range map[string]func(t *testing.T, e *Envelope){
		"forget": func(t *testing.T, e *Envelope) { e.Forget(t.Context(), "alice") },
		"close":  func(_ *testing.T, e *Envelope) { e.Close() },
		"age":    func(*testing.T, *Envelope) { time.Sleep(defaultMaxAge); synctest.Wait() },
		"many": func(t *testing.T, e *Envelope) {
			for i := range 3 {
				sealFor(t, e, fmt.Sprint(i), "")
			}
		},
	} {
		fipstest.Bubble(t, func(t *testing.T) {
			e := newEnvelope(t, numbered(t, 1), WithSubjectKeys(&MemorySubjectKeys{}), WithDEKCache(DEKCache{MaxEntries: 3}))
			defer e.Close()
			sealFor(t, e, "alice", "")
			kept := subjectSecrets(e)
			if len(kept) != 1 || allWiped(kept) {
				t.Fatalf("%s: the key is not cached", name)
			}
			end(t, e)
			if !allWiped(kept) {
				t.Errorf("%s: the key is not wiped", name)
			}
			c := e.subjects.cache
			if n := len(subjectSecrets(e)); n > 3 || len(c.ofSubj) != n || len(c.ofIDs) != n {
				t.Errorf("%s: %d entries, %d subjects, %d ids", name, n, len(c.ofSubj), len(c.ofIDs))
			}
		})
	}
}

// What is used most stays.
func TestSubjectCacheKeepsTheRecent(t *testing.T) {
	store := &testStore{}
	e := newEnvelope(t, numbered(t, 1), WithSubjectKeys(store), WithDEKCache(DEKCache{MaxEntries: 2}))
	defer e.Close()
	for _, subject := range []string{"alice", "bob", "alice", "carol", "alice", "bob"} {
		sealFor(t, e, subject, "")
	}
	if n := store.calls["load"]; n != 4 { // alice, bob, carol, and bob again
		t.Errorf("%d loads, want 4", n)
	}
}
