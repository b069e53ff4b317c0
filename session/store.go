package session

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"time"
)

// Errors that a [Store] returns as they are or wrapped, so that errors.Is finds
// them. Every other error of a Store means "it is not known what happened": the
// Manager fails closed and repeats nothing.
var (
	// ErrNotFound: no live record. Expired, deleted, rotated away and never
	// created are the same to a caller.
	ErrNotFound = errors.New("session: not found")
	// ErrConflict: the record has another version than the caller read, or
	// Create met a key or a handle that exists. Nothing was changed.
	ErrConflict = errors.New("session: version conflict")
	// ErrStaleEpoch: the user's sessions were revoked after the epoch was read.
	// Nothing was changed. Login returns it: ask for the credentials again.
	ErrStaleEpoch = errors.New("session: user was revoked during login")
	// ErrFull: a bounded store has no room. Nothing was changed.
	ErrFull = errors.New("session: store is full")
)

// Store keeps session records. [MemoryStore], sqlstore and redisstore implement
// it, and sessiontest.Store checks any implementation against this contract. It
// has more methods than an interface should: each one is a transaction that cannot
// be put together from the others without a race.
//
// What holds for every method:
//
//   - Every call is linearizable, and what it acknowledged is durable: a nil
//     error is returned only when a later call, also after a crash, will see it.
//   - Only the store's clock counts. A caller passes durations, or times that
//     this store issued before (by Epoch); a caller's clock can neither expire
//     nor prolong a session.
//   - A record is live while now < min(IdleUntil, Expires). At the very end it is
//     dead, and a dead record does not exist for any method.
//   - Times are kept to the microsecond, and every field that is written comes
//     back equal: the Manager authenticates them, and a rounded time makes the
//     session unreadable. time.UnixMicro(t.UnixMicro()) is what must survive; the
//     zero Time does too.
//   - User ids are compared byte by byte: "Ann", "ann" and "ann " are three users.
//     An id is 1 to 255 bytes of valid UTF-8 without NUL; an anonymous record has
//     the id "", which no index lists.
//   - A method that returns an error other than the named ones may or may not have
//     taken effect. A context that ends is such an error.
//   - The caller may change what it gave and what it got: neither is the store's
//     own memory.
type Store interface {
	// Create inserts r, and never replaces: ErrConflict if the key exists or the
	// user has the handle already. ErrStaleEpoch if r.User is not "" and the user's epoch is not the
	// given one; for an anonymous record the epoch is not looked at. The check and
	// the insertion are one step. r.Version is 1. The store sets Seen to now and
	// IdleUntil to min(now+r.Idle, r.Expires); Now is ignored.
	Create(ctx context.Context, r Record, epoch uint64) error

	// Load returns the live record with Now set, or ErrNotFound. It prolongs nothing.
	Load(ctx context.Context, k Key) (Record, error)

	// Save replaces the data of the live record whose version is the given one and
	// returns version+1, which the record then has. ErrNotFound, ErrConflict. It
	// never inserts. Seen becomes now; IdleUntil becomes
	// min(max(IdleUntil, now+idle), Expires).
	Save(ctx context.Context, k Key, version uint64, data []byte, idle time.Duration) (uint64, error)

	// Rotate puts r in the place of the live record old of that version, as one
	// step: no other call sees both, or sees neither and then old again. r is
	// treated as by Create, but r.Version is free. r.Handle is old's handle or a new
	// one. ErrNotFound (old), ErrConflict (old's version; r's key or handle taken by
	// a third record), ErrStaleEpoch (r.User): when several apply, any of them.
	// r.Shard may differ from old's: a store that cannot change two shards at once
	// first checks the epoch, then removes old by compare-and-set, then creates r,
	// and so may end with neither of them, never with both.
	//
	// If both have the same user, and that is not "", r also remembers old's key, and
	// that one alone: Delete finds r by it, no other method does.
	Rotate(ctx context.Context, old Key, version uint64, r Record, epoch uint64) error

	// Touch sets Seen to now and IdleUntil to min(max(IdleUntil, now+idle),
	// Expires) of the live record. ErrNotFound. It never inserts, and changes
	// neither the version nor the data. Two equal Touches in one instant both
	// succeed.
	Touch(ctx context.Context, k Key, idle time.Duration) error

	// Delete removes the record, and so the record that remembers this key from the
	// Rotate that made it: a logout that meets a step-up ends the session, whichever
	// comes first. It is idempotent: nil if there is none. A Save, Touch or Rotate that
	// comes later gets ErrNotFound.
	Delete(ctx context.Context, k Key) error

	// DeleteHandle removes the user's record with that handle, whatever key it has
	// at that moment: a rotation in between cannot save it. Another user's record
	// is left alone. Idempotent.
	DeleteHandle(ctx context.Context, user string, h Handle) error

	// Epoch returns the user's epoch and the store's clock. An epoch starts above 0
	// and only grows, also over a restart. For the user "" the epoch is 1 for ever.
	Epoch(ctx context.Context, user string) (epoch uint64, now time.Time, err error)

	// User returns the user's live records with Now set, in any order, from an
	// index and never by a scan. Data may be nil.
	User(ctx context.Context, user string) ([]Record, error)

	// DeleteUser removes the user's records except those with a handle in keep and
	// returns how many. It always advances the user's epoch, in the same step: a
	// login that was verified before cannot complete after it.
	DeleteUser(ctx context.Context, user string, keep ...Handle) (int, error)

	// DeleteExpired frees the space of at most limit dead records and returns how
	// many; a limit below 1 does nothing. The host calls it from time to time. It is
	// not needed for correctness.
	DeleteExpired(ctx context.Context, limit int) (int, error)
}

