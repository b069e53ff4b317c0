package sessiontest

import (
	"errors"
	"runtime"

	"github.com/pavise/pavise/session"
)

// rotated puts a new record of the user in the place of r.
func (s *suite) rotated(r session.Record, user string) session.Record {
	s.Helper()
	e, now := s.epoch(user)
	next := newRecord(user, now)
	next.Handle, next.Version = r.Handle, r.Version+1
	s.need("Rotate", s.store.Rotate(s.ctx, r.Key, r.Version, next, e))
	return next
}

// checkPrevious: the key that a rotation replaced still deletes, and does nothing else.
func checkPrevious(s *suite) {
	user := name()
	first, second := s.create(user), s.create(user)
	next := s.rotated(first, user)
	s.goneKey("of the key before a rotation", first)
	s.wantSame("Load after calls with the key before", s.load(next.Key), next)

	s.want("Delete by the key before a rotation", s.store.Delete(s.ctx, first.Key), nil)
	s.gone("after Delete by the key before", next)
	s.wantHandles("after Delete by the key before", user, second.Handle)
	s.want("Delete by it again", s.store.Delete(s.ctx, first.Key), nil)

	// Saving and touching do not make a record forget, a refused rotation neither.
	next = s.rotated(second, user)
	_, err := s.store.Save(s.ctx, next.Key, next.Version, []byte("saved"), idle)
	s.need("Save", err)
	s.need("Touch", s.store.Touch(s.ctx, next.Key, idle))
	e, now := s.epoch(user)
	s.want("Rotate with another version", s.store.Rotate(s.ctx, next.Key, 99, newRecord(user, now), e), session.ErrConflict)
	s.want("Rotate with another epoch", s.store.Rotate(s.ctx, next.Key, next.Version+1, newRecord(user, now), e+1), session.ErrStaleEpoch)
	s.want("Delete by the key before a rotation", s.store.Delete(s.ctx, second.Key), nil)
	s.gone("after uses and Delete by the key before", next)

	// Of two rotations the last one counts.
	first = s.create(user)
	second = s.rotated(first, user)
	third := s.rotated(second, user)
	s.want("Delete by the key before two rotations", s.store.Delete(s.ctx, first.Key), nil)
	s.wantSame("Load after Delete by the key before two rotations", s.load(third.Key), third)
	s.want("Delete by the key between two rotations", s.store.Delete(s.ctx, second.Key), nil)
	s.gone("after Delete by the key before", third)
}

// checkPreviousUser: whoever held a token before another user logged in, or
// before anybody did, cannot end the session of the one who did.
func checkPreviousUser(s *suite) {
	user, other := name(), name()
	visitor := s.create("")
	login := s.rotated(visitor, user)
	s.want("Delete by the key before a login", s.store.Delete(s.ctx, visitor.Key), nil)
	s.wantSame("Load after Delete by the key before a login", s.load(login.Key), login)
	switched := s.rotated(login, other)
	s.want("Delete by the key of another user", s.store.Delete(s.ctx, login.Key), nil)
	s.wantSame("Load after Delete by the key of another user", s.load(switched.Key), switched)

	stepped := s.rotated(switched, other)
	left := s.rotated(stepped, "")
	s.want("Delete by the key before an anonymous one", s.store.Delete(s.ctx, stepped.Key), nil)
	s.wantSame("Load after Delete by the key before an anonymous one", s.load(left.Key), left)
	again := s.rotated(left, "")
	s.want("Delete by an anonymous key before", s.store.Delete(s.ctx, left.Key), nil)
	s.wantSame("Load after Delete by an anonymous key before", s.load(again.Key), again)
}

// goneKey checks that no method but Delete finds anything under r's key.
func (s *suite) goneKey(why string, r session.Record) {
	s.Helper()
	_, err := s.store.Load(s.ctx, r.Key)
	s.want("Load "+why, err, session.ErrNotFound)
	s.want("Touch "+why, s.store.Touch(s.ctx, r.Key, idle), session.ErrNotFound)
	for _, version := range []uint64{r.Version, r.Version + 1} {
		_, err = s.store.Save(s.ctx, r.Key, version, []byte("late"), idle)
		s.want("Save "+why, err, session.ErrNotFound)
		e, now := s.epoch(r.User)
		s.want("Rotate "+why, s.store.Rotate(s.ctx, r.Key, version, newRecord(r.User, now), e), session.ErrNotFound)
	}
}

// checkStepUpRace logs out with the token that a step-up replaces at the same time:
// the session ends in either order.
func checkStepUpRace(s *suite) {
	for round := range 2 * rounds {
		user := name()
		r := s.create(user)
		e, now := s.epoch(user)
		next := newRecord(user, now)
		next.Handle, next.Version = r.Handle, r.Version+1
		atOnce(2, func(i int) {
			if (i+round)%2 == 0 { // each of them is sometimes the first to go
				s.want("Delete", s.store.Delete(s.ctx, r.Key), nil)
				return
			}
			if err := s.store.Rotate(s.ctx, r.Key, r.Version, next, e); err != nil && !errors.Is(err, session.ErrNotFound) {
				s.Errorf("Rotate in a race with Delete: %v", err)
			}
			runtime.Gosched()
		})
		s.gone("after Delete beside a rotation", next)
		s.wantHandles("after Delete beside a rotation", user)
	}
}
