package pkcs11kek

import (
	"errors"
	"fmt"
)

// The kinds of failure, for errors.Is.
var (
	// ErrUnwrap is returned alone, without a reason, for what [KEK.Unwrap] was given
	// and the token did not decrypt: altered, wrapped under another label or key, or
	// not a wrapped key at all.
	ErrUnwrap = errors.New("pkcs11kek: wrapped key did not unwrap")

	// ErrDenied: the PIN is wrong, locked, expired or not set, or the next wrong one
	// would lock it. A PIN that was refused is never sent again.
	ErrDenied = errors.New("pkcs11kek: access denied")

	// ErrUnavailable: the token is removed, out of sessions, failing or too slow, or
	// the circuit breaker is open. The same call may succeed later.
	ErrUnavailable = errors.New("pkcs11kek: token is unavailable")

	// ErrRefused: what this module or token never grants as it is set up: the module
	// does not load, a key is missing, ambiguous or unsafe, or AES-GCM is not there.
	ErrRefused = errors.New("pkcs11kek: request refused")
)

// Error is a failure of a call of the token other than [ErrUnwrap].
type Error struct {
	Op    string // "wrap", "unwrap", "load", "open", "login", "check" or "close"
	Code  Code   // that PKCS #11 returned; 0 if none
	Kind  error  // one of the Err variables, or the error of the caller's context
	Cause error  // of the PIN callback or an own check; may be nil
}

// Error names the kind, the call and the code.
func (e *Error) Error() string {
	text := fmt.Sprintf("%v: %s", e.Kind, e.Op)
	if e.Code != 0 {
		text = fmt.Sprintf("%s: %v", text, e.Code)
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
	errNoToken  = errors.New("pkcs11kek: no token of this label and serial number is present")
	errTokens   = errors.New("pkcs11kek: several tokens have this label: name the serial number")
	errNoKey    = errors.New("pkcs11kek: no secret key of this label and ID is in the token")
	errKeys     = errors.New("pkcs11kek: several secret keys have this label and ID")
	errSameKey  = errors.New("pkcs11kek: two of the keys are one, or have one CKA_ID")
	errKeyType  = errors.New("pkcs11kek: key is not an AES key of 256 bits")
	errKeyUsage = errors.New("pkcs11kek: key needs CKA_DECRYPT, and the newest CKA_ENCRYPT")
	errKeyOpen  = errors.New("pkcs11kek: key needs CKA_SENSITIVE, CKA_PRIVATE and no CKA_EXTRACTABLE: see InsecureKeyAttributes")
	errKeyMoved = errors.New("pkcs11kek: key has got another CKA_ID or CKA_LABEL since New")
	errProbe    = errors.New("pkcs11kek: newest key does not decrypt what it encrypts")
	errAnswer   = errors.New("pkcs11kek: token answered with an IV or a text of another length")
	errTokenIV  = errors.New("pkcs11kek: token made no IV: see WithTokenIV")
	errPIN      = errors.New("pkcs11kek: PIN is not 1 to 255 bytes long")
	errPINPanic = errors.New("pkcs11kek: PIN function panicked")
	errSamePIN  = errors.New("pkcs11kek: PIN was refused before and is not sent again")
	errFinalTry = errors.New("pkcs11kek: one more wrong PIN locks the token: log in once with another tool")
	errLocked   = errors.New("pkcs11kek: PIN is locked")
	errBusy     = errors.New("pkcs11kek: all sessions are in use")
	errSlow     = errors.New("pkcs11kek: token did not answer in time")
	errBreaker  = errors.New("pkcs11kek: circuit breaker is open")
	errClosed   = errors.New("pkcs11kek: KEK is closed")
)

// newError returns the Error of a code, or of an own check.
func newError(op string, err error) *Error {
	code, ok := err.(Code)
	if !ok {
		return &Error{Op: op, Kind: ErrRefused, Cause: err}
	}
	return &Error{Op: op, Code: code, Kind: code.kind()}
}
