package vaultkek

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"path"
	"slices"
	"sync/atomic"
	"time"
)

// KEK wraps data keys with one key of the Transit engine. It is made by [New], has
// the methods of the KEK of package crypto, and is safe for concurrent use.
type KEK struct {
	id, key, mount  string
	base, namespace string
	auth            *Auth // by a pointer, which printing does not follow
	timeout         time.Duration
	client          *http.Client
	log             *slog.Logger // nil is none

	breaker  breaker
	sessions sessions
	latest   atomic.Int64 // key version
}

// New returns a KEK that uses the Transit key of this name in the Vault or OpenBao at
// address, such as "https://vault.example.com:8200". It asks Vault nothing yet: see
// [KEK.Check].
//
// The server must speak TLS 1.3 and have a certificate that the system trusts, or that
// [WithRootCAs] does. Redirects are not followed.
func New(address, key string, auth Auth, opts ...Option) (*KEK, error) {
	c := config{mount: "transit", minTLS: tls.VersionTLS13, timeout: 10 * time.Second}
	for _, opt := range opts {
		opt(&c)
	}
	if c.id == "" {
		c.id = "vault:" + path.Join(c.namespace, c.mount, key)
	}
	base, err := baseOf(address, c.plainHTTP)
	if err != nil {
		return nil, err
	}
	if err := c.check(key, auth); err != nil {
		return nil, err
	}
	return &KEK{
		id: c.id, key: key, mount: c.mount, base: base, namespace: c.namespace,
		auth: &auth, timeout: c.timeout, client: c.httpClient(base), log: c.log,
		sessions: sessions{gate: make(chan struct{}, 1)},
	}, nil
}

// ID returns the name that is stored beside each wrapped key, see [WithID].
func (k *KEK) ID() string { return k.id }

// Format writes the ID, whatever the verb: what a KEK holds is not for logs.
func (k *KEK) Format(f fmt.State, _ rune) { io.WriteString(f, k.id) }

var (
	errDEK   = errors.New("vaultkek: data key is not 32 bytes long")
	errLabel = errors.New("vaultkek: label is not 1 to 255 bytes of UTF-8")
)

// Wrap encrypts a data key of 32 bytes under the latest version of the Transit key and
// binds it to the label. The result is Transit's own text, vault:vN:base64, of 89 bytes
// for versions below 10. It returns an [*Error].
func (k *KEK) Wrap(ctx context.Context, dek []byte, label string) ([]byte, error) {
	if len(dek) != dekSize {
		return nil, errDEK
	}
	if !isText(label) {
		return nil, errLabel
	}
	body := base64.StdEncoding.AppendEncode(bodyStart("plaintext"), dek)
	defer func() { clear(body) }()
	body = bindLabel(body, label)
	a, err := k.call(ctx, request{op: "wrap", method: http.MethodPost, path: k.mount + "/encrypt/" + k.key, body: body})
	if err != nil {
		return nil, err
	}
	wrapped := []byte(a.Data.Ciphertext)
	version, ok := parseWrapped(wrapped)
	if !ok {
		return nil, &Error{Op: "wrap", Status: http.StatusOK, Kind: ErrAnswer}
	}
	k.saw(version)
	return wrapped, nil
}

// Unwrap returns the data key that [KEK.Wrap] was given with an equal label. It returns
// [ErrUnwrap], without a call if wrapped is not of the form that Wrap returns, or an
// [*Error]. The caller wipes the result.
func (k *KEK) Unwrap(ctx context.Context, wrapped []byte, label string) ([]byte, error) {
	if _, ok := parseWrapped(wrapped); !ok {
		return nil, ErrUnwrap
	}
	if !isText(label) {
		return nil, errLabel
	}
	body := bindLabel(append(bodyStart("ciphertext"), wrapped...), label)
	a, err := k.call(ctx, request{op: "unwrap", method: http.MethodPost, path: k.mount + "/decrypt/" + k.key, body: body})
	if err != nil {
		return nil, err
	}
	if len(a.Data.Plaintext) != dekSize {
		clear(a.Data.Plaintext)
		return nil, &Error{Op: "unwrap", Status: http.StatusOK, Kind: ErrAnswer}
	}
	return a.Data.Plaintext, nil
}

