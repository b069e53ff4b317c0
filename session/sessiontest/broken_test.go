package sessiontest

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pavise/pavise/session"
)

// broken is a small store that is correct without a fault, and breaks one promise
// with it.
type broken struct {
	fault   string
	mu      sync.Mutex
	records map[session.Key]session.Record
	index   map[string]map[session.Handle]session.Key
	became  map[session.Key]session.Key
	epochs  map[string]uint64
}

var _ session.Store = (*broken)(nil)

func newBroken(fault string) *broken {
	return &broken{
		fault: fault, records: map[session.Key]session.Record{},
		index: map[string]map[session.Handle]session.Key{}, became: map[session.Key]session.Key{}, epochs: map[string]uint64{},
	}
}

// yield lets every other goroutine of the bubble in, if this is the fault.
func (b *broken) yield(fault string) {
	if b.fault == fault {
		b.mu.Unlock()
		time.Sleep(time.Nanosecond)
		b.mu.Lock()
	}
}

func (b *broken) lock() func() { b.mu.Lock(); return b.mu.Unlock }

func (b *broken) id(user string) string {
	switch b.fault {
	case "folds case of users":
		return strings.ToLower(user)
	case "trims users":
		return strings.TrimRight(user, " ")
	}
	return user
}

// skew is how far a caller's clock is ahead of the store's.
const skew = time.Minute

func clock() time.Time { return time.UnixMicro(time.Now().UnixMicro()).UTC() }

func (b *broken) live(k session.Key) (session.Record, bool) {
	r, ok := b.records[k]
	now := clock()
	idleEnd := now.Before(r.IdleUntil) || b.fault == "no idle end"
	if b.fault == "lives at its end" {
		now = now.Add(-time.Microsecond)
		idleEnd = now.Before(r.IdleUntil)
	}
	return r, ok && idleEnd && (now.Before(r.Expires) || b.fault == "no absolute end")
}

func (b *broken) stale(user string, epoch uint64) bool {
	return user != "" && b.fault != "ignores epochs" && b.epochOf(user) != epoch
}

func (b *broken) epochOf(user string) uint64 { return 1 + b.epochs[b.id(user)] }

func (b *broken) handleTaken(r session.Record) bool {
	if b.fault == "handles of all users" {
		for _, other := range b.records {
			if other.Handle == r.Handle {
				return true
			}
		}
	}
	k, ok := b.index[b.id(r.User)][r.Handle]
	_, alive := b.live(k)
	return ok && alive && r.User != ""
}

func (b *broken) put(r session.Record) {
	now := clock()
	if b.fault != "shares memory" {
		r.Data, r.Methods = slices.Clone(r.Data), slices.Clone(r.Methods)
	}
	if b.fault == "sorts methods" {
		slices.Sort(r.Methods)
	}
	if b.fault == "rounds times" {
		r.Created = r.Created.Truncate(time.Second)
	}
	if b.fault == "float versions" {
		r.Version = uint64(float64(r.Version))
	}
	if b.fault == "creates by the clock of the caller" {
		now = now.Add(skew)
	}
	r.Seen, r.IdleUntil = now, now.Add(r.Idle)
	if r.IdleUntil.After(r.Expires) {
		r.IdleUntil = r.Expires
	}
	b.records[r.Key] = r
	b.yield("index written late")
	if r.User != "" || b.fault == "lists nobody's" {
		if b.index[b.id(r.User)] == nil {
			b.index[b.id(r.User)] = map[session.Handle]session.Key{}
		}
		b.index[b.id(r.User)][r.Handle] = r.Key
	}
}

func (b *broken) drop(k session.Key) {
	r := b.records[k]
	delete(b.records, k)
	if hs := b.index[b.id(r.User)]; hs[r.Handle] == k {
		delete(hs, r.Handle)
	}
}

func (b *broken) Create(_ context.Context, r session.Record, epoch uint64) error {
	defer b.lock()()
	if b.stale(r.User, epoch) {
		return session.ErrStaleEpoch
	}
	b.yield("checks the epoch before it creates")
	_, taken := b.live(r.Key)
	if b.fault == "create meets the dead" {
		_, taken = b.records[r.Key]
	}
	if (taken || b.handleTaken(r)) && b.fault != "create replaces" {
		return session.ErrConflict
	}
	b.drop(r.Key)
	b.put(r)
	return nil
}

func (b *broken) Load(ctx context.Context, k session.Key) (session.Record, error) {
	defer b.lock()()
	if ctx.Err() != nil && b.fault == "an ended context is not found" {
		return session.Record{}, session.ErrNotFound
	}
	r, ok := b.live(k)
	if next, known := b.became[k]; known && b.fault == "loads by the previous key" {
		r, ok = b.live(next)
	}
	if !ok {
		return session.Record{}, session.ErrNotFound
	}
	if b.fault == "load prolongs" {
		r.Seen = clock()
		b.records[k] = r
	}
	if b.fault != "shares memory" {
		r.Data, r.Methods = slices.Clone(r.Data), slices.Clone(r.Methods)
	}
	r.Now = clock()
	return r, nil
}

func (b *broken) use(r *session.Record, idle time.Duration) {
	r.Seen = clock()
	if b.fault == "uses by the clock of the caller" {
		r.Seen = r.Seen.Add(skew)
	}
	if end := r.Seen.Add(idle); end.After(r.IdleUntil) || b.fault == "touch shortens" {
		r.IdleUntil = end
	}
	if r.IdleUntil.After(r.Expires) && b.fault != "idle beyond the absolute end" && b.fault != "no absolute end" {
		r.IdleUntil = r.Expires
	}
}

