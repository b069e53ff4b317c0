package crypto

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync/atomic"
	"unicode/utf8"

	"github.com/pavise/pavise/crypto/internal/cobblestone"
)

const dekSize = 32

var (
	errLabel       = errors.New("crypto: label of an envelope is not 1 to 255 bytes of UTF-8")
	errFIPSOptions = errors.New("crypto: SkipFIPSNonceEnforcement has no use beside WithXAES")
)

// Envelope seals messages under data keys (DEKs), each stored in the header of its
// messages, wrapped by one or more [KEK]s: any of them opens it. The KEKs can be
// replaced later without touching the payload, see [Envelope.RewrapHeader].
//
// A DEK serves many messages, so that few of them wait for a key management service:
// [DEKCache] has the limits, and [WithoutDEKCache] gives each message a DEK of its own.
// It is safe for concurrent use. The zero Envelope has no KEK: it seals and opens nothing.
type Envelope struct {
	label       string
	to          []recipient
	suite       suite
	unauthentic bool
	skipFIPS    bool
	workers     int          // 0 is GOMAXPROCS
	log         *slog.Logger // nil is none
	caches      *caches      // nil: a DEK for each message
	subjects    *subjects    // nil: nothing is sealed for a subject
	closed      atomic.Bool

	limits   *DEKCache // as given; nil is the default
	uncached bool
}

// EnvelopeOption is an option of [NewEnvelope].
type EnvelopeOption func(*Envelope)

// WithXAES seals payloads with XAES-256-GCM (suite 02) instead of Cobblestone-256
// (suite 01): the choice for GODEBUG=fips140=only. Both suites are always opened.
func WithXAES() EnvelopeOption { return func(e *Envelope) { e.suite = suitePayloadXAES } }

// WithLogger sends the events that the package comment lists to l; nil drops them,
// as is the default.
func WithLogger(l *slog.Logger) EnvelopeOption { return func(e *Envelope) { e.log = l } }

// SkipFIPSNonceEnforcement seals Cobblestone-256 also under GODEBUG=fips140=only, as
// [Keyring.SkipFIPSNonceEnforcement] does.
func SkipFIPSNonceEnforcement() EnvelopeOption { return func(e *Envelope) { e.skipFIPS = true } }

// WithWorkers has at most n goroutines work on one payload of suite 01, as
// [Keyring.WithWorkers] does.
func WithWorkers(n int) EnvelopeOption { return func(e *Envelope) { e.workers = n } }

// InsecureUnauthenticatedSender lets an Envelope with symmetric KEKs also open what
// was wrapped for a public key only, and rewrap it for a symmetric KEK. Anybody can
// make such a message: whoever opens it must not take it for one of their own.
func InsecureUnauthenticatedSender() EnvelopeOption {
	return func(e *Envelope) { e.unauthentic = true }
}

// NewEnvelope returns an Envelope that seals to all of to and opens what was sealed
// to any of them. The label is a constant, 1 to 255 bytes, that the KEKs
// authenticate; it may show up in the audit log of a key management service, so it
// must not hold personal data.
//
// It takes 1 to 32 KEKs with different IDs. A post-quantum public key is refused
// beside a classical one. A public key beside a symmetric KEK is sealed to but never
// opened with, see [InsecureUnauthenticatedSender].
func NewEnvelope(label string, to []KEK, opts ...EnvelopeOption) (*Envelope, error) {
	recipients, err := newRecipients(to)
	if err != nil {
		return nil, err
	}
	if len(label) == 0 || len(label) > 255 || !utf8.ValidString(label) {
		return nil, errLabel
	}
	e := &Envelope{label: label, to: recipients, suite: suitePayloadCobblestone}
	for _, opt := range opts {
		opt(e)
	}
	if e.skipFIPS && e.suite == suitePayloadXAES {
		return nil, errFIPSOptions
	}
	if err := e.makeCaches(); err != nil {
		return nil, err
	}
	if err := e.makeSubjects(); err != nil {
		return nil, err
	}
	return e, nil
}

// Seal appends the envelope of plaintext to dst and returns the extended slice. For a
// new DEK, see [DEKCache], every KEK is called once, and Seal fails if one of them does.
//
// dst may be nil and may share memory with plaintext.
func (e *Envelope) Seal(ctx context.Context, dst, plaintext []byte, b Binding) ([]byte, error) {
	bound, err := b.encode()
	if err != nil {
		return nil, err
	}
	if e.suite == suitePayloadCobblestone && refusedByFIPS(e.skipFIPS) {
		return nil, ErrFIPS // before any KEK is called
	}
	key, err := e.sealKey(ctx, len(plaintext))
	if err != nil {
		return nil, err
	}
	defer key.release()
	return e.sealUnder(key, dst, plaintext, bound)
}

func (e *Envelope) sealUnder(key *dataKey, dst, plaintext, bound []byte) ([]byte, error) {
	head := *key.header.Load()
	dst = detach(dst, plaintext)
	dst = slices.Grow(dst, len(head)+len(plaintext)+cobblestone.Overhead(len(plaintext)))
	return key.seal(e.skipFIPS, append(dst, head...), plaintext, bound)
}

// Open appends the plaintext of envelope to dst and returns the extended slice. It
// returns [ErrOpen] if envelope is not exactly what was sealed to one of the KEKs of
// this Envelope under an equal Binding, and a [KEKError] if no KEK could be asked.
// No KEK is called for an envelope that breaks a rule of the format.
//
// dst may be nil and may share memory with envelope.
func (e *Envelope) Open(ctx context.Context, dst, envelope []byte, b Binding) ([]byte, error) {
	bound, err := b.encode()
	if err != nil {
		return nil, err
	}
	out, err := e.open(ctx, dst, envelope, bound)
	if err != nil {
		e.event(ctx, "envelope-open", err)
		return nil, err
	}
	return out, nil
}

func (e *Envelope) open(ctx context.Context, dst, envelope, bound []byte) ([]byte, error) {
	h, payload, ok := parseHeader(envelope)
	if !ok {
		return nil, ErrOpen
	}
	key, err := e.openKey(ctx, h)
	if err != nil {
		return nil, err
	}
	defer key.release()
	return key.open(detach(dst, envelope), payload, bound)
}