// NeedsRewrap reports whether wrapped is not under the latest version of the key that
// this KEK knows of, from its own calls of [KEK.Wrap] and [KEK.Check]: it asks nobody.
// A job that rewraps calls Check first.
func (k *KEK) NeedsRewrap(wrapped []byte) bool {
	version, ok := parseWrapped(wrapped)
	return !ok || int64(version) < k.latest.Load()
}

// Check logs in, reads the Transit key, and wraps and unwraps a random data key: a
// service that calls it at its start finds a wrong address, credential, mount, key or key
// type, or a Vault that ignores labels, before its first message does. It needs the
// policy line for it, see the package comment; what the token may not encrypt or decrypt,
// it leaves out.
func (k *KEK) Check(ctx context.Context) error {
	a, err := k.call(ctx, request{op: "check", method: http.MethodGet, path: k.mount + "/keys/" + k.key})
	if err != nil {
		return err
	}
	if !slices.Contains([]string{"aes256-gcm96", "aes128-gcm96", "chacha20-poly1305"}, a.Data.Type) {
		return &Error{Op: "check", Status: http.StatusOK, Kind: ErrRefused, Cause: errKeyType}
	}
	k.saw(a.Data.LatestVersion)
	if err := k.checkLabels(ctx); !errors.Is(err, ErrDenied) {
		return err
	}
	return nil
}

// checkLabels sees to it that a data key unwraps under its own label and no other. Vault
// drops fields that it does not know: one without associated data would let each data key
// unwrap for every purpose, and nothing else would show it.
func (k *KEK) checkLabels(ctx context.Context) error {
	dek := make([]byte, dekSize)
	rand.Read(dek)
	defer clear(dek)
	wrapped, err := k.Wrap(ctx, dek, "check")
	if err != nil {
		return err
	}
	got, err := k.Unwrap(ctx, wrapped, "check")
	defer clear(got)
	if err != nil {
		return err
	}
	if subtle.ConstantTimeCompare(dek, got) != 1 {
		return &Error{Op: "check", Status: http.StatusOK, Kind: ErrAnswer, Cause: errEcho}
	}
	switch other, err := k.Unwrap(ctx, wrapped, "another label"); err {
	case ErrUnwrap:
		return nil
	case nil:
		clear(other)
		return &Error{Op: "check", Status: http.StatusOK, Kind: ErrRefused, Cause: errOldVault}
	default:
		return err
	}
}

// Close forgets the token and closes idle connections. Calls that follow fail. The
// token itself lives until its TTL ends.
func (k *KEK) Close() error {
	k.sessions.close()
	k.client.CloseIdleConnections()
	return nil
}

// call bounds r in time, and tells the end of the caller's own context from a Vault
// that took too long.
func (k *KEK) call(ctx context.Context, r request) (answer, error) {
	bounded, cancel := context.WithTimeout(ctx, k.timeout)
	defer cancel()
	a, err := k.authorized(bounded, r)
	if err != nil && ctx.Err() != nil {
		return answer{}, &Error{Op: r.op, Kind: ctx.Err()}
	}
	return a, err
}

func (k *KEK) saw(version int) {
	for {
		latest := k.latest.Load()
		if int64(version) <= latest || k.latest.CompareAndSwap(latest, int64(version)) {
			return
		}
	}
}

// bodyStart has room for all of a body, so that no outgrown buffer keeps a data key.
func bodyStart(field string) []byte {
	return append(append(append(make([]byte, 0, 1<<10), `{"`...), field...), `":"`...)
}

// bindLabel ends a body whose first value is still open. The label is authenticated as
// associated data; it is the context of a key that derives as well, which has to have
// one, and which other keys ignore.
func bindLabel(body []byte, label string) []byte {
	for _, field := range []string{`","associated_data":"`, `","context":"`} {
		body = base64.StdEncoding.AppendEncode(append(body, field...), []byte(label))
	}
	return append(body, `"}`...)
}
