package pkcs11kek

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

var dek = bytes.Repeat([]byte("canary!!"), 4)

func pinOf(pin string) func(context.Context) ([]byte, error) {
	return func(context.Context) ([]byte, error) { return []byte(pin), nil }
}

func wrap(t *testing.T, k *KEK) []byte {
	t.Helper()
	wrapped, err := k.Wrap(t.Context(), dek, "test")
	if err != nil {
		t.Fatal(err)
	}
	return wrapped
}

func unwrap(t *testing.T, k *KEK, wrapped []byte) {
	t.Helper()
	if got, err := k.Unwrap(t.Context(), wrapped, "test"); err != nil || !bytes.Equal(got, dek) {
		t.Errorf("unwrapped %d bytes, %v", len(got), err)
	}
}

// expect compares how often l was called.
func expect(t *testing.T, l *fakeLibrary, op string, want int) {
	t.Helper()
	if got := l.count(op); got != want {
		t.Errorf("%d calls of %s, want %d", got, op, want)
	}
}

func TestConfiguration(t *testing.T) {
	pin, keys := pinOf("1234"), []Key{{Label: "kek"}}
	good := Token{Label: "notes", PIN: pin}
	for name, c := range map[string]struct {
		module string
		token  Token
		keys   []Key
		opts   []Option
		want   error
	}{
		"relative module": {"libsofthsm2.so", good, keys, nil, errModule},
		"no token":        {"/m.so", Token{PIN: pin}, keys, nil, errToken},
		"no PIN":          {"/m.so", Token{Label: "notes"}, keys, nil, errToken},
		"no keys":         {"/m.so", good, nil, nil, errNoKeys},
		"a nameless key":  {"/m.so", good, []Key{{Label: "kek"}, {}}, nil, errNoKeys},
		"too many keys":   {"/m.so", good, make([]Key, 65), nil, errNoKeys},
		"empty ID":        {"/m.so", good, keys, []Option{WithID("")}, errID},
		"long ID":         {"/m.so", good, keys, []Option{WithID(strings.Repeat("x", 256))}, errID},
		"no session":      {"/m.so", good, keys, []Option{WithSessions(0)}, errSessions},
		"many sessions":   {"/m.so", good, keys, []Option{WithSessions(1025)}, errSessions},
		"no time":         {"/m.so", good, keys, []Option{WithTimeout(0)}, errTimeout},
	} {
		if k, err := New(t.Context(), c.module, c.token, c.keys, c.opts...); k != nil || err != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestIDs(t *testing.T) {
	for want, token := range map[string]Token{
		"pkcs11:token=my%20notes": {Label: "my notes", Serial: "1"},
		"pkcs11:serial=1":         {Serial: "1"},
	} {
		if got := defaultID(token); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	a, b := keyIDOf(object{label: []byte("x")}), keyIDOf(object{id: []byte("x")})
	if a == b || a != keyIDOf(object{label: []byte("x"), handle: 9}) || b != keyIDOf(object{id: []byte("x"), label: []byte("renamed")}) {
		t.Error("key ids do not follow CKA_ID, or else CKA_LABEL")
	}
}

func TestArguments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newFake(newFakeKey("kek", ""))
		k := connect(t, l)
		encrypts, decrypts := l.count("encrypt"), l.count("decrypt")
		for _, n := range []int{0, 16, 31, 33, 64} {
			if _, err := k.Wrap(t.Context(), make([]byte, n), "test"); err != errDEK {
				t.Errorf("%d bytes: %v", n, err)
			}
		}
		good := wrap(t, k)
		for _, label := range []string{"", "\xff", strings.Repeat("x", 256)} {
			if _, err := k.Wrap(t.Context(), dek, label); err != errLabel {
				t.Errorf("label %q: %v", label, err)
			}
			if _, err := k.Unwrap(t.Context(), good, label); err != errLabel {
				t.Errorf("label %q: %v", label, err)
			}
		}
		for _, wrapped := range [][]byte{nil, {}, {1}, good[:64], append(bytes.Clone(good), 0), append([]byte{2}, good[1:]...), append([]byte{1, 0, 0, 0, 0}, good[5:]...)} {
			if _, err := k.Unwrap(t.Context(), wrapped, "test"); err != ErrUnwrap {
				t.Errorf("%x: %v", wrapped, err)
			}
			if !k.NeedsRewrap(wrapped) {
				t.Errorf("%x needs no rewrap", wrapped)
			}
		}
		expect(t, l, "encrypt", encrypts+1)
		expect(t, l, "decrypt", decrypts)
	})
}

