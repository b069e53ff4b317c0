package secrets

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// ErrStale is returned by [Live.Get] and [Live.Health] when the value has not been
// confirmed by its [Source] for longer than [Options.MaxStale].
var ErrStale = errors.New("secrets: value is stale")

var (
	errClosed  = fmt.Errorf("secrets: use of a closed Live: %w", fs.ErrClosed)
	errNotOpen = errors.New("secrets: a Live is made by Open")
)

// Live is a secret that follows its [Source] while the program runs. It polls, and
// keeps the last good value when the source fails, has nothing, or has a value that
// does not decode or that [Options.OnChange] vetoes.
//
// A password or an API key is read with Current before each use. A key that signs or
// encrypts and is shared by several replicas needs two answers: make with Signing,
// accept Verifying. All methods are safe for concurrent use, and all but Refresh and
// Close return at once.
//
// # Rotation
//
// Replicas do not see a new version at the same instant. Verifying accepts it from the
// first sight on, and Signing uses it when it has been known for ActivateAfter, in
// which every other replica has polled. A version that the source no longer has is
// accepted for Overlap longer, since messages made with it are on their way. A version
// that the source has is always accepted: it is taken out of use by removing it there.
//
// A restarted replica must not trust its first sight. It takes the age of a version
// from [Version.Since] and, as long as none is old enough, signs with the version that
// has been there longest, which is the previous one if they came together. So keep the
// previous version in the source ([Dir]: NAME.1) for ActivateAfter at least: from a
// source with one version, a replica that restarts within ActivateAfter of a change
// can only use the new one.
//
// No verification fails at any interleaving of polls, rotations, restarts and outages
// of the store if
//   - the steps of rotations are ActivateAfter apart, and ActivateAfter is 4 x Every, as
//     is the default, and what the store itself needs to reach all replicas (the
//     kubelet: a minute or two),
//   - outages meet all replicas and are 2 x ActivateAfter apart, and no replica restarts
//     within ActivateAfter of the end of one: it cannot know of the outage,
//   - the source has each version, or Overlap is, for as long as what was signed with it
//     lives and an outage may take; Overlap is not known to a replica that restarts.
//
// While a replica cannot read, it begins to sign with nothing new.
type Live[T any] struct {
	state atomic.Pointer[Snapshot[T]] // never nil after Open
	fresh atomic.Int64                // when state was last confirmed, as the time since opened

	opened time.Time
	name   string
	source Source
	o      Options[T]
	stale  error // of Get, made once

	life    context.Context
	end     context.CancelFunc
	running sync.WaitGroup

	mu     sync.Mutex
	flight *flight // the refresh that is running, if any
	closed bool
	last   error // of the last refresh

	// Of the one refresh that is running:
	history     []revision[T]
	interrupted bool   // the last refresh failed
	reported    string // the failure that was logged last; "" after a success
	warned      bool   // that the value is stale
}

// Snapshot is one state of a [Live]: values that belong together. Snapshots are
// immutable, and two of one Live are the same pointer if nothing changed in between,
// so that what is derived from the values can be kept beside it.
type Snapshot[T any] struct {
	current, signing T
	verifying        []T
	shape            shape
}

// Current is [Live.Current].
func (s *Snapshot[T]) Current() T { return s.current }

// Signing is [Live.Signing].
func (s *Snapshot[T]) Signing() T { return s.signing }

// Verifying is [Live.Verifying].
func (s *Snapshot[T]) Verifying() []T { return slices.Clone(s.verifying) }

// Open reads the secret name from source and follows it until [Live.Close]. It returns
// an error if the first read fails, a version does not decode, or the options
// contradict each other. The ctx is for the first read.
func Open[T any](ctx context.Context, source Source, name string, o Options[T]) (*Live[T], error) {
	if source == nil {
		return nil, errNoSource
	}
	if err := o.complete(); err != nil {
		return nil, err
	}
	l := &Live[T]{
		opened: time.Now(), name: name, source: source, o: o, stale: named(name, ErrStale),
	}
	if err := l.refresh(ctx); err != nil {
		return nil, err
	}
	l.life, l.end = context.WithCancel(context.Background())
	l.running.Go(l.poll)
	return l, nil
}

// Current returns the newest version that is not Pending, as it was last read: a load
// of one pointer, which never blocks and never gives a zero value.
func (l *Live[T]) Current() T { return l.state.Load().current }

// Get is Current, but returns [ErrStale] if the source has not confirmed the value for
// MaxStale: for what must fail closed, such as a key that may have been revoked.
func (l *Live[T]) Get() (T, error) {
	s, err := l.Snapshot()
	if err != nil {
		var none T
		return none, err
	}
	return s.current, nil
}

// Signing returns the version to sign or encrypt with: the newest that has been known
// for ActivateAfter.
func (l *Live[T]) Signing() T { return l.state.Load().signing }

