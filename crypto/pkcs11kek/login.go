package pkcs11kek

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"sync"
)

// login logs the process in, if it is not. One at a time: a wrong PIN that many calls
// sent at once would lock the token.
func (k *KEK) login(ctx context.Context, s *session, t token) error {
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
	err = k.sendPIN(ctx, s, t)
	k.event(ctx, "pkcs11-login", err)
	return err
}

// sendPIN never sends a PIN that was refused: after some wrong ones the token is locked,
// for all who use it.
func (k *KEK) sendPIN(ctx context.Context, s *session, t token) error {
	if t.locked {
		return &Error{Op: "login", Kind: ErrDenied, Cause: errLocked}
	}
	if t.finalTry {
		return &Error{Op: "login", Kind: ErrDenied, Cause: errFinalTry}
	}
	pin, err := k.token.PIN(ctx)
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
		k.refused.set(pin)
	}
	return failed
}

// refusedPIN remembers the PIN that was refused last by a digest under a key of its own.
type refusedPIN struct {
	salt [sha256.Size]byte

	mu     sync.Mutex
	digest []byte
}

func (r *refusedPIN) of(pin []byte) []byte {
	m := hmac.New(sha256.New, r.salt[:])
	m.Write(pin)
	return m.Sum(nil)
}

func (r *refusedPIN) has(pin []byte) bool {
	digest := r.of(pin)
	r.mu.Lock()
	defer r.mu.Unlock()
	return hmac.Equal(digest, r.digest)
}

func (r *refusedPIN) set(pin []byte) {
	digest := r.of(pin)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.digest = digest
}
