package pkcs11kek

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// Each code that a lost session may have: the call goes on in a new one, with a new
// login where that is lost too.
func TestRecovers(t *testing.T) {
	for _, code := range []Code{
		codeSessionHandleInvalid, codeSessionClosed, codeDeviceRemoved, codeTokenNotPresent, codeUserNotLoggedIn,
		codeObjectHandleInvalid, codeKeyHandleInvalid, codeDeviceError, codeGeneralError, codeHostMemory, codeCryptokiNotInitialized, 0xdeadbeef,
	} {
		t.Run(code.Error(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newFake(newFakeKey("kek", ""))
				k := connect(t, l)
				wrapped := wrap(t, k)
				sessions := l.count("open")
				l.inject("encrypt", fault(code))
				wrap(t, k)
				expect(t, l, "open", sessions+1)
				l.inject("decrypt", fault(code))
				unwrap(t, k, wrapped)
			})
		})
	}
}

func TestRemovedAndBack(t *testing.T) {
	for name, stale := range map[string]bool{"seen again": false, "seen after a new start": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newFake(newFakeKey("kek", ""))
				k := connect(t, l)
				wrapped := wrap(t, k)
				l.remove()
				for range 10 {
					if _, err := k.Unwrap(t.Context(), wrapped, "test"); !errors.Is(err, ErrUnavailable) {
						t.Fatal(err)
					}
				}
				l.restore(stale)
				if _, err := k.Unwrap(t.Context(), wrapped, "test"); !errors.Is(err, errBreaker) {
					t.Errorf("while the breaker is open: %v", err)
				}
				time.Sleep(2 * breakerPause)
				for _, err := range together(func(int) error { _, err := k.Unwrap(t.Context(), wrapped, "test"); return err }) {
					if err != nil && !errors.Is(err, errBreaker) { // all but the one that probes
						t.Error(err)
					}
				}
				time.Sleep(2 * breakerPause)
				unwrap(t, k, wrapped)
			})
		})
	}
}

func TestTamperingOpensNoBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newFake(newFakeKey("kek", ""))
		k := connect(t, l)
		wrapped := wrap(t, k)
		sessions := l.count("open")
		wrapped[64] ^= 1
		for range 20 {
			if _, err := k.Unwrap(t.Context(), wrapped, "test"); err != ErrUnwrap {
				t.Fatal(err)
			}
		}
		expect(t, l, "open", sessions)
		wrapped[64] ^= 1
		unwrap(t, k, wrapped)
	})
}

func TestFinalCodesAreNotRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newFake(newFakeKey("kek", ""))
		k := connect(t, l)
		for _, code := range []Code{codeMechanismInvalid, codeKeyFunctionNotPermitted} {
			before := l.count("encrypt")
			l.inject("encrypt", fault(code))
			_, err := k.Wrap(t.Context(), dek, "test")
			if failed, ok := errors.AsType[*Error](err); !ok || failed.Kind != ErrRefused || failed.Code != code || failed.Op != "wrap" {
				t.Error(err)
			}
			expect(t, l, "encrypt", before+1)
		}
	})
}

// The module hangs: callers leave in time, and no more goroutines wait in it than there
// are sessions.
func TestHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newFake(newFakeKey("kek", ""))
		k := connect(t, l, WithSessions(2))
		wrapped := wrap(t, k)
		l.inject("decrypt", hang, hang, hang, hang)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		for _, err := range together(func(int) error { _, err := k.Unwrap(ctx, wrapped, "test"); return err }) {
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
		}
		if time.Since(start) != time.Second {
			t.Errorf("left after %v", time.Since(start))
		}
		expect(t, l, "decrypt", 3) // with the one of New
		if err := k.Close(); !errors.Is(err, ErrUnavailable) {
			t.Errorf("closed under a call: %v", err)
		}
		expect(t, l, "finalize", 0)
		time.Sleep(2 * time.Minute)
	})
}

func TestSessionsExhausted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newFake(newFakeKey("kek", ""))
		k := connect(t, l, WithSessions(3))
		for _, err := range together(func(int) error { _, err := k.Wrap(t.Context(), dek, "test"); return err }) {
			if err != nil {
				t.Error(err)
			}
		}
		if n := len(l.sessions); n > 3 {
			t.Errorf("%d sessions", n)
		}
		l.remove()
		l.restore(false)
		l.maxSessions = 0 // others have them all
		for range 10 {
			_, err := k.Wrap(t.Context(), dek, "test")
			if failed, ok := errors.AsType[*Error](err); !ok || failed.Code != codeSessionCount || !errors.Is(err, ErrUnavailable) {
				t.Error(err)
			}
		}
		l.maxSessions = 1
		wrap(t, k)
	})
}

func TestClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newFake(newFakeKey("kek", ""))
		a, b := connect(t, l), connect(t, l)
		wrapped := wrap(t, a)
		if err := errors.Join(a.Close(), a.Close()); err != nil {
			t.Error(err)
		}
		if _, err := a.Wrap(t.Context(), dek, "test"); err != errClosed {
			t.Error(err)
		}
		expect(t, l, "finalize", 0)
		unwrap(t, b, wrapped)
		b.Close()
		expect(t, l, "finalize", 1)
		if len(l.sessions) != 0 {
			t.Errorf("%d sessions are open", len(l.sessions))
		}
	})
}

// Who initialized the library finalizes it.
func TestLibraryOfOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newFake(newFakeKey("kek", ""))
		l.stopped = false
		k := connect(t, l)
		wrap(t, k)
		l.remove()
		k.Wrap(t.Context(), dek, "test")
		k.Close()
		expect(t, l, "finalize", 0)
	})
}

// One lost session tells of the others: more of them than a call has attempts.
func TestManyLostSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newFake(newFakeKey("kek", ""))
		k := connect(t, l)
		for range 2 * maxAttempts {
			s, err := k.open(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			k.pool.put(s)
		}
		l.remove()
		l.restore(false)
		wrap(t, k)
	})
}
