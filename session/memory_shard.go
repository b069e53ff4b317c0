package session

import (
	"slices"
	"time"
)

// storeNow is MemoryStore's clock, at the precision that the contract keeps.
func storeNow() time.Time { return time.UnixMicro(time.Now().UnixMicro()).UTC() }

// extend does what Save and Touch promise about Seen and IdleUntil.
func (r *Record) extend(now time.Time, idle time.Duration) {
	r.Seen = now
	if t := now.Add(idle).Truncate(time.Microsecond); t.After(r.IdleUntil) {
		r.IdleUntil = t
	}
	if r.IdleUntil.After(r.Expires) {
		r.IdleUntil = r.Expires
	}
}

func (m *MemoryStore) shard(n uint16) *memoryShard { return &m.shards[int(n)%len(m.shards)] }

// lockBoth locks the shards of two keys, in one order for everybody.
func (m *MemoryStore) lockBoth(a, b uint16) (unlock func()) {
	i, j := int(a)%len(m.shards), int(b)%len(m.shards)
	i, j = min(i, j), max(i, j)
	m.shards[i].mu.Lock()
	if i == j {
		return m.shards[i].mu.Unlock
	}
	m.shards[j].mu.Lock()
	return func() {
		m.shards[j].mu.Unlock()
		m.shards[i].mu.Unlock()
	}
}

// count books n records of the user, who may be "".
func (m *MemoryStore) count(user string, n int64) {
	m.live.Add(n)
	if user == "" {
		m.anonymous.Add(n)
	}
}

// reserve books one record, unless there is no room for it.
func (m *MemoryStore) reserve(user string) bool {
	m.count(user, +1)
	if m.live.Load() > m.limit || user == "" && m.anonymous.Load() > (m.limit+1)/2 {
		m.count(user, -1)
		return false
	}
	return true
}

// drop removes a record, its index entry and its booking, if it is there.
func (m *MemoryStore) drop(sh *memoryShard, k Key) {
	r, ok := sh.records[k]
	if !ok {
		return
	}
	m.count(r.User, -1)
	delete(sh.records, k)
	sh.forget(k)
	hs := sh.users[r.User]
	if hs[r.Handle] == k { // the user may have it again, under another key
		delete(hs, r.Handle)
	}
	if len(hs) == 0 {
		delete(sh.users, r.User)
	}
}

// free drops at most limit dead records.
func (m *MemoryStore) free(sh *memoryShard, now time.Time, limit int) int {
	n := 0
	for k := range sh.records {
		if n >= limit {
			break
		}
		if _, ok := sh.live(k, now); !ok {
			m.drop(sh, k)
			n++
		}
	}
	return n
}

func (sh *memoryShard) live(k Key, now time.Time) (Record, bool) {
	r, ok := sh.records[k]
	return r, ok && now.Before(r.IdleUntil) && now.Before(r.Expires)
}

// remember keeps what Delete needs to end a session by the key it had before.
func (sh *memoryShard) remember(old, k Key) { sh.became[old], sh.previous[k] = k, old }

func (sh *memoryShard) forget(k Key) {
	if old, ok := sh.previous[k]; ok {
		delete(sh.previous, k)
		if sh.became[old] == k {
			delete(sh.became, old)
		}
	}
}

// admits says whether r may be inserted, in the place of the record replaces if
// that is not nil.
func (sh *memoryShard) admits(r Record, epoch uint64, replaces *Key, now time.Time) error {
	if r.User != "" && sh.epoch(r.User) != epoch {
		return ErrStaleEpoch
	}
	if sh.stands(r.Key, replaces, now) {
		return ErrConflict
	}
	if k, ok := sh.users[r.User][r.Handle]; ok && sh.stands(k, replaces, now) {
		return ErrConflict
	}
	return nil
}

// stands says whether a live record has the key and is not the one to be replaced.
func (sh *memoryShard) stands(k Key, replaces *Key, now time.Time) bool {
	_, ok := sh.live(k, now)
	return ok && (replaces == nil || k != *replaces)
}

// insert stores what the caller gave, as its own copy.
func (sh *memoryShard) insert(r Record, now time.Time) {
	idle := r.Idle
	r.Data, r.Methods = slices.Clone(r.Data), slices.Clone(r.Methods)
	r.Idle, r.Now, r.IdleUntil = 0, time.Time{}, time.Time{}
	r.extend(now, idle)
	sh.put(r)
}

func (sh *memoryShard) put(r Record) {
	sh.records[r.Key] = r
	if r.User == "" {
		return
	}
	if sh.users[r.User] == nil {
		sh.users[r.User] = map[Handle]Key{}
	}
	sh.users[r.User][r.Handle] = r.Key
}

func (sh *memoryShard) epoch(user string) uint64 { return max(sh.base, sh.epochs[user]) }

// advance moves the user's epoch. To stay bounded, a shard that remembers too many
// revoked users forgets them all by moving everybody's epoch past theirs: the few
// logins in flight at that moment are refused and have to be repeated.
func (sh *memoryShard) advance(user string) {
	if len(sh.epochs) < maxMemoryEpochs {
		sh.epochs[user] = sh.epoch(user) + 1
		return
	}
	for _, e := range sh.epochs {
		sh.base = max(sh.base, e)
	}
	sh.base++
	clear(sh.epochs)
}
