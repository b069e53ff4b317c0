package crypto

import (
	"context"
	"errors"
)

// SubjectKeys stores the keys of data subjects, which [Envelope.SealFor] wraps data
// keys with, so that [Envelope.Forget] can erase all that was sealed for a subject by
// deleting one row. Each key is wrapped by the KEKs of the Envelope: to open a
// message takes the store and a KEK.
//
// A subject has one key at most, under an id of 16 random bytes that is never used
// again. Implementations compare subjects and ids byte by byte, may be shared by any
// number of processes, and are safe for concurrent use. What one call has written,
// every later call sees, in any process: no replica that lags, no cache. "None" is
// told by an empty wrapped key and no error. All types are standard ones, so that an
// implementation need not import this package. It keeps and changes no argument, what
// it returns belongs to the caller, and its errors name no subject: they are logged.
//
// It has more than three methods because a key is looked up by its subject to seal and
// by its id, which is all that a message names, to open; and because it is replaced
// when the KEKs rotate.
type SubjectKeys interface {
	// Create stores a key for subject unless subject has one, and returns the id and
	// the wrapped key that subject has then: of several calls at once one wins, and
	// all return its key. It never replaces. A wrapped key is at most 65,639 bytes.
	Create(ctx context.Context, subject string, id, wrapped []byte) (heldID, heldWrapped []byte, err error)

	// Load returns the key of subject and its id, or none.
	Load(ctx context.Context, subject string) (id, wrapped []byte, err error)

	// Find returns the key of an id, and whose it is, or none.
	Find(ctx context.Context, id []byte) (subject string, wrapped []byte, err error)

	// Replace stores another form of the key of an id if the stored one is still old,
	// and otherwise does nothing, without an error. It never creates.
	Replace(ctx context.Context, id, old, wrapped []byte) error

	// Delete deletes the key of subject, if there is one, durably: once it has
	// returned nil the key does not come back, whatever crashes or restarts. After an
	// error it may be called again.
	Delete(ctx context.Context, subject string) error
}

const maxSubject = 1 << 10

var (
	errNoSubjects    = errors.New("crypto: SealFor, Forget and RewrapSubject need an Envelope made WithSubjectKeys")
	errSubjectKeys   = errors.New("crypto: store of subject keys is nil")
	errSubjectSender = errors.New("crypto: subject keys need a symmetric KEK and no InsecureUnauthenticatedSender: " +
		"whoever can write to their store could make one that they know")
	errSubject     = errors.New("crypto: subject is not 1 to 1,024 bytes long")
	errSubjectHead = errors.New("crypto: header of a message sealed for a subject is not rewrapped: its key is, by RewrapSubject")
	errSubjectBusy = errors.New("crypto: key of the subject was replaced by others meanwhile")
)

// WithSubjectKeys keeps the keys of [Envelope.SealFor] in store. It needs a symmetric
// KEK, and contradicts [InsecureUnauthenticatedSender]: a key that anybody could have
// wrapped protects nothing.
//
// Envelopes that share a store have one label: a subject has one key there, which those
// of another label cannot use, though they can forget it.
func WithSubjectKeys(store SubjectKeys) EnvelopeOption {
	return func(e *Envelope) { e.subjects = &subjects{store: subjectStore{store}} }
}

// subjects is what an Envelope made WithSubjectKeys has.
type subjects struct {
	store   subjectStore
	cache   *subjectCache // nil: none are kept
	sealing *sealCache    // of the data keys of stored forms; nil: each has its own
}

func (e *Envelope) makeSubjects() error {
	switch {
	case e.subjects == nil:
		return nil
	case e.subjects.store.keys == nil:
		return errSubjectKeys
	case e.unauthentic || !has(e.to, kindSymmetric):
		return errSubjectSender
	}
	if e.caches != nil {
		limits := e.caches.opening.limits
		e.subjects.cache = newSubjectCache(limits)
		e.subjects.sealing = newSealCache(limits, e.caches.flights, e.generateKey)
	}
	return nil
}

// close must be called before the flights are closed. Only an Envelope with caches has
// something to close.
func (s *subjects) close() {
	if s != nil {
		s.cache.close()
		s.sealing.close()
	}
}

