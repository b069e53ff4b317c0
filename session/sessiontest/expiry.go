package sessiontest

import (
	"errors"
	"time"

	"github.com/pavise/pavise/session"
)

// within checks a time that the store has set: its clock was read before and after.
func (s *suite) within(what string, t, from, to time.Time) {
	s.Helper()
	if t.Before(from) || t.After(to) {
		s.Errorf("%s is %v after the call began, want 0 to %v", what, t.Sub(from), to.Sub(from))
	}
}

// used checks Seen and IdleUntil after f, which should have extended idle by d, of a
// session that ends at expires.
func (s *suite) used(what string, k session.Key, d time.Duration, expires time.Time, f func()) {
	s.Helper()
	_, from := s.epoch("")
	f()
	_, to := s.epoch("")
	r := s.load(k)
	s.within(what+": Seen", r.Seen, from, to)
	earliest, latest := from.Add(d), to.Add(d)
	if expires.Before(earliest) {
		earliest = expires
	}
	if expires.Before(latest) {
		latest = expires
	}
	s.within(what+": IdleUntil", r.IdleUntil, earliest, latest)
}

// checkTimesOfCreate: Create and Rotate set Seen and IdleUntil by the store's clock.
func checkTimesOfCreate(s *suite) {
	for _, d := range []time.Duration{time.Minute, absolute + time.Hour} {
		user := name()
		e, now := s.epoch(user)
		r := newRecord(user, now)
		r.Idle = d
		r.Seen, r.IdleUntil, r.Now = now.Add(-time.Hour), now.Add(time.Hour), now.Add(-time.Hour) // ignored
		s.used("Create", r.Key, d, r.Expires, func() { s.need("Create", s.store.Create(s.ctx, r, e)) })
		next := newRecord(user, now)
		next.Idle = 2 * d
		s.used("Rotate", next.Key, 2*d, next.Expires, func() { s.need("Rotate", s.store.Rotate(s.ctx, r.Key, 1, next, e)) })
	}
}

// checkTimesOfUse: Load prolongs nothing; Save and Touch prolong, never shorten, and
// never beyond the absolute end.
func checkTimesOfUse(s *suite) {
	r := s.create(name(), func(r *session.Record) { r.Idle = time.Hour })
	before := s.load(r.Key)
	s.sleep(3 * time.Millisecond)
	after := s.load(r.Key)
	if !after.Seen.Equal(before.Seen) || !after.IdleUntil.Equal(before.IdleUntil) {
		s.Errorf("Load moved Seen by %v and IdleUntil by %v, want 0", after.Seen.Sub(before.Seen), after.IdleUntil.Sub(before.IdleUntil))
	}
	if !after.Now.After(before.Now) {
		s.Errorf("Now did not move between two Loads")
	}
	version := r.Version
	for _, use := range []struct {
		name string
		call func(time.Duration) error
	}{
		{"Touch", func(d time.Duration) error { return s.store.Touch(s.ctx, r.Key, d) }},
		{"Save", func(d time.Duration) (err error) {
			version, err = s.store.Save(s.ctx, r.Key, version, nil, d)
			return err
		}},
	} {
		do := func(d time.Duration) func() { return func() { s.need(use.name, use.call(d)) } }
		until := s.load(r.Key).IdleUntil
		for _, short := range []time.Duration{time.Second, 0, -time.Hour} {
			s.need(use.name, use.call(short))
			if got := s.load(r.Key).IdleUntil; !got.Equal(until) {
				s.Errorf("%s with a shorter idle time moved IdleUntil by %v, want 0", use.name, got.Sub(until))
			}
		}
		s.used(use.name, r.Key, 2*time.Hour, r.Expires, do(2*time.Hour))
		r = s.create(name(), func(r *session.Record) { r.Idle = time.Hour })
		version = r.Version
		s.used(use.name+" beyond the absolute end", r.Key, 48*time.Hour, r.Expires, do(48*time.Hour))
		r = s.create(name(), func(r *session.Record) { r.Idle = time.Hour })
		version = r.Version
	}
}

// checkOneInstant: equal calls in one instant of the store's clock all succeed.
func checkOneInstant(s *suite) {
	r := s.create(name())
	for range 200 {
		s.want("one of many Touches", s.store.Touch(s.ctx, r.Key, idle), nil)
	}
	atOnce(8, func(int) {
		for range 25 {
			s.want("one of many parallel Touches", s.store.Touch(s.ctx, r.Key, idle), nil)
		}
	})
	for v := uint64(1); v <= 20; v++ {
		_, err := s.store.Save(s.ctx, r.Key, v, []byte("equal"), idle)
		s.want("one of many equal Saves", err, nil)
	}
}

// sleep waits by our clock, which runs about as fast as the store's.
func (s *suite) sleep(d time.Duration) {
	if d > 0 {
		time.Sleep(d)
	}
}

