// Package redisstore keeps sessions in Redis or Valkey, alone or as a Cluster. Most
// programs call [New] once with a closure over their client, [Store.Check] at start, and
// give the Store to session.New.
//
// It imports no client. Tested closures for go-redis, rueidis, valkey-go and redigo are
// in the README. Redis has to be version 6.2 or later.
//
// # Security
//
// A session that was deleted stays deleted: nothing but Create inserts, and it never
// replaces. Each method is one Lua script, which Redis runs alone; only the clock of Redis
// counts. All of a user's sessions, their index and the epoch are in the slot of one
// hash tag, so that this holds on a Cluster, too; a login that takes over the session of
// an anonymous visitor, who is in another slot, deletes that one first. Whoever reads
// Redis learns user ids, handles and times; data is sealed and keys are hashes of tokens.
//
// The promise is as good as what Redis keeps. A session that was revoked comes back if
// Redis forgets the revocation, so set appendonly yes, appendfsync always and
// maxmemory-policy noeviction, all of which [Store.Check] looks at. A replica that lags
// and is promoted, and a restored backup, bring sessions back until their absolute end;
// WAIT does not prevent that.
//
// # Errors
//
// Those of session.Store; ErrFull if Redis is at its maxmemory. Every other error is the
// client's, wrapped: it is not known what happened. No error of this package holds a key
// or data; Redis quotes the beginning of a command that an ACL or its version refuses.
//
// # Events
//
// None: the Manager reports them.
//
// # Performance
//
// One round trip a call, two after Redis has lost its scripts. A login from an anonymous
// session takes three. Redis removes what has expired, so DeleteExpired does nothing; what
// stays for ever is the epoch of each user whose sessions were ever revoked, a number.
package redisstore

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/pavise/pavise/session"
)

// Do sends one command and returns its reply as clients decode it: strings or []byte,
// integers, and []any of these. All args are strings. On a Cluster it has to send an
// EVALSHA or EVAL to the node of its key, which is args[3]. A command that a client sends
// again, because its answer was lost, is not done twice; but if another request has written
// in between, Save answers ErrConflict, and an update whose first writing succeeded is
// repeated. A client that leaves retries to its caller avoids that.
type Do func(ctx context.Context, args ...any) (any, error)

// Strings returns args as strings, for clients that take nothing else.
func Strings(args []any) []string {
	texts := make([]string, len(args))
	for i, a := range args {
		texts[i], _ = text(a)
	}
	return texts
}

// Store is a [session.Store]. It is safe for concurrent use if its Do is, keeps no state
// of its own and starts no goroutine: any number of processes may share a Redis.
type Store struct {
	do     Do
	prefix string
}

var _ session.Store = (*Store)(nil)

// Option changes a default of [New].
type Option func(*Store) error

// Prefix begins all keys, "pavise:session:" by default: 1 to 64 bytes without braces.
func Prefix(prefix string) Option {
	return func(s *Store) error {
		if prefix == "" || len(prefix) > 64 || strings.ContainsAny(prefix, "{}") {
			return errors.New("redisstore: prefix is not 1 to 64 bytes without braces")
		}
		s.prefix = prefix
		return nil
	}
}

