package session

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// MemoryStore keeps sessions in this process: for one instance, for tests, and as
// the reference of the [Store] contract. What it acknowledged lasts as long as the
// process. It starts no goroutine; call DeleteExpired from time to time.
type MemoryStore struct {
	limit     int64
	live      atomic.Int64 // records held, dead ones included
	anonymous atomic.Int64 // those without a user
	shards    [64]memoryShard
}

// All of a user's records, their index and the epoch are in the shard of
// Key.Shard, so that one lock covers every transaction except a rotation from one
// shard to another, which takes both in order.
type memoryShard struct {
	mu      sync.RWMutex
	records map[Key]Record
	users   map[string]map[Handle]Key
	// A key that the user's last rotation replaced, and the other way round. Both are in
	// the shard of the user.
	became, previous map[Key]Key

	epochs map[string]uint64 // of users that were ever revoked
	base   uint64            // the epoch of everyone else
}

const (
	defaultMemoryLimit = 100_000
	maxMemoryEpochs    = 1024 // revoked users remembered by one shard
)

// NewMemoryStore holds at most limit sessions, dead ones that DeleteExpired has
// not yet freed included; 0 means 100,000. Anonymous sessions get half of it,
// so that a flood of visitors cannot keep users from logging in. Beyond that
// Create returns ErrFull: a session that was acknowledged is never evicted.
func NewMemoryStore(limit int) *MemoryStore {
	if limit <= 0 {
		limit = defaultMemoryLimit
	}
	m := &MemoryStore{limit: int64(limit)}
	for i := range m.shards {
		m.shards[i] = memoryShard{
			records: map[Key]Record{}, users: map[string]map[Handle]Key{},
			became: map[Key]Key{}, previous: map[Key]Key{},
			epochs: map[string]uint64{}, base: 1,
		}
	}
	return m
}

// Create implements [Store]; it may also return ErrFull.
func (m *MemoryStore) Create(ctx context.Context, r Record, epoch uint64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	sh := m.shard(r.Key.Shard)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	now := storeNow()
	if err := sh.admits(r, epoch, nil, now); err != nil {
		return err
	}
	if !m.reserve(r.User) {
		m.free(sh, now, len(sh.records))
		if !m.reserve(r.User) {
			return ErrFull
		}
	}
	m.drop(sh, r.Key) // a dead record may still stand there
	sh.insert(r, now)
	return nil
}

// Load implements [Store].
func (m *MemoryStore) Load(ctx context.Context, k Key) (Record, error) {
	if err := ctx.Err(); err != nil {
		return Record{}, err
	}
	sh := m.shard(k.Shard)
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	now := storeNow()
	r, ok := sh.live(k, now)
	if !ok {
		return Record{}, ErrNotFound
	}
	r.Data, r.Methods, r.Now = slices.Clone(r.Data), slices.Clone(r.Methods), now
	return r, nil
}

// Save implements [Store].
func (m *MemoryStore) Save(ctx context.Context, k Key, version uint64, data []byte, idle time.Duration) (uint64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	sh := m.shard(k.Shard)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	now := storeNow()
	r, ok := sh.live(k, now)
	if !ok {
		return 0, ErrNotFound
	}
	if r.Version != version {
		return 0, ErrConflict
	}
	r.Version++
	r.Data = slices.Clone(data)
	r.extend(now, idle)
	sh.records[k] = r
	return r.Version, nil
}

// Rotate implements [Store].
func (m *MemoryStore) Rotate(ctx context.Context, old Key, version uint64, r Record, epoch uint64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	from, to := m.shard(old.Shard), m.shard(r.Key.Shard)
	unlock := m.lockBoth(old.Shard, r.Key.Shard)
	defer unlock()
	now := storeNow()
	o, ok := from.live(old, now)
	if !ok {
		return ErrNotFound
	}
	if o.Version != version {
		return ErrConflict
	}
	if err := to.admits(r, epoch, &old, now); err != nil {
		return err
	}
	m.drop(from, old)
	m.drop(to, r.Key)
	m.count(r.User, +1)
	to.insert(r, now)
	if r.User != "" && r.User == o.User {
		to.remember(old, r.Key)
	}
	return nil
}

// Touch implements [Store].
func (m *MemoryStore) Touch(ctx context.Context, k Key, idle time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	sh := m.shard(k.Shard)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	now := storeNow()
	r, ok := sh.live(k, now)
	if !ok {
		return ErrNotFound
	}
	r.extend(now, idle)
	sh.records[k] = r
	return nil
}

// Delete implements [Store].
func (m *MemoryStore) Delete(ctx context.Context, k Key) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	sh := m.shard(k.Shard)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	m.drop(sh, k)
	if next, ok := sh.became[k]; ok {
		m.drop(sh, next)
	}
	return nil
}

// DeleteHandle implements [Store].
func (m *MemoryStore) DeleteHandle(ctx context.Context, user string, h Handle) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	sh := m.shard(UserShard(user))
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if k, ok := sh.users[user][h]; ok {
		m.drop(sh, k)
	}
	return nil
}

// Epoch implements [Store].
func (m *MemoryStore) Epoch(ctx context.Context, user string) (uint64, time.Time, error) {
	if err := ctx.Err(); err != nil {
		return 0, time.Time{}, err
	}
	if user == "" {
		return 1, storeNow(), nil
	}
	sh := m.shard(UserShard(user))
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	return sh.epoch(user), storeNow(), nil
}

// User implements [Store].
func (m *MemoryStore) User(ctx context.Context, user string) ([]Record, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	sh := m.shard(UserShard(user))
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	now := storeNow()
	var rs []Record
	for _, k := range sh.users[user] {
		if r, ok := sh.live(k, now); ok {
			r.Data, r.Methods, r.Now = nil, slices.Clone(r.Methods), now
			rs = append(rs, r)
		}
	}
	return rs, nil
}

// DeleteUser implements [Store].
func (m *MemoryStore) DeleteUser(ctx context.Context, user string, keep ...Handle) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	sh := m.shard(UserShard(user))
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.advance(user)
	now, n := storeNow(), 0
	for h, k := range sh.users[user] {
		if slices.Contains(keep, h) {
			continue
		}
		if _, ok := sh.live(k, now); ok {
			n++
		}
		m.drop(sh, k)
	}
	return n, nil
}

// DeleteExpired implements [Store].
func (m *MemoryStore) DeleteExpired(ctx context.Context, limit int) (int, error) {
	n := 0
	for i := range m.shards {
		if err := ctx.Err(); err != nil || n >= limit {
			return n, err
		}
		sh := &m.shards[i]
		sh.mu.Lock()
		n += m.free(sh, storeNow(), limit-n)
		sh.mu.Unlock()
	}
	return n, nil
}
