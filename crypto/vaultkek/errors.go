package vaultkek

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// The kinds of failure, for errors.Is. None of them quotes what Vault answered,
// since an answer may repeat a token, a ciphertext or a data key.
var (
	// ErrUnwrap is returned alone, without a reason, for what [KEK.Unwrap] was given
	// and Vault did not decrypt: altered, wrapped under another label or key, below
	// min_decryption_version, or not a wrapped key at all.
	ErrUnwrap = errors.New("vaultkek: wrapped key did not unwrap")

	// ErrDenied: the credential was refused, or the policy of the token lacks the path.
	ErrDenied = errors.New("vaultkek: access denied")

	// ErrUnavailable: sealed, standby, overloaded, unreachable, too slow, or the
	// circuit breaker is open. The same call may succeed later.
	ErrUnavailable = errors.New("vaultkek: Vault is unavailable")

	// ErrRefused: the request is one that this Vault never grants. The mount or the
	// key does not exist, the key or the Vault is without associated data, or something
	// else than Vault redirects.
	ErrRefused = errors.New("vaultkek: request refused")

	// ErrAnswer: Vault, or what stands in its place, gave an answer that is malformed,
	// incomplete or longer than 64 KiB.
	ErrAnswer = errors.New("vaultkek: malformed answer")
)

// Error is a failure of a call of Vault other than [ErrUnwrap].
type Error struct {
	Op     string // "wrap", "unwrap", "check", "login" or "renew"
	Status int    // of HTTP; 0 if there was no answer
	Kind   error  // one of the Err variables, or the error of the caller's context
	Cause  error  // of a connection, a credential source or an own check; may be nil

	retryAfter time.Duration // as a number: the header could repeat anything
}

// Error names the kind, the call and the status.
func (e *Error) Error() string {
	text := fmt.Sprintf("%v: %s", e.Kind, e.Op)
	if e.Status != 0 {
		text = fmt.Sprintf("%s: HTTP status %d", text, e.Status)
	}
	if e.Cause != nil {
		text = fmt.Sprintf("%s: %v", text, e.Cause)
	}
	return text
}

// Unwrap returns the kind and the cause.
func (e *Error) Unwrap() []error {
	if e.Cause == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.Cause}
}

var (
	errBreaker    = errors.New("vaultkek: circuit breaker is open")
	errTransport  = errors.New("vaultkek: answer broke off or is not HTTP")
	errCredential = errors.New("vaultkek: credential is not 1 to 16,384 printable ASCII characters")
	errKeyType    = errors.New("vaultkek: Transit key is not of the type aes256-gcm96, aes128-gcm96 or chacha20-poly1305")
	errOldVault   = errors.New("vaultkek: Vault ignores the label of data keys: it is older than 1.13")
	errEcho       = errors.New("vaultkek: what was wrapped did not unwrap to the same")
	errClosed     = errors.New("vaultkek: KEK is closed")
)

// transportCause keeps the causes that are known to quote nothing of an answer: a
// parser of HTTP puts the bytes that it stumbled over into its error.
func transportCause(err error) error {
	for _, known := range []error{context.Canceled, context.DeadlineExceeded, io.ErrUnexpectedEOF} {
		if errors.Is(err, known) {
			return known
		}
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op
	}
	if cert, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return cert
	}
	return errTransport
}
