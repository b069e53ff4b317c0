package crypto

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/pavise/pavise/secrets"
)

var errNoLive = errors.New("crypto: LiveKeyring needs what secrets.Open returned")

// LiveKeyring returns a Keyring that follows a rotating secret: it seals with
// [secrets.Live.Signing] and opens with [secrets.Live.Verifying]. Everything that a
// Keyring does, it does, and so does its Compact; what was begun, such as a [Writer],
// ends with the key that it began with. Keys are derived once for each change.
//
//	live, err := secrets.Open(ctx, source, "NOTES_KEY", secrets.Options[crypto.Key]{Decode: crypto.ParseKey})
//
// It fails closed: when the source has not confirmed the keys within MaxStale, sealing
// and opening return an error that wraps [secrets.ErrStale]. Close live, not the
// Keyring, when nothing uses it any more. LiveKeyring returns an error for a nil or
// stale live.
//
// Keys that are equal, and the older ones of keys that share an id, count once: unlike
// [NewKeyring] this must not stop a running service.
//
// # Removing an old key
//
// Data at rest needs its key for as long as it exists. Every version that the source
// has opens, however old; Overlap only bounds how long a version still opens that
// somebody removed from it. To retire a key:
//
//  1. Rotate, and keep the old version in the source (in a [secrets.Dir], NAME.1 to NAME.9).
//  2. Wait until all replicas seal with the new key: ActivateAfter and two more Every.
//  3. Go through all records once: Open and Seal anew what [Keyring.NeedsReseal].
//  4. Remove the old version. What was missed opens for Overlap, until a restart.
//
// As long as the old version is in the source, a replica that starts on a mount made
// for it seals with it for ActivateAfter, see [secrets.Live]. So start no replica
// between 2 and 4, or repeat 3 once it is older than that.
func LiveKeyring(live *secrets.Live[Key]) (*Keyring, error) {
	if live == nil {
		return nil, errNoLive
	}
	k := following(oncePer(live.Snapshot, ringOf))
	if _, err := k.now(); err != nil {
		return nil, err
	}
	return k, nil
}

// ringOf derives the keys of one state.
func ringOf(s *secrets.Snapshot[Key]) (*Keyring, error) {
	var keys []Key
	known := make(map[string]bool)
	for _, key := range append([]Key{s.Signing()}, s.Verifying()...) {
		id, err := key.derive(labelKeyID, 4)
		if err != nil {
			return nil, err
		}
		if !known[string(id)] {
			known[string(id)] = true
			keys = append(keys, key)
		}
	}
	return NewKeyring(keys[0], keys[1:]...)
}

// following returns a Keyring that goes through what live returns.
func following(live func() (*Keyring, error)) *Keyring {
	k := &Keyring{live: live}
	k.compact = &Compact{live: func() (*Compact, error) {
		current, err := k.now()
		if err != nil {
			return nil, err
		}
		return current.compact, nil
	}}
	return k
}

// now returns the Keyring to be used for one call: k itself if it is not a live one.
func (k *Keyring) now() (*Keyring, error) {
	if k.live == nil {
		return k, nil
	}
	current, err := k.live()
	if err != nil {
		return nil, fmt.Errorf("crypto: keys of the keyring: %w", err)
	}
	return current, nil
}

// now is as that of Keyring.
func (c *Compact) now() (*Compact, error) {
	if c.live == nil {
		return c, nil
	}
	return c.live()
}

// tune returns what f makes of k, and of each Keyring that a live one goes through.
func (k *Keyring) tune(f func(*Keyring) *Keyring) *Keyring {
	if k.live == nil {
		return f(k)
	}
	return following(oncePer(k.live, func(k *Keyring) (*Keyring, error) { return f(k), nil }))
}

// oncePer returns a function that returns what derive makes of what source points to.
// It calls derive again only after source has returned another pointer.
func oncePer[S, T any](source func() (*S, error), derive func(*S) (*T, error)) func() (*T, error) {
	type made struct {
		of  *S
		out *T
	}
	var last atomic.Pointer[made]
	var deriving sync.Mutex
	return func() (*T, error) {
		s, err := source()
		if err != nil {
			return nil, err
		}
		if m := last.Load(); m != nil && m.of == s {
			return m.out, nil
		}
		deriving.Lock()
		defer deriving.Unlock()
		if s, err = source(); err != nil { // it may have changed while another derived
			return nil, err
		}
		if m := last.Load(); m != nil && m.of == s {
			return m.out, nil
		}
		out, err := derive(s)
		if err != nil {
			return nil, err
		}
		last.Store(&made{s, out})
		return out, nil
	}
}