// Verifying returns all versions to verify or decrypt with, newest first: those that
// the source has, Pending ones too, and those that it had within Overlap.
func (l *Live[T]) Verifying() []T { return l.state.Load().Verifying() }

// Snapshot returns all values at once, or [ErrStale] as Get does.
func (l *Live[T]) Snapshot() (*Snapshot[T], error) {
	if l == nil || l.state.Load() == nil {
		return nil, errNotOpen
	}
	if l.isStale() {
		return nil, l.stale
	}
	return l.state.Load(), nil
}

func (l *Live[T]) isStale() bool {
	return time.Since(l.opened)-time.Duration(l.fresh.Load()) > l.o.MaxStale
}

// Refresh reads the source now and returns when that is done. Callers that come while
// a read is running share it, and its result; one whose ctx ends does not stop it.
func (l *Live[T]) Refresh(ctx context.Context) error {
	f := l.begin()
	if f == nil {
		return errClosed
	}
	select {
	case <-f.landed:
		return f.err
	case <-ctx.Done():
		return named(l.name, ctx.Err())
	}
}

// Health returns nil as long as Get does, and otherwise [ErrStale] with what the last
// read failed with. A failing source alone does not make a replica unhealthy: it would
// make all of them so at once.
func (l *Live[T]) Health() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.closed:
		return errClosed
	case !l.isStale():
		return nil
	case l.last == nil:
		return l.stale
	}
	return fmt.Errorf("%w; last read: %w", l.stale, l.last)
}

// Close stops polling, ends a running read and waits for it. Values stay readable, and
// become stale. It returns nil.
func (l *Live[T]) Close() error {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.end()
	l.running.Wait()
	return nil
}

// Options are the options of [Open]. The zero Options are safe for a [Secret]; any
// other type needs Decode.
type Options[T any] struct {
	// Decode makes a T of a version, such as crypto.ParseKey or a parser. Its errors
	// are not shown, because parsers quote their input. A zero T is refused as one.
	// It is called once for each version, and must not block. The default takes the
	// Secret as it is.
	Decode func(Secret) (T, error)

	// Every is the time between two reads, give or take 10 %, so that replicas spread.
	// A read that takes longer than half of it is given up. The default is 1 minute,
	// the least 1 millisecond.
	Every time.Duration

	// MaxStale is how long the last good value may go unconfirmed. The default is 24
	// hours, the least 2 x Every.
	MaxStale time.Duration

	// ActivateAfter is how long a version is known before Signing returns it. The
	// default is 4 x Every: an outage that one replica missed, between two of its
	// reads, is over for all. The least is 2 x Every.
	ActivateAfter time.Duration

	// Overlap is how long Verifying returns a version after the source has stopped to:
	// at least the lifetime of what is signed. The default is MaxStale or, if that is
	// longer, 3 x ActivateAfter, which is the least.
	Overlap time.Duration

	// OnChange is called before Current changes, except by Open. An error keeps the
	// old value, and the next read tries again. Its text is not shown. It has until
	// the end of the read, half of Every. It must not call Refresh or Close.
	OnChange func(ctx context.Context, old, new T) error

	// Logger receives the events of the package comment. The default is none.
	Logger *slog.Logger
}

var (
	errNoSource = errors.New("secrets: Open needs a Source")
	errNoDecode = errors.New("secrets: Open needs Decode for a type that is not Secret")
	errEvery    = errors.New("secrets: Every is less than 1 millisecond")
	errMaxStale = errors.New("secrets: MaxStale is less than 2 x Every: one lost read would be an outage")
	errActivate = errors.New("secrets: ActivateAfter is less than 2 x Every: a replica would sign with what others have not read")
	errOverlap  = errors.New("secrets: Overlap is less than 3 x ActivateAfter: a replica would refuse what others still sign with")
)

// complete sets the defaults and refuses what contradicts itself.
func (o *Options[T]) complete() error {
	if o.Decode == nil {
		if _, ok := any(Secret{}).(T); !ok {
			return errNoDecode
		}
		o.Decode = func(s Secret) (T, error) { return any(s).(T), nil }
	}
	setDefault(&o.Every, time.Minute)
	setDefault(&o.MaxStale, max(24*time.Hour, 2*o.Every))
	setDefault(&o.ActivateAfter, 4*o.Every)
	setDefault(&o.Overlap, max(o.MaxStale, 3*o.ActivateAfter))
	switch {
	case o.Every < time.Millisecond:
		return errEvery
	case o.MaxStale < 2*o.Every:
		return errMaxStale
	case o.ActivateAfter < 2*o.Every:
		return errActivate
	case o.Overlap < 3*o.ActivateAfter:
		return errOverlap
	}
	return nil
}

func setDefault(d *time.Duration, value time.Duration) {
	if *d == 0 {
		*d = value
	}
}
