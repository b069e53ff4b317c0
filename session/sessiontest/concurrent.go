package sessiontest

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/pavise/pavise/session"
)

const (
	writers = 16
	rounds  = 50  // of each race
	tries   = 100 // of one goroutine in a race; it ends before when it has lost
)

// atOnce runs f for every i below n in parallel, released together.
func atOnce(n int, f func(i int)) {
	var ready, done sync.WaitGroup
	begin := make(chan struct{})
	ready.Add(n)
	for i := range n {
		done.Go(func() {
			ready.Done()
			<-begin
			f(i)
		})
	}
	ready.Wait()
	close(begin)
	done.Wait()
}

// checkHistories records requests that run truly in parallel, and looks for an order
// of their calls that explains every answer.
func checkHistories(s *suite) {
	for n := range s.histories {
		if n%batch == batch-1 {
			s.store = s.open()
		}
		w := newWorld(s)
		before := w.model.clone()
		requests := make([]*request, 3)
		for i := range requests {
			requests[i] = w.start(kinds[s.rng.IntN(len(kinds))])
		}
		if history := record(s.ctx, s.store, w, requests); !linearizable(before, history) {
			s.Fatalf("no order explains this history:\n%s", lines(history))
		}
		w.cleanup(s)
	}
}

// record runs the requests in parallel, then reads the whole world.
func record(ctx context.Context, store session.Store, w *world, requests []*request) []event {
	var clock atomic.Int64
	do := func(client int, c call) event {
		e := event{client: client, call: c, start: clock.Add(1)}
		e.answer = c.make(ctx, store)
		e.end = clock.Add(1)
		return e
	}
	parts := make([][]event, len(requests))
	atOnce(len(requests), func(i int) {
		for c, ok := requests[i].next(); ok; c, ok = requests[i].next() {
			e := do(i, c)
			parts[i] = append(parts[i], e)
			requests[i].answered(c, e.answer)
			runtime.Gosched()
		}
	})
	var history []event
	for _, p := range parts {
		history = append(history, p...)
	}
	for _, c := range w.look() {
		history = append(history, do(len(requests), c))
	}
	return history
}

// checkUpdates counts in one session by load and compare-and-set, from 16
// goroutines: every update that was acknowledged must be in the end.
func checkUpdates(s *suite) {
	r := s.create(name())
	var left, saved atomic.Int64
	left.Store(int64(s.updates))
	var failed sync.Map
	atOnce(writers, func(int) {
		for left.Add(-1) >= 0 {
			if err := increment(s, r.Key); err != nil {
				failed.Store(err.Error(), true)
				return
			}
			saved.Add(1)
		}
	})
	failed.Range(func(err, _ any) bool { s.Errorf("update: %v", err); return true })
	got := s.load(r.Key)
	if n := saved.Load(); got.Version != r.Version+uint64(n) || decode(got.Data) != uint64(n) {
		s.Errorf("after %d acknowledged updates: counter %d, version %d, want %d and %d", n, decode(got.Data), got.Version, n, r.Version+uint64(n))
	}
}

// increment adds 1 to the number in the session, again after each conflict.
func increment(s *suite, k session.Key) error {
	for range 100 * s.updates {
		r, err := s.store.Load(s.ctx, k)
		if err != nil {
			return err
		}
		runtime.Gosched()
		_, err = s.store.Save(s.ctx, k, r.Version, encode(decode(r.Data)+1), idle)
		if !errors.Is(err, session.ErrConflict) {
			return err
		}
	}
	return errors.New("sessiontest: nothing but conflicts")
}

// checkLogoutRace deletes a session under writers: none of them brings it back.
func checkLogoutRace(s *suite) {
	for range rounds {
		r := s.create(name())
		atOnce(4, func(i int) {
			if i == 0 {
				runtime.Gosched()
				s.want("Delete", s.store.Delete(s.ctx, r.Key), nil)
				return
			}
			for range tries {
				version, err := s.store.Save(s.ctx, r.Key, r.Version, []byte("slow"), idle)
				if err == nil {
					_, err = s.store.Save(s.ctx, r.Key, version, []byte("slower"), idle)
				}
				touched := s.store.Touch(s.ctx, r.Key, idle)
				if !s.tolerated(err) || !s.tolerated(touched) || touched != nil {
					return
				}
				runtime.Gosched()
			}
		})
		s.gone("after Delete under writers", r)
	}
}

// tolerated reports an error that no race explains.
func (s *suite) tolerated(err error) bool {
	s.Helper()
	for _, e := range []error{nil, session.ErrConflict, session.ErrNotFound, session.ErrStaleEpoch} {
		if errors.Is(err, e) {
			return true
		}
	}
	s.Errorf("in a race: %v", err)
	return false
}

// checkRevokeRace revokes a handle while its session rotates again and again.
func checkRevokeRace(s *suite) {
	for round := range rounds {
		user := name()
		r := s.create(user)
		e, now := s.epoch(user)
		last := r
		atOnce(2, func(i int) {
			if i == 0 {
				for range round % 4 { // it meets another moment of the rotation each time
					runtime.Gosched()
				}
				s.want("DeleteHandle", s.store.DeleteHandle(s.ctx, user, r.Handle), nil)
				return
			}
			for range tries {
				next := newRecord(user, now)
				next.Handle = r.Handle
				if err := s.store.Rotate(s.ctx, last.Key, last.Version, next, e); err != nil {
					s.tolerated(err)
					return
				}
				last = next
				runtime.Gosched() // the other one gets its turn on one CPU too
			}
		})
		s.gone("after DeleteHandle under rotation", last)
		s.wantHandles("after DeleteHandle under rotation", user)
	}
}

// checkLoginRace revokes a user while logins that were verified before complete:
// each is refused, or its session is gone.
func checkLoginRace(s *suite) {
	for round := range rounds {
		user := name()
		e, now := s.epoch(user)
		visitor, own := s.create(""), s.create(user)
		logins := []session.Record{newRecord(user, now), newRecord(user, now), newRecord(user, now)}
		logins[2].Handle = own.Handle
		atOnce(4, func(i int) {
			switch (i + round) % 4 { // each of them is sometimes the first to go
			case 0:
				s.tolerated(s.store.Create(s.ctx, logins[0], e))
			case 1:
				s.tolerated(s.store.Rotate(s.ctx, visitor.Key, visitor.Version, logins[1], e))
			case 2:
				s.tolerated(s.store.Rotate(s.ctx, own.Key, own.Version, logins[2], e))
			case 3:
				_, err := s.store.DeleteUser(s.ctx, user)
				s.want("DeleteUser", err, nil)
			}
		})
		for _, r := range append(logins, own) {
			if _, err := s.store.Load(s.ctx, r.Key); !errors.Is(err, session.ErrNotFound) {
				s.Errorf("a login overtook DeleteUser: Load got error %v, want %v", err, session.ErrNotFound)
			}
		}
		s.wantHandles("after DeleteUser under logins", user)
	}
}
