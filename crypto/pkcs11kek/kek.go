package pkcs11kek

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// KEK wraps data keys with AES-256 keys of one token. It is made by [New], has the
// methods of the KEK of package crypto, and is safe for concurrent use.
type KEK struct {
	id       string
	token    Token
	keys     []Key // newest first
	tokenIV  bool
	insecure bool
	timeout  time.Duration
	log      *slog.Logger // nil is none

	names   atomic.Pointer[[]keyID] // of keys, once they were found
	module  *module
	pool    pool
	breaker breaker
	refused *refusedPINs
	probe   probe

	closing sync.Once
	closed  chan struct{}
}

// New loads the PKCS #11 module, a shared library, from an absolute path, logs in to
// the token, and checks the keys: there must be one of each name, for AES of 256 bits,
// that never leaves the token and is not used without the PIN. The first key wraps, all
// of them unwrap; to rotate, put the new key in front and keep the old ones until
// nothing NeedsRewrap.
//
// It returns an [*Error] for what the token does not grant. The caller closes the KEK.
// C_Initialize, of the first KEK of a module, is not bounded by ctx.
func New(ctx context.Context, module string, token Token, keys []Key, opts ...Option) (*KEK, error) {
	return newKEK(ctx, module, token, keys, opts, loadLibrary)
}

func newKEK(ctx context.Context, path string, token Token, keys []Key, opts []Option, load func(string) (library, error)) (*KEK, error) {
	c := config{id: defaultID(token), sessions: 8, timeout: 10 * time.Second}
	for _, opt := range opts {
		opt(&c)
	}
	if err := c.check(path, token, keys); err != nil {
		return nil, err
	}
	m, err := acquireModule(path, load)
	if err != nil {
		return nil, err
	}
	k := &KEK{
		id: c.id, token: token, keys: cloned(keys), tokenIV: c.tokenIV, insecure: c.insecure, timeout: c.timeout, log: c.log,
		module: m, pool: pool{tickets: make(chan struct{}, c.sessions)},
		breaker: breaker{pause: breakerPause}, refused: newRefusedPINs(), closed: make(chan struct{}),
	}
	if err := k.start(ctx); err != nil {
		k.shut(k.timeout / 100) // a call that hangs keeps the module, not the caller
		return nil, err
	}
	return k, nil
}

func cloned(keys []Key) []Key {
	keys = slices.Clone(keys)
	for i := range keys {
		keys[i].ID = bytes.Clone(keys[i].ID)
	}
	return keys
}

// start sees to it that the newest key decrypts what it encrypts.
func (k *KEK) start(ctx context.Context) error {
	p := newProbe()
	wrapped, err := k.call(ctx, "check", p.text, func(s *session, text []byte) ([]byte, error) {
		wrapped, err := k.seal(s, text, "")
		if err != nil {
			return nil, err
		}
		w, _ := parseWrapped(wrapped)
		return wrapped, probe{w, text}.open(s)
	})
	if err != nil {
		return err
	}
	p.wrapped, _ = parseWrapped(wrapped)
	k.probe = p
	return nil
}

// ID returns the name that is stored beside each wrapped key, see [WithID].
func (k *KEK) ID() string { return k.id }

// Format writes the ID, whatever the verb: what a KEK holds is not for logs.
func (k *KEK) Format(f fmt.State, _ rune) { io.WriteString(f, k.id) }

// Wrap encrypts a data key of 32 bytes with the newest key of the token and binds it
// to the label. The result is 65 bytes long; the package comment has its layout. It
// returns an [*Error].
func (k *KEK) Wrap(ctx context.Context, dek []byte, label string) ([]byte, error) {
	if len(dek) != dekSize {
		return nil, errDEK
	}
	if !isText(label) {
		return nil, errLabel
	}
	return k.call(ctx, "wrap", dek, func(s *session, in []byte) ([]byte, error) { return k.seal(s, in, label) })
}

// seal takes the IV from crypto/rand: 96 random bits, for up to 2^32 data keys (NIST SP
// 800-38D section 8.3), or from the token. What the token says that it used counts: some
// do as they like.
func (k *KEK) seal(s *session, dek []byte, label string) ([]byte, error) {
	iv := make([]byte, ivLen)
	if !k.tokenIV {
		rand.Read(iv)
	}
	newest := s.keys[0]
	used, sealed, err := s.encrypt(newest.handle, iv, newest.name.aad(label), dek)
	switch {
	case err != nil:
		return nil, err
	case len(used) != ivLen || len(sealed) != sealedLen:
		return nil, errAnswer
	case k.tokenIV && bytes.Equal(used, iv):
		return nil, errTokenIV
	}
	return wrappedKey{newest.name, used, sealed}.bytes(), nil
}

// Unwrap returns the data key that [KEK.Wrap] was given with an equal label. It returns
// [ErrUnwrap], without a call if wrapped does not name a key of this KEK, or an
// [*Error]. The caller wipes the result.
func (k *KEK) Unwrap(ctx context.Context, wrapped []byte, label string) ([]byte, error) {
	if w, ok := parseWrapped(wrapped); !ok || !slices.Contains(*k.names.Load(), w.key) {
		return nil, ErrUnwrap
	}
	if !isText(label) {
		return nil, errLabel
	}
	return k.call(ctx, "unwrap", wrapped, func(s *session, in []byte) ([]byte, error) { return k.unseal(s, in, label) })
}

// unseal asks twice if the token gives a reason that may be its own: a data key that
// was wrapped well is not given up for a failure that passes.
func (k *KEK) unseal(s *session, wrapped []byte, label string) ([]byte, error) {
	w, _ := parseWrapped(wrapped)
	key, _ := s.keyNamed(w.key)
	for range 2 {
		dek, err := s.decrypt(key.handle, w.iv, w.key.aad(label), w.sealed)
		code, _ := err.(Code)
		switch {
		case err == nil && len(dek) == dekSize:
			return dek, nil
		case err == nil:
			clear(dek)
			return nil, errAnswer
		case code.notAuthentic():
			return nil, ErrUnwrap
		case !code.ambiguous() || k.probe.open(s) != nil:
			return nil, err
		}
	}
	return nil, ErrUnwrap
}

// NeedsRewrap reports whether wrapped is not under the newest key. It asks nobody.
func (k *KEK) NeedsRewrap(wrapped []byte) bool {
	w, ok := parseWrapped(wrapped)
	return !ok || w.key != (*k.names.Load())[0]
}

// Close ends the sessions, and with the last of the process the login, and finalizes the
// module unless another KEK uses it. Calls that follow fail. It waits for those that are
// in the module, for as long as a call has: if one never returns, Close returns an
// [*Error] and leaves the module as it is.
func (k *KEK) Close() error {
	if !k.shut(k.timeout) {
		return &Error{Op: "close", Kind: ErrUnavailable, Cause: errSlow}
	}
	return nil
}

func (k *KEK) shut(limit time.Duration) (ok bool) {
	ok = true
	k.closing.Do(func() {
		close(k.closed)
		if ok = k.pool.drain(limit); ok {
			k.module.release()
		}
	})
	return ok
}
