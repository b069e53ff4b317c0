package pkcs11kek

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"sync"
)

// login logs the process in, if it is not. One at a time: a wrong PIN that many calls
// sent at once would lock the token.
func (k *KEK) login(ctx context.Context, s *session) error {
	select {
	case k.module.logins <- struct{}{}:
		defer func() { <-k.module.logins }()
	case <-ctx.Done():
		return &Error{Op: "login", Kind: ErrUnavailable, Cause: errSlow}
	}
	done, err := s.loggedIn()
	if err != nil {
		return newError("login", err)
	}
	if done {
		return nil
	}
	err = k.sendPIN(ctx, s)
	k.event(ctx, "pkcs11-login", err)
	return err
}

// sendPIN never sends a PIN that was refused: after some wrong ones the token is locked,
// for all who use it.
func (k *KEK) sendPIN(ctx context.Context, s *session) error {
	t, err := k.findToken() // now, as others may have sent wrong ones while this call waited
	if err != nil {
		return err
	}
	if t.locked {
		return &Error{Op: "login", Kind: ErrDenied, Cause: errLocked}
	}
	if t.finalTry {
		return &Error{Op: "login", Kind: ErrDenied, Cause: errFinalTry}
	}
	pin, err := k.askPIN(ctx)
	defer clear(pin)
	switch {
	case err != nil:
		return &Error{Op: "login", Kind: ErrUnavailable, Cause: err}
	case len(pin) == 0 || len(pin) > 255:
		return &Error{Op: "login", Kind: ErrDenied, Cause: errPIN}
	case k.refused.has(pin):
		return &Error{Op: "login", Kind: ErrDenied, Cause: errSamePIN}
	}
	err = s.login(pin)
	if err == nil || err == codeUserAlreadyLoggedIn {
		return nil
	}
	failed := newError("login", err)
	if failed.Code.refusesPIN() {
		k.refused.add(pin)
	}
	return failed
}

// askPIN returns an error if the function panics: it runs in a goroutine of the KEK,
// where that would end the process. The value may hold the PIN: it is dropped.
func (k *KEK) askPIN(ctx context.Context) (pin []byte, err error) {
	defer func() {
		if recover() != nil {
			err = errPINPanic
		}
	}()
	return k.token.PIN(ctx)
}

// refusedPINs remembers PINs by digests under a key of its own. PINs are short enough to
// be found from both, so a KEK holds it by a pointer, which printing does not follow.
type refusedPINs struct {
	salt [sha256.Size]byte

	mu      sync.Mutex
	digests map[[sha256.Size]byte]bool
}

func newRefusedPINs() *refusedPINs {
	r := &refusedPINs{digests: map[[sha256.Size]byte]bool{}}
	rand.Read(r.salt[:])
	return r
}

func (r *refusedPINs) of(pin []byte) [sha256.Size]byte {
	m := hmac.New(sha256.New, r.salt[:])
	m.Write(pin)
	return [sha256.Size]byte(m.Sum(nil))
}

func (r *refusedPINs) has(pin []byte) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.digests[r.of(pin)]
}

func (r *refusedPINs) add(pin []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.digests[r.of(pin)] = true
}