func TestUnsafeKeys(t *testing.T) {
	for name, c := range map[string]struct {
		spoil    func(*fakeKey)
		want     error
		insecure bool // accepted with InsecureKeyAttributes
	}{
		"AES-128":       {func(k *fakeKey) { k.aes256 = false }, errKeyType, false},
		"encrypt":       {func(k *fakeKey) { k.encrypt = false }, errKeyUsage, false},
		"decrypt":       {func(k *fakeKey) { k.decrypt = false }, errKeyUsage, false},
		"not sensitive": {func(k *fakeKey) { k.sensitive = false }, errKeyOpen, true},
		"extractable":   {func(k *fakeKey) { k.extractable = true }, errKeyOpen, true},
		"public":        {func(k *fakeKey) { k.private = false }, errKeyOpen, true},
	} {
		t.Run(name, func(t *testing.T) {
			l := newFake(newFakeKey("kek", ""))
			c.spoil(l.keys[0])
			k, err := dial(t, l)
			if k != nil || !errors.Is(err, ErrRefused) || !errors.Is(err, c.want) {
				t.Error(err)
			}
			if k, err = dial(t, l, InsecureKeyAttributes()); (err == nil) != c.insecure {
				t.Errorf("insecure: %v", err)
			}
			if k != nil {
				k.Close()
			}
		})
	}
}

func TestAmbiguousNames(t *testing.T) {
	a, b := newFakeKey("kek", "1"), newFakeKey("kek", "2")
	l := newFake(a, b)
	for name, c := range map[string]struct {
		token Token
		keys  []Key
		kind  error
		want  error
	}{
		"two keys of one label": {Token{Label: "notes"}, []Key{{Label: "kek"}}, ErrRefused, errKeys},
		"one key twice":         {Token{Label: "notes"}, []Key{{ID: []byte("1")}, {Label: "kek", ID: []byte("1")}}, ErrRefused, errSameKey},
		"no such key":           {Token{Label: "notes"}, []Key{{Label: "missing"}}, ErrRefused, errNoKey},
		"no such ID":            {Token{Label: "notes"}, []Key{{Label: "kek", ID: []byte("3")}}, ErrRefused, errNoKey},
		"no such token":         {Token{Label: "missing"}, []Key{{ID: []byte("1")}}, ErrUnavailable, errNoToken},
		"another serial number": {Token{Label: "notes", Serial: "1"}, []Key{{ID: []byte("1")}}, ErrUnavailable, errNoToken},
		"two tokens":            {Token{Serial: "0815"}, []Key{{ID: []byte("1")}}, ErrRefused, errTokens},
		"found":                 {Token{Serial: "0815"}, []Key{{ID: []byte("1")}}, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l.token.serial = "0815"
				if c.want == errTokens {
					l.token.serial = "1" // that of the other token
					c.token.Serial = "1"
				}
				c.token.PIN = pinOf(l.pin)
				k, err := newKEK(t.Context(), "/fake/names", c.token, c.keys, nil, l.load)
				if c.want == nil && err == nil {
					k.Close()
					return
				}
				if !errors.Is(err, c.kind) || !errors.Is(err, c.want) {
					t.Error(err)
				}
			})
		})
	}
}

func TestRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old, next := newFakeKey("kek-1", "\x01"), newFakeKey("kek-2", "")
		before := connect(t, newFake(old))
		wrapped := wrap(t, before)
		if before.NeedsRewrap(wrapped) {
			t.Error("before the rotation")
		}
		before.Close()

		old.encrypt = false // an old key needs only to decrypt
		k := connect(t, newFake(next, old))
		unwrap(t, k, wrapped)
		if !k.NeedsRewrap(wrapped) {
			t.Error("under the old key")
		}
		again := wrap(t, k)
		unwrap(t, k, again)
		if k.NeedsRewrap(again) || bytes.Equal(again[1:5], wrapped[1:5]) {
			t.Error("under the new key")
		}
		k.Close()

		after := connect(t, newFake(next))
		unwrap(t, after, again)
		if _, err := after.Unwrap(t.Context(), wrapped, "test"); err != ErrUnwrap {
			t.Errorf("without the old key: %v", err)
		}
	})
}

func TestTokenIV(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, c := range map[string]struct {
			makes, forgets bool
			opts           []Option
			want           error
		}{
			"ours":               {false, false, nil, nil},
			"it does as it like": {true, false, nil, nil},
			"it does not say":    {true, true, nil, errProbe},
			"asked":              {true, false, []Option{WithTokenIV()}, nil},
			"asked in vain":      {false, false, []Option{WithTokenIV()}, errTokenIV},
		} {
			l := newFake(newFakeKey("kek", ""))
			l.makesIV, l.forgetsIV = c.makes, c.forgets
			k, err := dial(t, l, c.opts...)
			if c.want != nil {
				if c.want == errProbe { // this token has one code for all that fails
					c.want = ErrUnavailable
				}
				if !errors.Is(err, c.want) {
					t.Errorf("%s: %v", name, err)
				}
				continue
			}
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			seen := map[string]bool{}
			for range 100 {
				wrapped := wrap(t, k)
				unwrap(t, k, wrapped)
				seen[string(wrapped[5:17])] = true
			}
			if len(seen) != 100 {
				t.Errorf("%s: %d different IVs in 100", name, len(seen))
			}
			k.Close()
		}
	})
}

// A wrong PIN is sent once, whatever the number of calls; another one is sent.
func TestWrongPIN(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newFake(newFakeKey("kek", ""))
		if _, err := newKEK(t.Context(), "/fake/pin", Token{Label: "notes", PIN: pinOf("wrong")}, namesOf(l.keys), nil, l.load); !errors.Is(err, ErrDenied) {
			t.Error(err)
		}
		expect(t, l, "login", 1)

		current, lent := "canary-1234", []byte(nil)
		k, err := newKEK(t.Context(), "/fake/pin", Token{Label: "notes", PIN: func(context.Context) ([]byte, error) {
			lent = []byte(current)
			return lent, nil
		}}, namesOf(l.keys), nil, l.load)
		if err != nil {
			t.Fatal(err)
		}
		defer k.Close()
		if !bytes.Equal(lent, make([]byte, len(lent))) {
			t.Error("the PIN is not wiped")
		}
		logout := func() { l.mu.Lock(); l.user = false; l.mu.Unlock() }
		current = "changed"
		logout()
		for _, err := range together(func(int) error { _, err := k.Wrap(t.Context(), dek, "test"); return err }) {
			if !errors.Is(err, ErrDenied) {
				t.Error(err)
			}
		}
		expect(t, l, "login", 3)
		l.pin = "changed too"
		current = l.pin
		wrap(t, k)
		expect(t, l, "login", 4)

		for name, spoil := range map[string]func(){
			"final try": func() { l.token.finalTry = true },
			"locked":    func() { l.token.locked = true },
			"empty":     func() { current = "" },
			"long":      func() { current = strings.Repeat("1", 256) },
		} {
			l.token.finalTry, l.token.locked, current = false, false, l.pin
			spoil()
			logout()
			if _, err := k.Wrap(t.Context(), dek, "test"); !errors.Is(err, ErrDenied) {
				t.Errorf("%s: %v", name, err)
			}
			expect(t, l, "login", 4)
		}
	})
}

func TestPINFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, cause := newFake(newFakeKey("kek", "")), errors.New("vault is sealed")
		pin := func(context.Context) ([]byte, error) { return nil, cause }
		_, err := newKEK(t.Context(), "/fake/pin", Token{Label: "notes", PIN: pin}, namesOf(l.keys), nil, l.load)
		if !errors.Is(err, ErrUnavailable) || !errors.Is(err, cause) {
			t.Error(err)
		}
		expect(t, l, "login", 0)
	})
}

// together runs f in 64 goroutines and returns their errors.
func together(f func(i int) error) []error {
	var wg sync.WaitGroup
	errs := make([]error, 64)
	for i := range errs {
		wg.Go(func() { errs[i] = f(i) })
	}
	wg.Wait()
	return errs
}

// Everything that can go wrong: no PIN, data key or wrapped key shows in an error or an
// event.
func TestNothingLeaks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		l := newFake(newFakeKey("kek", ""))
		k := connect(t, l, WithLogger(slog.New(slog.NewJSONHandler(&out, nil))))
		wrapped := wrap(t, k)
		for _, op := range []string{"tokens", "open", "info", "login", "find", "encrypt", "decrypt"} {
			for code := range codeNames {
				time.Sleep(time.Minute)
				wrap(t, k) // all is well again
				l.remove()
				l.restore(false)
				l.inject(op, fault(code), fault(code), fault(code), fault(code), fault(code))
				clear(k.refused.digests)
				for range 2 {
					_, err := k.Wrap(t.Context(), dek, "test")
					fmt.Fprintf(&out, "%v %+v %#v\n", err, err, err)
					_, err = k.Unwrap(t.Context(), wrapped, "other")
					fmt.Fprintf(&out, "%v %+v\n", err, err)
				}
				l.inject(op)
				clear(k.refused.digests)
			}
		}
		for _, action := range []string{"pkcs11-login", "pkcs11-breaker-open", "pkcs11-breaker-close"} {
			if !strings.Contains(out.String(), `"event.action":"`+action+`"`) {
				t.Errorf("no event %s", action)
			}
		}
		if found := leaks(out.String(), l.pin, wrapped); found != "" {
			t.Errorf("%s is in what came out", found)
		}
		for _, planted := range []string{l.pin, fmt.Sprintf("%x", l.pin), string(dek), fmt.Sprintf("%x", dek), fmt.Sprint(dek), fmt.Sprintf("%X", wrapped)} {
			if leaks("some text "+planted+" more", l.pin, wrapped) == "" {
				t.Errorf("the test would not notice %q", planted)
			}
		}
	})
}

func leaks(text, pin string, wrapped []byte) string {
	for name, secret := range map[string]string{"PIN": pin, "data key": string(dek), "wrapped key": string(wrapped[17:])} {
		for _, form := range []string{"%s", "%x", "%X", "%v"} {
			if strings.Contains(text, strings.Trim(fmt.Sprintf(form, []byte(secret)), "[]")) {
				return name
			}
		}
	}
	return ""
}

func FuzzParseWrapped(f *testing.F) {
	f.Add(make([]byte, wrappedLen))
	f.Add(append([]byte{version}, make([]byte, wrappedLen-1)...))
	f.Add([]byte{version})
	f.Fuzz(func(t *testing.T, b []byte) {
		w, ok := parseWrapped(b)
		if ok != (len(b) == 65 && b[0] == 1) {
			t.Fatal("wrong verdict")
		}
		if ok && !bytes.Equal(w.bytes(), b) {
			t.Fatal("not what it was made of")
		}
	})
}

func TestWrappedOfOneSize(t *testing.T) {
	iv, sealed := make([]byte, ivLen), make([]byte, sealedLen)
	rand.Read(iv)
	rand.Read(sealed)
	b := wrappedKey{keyID{1, 2, 3, 4}, iv, sealed}.bytes()
	w, ok := parseWrapped(b)
	if len(b) != 65 || !ok || w.key != (keyID{1, 2, 3, 4}) || !bytes.Equal(w.iv, iv) || !bytes.Equal(w.sealed, sealed) {
		t.Errorf("%x", b)
	}
}
