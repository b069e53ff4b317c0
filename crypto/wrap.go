package crypto

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"time"
)

var (
	errLaundering = errors.New("crypto: a message whose sender is not authenticated cannot be rewrapped for a symmetric KEK")
	errKEKPanic   = errors.New("crypto: KEK panicked")
)

// wrap returns the header of dek for all of to.
func (e *Envelope) wrap(ctx context.Context, s suite, to []recipient, dek []byte) ([]byte, error) {
	if len(to) == 0 {
		return nil, errNoRecipient // of the zero Envelope, whose messages nobody could open
	}
	wrapped := make([][]byte, len(to))
	for i, r := range to {
		err := e.call(ctx, r, "wrap", func() (err error) {
			lent := bytes.Clone(dek) // a KEK that wipes its argument harms nobody
			defer clear(lent)
			wrapped[i], err = r.kek.Wrap(ctx, lent, e.label)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return encodeHeader(s, to, wrapped, dek)
}

// unwrapper returns the data key that wrapped holds for r.
type unwrapper func(ctx context.Context, r recipient, s suite, wrapped []byte) (*dataKey, error)

// unwrap returns the data key of h and the kind of the recipient that had it. It
// asks the KEKs of e that h names, in the order of e, until one answers. The caller
// releases the key.
func (e *Envelope) unwrap(ctx context.Context, h header, ask unwrapper) (key *dataKey, by kind, err error) {
	err = ErrOpen
	if e.sealOnly() {
		err = errSealOnly
	}
	for _, r := range e.to {
		wrapped := h.wrappedFor(r)
		if wrapped == nil || !e.opensWith(r) {
			continue
		}
		key, callErr := ask(ctx, r, h.suite, wrapped)
		switch {
		case callErr == nil && key.authenticates(h):
			return key, r.kind, nil
		case callErr == nil:
			key.release()
			return nil, 0, ErrOpen
		case callErr == errDEKLen:
			return nil, 0, ErrOpen
		case ctx.Err() != nil:
			return nil, 0, callErr
		case !errors.Is(callErr, ErrOpen):
			err = callErr
		}
	}
	return nil, 0, err
}

// askKEK is the unwrapper that calls the KEK.
func (e *Envelope) askKEK(ctx context.Context, r recipient, s suite, wrapped []byte) (*dataKey, error) {
	var dek []byte
	err := e.call(ctx, r, "unwrap", func() (err error) {
		dek, err = r.kek.Unwrap(ctx, bytes.Clone(wrapped), e.label)
		return err
	})
	if err != nil {
		return nil, err
	}
	return e.newDataKey(s, dek)
}

// opensWith reports whether r may open: a public key beside a symmetric KEK would
// let anybody send what looks like a message of a KEK holder.
func (e *Envelope) opensWith(r recipient) bool {
	return !r.sealOnly() && (e.unauthentic || !r.kind.public() || !has(e.to, kindSymmetric))
}

// RewrapHeader reads the header of an envelope, and nothing after it, and returns
// one that wraps the same data key for to, or for the KEKs of this Envelope if to is
// empty. The new header followed by the old payload, which stays as it is to the
// byte, is the new envelope.
//
// It does not revoke: an old copy of the header still opens the payload, and so does
// a data key that was seen. Revocation is sealing the plaintext anew.
//
// It is not bounded in time while it reads, at most 65,535 bytes.
func (e *Envelope) RewrapHeader(ctx context.Context, envelope io.Reader, to ...KEK) ([]byte, error) {
	head, err := e.rewrapHeader(ctx, envelope, to)
	e.event(ctx, "envelope-rewrap", err)
	return head, err
}

func (e *Envelope) rewrapHeader(ctx context.Context, envelope io.Reader, to []KEK) ([]byte, error) {
	switch {
	case e.closed.Load():
		return nil, errClosed
	case envelope == nil:
		return nil, errNoStream
	}
	recipients := e.to
	if len(to) > 0 {
		var err error
		if recipients, err = newRecipients(to); err != nil {
			return nil, err
		}
	}
	h, err := readHeader(envelope)
	if err != nil {
		return nil, err
	}
	if h.forSubject() {
		return nil, errSubjectHead // for a KEK it would outlive Forget
	}
	key, by, err := e.unwrap(ctx, h, e.askKEK)
	if err != nil {
		return nil, err
	}
	defer key.release()
	if by.public() && has(recipients, kindSymmetric) && !e.unauthentic {
		return nil, errLaundering
	}
	return e.wrap(ctx, h.suite, recipients, key.dek)
}

// readHeader reads one header from r.
func readHeader(r io.Reader) (header, error) {
	raw := make([]byte, envelopeFixedLen)
	if err := readFull(r, raw); err != nil {
		return header{}, err
	}
	length, ok := headerLen(raw)
	if !ok {
		return header{}, ErrOpen
	}
	raw = append(raw, make([]byte, length-envelopeFixedLen)...)
	if err := readFull(r, raw[envelopeFixedLen:]); err != nil {
		return header{}, err
	}
	h, _, ok := parseHeader(raw)
	if !ok {
		return header{}, ErrOpen
	}
	return h, nil
}

// readFull tells a ciphertext that ends early from a reader that fails, also with an
// error that wraps io.EOF, as that of a lost connection may.
func readFull(r io.Reader, b []byte) error {
	_, err := io.ReadFull(r, b)
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return ErrOpen
	}
	if err != nil {
		return fmt.Errorf("crypto: reading the header of a ciphertext: %w", err)
	}
	return nil
}

// NeedsRewrap reports whether [Envelope.RewrapHeader] would change who can open an
// envelope, or by which version of a key: its recipients are not the KEKs of this
// Envelope, or one of these says so. It reads the header at the beginning of
// envelope, calls no key management service, and is false for anything else, and for
// messages of [Envelope.SealFor].
func (e *Envelope) NeedsRewrap(envelope []byte) bool {
	h, _, ok := parseHeader(envelope)
	if !ok || h.forSubject() {
		return false
	}
	return len(h.recipients) != len(e.to) || slices.ContainsFunc(e.to, func(r recipient) bool {
		wrapped := h.wrappedFor(r)
		return wrapped == nil || r.outdated(wrapped)
	})
}

func (r recipient) outdated(wrapped []byte) bool {
	k, ok := r.kek.(interface{ NeedsRewrap(wrapped []byte) bool })
	return ok && k.NeedsRewrap(wrapped)
}

// call runs one call of a KEK and emits its event.
func (e *Envelope) call(ctx context.Context, r recipient, op string, f func() error) error {
	start := time.Now()
	err := sheltered(errKEKPanic, f)
	if err != nil {
		err = &KEKError{r.id, op, err}
	}
	if e.log != nil {
		took := slog.Int64("event.duration", time.Since(start).Nanoseconds()) // as ECS has it
		e.event(ctx, "kek-"+op, err, took, slog.String("kek.id", r.id))
	}
	return err
}

// sheltered returns panicked if f panics: most KEKs and stores are somebody else's code,
// and one that fails must not end the process. The value may hold anything: it is dropped.
func sheltered(panicked error, f func() error) (err error) {
	defer func() {
		if recover() != nil {
			err = panicked
		}
	}()
	return f()
}

// event emits one event, a failure unless err is nil.
func (e *Envelope) event(ctx context.Context, action string, err error, more ...slog.Attr) {
	level, outcome := slog.LevelInfo, "success"
	if err != nil {
		level, outcome = slog.LevelWarn, "failure"
	}
	if e.log == nil || !e.log.Enabled(ctx, level) {
		return
	}
	attrs := append([]slog.Attr{slog.String("event.action", action), slog.String("event.outcome", outcome)}, more...)
	if err != nil {
		attrs = append(attrs, slog.String("event.reason", err.Error()))
	}
	e.log.LogAttrs(ctx, level, "crypto: "+action, attrs...)
}