// watch loads a record until it is dead, at its end and not before or after, by the
// store's own clock.
func (s *suite) watch(k session.Key, end time.Time) {
	s.Helper()
	pause := s.unit / 200
	for range 20_000 {
		_, from := s.epoch("")
		r, err := s.store.Load(s.ctx, k)
		_, to := s.epoch("")
		switch {
		case err == nil && !from.Before(end):
			s.Fatalf("alive %v after its end", from.Sub(end))
		case err == nil && !r.Now.Before(end):
			s.Fatalf("Load returned a record that was dead for %v at its Now", r.Now.Sub(end))
		case err == nil:
			// From an instant before the end to the end itself.
			s.sleep(max(end.Sub(to)-time.Microsecond, pause/1000, min(pause, end.Sub(to))))
			continue
		case !errors.Is(err, session.ErrNotFound):
			s.Fatalf("Load: %v", err)
		case to.Before(end):
			s.Fatalf("dead %v before its end", end.Sub(to))
		}
		return
	}
	s.Fatalf("never dead")
}

// awaitDead waits for the end of a session, whose time is about over.
func (s *suite) awaitDead(k session.Key) {
	s.Helper()
	for range 100 {
		if _, err := s.store.Load(s.ctx, k); errors.Is(err, session.ErrNotFound) {
			return
		}
		s.sleep(s.unit / 20)
	}
	s.Fatalf("never dead")
}

// checkIdleEnd: an unused session dies at IdleUntil; a use moves that.
func checkIdleEnd(s *suite) {
	var end time.Time
	try := func(use func(session.Record, time.Duration) error) session.Record {
		return s.hurry(func(d time.Duration) (session.Record, error) {
			r := s.create(name(), func(r *session.Record) { r.Idle = d })
			if err := use(r, d); err != nil {
				return r, err
			}
			got, err := s.store.Load(s.ctx, r.Key)
			end = got.IdleUntil
			return r, err
		})
	}
	r := try(func(session.Record, time.Duration) error { return nil })
	s.watch(r.Key, end)
	s.gone("after its idle end", r)

	r = try(func(r session.Record, d time.Duration) error {
		s.sleep(d / 2)
		return s.store.Touch(s.ctx, r.Key, d)
	})
	s.watch(r.Key, end)
	s.gone("after its idle end", r)
}

// checkAbsoluteEnd: no use moves the absolute end.
func checkAbsoluteEnd(s *suite) {
	r := s.hurry(func(d time.Duration) (session.Record, error) {
		r := s.create(name(), func(r *session.Record) { r.Expires = r.Created.Add(d) })
		if err := s.store.Touch(s.ctx, r.Key, time.Hour); err != nil {
			return r, err
		}
		_, err := s.store.Save(s.ctx, r.Key, 1, nil, time.Hour)
		return r, err
	})
	r.Version = 2
	s.watch(r.Key, r.Expires)
	s.gone("after its absolute end", r)
}

// checkDead: a dead record does not exist for any method, nor stand in one's way.
func checkDead(s *suite) {
	user := name()
	dying := func(r *session.Record) { r.Idle = s.unit }
	c := s.create(user)
	s.create(user, dying)
	a, b := s.create(user, dying), s.create(user, dying)
	s.sleep(s.unit)
	s.awaitDead(b.Key)
	s.gone("when dead", a)
	s.wantHandles("beside dead sessions", user, c.Handle)
	s.want("DeleteHandle of a dead session", s.store.DeleteHandle(s.ctx, user, a.Handle), nil)

	e, _ := s.epoch(user)
	b.Idle, b.Data = idle, []byte("new")
	s.want("Create with the key and handle of a dead record", s.store.Create(s.ctx, b, e), nil)
	s.wantSame("Load after it", s.load(b.Key), b)
	n, err := s.store.DeleteUser(s.ctx, user)
	s.want("DeleteUser", err, nil)
	if n != 2 {
		s.Errorf("DeleteUser of two live sessions and a dead one: %d deleted, want 2", n)
	}
}

// checkDeleteExpired: it frees at most what it may, and nothing that lives.
func checkDeleteExpired(s *suite) {
	user := name()
	alive := s.create(user)
	var dead []session.Record
	for range 5 {
		dead = append(dead, s.create(user, func(r *session.Record) { r.Expires = r.Created.Add(s.unit / 2) }))
	}
	s.sleep(s.unit / 2)
	s.awaitDead(dead[4].Key)
	for _, limit := range []int{0, -1, 2, 100} {
		n, err := s.store.DeleteExpired(s.ctx, limit)
		s.want("DeleteExpired", err, nil)
		if n < 0 || n > max(limit, 0) {
			s.Errorf("DeleteExpired(%d) freed %d", limit, n)
		}
	}
	s.wantSame("Load after DeleteExpired", s.load(alive.Key), alive)
	s.gone("after DeleteExpired", dead[0])
	s.wantHandles("after DeleteExpired", user, alive.Handle)
}