func (b *broken) Save(_ context.Context, k session.Key, version uint64, data []byte, idle time.Duration) (uint64, error) {
	defer b.lock()()
	r, ok := b.live(k)
	if !ok && b.fault == "save inserts" {
		b.records[k] = session.Record{Key: k, Version: version + 1, Data: data, IdleUntil: clock().Add(idle), Expires: clock().Add(idle)}
		return version + 1, nil
	}
	if !ok {
		return 0, session.ErrNotFound
	}
	if r.Version != version && b.fault != "save ignores the version" {
		return 0, session.ErrConflict
	}
	b.yield("save checks, then writes")
	r.Version, r.Data = r.Version+1, slices.Clone(data)
	b.use(&r, idle)
	b.records[k] = r
	return r.Version, nil
}

func (b *broken) Rotate(ctx context.Context, old session.Key, version uint64, r session.Record, epoch uint64) error {
	defer b.lock()()
	if ctx.Err() != nil && b.fault == "an ended context is a conflict" {
		return session.ErrConflict
	}
	o, ok := b.live(old)
	_, taken := b.live(r.Key)
	switch {
	case !ok:
		return session.ErrNotFound
	case o.Version != version && b.fault != "rotate ignores the version":
		return session.ErrConflict
	case b.stale(r.User, epoch) && (b.fault != "rotates within a user at any epoch" || o.User != r.User):
		return session.ErrStaleEpoch
	case taken, b.handleTaken(r) && (o.Handle != r.Handle || o.User != r.User):
		return session.ErrConflict
	}
	b.yield("checks the epoch before it rotates")
	switch b.fault {
	case "rotate keeps the old key":
	case "rotate removes, then inserts":
		b.drop(old)
		b.yield(b.fault)
	case "rotate inserts, then removes":
		b.put(r)
		b.yield(b.fault)
		delete(b.records, old)
		return nil
	default:
		b.drop(old)
	}
	b.put(r)
	b.remember(o, r)
	return nil
}

// remember keeps which record the key of o became.
func (b *broken) remember(o, r session.Record) {
	b.yield("remembers the previous key late")
	anybody := b.fault == "remembers the key of another user"
	if b.fault == "forgets the previous key" || !anybody && (r.User == "" || o.User != r.User) {
		return
	}
	for k, next := range b.became {
		if next == o.Key && b.fault != "remembers every key" {
			delete(b.became, k)
		} else if next == o.Key {
			b.became[k] = r.Key
		}
	}
	b.became[o.Key] = r.Key
}

func (b *broken) Touch(_ context.Context, k session.Key, idle time.Duration) error {
	defer b.lock()()
	r, ok := b.live(k)
	if _, exists := b.records[k]; exists && b.fault == "touch revives" {
		ok = true
	}
	if !ok && b.fault == "touch inserts" {
		b.records[k] = session.Record{Key: k, Version: 1, IdleUntil: clock().Add(idle), Expires: clock().Add(idle)}
		return nil
	}
	if !ok || b.fault == "an equal touch is lost" && r.Seen.Equal(clock()) && r.IdleUntil.Equal(r.Seen.Add(idle)) {
		return session.ErrNotFound
	}
	if b.fault == "touch writes back" {
		b.yield(b.fault)
	}
	if b.fault == "touch counts" {
		r.Version++
	}
	b.use(&r, idle)
	b.records[k] = r
	return nil
}

func (b *broken) Delete(_ context.Context, k session.Key) error {
	defer b.lock()()
	if _, ok := b.live(k); !ok && b.fault == "delete is not idempotent" {
		return session.ErrNotFound
	}
	_, there := b.live(k)
	b.drop(k)
	if next, ok := b.became[k]; ok && !there {
		b.drop(next)
	}
	return nil
}

func (b *broken) DeleteHandle(_ context.Context, user string, h session.Handle) error {
	defer b.lock()()
	if b.fault == "deletes another user's handle" {
		for k, r := range b.records {
			if r.Handle == h {
				b.drop(k)
			}
		}
	}
	if k, ok := b.index[b.id(user)][h]; ok {
		b.yield("deletes a stale key")
		b.drop(k)
	}
	return nil
}

func (b *broken) Epoch(_ context.Context, user string) (uint64, time.Time, error) {
	defer b.lock()()
	if user == "" {
		return 1, clock(), nil
	}
	return b.epochOf(user), clock(), nil
}

func (b *broken) User(_ context.Context, user string) (rs []session.Record, err error) {
	defer b.lock()()
	for _, k := range b.index[b.id(user)] {
		if r, ok := b.live(k); ok || b.fault == "lists the dead" {
			r.Now = clock()
			rs = append(rs, r)
		}
	}
	return rs, nil
}

func (b *broken) DeleteUser(_ context.Context, user string, keep ...session.Handle) (int, error) {
	defer b.lock()()
	if b.fault == "advances the epoch late" {
		defer func() {
			b.yield(b.fault)
			b.epochs[b.id(user)]++
		}()
	} else if b.fault != "deletes without an epoch" {
		b.epochs[b.id(user)]++
	}
	n := 0
	for h, k := range b.index[b.id(user)] {
		if slices.Contains(keep, h) && b.fault != "keeps nothing" {
			continue
		}
		if _, ok := b.live(k); ok || b.fault == "counts the dead" {
			n++
		}
		b.drop(k)
	}
	return n, nil
}

func (b *broken) DeleteExpired(_ context.Context, limit int) (int, error) {
	defer b.lock()()
	n := 0
	for k := range b.records {
		_, ok := b.live(k)
		if b.fault == "sweeps the living" {
			ok = false
		}
		if !ok && (n < limit || b.fault == "sweeps beyond the limit") {
			b.drop(k)
			n++
		}
	}
	return n, nil
}