// SealFor is [Envelope.Seal] for a data subject, a person whose data must be erasable
// as a whole: the data key of the message is wrapped by the key of subject alone,
// which SealFor creates if there is none, and [Envelope.Forget] deletes. Open, Reader and
// ReaderAt of every Envelope with equal label, store and KEKs open the message.
//
// Each message has a data key of its own. The key of subject is cached as [DEKCache]
// says, so that most calls ask neither the store nor a KEK.
//
// The subject is 1 to 1,024 bytes and is compared byte by byte: use an id that never
// changes. It stands in the store; a message shows a random id instead, which tells
// the messages of one subject from those of others.
//
// It returns [ErrOpen] if the key in the store is none that this Envelope has made.
func (e *Envelope) SealFor(ctx context.Context, subject string, dst, plaintext []byte, b Binding) ([]byte, error) {
	bound, err := b.encode()
	if err != nil {
		return nil, err
	}
	if err := e.checkSubject(subject); err != nil {
		return nil, err
	}
	if e.suite == suitePayloadCobblestone && refusedByFIPS(e.skipFIPS) {
		return nil, ErrFIPS // before the store or any KEK is called
	}
	key, err := e.generateKeyFor(ctx, subject)
	if err != nil {
		return nil, err
	}
	defer key.release()
	return e.sealUnder(key, dst, plaintext, bound)
}

func (e *Envelope) checkSubject(subject string) error {
	switch {
	case e.subjects == nil:
		return errNoSubjects
	case e.closed.Load():
		return errClosed
	case len(subject) == 0 || len(subject) > maxSubject:
		return errSubject
	}
	return nil
}

// Forget deletes the key of subject from the store, durably, and from this Envelope,
// so that nothing that was sealed for subject opens again. It may be called again,
// and must be after an error, which leaves open whether the key is still there.
//
// From when it has returned nil, the bound is: another Envelope, in this process or
// in others, that has the key cached opens and seals under it for [DEKCache].MaxAge
// at most, counted from before it asked the store; calls that have already begun
// complete, and what they returned, a [Reader] or [ReaderAt], reads on for as long as it
// is kept; and a backup of the store, with a KEK, brings the key back, as does what the store
// itself keeps of deleted rows. Plaintexts that were opened before are not its matter.
//
// What this Envelope seals for subject in a later call is under a new key. A SealFor
// at the same time comes before or after it as a whole: its message is forgotten too,
// or is under the new key. Stop sealing for a subject before you forget it.
//
// A forgotten message is refused with [ErrOpen]. That the store has no such key is not
// told apart from an altered header, which nothing authenticates any more.
func (e *Envelope) Forget(ctx context.Context, subject string) error {
	err := e.forget(ctx, subject)
	e.event(ctx, "envelope-forget", err)
	return err
}

func (e *Envelope) forget(ctx context.Context, subject string) error {
	if err := e.checkSubject(subject); err != nil {
		return err
	}
	defer e.subjects.cache.forget(subject) // after the store: a key loaded meanwhile goes too
	return e.subjects.store.delete(ctx, subject)
}

// rewrapTries bounds how often others may replace a key while it is rewrapped.
const rewrapTries = 8

// RewrapSubject wraps the key of subject for the KEKs of this Envelope as they are
// now, if the store holds it for others or for an older version of one: what
// [Envelope.RewrapHeader] is for messages. No message changes. When it returns nil,
// the store was seen to hold the key so, or to have none. Run it over all subjects
// before an old KEK is retired; it may be interrupted and repeated. It returns [ErrOpen]
// if what the store holds is no key that this Envelope can open.
func (e *Envelope) RewrapSubject(ctx context.Context, subject string) error {
	err := e.rewrapSubject(ctx, subject)
	e.event(ctx, "envelope-rewrap", err)
	return err
}

func (e *Envelope) rewrapSubject(ctx context.Context, subject string) error {
	if err := e.checkSubject(subject); err != nil {
		return err
	}
	for range rewrapTries {
		id, old, err := e.subjects.store.load(ctx, subject)
		switch {
		case err != nil || len(old) == 0:
			return err
		case isStoredKey(old) && !e.NeedsRewrap(old):
			return nil
		}
		key, err := e.openSubjectKey(ctx, subject, id, old)
		if err != nil {
			return err
		}
		wrapped, err := e.sealSubjectKey(ctx, key)
		key.wipe()
		if err != nil {
			return err
		}
		if err := e.subjects.store.replace(ctx, id, old, wrapped); err != nil {
			return err
		}
	}
	return errSubjectBusy
}
