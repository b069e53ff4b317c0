package crypto

import (
	"cmp"
	"context"
	"errors"
	"time"
)

// DEKCache bounds how data keys (DEKs) are reused. A zero field is its default.
//
// Messages sealed under one DEK share it and its header: whoever has learned that DEK
// opens all of them. A KEK that is rotated, disabled or denied to this process takes
// effect here after MaxAge at the latest, on either side.
//
// On the side that seals, a DEK is replaced ahead, in the background of the calls
// that use it, once half of its age, messages or bytes is spent. So an outage of a
// KEK costs no call before a limit is reached, and a [KEKError] after that. On the
// side that opens, unwrapped DEKs are kept, and those least recently used give way.
// Concurrent calls that miss the same DEK wait for one call of its KEK.
//
// A DEK is wiped when its time is over and the last call that uses it returns.
//
// The same limits hold for what [Envelope.SealFor] keeps besides: the keys of at most
// MaxEntries subjects, for MaxAge, and the DEKs that their stored forms are sealed under.
type DEKCache struct {
	// MaxAge is how long a DEK is kept after the KEKs have answered, on either side:
	// 5 minutes by default, 1 millisecond to 24 hours. No change of the wall clock
	// shortens or lengthens it.
	MaxAge time.Duration

	// MaxMessages is how many messages are sealed under one DEK: 2^20 by default, at
	// most 2^32.
	MaxMessages int64

	// MaxBytes is how many bytes of plaintext are sealed under one DEK: 64 GiB by
	// default. A message of more than half of it gets a DEK of its own.
	MaxBytes int64

	// MaxEntries is how many DEKs are kept for opening: 1,024 by default, at most
	// 1,048,576. One takes about 2 KiB, its wrapped form and the header that it was
	// last found in, which is 72 KiB more in the worst case.
	MaxEntries int

	// Timeout is how long the KEKs have to wrap one DEK, and each of those that are
	// asked to unwrap it: 10 seconds by default, at least 1 millisecond. It starts
	// with the first call that needs the DEK and holds for whoever waits; each caller
	// can give up before, by its own context, and fails nobody else. A call that
	// unwraps ends when nobody waits for it any more.
	Timeout time.Duration
}

const (
	defaultMaxAge      = 5 * time.Minute
	defaultMaxMessages = 1 << 20
	defaultMaxBytes    = 64 << 30
	defaultMaxEntries  = 1024
	defaultTimeout     = 10 * time.Second

	floorTime       = time.Millisecond // below it a key could expire on its way to the caller
	ceilingAge      = 24 * time.Hour
	ceilingMessages = 1 << 32
	ceilingEntries  = 1 << 20
)

var (
	errCacheLimit   = errors.New("crypto: limit of a DEKCache is negative")
	errCacheCeiling = errors.New("crypto: limit of a DEKCache is above 24 hours, 2^32 messages or 1,048,576 entries")
	errCacheFloor   = errors.New("crypto: MaxAge or Timeout of a DEKCache is under 1 millisecond: is its unit missing?")
	errCacheOptions = errors.New("crypto: WithDEKCache and WithoutDEKCache contradict each other")
	errClosed       = errors.New("crypto: envelope is closed")
)

// WithDEKCache sets the limits of the cache of data keys that every Envelope has.
func WithDEKCache(c DEKCache) EnvelopeOption { return func(e *Envelope) { e.limits = &c } }

// WithoutDEKCache gives each message a data key of its own and keeps none: every Seal
// calls every KEK, every Open one of them, and an outage of a KEK is one at once.
func WithoutDEKCache() EnvelopeOption { return func(e *Envelope) { e.uncached = true } }

func (c DEKCache) withDefaults() (DEKCache, error) {
	if c.MaxAge < 0 || c.MaxMessages < 0 || c.MaxBytes < 0 || c.MaxEntries < 0 || c.Timeout < 0 {
		return c, errCacheLimit
	}
	if c.MaxAge > ceilingAge || c.MaxMessages > ceilingMessages || c.MaxEntries > ceilingEntries {
		return c, errCacheCeiling
	}
	c = DEKCache{
		MaxAge:      cmp.Or(c.MaxAge, defaultMaxAge),
		MaxMessages: cmp.Or(c.MaxMessages, defaultMaxMessages),
		MaxBytes:    cmp.Or(c.MaxBytes, defaultMaxBytes),
		MaxEntries:  cmp.Or(c.MaxEntries, defaultMaxEntries),
		Timeout:     cmp.Or(c.Timeout, defaultTimeout),
	}
	if c.MaxAge < floorTime || c.Timeout < floorTime {
		return c, errCacheFloor
	}
	return c, nil
}

// caches are those of one Envelope, and the calls of its KEKs that they have started.
type caches struct {
	flights *flights
	sealing *sealCache
	opening *openCache
}

func (e *Envelope) makeCaches() error {
	if e.uncached {
		if e.limits != nil {
			return errCacheOptions
		}
		return nil
	}
	if e.limits == nil {
		e.limits = &DEKCache{}
	}
	limits, err := e.limits.withDefaults()
	if err != nil {
		return err
	}
	f := newFlights(limits.Timeout)
	e.caches = &caches{f, newSealCache(limits, f, e.generateKey), newOpenCache(limits, f, e.askKEK)}
	return nil
}

// Close wipes the cached data keys, as soon as the calls that use them have returned,
// cancels the calls of KEKs that the caches have started, and waits for these. After
// it the Envelope seals and opens nothing. An Envelope that is never closed keeps its
// data keys for [DEKCache].MaxAge and calls of KEKs for [DEKCache].Timeout at most.
//
// It returns nil.
func (e *Envelope) Close() error {
	e.closed.Store(true)
	if e.caches != nil {
		e.caches.sealing.close()
		e.caches.opening.close()
		e.subjects.close()
		e.caches.flights.close()
	}
	return nil
}

// sealKey returns the data key for a message of n bytes, which the caller releases.
func (e *Envelope) sealKey(ctx context.Context, n int) (*dataKey, error) {
	switch {
	case e.closed.Load():
		return nil, errClosed
	case e.caches == nil || int64(n) > e.caches.sealing.limits.MaxBytes/2:
		return e.generateKey(ctx) // a large message might never find a key with room enough
	default:
		return e.caches.sealing.get(ctx, int64(n))
	}
}

// openKey returns the data key of h, which the caller releases. It calls no KEK if a
// cached key of any recipient is that of h.
func (e *Envelope) openKey(ctx context.Context, h header) (key *dataKey, err error) {
	switch {
	case e.closed.Load():
		return nil, errClosed
	case h.forSubject():
		return e.openKeyFor(ctx, h)
	case e.caches == nil:
		key, _, err = e.unwrap(ctx, h, e.askKEK)
		return key, err
	}
	for _, r := range e.to {
		wrapped := h.wrappedFor(r)
		if wrapped == nil || !e.opensWith(r) {
			continue
		}
		if key := e.caches.opening.cached(r, h.suite, wrapped); key != nil {
			if key.authenticates(h) {
				return key, nil
			}
			key.release()
		}
	}
	key, _, err = e.unwrap(ctx, h, e.caches.opening.get)
	return key, err
}
