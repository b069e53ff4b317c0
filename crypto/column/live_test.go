package column_test

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pavise/pavise/crypto"
	"github.com/pavise/pavise/crypto/column"
	"github.com/pavise/pavise/secrets"
)

// rotation is a source of keys, newest first, and the Keyring that follows it.
type rotation struct {
	mu   sync.Mutex
	keys []crypto.Key
}

func (s *rotation) Fetch(context.Context, string) (all []secrets.Version, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.keys {
		all = append(all, secrets.Version{Secret: k.Export(), ID: "v"})
	}
	return all, nil
}

// set puts other keys there, and waits until they are in use.
func (s *rotation) set(keys ...crypto.Key) {
	s.mu.Lock()
	s.keys = keys
	s.mu.Unlock()
	time.Sleep(48 * time.Hour)
}

func (s *rotation) open(t *testing.T) (*secrets.Live[crypto.Key], *crypto.Keyring) {
	t.Helper()
	live, err := secrets.Open(t.Context(), s, "KEY", secrets.Options[crypto.Key]{Decode: crypto.ParseKey})
	if err != nil {
		t.Fatal(err)
	}
	k, err := crypto.LiveKeyring(live)
	if err != nil {
		t.Fatal(err)
	}
	return live, k
}

// Rows are found and open whenever they were written and are looked up, until the old key
// is removed; and whatever NeedsReseal asks for has been written anew by then.
func TestRotationOfALiveKeyring(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		older, newer := crypto.GenerateKey(), crypto.GenerateKey()
		keys := &rotation{keys: []crypto.Key{older}}
		live, k := keys.open(t)
		defer live.Close()
		c := columnOf[string](t, k, "users", "email", column.WithIndex(32))
		db := openFake()
		defer db.Close()
		insert := func(id string) {
			t.Helper()
			value, token := c.Pair("v"+id, id)
			if _, err := db.Exec("INSERT INTO users (id, email, email_idx) VALUES (?, ?, ?)", id, value, token); err != nil {
				t.Fatal(err)
			}
		}
		requireFound := func(phase string, ids ...string) {
			t.Helper()
			for _, id := range ids {
				if found, err := findUsers(t.Context(), db, c, "v"+id); err != nil || len(found) != 1 {
					t.Errorf("%s: row %s: %v, %v", phase, id, found, err)
				}
			}
		}
		insert("1")
		requireFound("before", "1")
		keys.mu.Lock()
		keys.keys = []crypto.Key{newer, older}
		keys.mu.Unlock()
		if err := live.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		insert("2") // the new key is known and not yet in use
		requireFound("during", "1", "2")
		keys.set(newer, older)
		insert("3")
		requireFound("after", "1", "2", "3")

		for _, id := range []string{"1", "2", "3"} {
			sealed := db.Driver().(*fakeDB).row(id)[1].([]byte)
			if anew := c.NeedsReseal(sealed); anew != (id != "3") {
				t.Errorf("row %s needs a reseal: %v", id, anew)
			}
		}
	})
}

// A key that rotates while a statement is put together does not part a value from its
// token.
func TestPairUnderRotation(t *testing.T) {
	for rotateAt := 1; rotateAt <= 3; rotateAt++ {
		synctest.Test(t, func(t *testing.T) {
			older, newer := crypto.GenerateKey(), crypto.GenerateKey()
			keys := &rotation{keys: []crypto.Key{older}}
			live, k := keys.open(t)
			defer live.Close()
			calls := 0
			c := columnOf[string](t, k, "users", "email", column.WithIndex(32), column.WithNormalizer(func(v string) string {
				if calls++; calls == rotateAt {
					keys.set(newer, older)
				}
				return strings.ToLower(v)
			}))
			value, token := c.Pair("Value", "1")
			stored, err := token.Value()
			if err != nil {
				t.Fatal(err)
			}
			keys.set(newer, older)
			sealed, err := value.Value()
			if err != nil {
				t.Fatal(err)
			}
			for _, key := range []crypto.Key{older, newer} {
				one := columnOf[string](t, newKeyring(t, key), "users", "email", column.WithIndex(32), column.WithNormalizer(strings.ToLower))
				_, err := open(one, sealed.([]byte), "1")
				if found := bytes.Equal(tokens(t, one, "value")[0], stored.([]byte)); found != (err == nil) {
					t.Errorf("rotated at %d: value opens: %v, token is found: %v", rotateAt, err, found)
				}
			}
		})
	}
}

func TestPair(t *testing.T) {
	c := newColumn[*string](t, column.WithIndex(16))
	text := "value"
	value, token := c.Pair(&text, "1")
	first, err := value.Value()
	if err != nil {
		t.Fatal(err)
	}
	second, err := value.Value() // database/sql asks again when it retries
	if err != nil || !bytes.Equal(first.([]byte), second.([]byte)) {
		t.Errorf("changed, %v", err)
	}
	if got, err := token.Value(); err != nil || !bytes.Equal(got.([]byte), tokens(t, c, &text)[0]) {
		t.Errorf("token %x, %v", got, err)
	}
	value, token = c.Pair(nil, "1")
	if v, err := value.Value(); v != nil || err != nil {
		t.Errorf("NULL: %v, %v", v, err)
	}
	if v, err := token.Value(); v != nil || err != nil {
		t.Errorf("token of NULL: %v, %v", v, err)
	}
	value, token = c.Pair(&text, "")
	_, errValue := value.Value()
	if v, err := token.Value(); v != nil || err == nil || err != errValue {
		t.Errorf("without a row: %v, %v and %v", v, err, errValue)
	}
	value, _ = newColumn[string](t).Pair("value", "1")
	if _, err := value.Value(); err == nil {
		t.Error("a column without an index has a pair")
	}
}
