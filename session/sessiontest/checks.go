package sessiontest

import (
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/pavise/pavise/session"
)

func encode(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// decode is 0 for data that encode did not make.
func decode(b []byte) uint64 {
	if len(b) != 8 {
		return 0
	}
	return binary.BigEndian.Uint64(b)
}

// wantSame compares what was stored with what came back.
func (s *suite) wantSame(why string, got, want session.Record) {
	s.Helper()
	if !sameRecord(got, want, true) {
		s.Errorf("%s:\n got %s\nwant %s", why, view(got), view(want))
	}
}

// checkRoundTrip: every field comes back, at the ends of its range too.
func checkRoundTrip(s *suite) {
	for _, change := range []func(*session.Record){
		func(*session.Record) {},
		func(r *session.Record) { r.Data = nil },
		func(r *session.Record) {
			r.Data = slices.Repeat([]byte{0, 0xff, '\'', '\\', '%', '"', '\n', 0x80}, 8192)
		},
		func(r *session.Record) { r.AAL, r.Methods, r.Persist = 3, nil, true },
		func(r *session.Record) { r.Methods = slices.Repeat([]string{strings.Repeat("z_-9", 8)}, 8) },
		func(r *session.Record) { r.Methods = []string{"b", "a", "b"} }, // the order is kept
		func(r *session.Record) { r.AuthTime = time.Time{} },
		func(r *session.Record) {
			r.Created, r.AuthTime = time.UnixMicro(1).UTC(), time.UnixMicro(1_234_567_890_123_457).UTC()
		},
		func(r *session.Record) { r.Expires = time.UnixMicro(253_402_300_799_999_999).UTC() }, // the year 9999
	} {
		user := name()
		r := s.create(user, change)
		s.wantSame("Load", s.load(r.Key), r)
		rs, err := s.store.User(s.ctx, user)
		s.need("User", err)
		if len(rs) != 1 || !sameRecord(rs[0], r, false) || rs[0].Now.IsZero() {
			s.Errorf("User lists %d records, want 1, as it was created, and Now", len(rs))
		}
	}
	r := s.create("")
	s.wantSame("Load of an anonymous record", s.load(r.Key), r)

	// A version that a float64 cannot hold.
	user := name()
	old := s.create(user)
	e, now := s.epoch(user)
	next := newRecord(user, now)
	next.Version = 1<<53 + 1
	s.need("Rotate", s.store.Rotate(s.ctx, old.Key, 1, next, e))
	s.wantSame("Load after Rotate", s.load(next.Key), next)
	v, err := s.store.Save(s.ctx, next.Key, next.Version, nil, idle)
	s.want("Save of a high version", err, nil)
	if v != next.Version+1 {
		s.Errorf("Save of a high version: version %d, want %d", v, next.Version+1)
	}
}

// checkCopies: the store and its callers share no memory.
func checkCopies(s *suite) {
	user := name()
	e, now := s.epoch(user)
	r := newRecord(user, now)
	want := r
	want.Data, want.Methods = slices.Clone(r.Data), slices.Clone(r.Methods)
	s.need("Create", s.store.Create(s.ctx, r, e))
	r.Data[0], r.Methods[0] = '!', "changed"
	s.wantSame("Load after the caller changed what it had given to Create", s.load(r.Key), want)

	got := s.load(r.Key)
	got.Data[0], got.Methods[0] = '!', "changed"
	s.wantSame("Load after the caller changed what Load had returned", s.load(r.Key), want)

	data := []byte("saved")
	_, err := s.store.Save(s.ctx, r.Key, 1, data, idle)
	s.need("Save", err)
	data[0] = '!'
	want.Version, want.Data = 2, []byte("saved")
	s.wantSame("Load after the caller changed what it had given to Save", s.load(r.Key), want)
}

// checkCreate: Create never replaces.
func checkCreate(s *suite) {
	user := name()
	r := s.create(user)
	e, now := s.epoch(user)
	for _, why := range []string{"key", "handle"} {
		twin := newRecord(user, now)
		if twin.Data = []byte("twin"); why == "key" {
			twin.Key = r.Key
		} else {
			twin.Handle = r.Handle
		}
		s.want("Create with the same "+why, s.store.Create(s.ctx, twin, e), session.ErrConflict)
		s.wantSame("Load after it", s.load(r.Key), r)
		s.wantHandles("after it", user, r.Handle)
	}
	// A handle is unique among the user's, not among all: nobody's call can depend
	// on what another user has.
	same := func(r2 *session.Record) { r2.Handle = r.Handle }
	other := name()
	theirs, visitor := s.create(other, same), s.create("", same)
	s.create("", same)
	s.wantHandles("of another user with the same handle", other, r.Handle)
	s.want("DeleteHandle", s.store.DeleteHandle(s.ctx, user, r.Handle), nil)
	s.gone("after DeleteHandle", r)
	s.wantSame("Load of another user's record with the same handle", s.load(theirs.Key), theirs)
	s.wantSame("Load of an anonymous record with the same handle", s.load(visitor.Key), visitor)

	anonymous := s.create("")
	again := newRecord("", now)
	again.Key = anonymous.Key
	s.want("Create with the same anonymous key", s.store.Create(s.ctx, again, 12345), session.ErrConflict)
	s.wantSame("Load after it", s.load(anonymous.Key), anonymous)
}

// checkSave: compare-and-set.
func checkSave(s *suite) {
	r := s.create(name())
	for i := range 3 {
		v, err := s.store.Save(s.ctx, r.Key, r.Version, encode(uint64(i)), idle)
		s.want("Save", err, nil)
		if v != r.Version+1 {
			s.Errorf("Save: version %d, want %d", v, r.Version+1)
		}
		r.Version, r.Data = v, encode(uint64(i))
		s.wantSame("Load after Save", s.load(r.Key), r)
	}
	for _, version := range []uint64{0, 1, r.Version - 1, r.Version + 1, 1<<63 + r.Version, 1<<64 - 1} {
		_, err := s.store.Save(s.ctx, r.Key, version, []byte("lost"), idle)
		s.want("Save with another version", err, session.ErrConflict)
	}
	s.wantSame("Load after conflicts", s.load(r.Key), r)
}

// checkTouch: neither the version nor the data change.
func checkTouch(s *suite) {
	r := s.create(name())
	s.want("Touch", s.store.Touch(s.ctx, r.Key, time.Hour), nil)
	s.wantSame("Load after Touch", s.load(r.Key), r)
}

// checkRotate: one record, another key.
func checkRotate(s *suite) {
	user, other := name(), name()
	old, third := s.create(user), s.create(user)
	e, now := s.epoch(user)
	next := newRecord(user, now)
	next.Handle, next.Version, next.Data = old.Handle, 7, []byte("resealed")

	s.want("Rotate with another version", s.store.Rotate(s.ctx, old.Key, 2, next, e), session.ErrConflict)
	taken := next
	taken.Key = third.Key
	s.want("Rotate to a key that exists", s.store.Rotate(s.ctx, old.Key, 1, taken, e), session.ErrConflict)
	taken = next
	taken.Handle = third.Handle
	s.want("Rotate to a handle that exists", s.store.Rotate(s.ctx, old.Key, 1, taken, e), session.ErrConflict)
	s.wantSame("Load after refused rotations", s.load(old.Key), old)
	s.wantSame("Load after refused rotations", s.load(third.Key), third)

	s.want("Rotate", s.store.Rotate(s.ctx, old.Key, 1, next, e), nil)
	s.wantSame("Load after Rotate", s.load(next.Key), next)
	if _, err := s.store.Load(s.ctx, old.Key); !errors.Is(err, session.ErrNotFound) {
		s.Errorf("the old key lives after Rotate: Load got error %v", err)
	}
	s.wantHandles("after Rotate", user, next.Handle, third.Handle)

	// To another user and from nobody: the index follows.
	e, now = s.epoch(other)
	switched := newRecord(other, now)
	s.want("Rotate to another user", s.store.Rotate(s.ctx, next.Key, 7, switched, e), nil)
	s.wantHandles("of the old user after Rotate to another", user, third.Handle)
	visitor := s.create("")
	login := newRecord(other, now)
	login.Handle = visitor.Handle
	s.want("Rotate of an anonymous record to a user", s.store.Rotate(s.ctx, visitor.Key, 1, login, e), nil)
	s.wantHandles("after Rotate to it", other, switched.Handle, login.Handle)
	s.gone("after Rotate", visitor)

	anonymous := newRecord("", now)
	s.want("Rotate of a user's record to an anonymous one", s.store.Rotate(s.ctx, login.Key, 1, anonymous, 12345), nil)
	s.wantHandles("after Rotate away", other, switched.Handle)
	s.wantSame("Load of the anonymous one", s.load(anonymous.Key), anonymous)
}

// checkNoInsert: what does not exist is not made to exist.
func checkNoInsert(s *suite) {
	s.gone("of a record that never was", newRecord(name(), time.UnixMicro(1)))
	s.gone("of an anonymous record that never was", newRecord("", time.UnixMicro(1)))
}

// checkDelete: gone for every method, however it went.
func checkDelete(s *suite) {
	for _, how := range []struct {
		name string
		call func(session.Record) error
	}{
		{"Delete", func(r session.Record) error { return s.store.Delete(s.ctx, r.Key) }},
		{"DeleteHandle", func(r session.Record) error { return s.store.DeleteHandle(s.ctx, r.User, r.Handle) }},
		{"DeleteUser", func(r session.Record) error {
			_, err := s.store.DeleteUser(s.ctx, r.User)
			return err
		}},
	} {
		r := s.create(name())
		s.want(how.name, how.call(r), nil)
		s.gone("after "+how.name, r)
		s.want(how.name+" again", how.call(r), nil)
	}
	s.want("Delete of what never was", s.store.Delete(s.ctx, newKey(name())), nil)
	s.want("DeleteHandle of what never was", s.store.DeleteHandle(s.ctx, name(), newHandle()), nil)

	// A deleted key is free, and begins anew.
	user := name()
	r := s.create(user)
	s.need("Delete", s.store.Delete(s.ctx, r.Key))
	e, _ := s.epoch(user)
	s.want("Create after Delete", s.store.Create(s.ctx, r, e), nil)
	s.wantSame("Load after it", s.load(r.Key), r)
}

// checkHandles: a handle finds its record under any key, and only its user's.
func checkHandles(s *suite) {
	user, other := name(), name()
	mine, second, theirs := s.create(user), s.create(user), s.create(other)
	s.want("DeleteHandle of another user's", s.store.DeleteHandle(s.ctx, user, theirs.Handle), nil)
	s.wantSame("Load of the other user's record", s.load(theirs.Key), theirs)

	e, now := s.epoch(user)
	next := newRecord(user, now)
	next.Handle = mine.Handle
	s.need("Rotate", s.store.Rotate(s.ctx, mine.Key, 1, next, e))
	s.want("DeleteHandle after Rotate", s.store.DeleteHandle(s.ctx, user, mine.Handle), nil)
	s.gone("after Rotate and DeleteHandle", next)
	s.wantHandles("after DeleteHandle", user, second.Handle)
}

// checkUserIDs: ids are bytes.
func checkUserIDs(s *suite) {
	base := name()
	ids := []string{
		base + "ann", base + "Ann", base + "ANN", base + "ann ", " " + base + "ann", base + "ann\t", base + "ann\n", base + "ann%", base + "an_",
		base + "\u00e4nn", base + "a\u0308nn", base + "ann\u200b", base + "stra\u00dfe", base + "strasse", base + "\U0001f600", base + "\U0001f601",
		base + "'; --", base + "{x}", base + "\\", strings.Repeat("u", 223-len(base)) + base + strings.Repeat("e", 31) + "1",
		strings.Repeat("u", 223-len(base)) + base + strings.Repeat("e", 31) + "2",
	}
	records := map[string]session.Record{}
	for _, id := range ids {
		records[id] = s.create(id)
	}
	for _, id := range ids {
		s.wantHandles("of one of similar ids", id, records[id].Handle)
	}
	for i, id := range ids {
		before := make([]uint64, len(ids))
		for j := range ids {
			before[j], _ = s.epoch(ids[j])
		}
		n, err := s.store.DeleteUser(s.ctx, id)
		s.want("DeleteUser", err, nil)
		if n != 1 {
			s.Errorf("DeleteUser of one of similar ids: %d deleted, want 1", n)
		}
		for j := range ids {
			if after, _ := s.epoch(ids[j]); (after != before[j]) != (i == j) {
				s.Errorf("DeleteUser(%q): epoch of %q went from %d to %d", id, ids[j], before[j], after)
			}
		}
		for _, rest := range ids[i+1:] {
			s.wantSame("Load of one of similar ids", s.load(records[rest].Key), records[rest])
		}
	}
	s.create("")
	if rs, err := s.store.User(s.ctx, ""); err == nil && len(rs) > 0 {
		s.Errorf("User(\"\") lists %d anonymous records, want none", len(rs))
	}
}

// checkEpoch: a login that was verified before a revocation cannot complete after it.
func checkEpoch(s *suite) {
	user := name()
	e, now := s.epoch(user)
	if again, _ := s.epoch(user); e == 0 || again != e {
		s.Errorf("Epoch: %d, then %d, want the same above 0", e, again)
	}
	if e, _ := s.epoch(""); e != 1 {
		s.Errorf("Epoch of nobody: %d, want 1", e)
	}
	visitor, own := s.create(""), s.create(name())
	n, err := s.store.DeleteUser(s.ctx, user)
	s.want("DeleteUser", err, nil)
	if after, _ := s.epoch(user); n != 0 || after <= e {
		s.Errorf("DeleteUser without sessions: %d deleted and epoch %d, want 0 and more than %d", n, after, e)
	}
	r := newRecord(user, now)
	for _, stale := range []uint64{e, 0, 1<<63 + e, 1<<64 - 1} {
		s.want("Create with a stale epoch", s.store.Create(s.ctx, r, stale), session.ErrStaleEpoch)
		s.want("Rotate of an anonymous record with a stale epoch", s.store.Rotate(s.ctx, visitor.Key, 1, r, stale), session.ErrStaleEpoch)
		s.want("Rotate of another user's record with a stale epoch", s.store.Rotate(s.ctx, own.Key, 1, r, stale), session.ErrStaleEpoch)
	}
	kept := s.create(user)
	current, _ := s.epoch(user)
	next := newRecord(user, now)
	s.want("Rotate of the user's own record with a stale epoch", s.store.Rotate(s.ctx, kept.Key, 1, next, e), session.ErrStaleEpoch)
	s.want("Rotate of it with the epoch", s.store.Rotate(s.ctx, kept.Key, 1, next, current), nil)
	s.need("Delete", s.store.Delete(s.ctx, next.Key))
	s.wantHandles("after refused logins", user)
	s.wantSame("Load after refused logins", s.load(visitor.Key), visitor)
	s.wantSame("Load after refused logins", s.load(own.Key), own)
	e, _ = s.epoch(user)
	s.want("Create with the new epoch", s.store.Create(s.ctx, r, e), nil)
}

// checkKeep: DeleteUser spares what it is told to, and nothing else.
func checkKeep(s *suite) {
	user := name()
	a, b, c := s.create(user), s.create(user), s.create(user)
	other := s.create(name())
	n, err := s.store.DeleteUser(s.ctx, user, b.Handle, other.Handle, "nobody", b.Handle)
	s.want("DeleteUser", err, nil)
	if n != 2 {
		s.Errorf("DeleteUser: %d deleted, want 2", n)
	}
	s.gone("after DeleteUser", a)
	s.gone("after DeleteUser", c)
	s.wantSame("Load of what was kept", s.load(b.Key), b)
	s.wantSame("Load of another user's record", s.load(other.Key), other)
	s.wantHandles("after DeleteUser", user, b.Handle)
}

// checkContext: an ended context is not an answer about the session.
func checkContext(s *suite) {
	user := name()
	r, old := s.create(user), s.create(user)
	e, now := s.epoch(user)
	ctx, cancel := context.WithCancel(s.ctx)
	cancel()
	for _, c := range []call{
		{method: load, key: r.Key},
		{method: touch, key: r.Key},
		{method: save, key: r.Key, version: 1},
		{method: create, record: newRecord(user, now), epoch: e},
		{method: list, user: user},
		{method: del, key: newKey(user)},
		{method: deleteHandle, user: user, handle: newHandle()},
		{method: deleteUser, user: name()},
		{method: epoch, user: user},
		{method: rotate, key: old.Key, version: 1, record: newRecord(user, now), epoch: e},
	} {
		err := c.make(ctx, s.store).err
		for _, named := range []error{session.ErrNotFound, session.ErrConflict, session.ErrStaleEpoch} {
			if errors.Is(err, named) {
				s.Errorf("%s with an ended context: %v", c.method, err)
			}
		}
	}
	s.load(r.Key) // and the store goes on
}
