package pkcs11kek

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A PIN that was refused may be a good one that has expired: a digest beside its salt
// would give it away to whoever tries 10,000 of them.
func TestPrintedValues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		l := newFake(newFakeKey("kek", ""))
		k := connect(t, l)
		wrap(t, k)
		k.refused.add([]byte(l.pin))
		digest := k.refused.of([]byte(l.pin))
		for _, v := range []any{k, struct{ kek *KEK }{k}, k.token} {
			fmt.Fprintf(&out, "%v %+v %#v %s %d\n", v, v, v, v, v)
			slog.New(slog.NewTextHandler(&out, nil)).Info("printed", "value", v)
			slog.New(slog.NewJSONHandler(&out, nil)).Info("printed", "value", v)
		}
		for name, secret := range map[string][]byte{"PIN": []byte(l.pin), "digest": digest[:4], "salt": k.refused.salt[:4]} {
			for _, form := range []string{"%s", "%x", "%v", "%#v"} {
				text := strings.TrimSuffix(strings.TrimPrefix(strings.Trim(fmt.Sprintf(form, secret), "[]"), "[]byte{"), "}")
				if strings.Contains(out.String(), text) {
					t.Errorf("%s shows as %s", name, form)
				}
			}
		}
		if !strings.Contains(out.String(), k.ID()) {
			t.Error("nothing was printed")
		}
	})
}

// Two KEKs with a wrong PIN: what the token says of its tries is read after the other
// one has used one up.
func TestTogetherWrongPINsLockNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newFake(newFakeKey("kek", ""))
		l.tries = 2
		slow := func(context.Context) ([]byte, error) {
			time.Sleep(time.Second)
			return []byte("wrong"), nil
		}
		var all sync.WaitGroup
		for range 3 {
			all.Go(func() {
				if _, err := newKEK(t.Context(), "/fake/pins", Token{Label: "notes", PIN: slow}, namesOf(l.keys), []Option{WithTimeout(time.Minute)}, l.load); !errors.Is(err, ErrDenied) {
					t.Error(err)
				}
			})
		}
		all.Wait()
		expect(t, l, "login", 1)
		if l.token.locked {
			t.Error("the token is locked")
		}
	})
}

// A source that changes its mind, as two replicas of it may, repeats no refused PIN.
func TestAlternatingPINs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newFake(newFakeKey("kek", ""))
		pin := l.pin
		k, err := newKEK(t.Context(), "/fake/pins", Token{Label: "notes", PIN: func(context.Context) ([]byte, error) { return []byte(pin), nil }}, namesOf(l.keys), nil, l.load)
		if err != nil {
			t.Fatal(err)
		}
		defer k.Close()
		l.mu.Lock()
		l.pin, l.user = "another", false
		l.mu.Unlock()
		for i := range 10 {
			pin = fmt.Sprint("wrong ", i%2)
			if _, err := k.Wrap(t.Context(), dek, "test"); !errors.Is(err, ErrDenied) {
				t.Error(err)
			}
		}
		expect(t, l, "login", 3) // with the one of New
		pin = "another"
		wrap(t, k)
	})
}

// The PIN function runs in a goroutine of the KEK, where nobody else could stop a panic.
func TestPINPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newFake(newFakeKey("kek", ""))
		token := Token{Label: "notes", PIN: func(context.Context) ([]byte, error) { panic("canary") }}
		_, err := newKEK(t.Context(), "/fake/pins", token, namesOf(l.keys), nil, l.load)
		if !errors.Is(err, errPINPanic) || !errors.Is(err, ErrUnavailable) || strings.Contains(err.Error(), "canary") {
			t.Error(err)
		}
	})
}

// A data key whose caller gave up before the token answered belongs to nobody.
func TestAbandonedDataKeyIsWiped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newFake(newFakeKey("kek", ""))
		k := connect(t, l)
		wrapped := wrap(t, k)
		got, err := k.Unwrap(t.Context(), wrapped, "test")
		if err != nil || !bytes.Equal(l.unwrapped, dek) || &got[0] != &l.unwrapped[0] {
			t.Fatal("the test would not notice")
		}
		l.inject("decrypt", hang)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := k.Unwrap(ctx, wrapped, "test"); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		time.Sleep(time.Minute) // the token answers after all
		synctest.Wait()
		if &got[0] == &l.unwrapped[0] || !bytes.Equal(l.unwrapped, make([]byte, dekSize)) {
			t.Errorf("%d bytes of a data key are left", len(l.unwrapped))
		}
	})
}

// What New was given may be used for something else afterwards.
func TestKeysAreCopied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newFake(newFakeKey("kek", "\x01"))
		keys := []Key{{ID: []byte{1}}}
		k, err := newKEK(t.Context(), "/fake/keys", Token{Label: "notes", PIN: pinOf(l.pin)}, keys, nil, l.load)
		if err != nil {
			t.Fatal(err)
		}
		defer k.Close()
		keys[0].ID[0] = 2
		l.remove() // a new session looks for the key again
		l.restore(false)
		wrap(t, k)
	})
}
