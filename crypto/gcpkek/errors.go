package gcpkek

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"

	"cloud.google.com/go/auth"
	"google.golang.org/api/googleapi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// The kinds of failure, for errors.Is. None of them quotes what Cloud KMS answered, or
// what the SDK made of it, since that may repeat a ciphertext or a data key.
var (
	// ErrUnwrap is returned alone, without a reason, for what [KEK.Unwrap] was given
	// and Cloud KMS did not decrypt: altered, wrapped under another label or key, or
	// not a wrapped key at all.
	ErrUnwrap = errors.New("gcpkek: wrapped key did not unwrap")

	// ErrDenied: the credentials were refused, by Cloud KMS or by the server that has
	// tokens for them, or lack the permission on the key.
	ErrDenied = errors.New("gcpkek: access denied")

	// ErrUnavailable: overloaded, over quota, unreachable, too slow, without a token
	// for it, or the circuit breaker is open. The same call may succeed later.
	ErrUnavailable = errors.New("gcpkek: Cloud KMS is unavailable")

	// ErrRefused: the request is one that Cloud KMS does not grant as the key is. It
	// does not exist, is not symmetric, or its version is disabled or destroyed.
	ErrRefused = errors.New("gcpkek: request refused")

	// ErrAnswer: Cloud KMS, or what stands in its place, gave an answer that is
	// malformed, damaged, incomplete, or of another key.
	ErrAnswer = errors.New("gcpkek: malformed answer")
)

// Error is a failure of a call of Cloud KMS other than [ErrUnwrap].
type Error struct {
	Op    string     // "wrap" or "unwrap"
	Code  codes.Code // of gRPC, also over REST; codes.OK if an answer was refused
	Kind  error      // one of the Err variables, or the error of the caller's context
	Cause error      // of a connection or an own check; may be nil
}

// Error names the kind, the call and the code.
func (e *Error) Error() string {
	text := fmt.Sprintf("%v: %s", e.Kind, e.Op)
	if e.Code != codes.OK {
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
	errBreaker   = errors.New("gcpkek: circuit breaker is open")
	errToken     = errors.New("gcpkek: token was refused")
	errTransport = errors.New("gcpkek: no token, or answer broke off or is not HTTP")
)

// classify returns an [*Error] or ErrUnwrap for what a call of the SDK returned.
func classify(op string, err error) error {
	if err == nil {
		return nil
	}
	if slices.Contains([]error{errKeyName, errSize, errChecksum}, err) {
		return &Error{Op: op, Kind: ErrAnswer, Cause: err}
	}
	if answered, ok := errors.AsType[*googleapi.Error](err); ok {
		return ofCode(op, codeOf(answered))
	}
	if isTokenRefused(err) {
		return &Error{Op: op, Code: codes.Unauthenticated, Kind: ErrDenied, Cause: errToken}
	}
	if cause := transportCause(err); cause != nil {
		return &Error{Op: op, Code: codes.Unavailable, Kind: ErrUnavailable, Cause: cause}
	}
	if answered, ok := status.FromError(err); ok {
		return ofCode(op, answered.Code())
	}
	return &Error{Op: op, Kind: ErrAnswer}
}

func ofCode(op string, code codes.Code) error {
	if op == "unwrap" && code == codes.InvalidArgument {
		return ErrUnwrap
	}
	return &Error{Op: op, Code: code, Kind: kindOf(code)}
}

// kindOf follows https://cloud.google.com/apis/design/errors.
func kindOf(code codes.Code) error {
	switch code {
	case codes.Unauthenticated, codes.PermissionDenied:
		return ErrDenied
	case codes.Unavailable, codes.DeadlineExceeded, codes.ResourceExhausted, codes.Internal, codes.Aborted:
		return ErrUnavailable
	}
	return ErrRefused
}

// codeOf prefers the name in the body, which tells what one status of HTTP does not:
// 400 is both for a ciphertext that does not open and for a key that is disabled.
func codeOf(e *googleapi.Error) codes.Code {
	var body struct {
		Error struct {
			Status codes.Code `json:"status"`
		} `json:"error"`
	}
	if json.Unmarshal([]byte(e.Body), &body) == nil && body.Error.Status != codes.OK {
		return body.Error.Status
	}
	return codeOfStatus(e.Code)
}

func codeOfStatus(status int) codes.Code {
	switch {
	case status >= 500, status == http.StatusRequestTimeout:
		return codes.Unavailable
	case status == http.StatusUnauthorized:
		return codes.Unauthenticated
	case status == http.StatusForbidden:
		return codes.PermissionDenied
	case status == http.StatusNotFound:
		return codes.NotFound
	case status == http.StatusTooManyRequests:
		return codes.ResourceExhausted
	}
	return codes.Unknown
}

// isTokenRefused reports whether a client over REST got no token because its credentials
// are bad, and not because their server is overloaded or cannot be reached. Over gRPC
// both are codes.Unauthenticated.
func isTokenRefused(err error) bool {
	failed, ok := errors.AsType[*auth.Error](err)
	return ok && failed.Response != nil && kindOf(codeOfStatus(failed.Response.StatusCode)) != ErrUnavailable
}

// transportCause keeps the causes that are known to quote nothing of an answer: a
// parser puts the bytes that it stumbled over into its error. It returns nil for what
// is no failure of a connection.
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
	if _, ok := errors.AsType[*url.Error](err); ok {
		return errTransport
	}
	return nil
}