// New returns a store that sends its commands by do. It sends none itself.
func New(do Do, opts ...Option) (*Store, error) {
	if do == nil {
		return nil, errors.New("redisstore: no client")
	}
	s := &Store{do: do, prefix: "pavise:session:"}
	for _, opt := range opts {
		if err := opt(s); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Create implements [session.Store].
func (s *Store) Create(ctx context.Context, r session.Record, epoch uint64) error {
	if r.Version != 1 {
		return errVersion
	}
	if err := check(&r); err != nil {
		return err
	}
	err := s.step(ctx, createScript, r.Key.Shard, recordArgs(&r, epoch)...)
	if full(err) {
		err = session.ErrFull
	}
	return named("create", err)
}

// Load implements [session.Store].
func (s *Store) Load(ctx context.Context, k session.Key) (session.Record, error) {
	reply, err := s.run(ctx, loadScript, k.Shard, hashText(k))
	if err != nil {
		return session.Record{}, named("load", err)
	}
	fields, err := list(reply)
	if err == nil && len(fields) == 0 {
		return session.Record{}, session.ErrNotFound
	}
	r, data, err := decodeRecord(fields, err)
	r.Key, r.Data = k, []byte(data)
	return r, named("load", err)
}

// Save implements [session.Store].
func (s *Store) Save(ctx context.Context, k session.Key, version uint64, data []byte, idle time.Duration) (uint64, error) {
	if len(data) > maxData {
		return 0, errData
	}
	err := s.step(ctx, saveScript, k.Shard, hashText(k), decimal(version), micros(idle), string(data), call())
	if err != nil {
		return 0, named("save", err)
	}
	return version + 1, nil
}

// Rotate implements [session.Store]. Between two shards it takes three steps: if the
// last one fails there is neither of the two sessions.
func (s *Store) Rotate(ctx context.Context, old session.Key, version uint64, r session.Record, epoch uint64) error {
	if err := check(&r); err != nil {
		return err
	}
	args := recordArgs(&r, epoch)
	if old.Shard == r.Key.Shard {
		return named("rotate", s.step(ctx, rotateScript, old.Shard, append(args, hashText(old), decimal(version))...))
	}
	err := s.step(ctx, admitScript, r.Key.Shard, args...)
	if err == nil {
		err = s.step(ctx, takeScript, old.Shard, hashText(old), decimal(version), call())
	}
	if err == nil {
		err = s.step(ctx, createScript, r.Key.Shard, args...)
	}
	return named("rotate", err)
}

// Touch implements [session.Store].
func (s *Store) Touch(ctx context.Context, k session.Key, idle time.Duration) error {
	return named("touch", s.step(ctx, touchScript, k.Shard, hashText(k), micros(idle)))
}

// Delete implements [session.Store].
func (s *Store) Delete(ctx context.Context, k session.Key) error {
	return named("delete", s.step(ctx, deleteScript, k.Shard, hashText(k)))
}

// DeleteHandle implements [session.Store].
func (s *Store) DeleteHandle(ctx context.Context, user string, h session.Handle) error {
	if user == "" {
		return nil
	}
	return named("delete handle", s.step(ctx, deleteHandleScript, session.UserShard(user), user, string(h)))
}

// Epoch implements [session.Store].
func (s *Store) Epoch(ctx context.Context, user string) (uint64, time.Time, error) {
	if !validUser(user) {
		return 0, time.Time{}, errUser
	}
	reply, err := s.run(ctx, epochScript, session.UserShard(user), user)
	if err != nil {
		return 0, time.Time{}, named("epoch", err)
	}
	epoch, now, err := decodeEpoch(reply)
	return epoch, now, named("epoch", err)
}

// User implements [session.Store].
func (s *Store) User(ctx context.Context, user string) ([]session.Record, error) {
	if user == "" {
		return nil, nil
	}
	shard := session.UserShard(user)
	reply, err := s.run(ctx, userScript, shard, user)
	if err != nil {
		return nil, named("user", err)
	}
	rs, err := decodeRecords(reply, shard)
	return rs, named("user", err)
}

// DeleteUser implements [session.Store].
func (s *Store) DeleteUser(ctx context.Context, user string, keep ...session.Handle) (int, error) {
	if !validUser(user) || user == "" {
		return 0, errUser
	}
	args := []string{user}
	for _, h := range keep {
		args = append(args, string(h))
	}
	reply, err := s.run(ctx, deleteUserScript, session.UserShard(user), args...)
	if err != nil {
		return 0, named("delete user", err)
	}
	t, _ := text(reply)
	n, err := strconv.Atoi(t)
	if err != nil {
		err = errReply
	}
	return n, named("delete user", err)
}

// DeleteExpired implements [session.Store]: Redis frees what has expired.
func (s *Store) DeleteExpired(context.Context, int) (int, error) { return 0, nil }

// run runs a script in the slot of the shard.
func (s *Store) run(ctx context.Context, sc script, shard uint16, args ...string) (any, error) {
	base := fmt.Sprintf("%s{%04x}:", s.prefix, shard)
	all := make([]any, 0, 5+len(args))
	all = append(all, "EVALSHA", sc.sha, "1", base+"s:", base)
	for _, a := range args {
		all = append(all, a)
	}
	reply, err := s.do(ctx, all...)
	if err != nil && strings.HasPrefix(err.Error(), "NOSCRIPT") { // nothing was run
		all[0], all[1] = "EVAL", sc.source
		reply, err = s.do(ctx, all...)
	}
	return reply, err
}

// step runs a script that answers with a word.
func (s *Store) step(ctx context.Context, sc script, shard uint16, args ...string) error {
	reply, err := s.run(ctx, sc, shard, args...)
	if err != nil {
		return err
	}
	word, _ := text(reply)
	switch word {
	case "ok":
		return nil
	case "missing":
		return session.ErrNotFound
	case "conflict":
		return session.ErrConflict
	case "stale":
		return session.ErrStaleEpoch
	}
	return errReply
}

func full(err error) bool { return err != nil && strings.HasPrefix(err.Error(), "OOM ") }

// named says what failed; the errors of the contract stay as they are.
func named(doing string, err error) error {
	switch err {
	case nil, session.ErrNotFound, session.ErrConflict, session.ErrStaleEpoch, session.ErrFull:
		return err
	}
	return fmt.Errorf("redisstore: %s: %w", doing, err)
}

func hashText(k session.Key) string { return base64.RawURLEncoding.EncodeToString(k.Hash[:]) }

func decimal(n uint64) string { return strconv.FormatUint(n, 10) }

func micros(d time.Duration) string { return strconv.FormatInt(d.Microseconds(), 10) }
