package awskek

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
)

// The kinds of failure, for errors.Is. None of them quotes what KMS answered, or what
// the SDK made of it, since that may repeat a ciphertext or a data key.
var (
	// ErrUnwrap is returned alone, without a reason, for what [KEK.Unwrap] was given
	// and KMS did not decrypt: altered, wrapped under another label or key, or not a
	// wrapped key at all.
	ErrUnwrap = errors.New("awskek: wrapped key did not unwrap")

	// ErrDenied: there are no credentials, they were refused, or the policies of the
	// key and of its user do not allow the call with this label.
	ErrDenied = errors.New("awskek: access denied")

	// ErrUnavailable: overloaded, throttled, unreachable, too slow, or the circuit
	// breaker is open. The same call may succeed later.
	ErrUnavailable = errors.New("awskek: KMS is unavailable")

	// ErrRefused: the request is one that KMS does not grant as the key is. It does not
	// exist in this region, is disabled, pending deletion or import, is not symmetric,
	// or its key store is disconnected.
	ErrRefused = errors.New("awskek: request refused")

	// ErrAnswer: KMS, or what stands in its place, gave an answer that is malformed,
	// incomplete, or of another key.
	ErrAnswer = errors.New("awskek: malformed answer")
)

// Error is a failure of a call of KMS other than [ErrUnwrap].
type Error struct {
	Op     string // "wrap" or "unwrap"
	Status int    // of HTTP; 0 if there was no answer
	Code   string // of the error, as in the documentation of KMS, or empty
	Kind   error  // one of the Err variables, or the error of the caller's context
	Cause  error  // of a connection or an own check; may be nil

	throttled bool
}

// Error names the kind, the call, the status and the code.
func (e *Error) Error() string {
	text := fmt.Sprintf("%v: %s", e.Kind, e.Op)
	if e.Status != 0 {
		text = fmt.Sprintf("%s: HTTP status %d", text, e.Status)
	}
	if e.Code != "" {
		text = fmt.Sprintf("%s: %s", text, e.Code)
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
	errBreaker   = errors.New("awskek: circuit breaker is open")
	errTransport = errors.New("awskek: answer broke off or is not HTTP")
	errSend      = errors.New("awskek: the SDK could not make the request: credentials or endpoint are missing")
)

// kinds has the codes that may stand in an [Error], from
// https://docs.aws.amazon.com/kms/latest/APIReference/CommonErrors.html and the pages of
// Encrypt and Decrypt. A code that is not here could be anything.
var kinds = map[string]error{
	"AccessDeniedException":               ErrDenied,
	"ExpiredTokenException":               ErrDenied,
	"IncompleteSignature":                 ErrDenied,
	"InvalidClientTokenId":                ErrDenied,
	"InvalidGrantTokenException":          ErrDenied,
	"InvalidSignatureException":           ErrDenied,
	"MissingAuthenticationToken":          ErrDenied,
	"MissingAuthenticationTokenException": ErrDenied,
	"NotAuthorized":                       ErrDenied,
	"OptInRequired":                       ErrDenied,
	"SignatureDoesNotMatch":               ErrDenied,
	"UnrecognizedClientException":         ErrDenied,
	"DependencyTimeoutException":          ErrUnavailable,
	"InternalFailure":                     ErrUnavailable,
	"KMSInternalException":                ErrUnavailable,
	"KeyUnavailableException":             ErrUnavailable,
	"LimitExceededException":              ErrUnavailable,
	"RequestTimeoutException":             ErrUnavailable,
	"ServiceUnavailable":                  ErrUnavailable,
	"ServiceUnavailableException":         ErrUnavailable,
	"ThrottlingException":                 ErrUnavailable,
	"CustomKeyStoreInvalidStateException": ErrRefused,
	"DisabledException":                   ErrRefused,
	"InvalidArnException":                 ErrRefused,
	"InvalidKeyUsageException":            ErrRefused,
	"KMSInvalidStateException":            ErrRefused,
	"NotFoundException":                   ErrRefused,
	"UnsupportedOperationException":       ErrRefused,
	"ValidationException":                 ErrRefused,
	"RequestExpired":                      ErrDenied,
	"RequestTimeTooSkewed":                ErrDenied,
	"XksKeyNotFoundException":             ErrRefused,
	"InvalidCiphertextException":          ErrRefused, // of Unwrap: ErrUnwrap
	"IncorrectKeyException":               ErrRefused, // of Unwrap: ErrUnwrap
}

// classify returns an [*Error] or ErrUnwrap for what a call of the SDK returned.
func classify(op string, err error) error {
	if err == nil {
		return nil
	}
	e := &Error{Op: op}
	if err == errKeyID || err == errSize {
		e.Status, e.Kind, e.Cause = http.StatusOK, ErrAnswer, err
		return e
	}
	if answered, ok := errors.AsType[*awshttp.ResponseError](err); ok {
		e.Status = answered.HTTPStatusCode()
	}
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return classifyAPI(e, api.ErrorCode(), err)
	}
	e.Kind, e.Cause = ErrUnavailable, transportCause(err)
	switch {
	case e.Cause != nil:
	case e.Status == 0:
		e.Kind, e.Cause = ErrDenied, errSend
	default: // the page of a proxy, for one
		e.Kind = kindOf(e.Status)
	}
	return e
}

// classifyAPI goes by the code, and by the status if a proxy gave the answer.
func classifyAPI(e *Error, code string, err error) error {
	if e.Op == "unwrap" && (code == "InvalidCiphertextException" || code == "IncorrectKeyException") {
		return ErrUnwrap
	}
	if kind, ok := kinds[code]; ok {
		e.Code, e.Kind = code, kind
	} else {
		e.Kind = kindOf(e.Status)
	}
	e.throttled = code == "ThrottlingException" || code == "LimitExceededException" || e.Status == http.StatusTooManyRequests
	// The SDK has noted how far the clock of this machine is off, and signs the next
	// request by the clock of KMS.
	if again, ok := errors.AsType[interface {
		error
		RetryableError() bool
	}](err); ok && again.RetryableError() && e.Kind == ErrDenied {
		e.Kind, e.throttled = ErrUnavailable, true
	}
	return e
}

func kindOf(status int) error {
	switch {
	case status >= 500, status == http.StatusRequestTimeout, status == http.StatusTooManyRequests:
		return ErrUnavailable
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return ErrDenied
	case status >= 300:
		return ErrRefused
	}
	return ErrAnswer
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
	if sent, ok := errors.AsType[interface {
		error
		ConnectionError() bool
	}](err); ok && sent.ConnectionError() {
		return errTransport
	}
	return nil
}
