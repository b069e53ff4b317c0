package sessiontest

import (
	"bytes"
	"context"
	crand "crypto/rand"
	"encoding/base32"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/pavise/pavise/session"
)

// tb is the part of testing.TB that checks use, so that the suite's own test can
// run them against broken stores and record what they say.
type tb interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any) // does not return
}

// suite is what one check works with.
type suite struct {
	tb
	config
	open  func() session.Store
	store session.Store
	rng   *rand.Rand
	ctx   context.Context
}

func newSuite(t tb, c config, open func() session.Store) *suite {
	return &suite{
		tb: t, config: c, open: open, store: open(),
		rng: rand.New(rand.NewPCG(c.seed, 0)), ctx: context.Background(),
	}
}

const (
	idle     = 30 * time.Minute
	absolute = 12 * time.Hour
)

// name returns a user id that no other check uses.
func name() string { return "user-" + crand.Text() }

// newKey returns a new key in the user's shard; an anonymous one is anywhere.
func newKey(user string) session.Key {
	var k session.Key
	_, _ = crand.Read(k.Hash[:])
	k.Shard = session.UserShard(user)
	if user == "" {
		k.Shard = uint16(k.Hash[0])<<8 | uint16(k.Hash[1])
	}
	return k
}

func newHandle() session.Handle {
	var b [16]byte
	_, _ = crand.Read(b[:])
	return session.Handle(strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(b[:])))
}

// newRecord returns a record that is ready for Create at the store's time now.
func newRecord(user string, now time.Time) session.Record {
	r := session.Record{
		Key: newKey(user), Handle: newHandle(), User: user, Version: 1, Data: []byte("data of " + user),
		Created: now, Expires: now.Add(absolute), Idle: idle,
	}
	if user != "" {
		r.AAL, r.Methods, r.AuthTime = 2, []string{"pwd", "otp"}, now
	}
	return r
}

// epoch returns the user's epoch and the store's time.
func (s *suite) epoch(user string) (uint64, time.Time) {
	s.Helper()
	e, now, err := s.store.Epoch(s.ctx, user)
	s.need("Epoch", err)
	return e, now
}

// create stores a new record of the user and returns it.
func (s *suite) create(user string, change ...func(*session.Record)) session.Record {
	s.Helper()
	e, now := s.epoch(user)
	r := newRecord(user, now)
	for _, f := range change {
		f(&r)
	}
	s.need("Create", s.store.Create(s.ctx, r, e))
	return r
}

// load returns a record that must be live.
func (s *suite) load(k session.Key) session.Record {
	s.Helper()
	r, err := s.store.Load(s.ctx, k)
	s.need("Load", err)
	return r
}

func (s *suite) need(call string, err error) {
	s.Helper()
	if err != nil {
		s.Fatalf("%s: %v", call, err)
	}
}

// want compares an error of the contract.
func (s *suite) want(call string, got, want error) {
	s.Helper()
	if !errors.Is(got, want) || want == nil && got != nil {
		s.Errorf("%s: got error %v, want %v", call, got, want)
	}
}

// hurry makes a session that ends d later and does with it what has to be done
// before that: again with a longer d, if the store was too slow.
func (s *suite) hurry(f func(d time.Duration) (session.Record, error)) session.Record {
	s.Helper()
	for d := s.unit; ; d *= 2 {
		r, err := f(d)
		if err == nil {
			return r
		}
		if !errors.Is(err, session.ErrNotFound) || d > 16*s.unit {
			s.Fatalf("%v before its end, of a session of %v", err, d)
		}
	}
}

// gone checks that no method finds the record.
func (s *suite) gone(why string, r session.Record) {
	s.Helper()
	_, err := s.store.Load(s.ctx, r.Key)
	s.want("Load "+why, err, session.ErrNotFound)
	s.want("Touch "+why, s.store.Touch(s.ctx, r.Key, idle), session.ErrNotFound)
	_, err = s.store.Save(s.ctx, r.Key, r.Version, []byte("late"), idle)
	s.want("Save "+why, err, session.ErrNotFound)
	e, now := s.epoch(r.User)
	next := newRecord(r.User, now)
	next.Handle = r.Handle
	s.want("Rotate "+why, s.store.Rotate(s.ctx, r.Key, r.Version, next, e), session.ErrNotFound)
	for _, k := range []session.Key{r.Key, next.Key} {
		if _, err := s.store.Load(s.ctx, k); !errors.Is(err, session.ErrNotFound) {
			s.Errorf("a session came back %s: Load got error %v, want %v", why, err, session.ErrNotFound)
		}
	}
	if slices.Contains(s.handles(r.User), r.Handle) {
		s.Errorf("User still lists a session %s", why)
	}
}

// handles lists the user's sessions, sorted.
func (s *suite) handles(user string) []session.Handle {
	s.Helper()
	rs, err := s.store.User(s.ctx, user)
	s.need("User", err)
	var hs []session.Handle
	for _, r := range rs {
		hs = append(hs, r.Handle)
	}
	slices.Sort(hs)
	return hs
}

// wantHandles checks what User lists.
func (s *suite) wantHandles(why, user string, want ...session.Handle) {
	s.Helper()
	slices.Sort(want)
	if got := s.handles(user); !slices.Equal(got, want) {
		s.Errorf("User %s: lists %d sessions %v, want %d %v", why, len(got), got, len(want), want)
	}
}

// sameRecord compares all but the times that the store sets. User may leave Data out.
func sameRecord(a, b session.Record, data bool) bool {
	return a.Key == b.Key && a.Handle == b.Handle && a.User == b.User && a.Version == b.Version && a.AAL == b.AAL &&
		a.Persist == b.Persist && slices.Equal(a.Methods, b.Methods) && (!data || bytes.Equal(a.Data, b.Data)) &&
		a.Created.Equal(b.Created) && a.AuthTime.Equal(b.AuthTime) && a.Expires.Equal(b.Expires)
}

// view prints what sameRecord compares.
func view(r session.Record) string {
	return fmt.Sprintf("%s %s user=%q v=%d aal=%d methods=%q persist=%t created=%d auth=%d expires=%d data=%.100x",
		short(r.Key), r.Handle, r.User, r.Version, r.AAL, r.Methods, r.Persist,
		r.Created.UnixMicro(), r.AuthTime.UnixMicro(), r.Expires.UnixMicro(), r.Data)
}

func views(rs []session.Record) string {
	var b strings.Builder
	for _, r := range rs {
		b.WriteString(view(r) + "\n")
	}
	return b.String()
}

func sortByHandle(rs []session.Record) []session.Record {
	slices.SortFunc(rs, func(a, b session.Record) int { return strings.Compare(string(a.Handle), string(b.Handle)) })
	return rs
}