// Key finds a record. The store never sees the token: Hash is SHA-256 of it.
type Key struct {
	// Shard is [UserShard] of the user, or random for an anonymous session. It
	// is part of the token and of what Hash is computed over, so a store may use
	// it to place a record without looking anything up.
	Shard uint16
	Hash  [32]byte
}

// Handle names a session in public: in a list of devices, in a revocation, in a
// log. It opens nothing. 26 characters of base32, 128 bits; it stays when the
// token rotates.
type Handle string

// AAL is the authenticator assurance level of NIST SP 800-63B-4, 1 to 3; 0 is
// anonymous.
type AAL uint8

// Record is one session as a store keeps it. Every time in it was issued by the
// store's own clock, to the microsecond, in UTC.
type Record struct {
	Key     Key
	Handle  Handle   // unique among the user's; the Manager's are random
	User    string   // "" is anonymous
	Version uint64   // 1 when created, +1 with each Save; at most 2^63-1
	Data    []byte   // sealed; opaque to the store; at most 65,536 bytes
	AAL     AAL      // 0 to 3
	Methods []string // RFC 8176 values in this order; at most 8, each 1 to 32 bytes of [A-Za-z0-9_-]
	Persist bool     // "remember me": the other pair of timeouts

	Created  time.Time // taken from Epoch by the caller, kept as given
	AuthTime time.Time // likewise; the zero Time for an anonymous session
	Expires  time.Time // the absolute end: Created plus a duration; kept as given, never moved

	Idle time.Duration // read by Create and Rotate only, not kept

	Seen      time.Time // set by the store
	IdleUntil time.Time // set by the store
	Now       time.Time // set by Load and User: when the store read the record; not kept
}

// UserShard is the shard of all of a user's sessions, their index and the epoch:
// what belongs to a user can live in one slot of a cluster. A store that has only
// the user id computes it by this function.
//
// It is HMAC-SHA-256 under a fixed, public key. A secret one would have to be kept
// for ever: after its loss a revocation would look in the wrong shard and find
// nothing. What a public key gives away is that whoever chooses user ids can put
// them into one shard (use random ids), and that a token, which opens the
// session anyway, has 16 bits that depend on the user.
func UserShard(user string) uint16 {
	m := hmac.New(sha256.New, []byte("pavise/session/shard/v1"))
	m.Write([]byte(user))
	return binary.BigEndian.Uint16(m.Sum(nil))
}
