package session

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"time"
)

// Revocations knows which sealed sessions have ended before their time. A cookie cannot
// know that: whoever kept a copy can present it again. [NewRevocations] makes them of any
// Store, and sessiontest.Revocations checks any implementation against this contract.
//
// What an implementation acknowledged is durable, and every later call sees it. An error
// means that it is not known, and the [SealedManager] then fails closed.
type Revocations interface {
	// Epoch returns a number that RevokeUser advances; never 0. It is part of every
	// session that begins now. User is 1 to 255 bytes of UTF-8 without NUL.
	Epoch(ctx context.Context, user string) (uint64, error)

	// Revoked reports whether the session of this handle was revoked, or the user whose
	// epoch it was when the session began. User is "" for an anonymous session, whose
	// epoch is not looked at.
	Revoked(ctx context.Context, h Handle, user string, epoch uint64) (bool, error)

	// Revoke ends the session of this handle and reports whether it was this call that
	// did: true for exactly one of all calls with the same handle, so that of a logout and
	// a step-up at the same time one wins. It has to be remembered for so long, after which
	// the session has ended by itself; 0 and less is nothing to remember, and true.
	Revoke(ctx context.Context, h Handle, remember time.Duration) (bool, error)

	// RevokeUser ends all sessions of the user that have begun.
	RevokeUser(ctx context.Context, user string) error
}

// NewRevocations keeps revocations in a store: a revoked session is an anonymous record
// until its end, and revoking a user advances the user's epoch. The tables or keys of a
// [Manager] may be shared; RevokeUser then ends the user's sessions of both kinds.
// [MemoryStore] forgets at restart, and with it come back the sessions that had been
// revoked: it is for tests.
//
// Revoked makes two calls of the store, or one for an anonymous session.
func NewRevocations(s Store) (Revocations, error) {
	if s == nil {
		return nil, errors.New("session: store is nil")
	}
	return storeRevocations{s}, nil
}

type storeRevocations struct{ store Store }

func (s storeRevocations) Epoch(ctx context.Context, user string) (uint64, error) {
	epoch, _, err := s.store.Epoch(ctx, user)
	return epoch, err
}

func (s storeRevocations) Revoked(ctx context.Context, h Handle, user string, epoch uint64) (bool, error) {
	switch _, err := s.store.Load(ctx, revocationKey(h)); {
	case err == nil:
		return true, nil
	case !errors.Is(err, ErrNotFound):
		return false, err
	case user == "":
		return false, nil
	}
	now, err := s.Epoch(ctx, user)
	return err == nil && now != epoch, err
}

func (s storeRevocations) Revoke(ctx context.Context, h Handle, remember time.Duration) (bool, error) {
	if remember = remember.Truncate(time.Microsecond); remember <= 0 {
		return true, nil
	}
	epoch, now, err := s.store.Epoch(ctx, "")
	if err != nil {
		return false, err
	}
	err = s.store.Create(ctx, Record{
		Key: revocationKey(h), Handle: h, Version: 1, Created: now, Expires: now.Add(remember), Idle: remember,
	}, epoch)
	if errors.Is(err, ErrConflict) {
		return false, nil // it was revoked before
	}
	return err == nil, err
}

func (s storeRevocations) RevokeUser(ctx context.Context, user string) error {
	_, err := s.store.DeleteUser(ctx, user)
	return err
}

// revocationKey is where no token leads: what is hashed here is longer than one.
func revocationKey(h Handle) Key {
	sum := sha256.Sum256([]byte("pavise/session/revoked-handle/v1:" + string(h)))
	return Key{Shard: binary.BigEndian.Uint16(sum[:]), Hash: sum}
}

// SkipRevocation is for a service in which nothing has to end before its time: every copy
// of a cookie stays a session until it expires, after Logout, Login and RevokeUser too.
func SkipRevocation() Revocations { return noRevocations{} }

type noRevocations struct{}

func (noRevocations) Epoch(context.Context, string) (uint64, error) { return 1, nil }
func (noRevocations) Revoked(context.Context, Handle, string, uint64) (bool, error) {
	return false, nil
}

func (noRevocations) Revoke(context.Context, Handle, time.Duration) (bool, error) { return true, nil }
func (noRevocations) RevokeUser(context.Context, string) error                    { return nil }
