package session_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pavise/pavise/session"
)

// create puts a session of the user into the store and returns its key.
func create(t *testing.T, m *session.MemoryStore, user, name string) (session.Key, error) {
	t.Helper()
	epoch, now, err := m.Epoch(t.Context(), user)
	if err != nil {
		t.Fatal(err)
	}
	k := session.Key{Shard: session.UserShard(user)}
	copy(k.Hash[:], user+"/"+name)
	return k, m.Create(t.Context(), session.Record{
		Key: k, Handle: session.Handle(name), User: user, Version: 1,
		Created: now, Expires: now.Add(time.Hour), Idle: time.Minute,
	}, epoch)
}

func TestMemoryStoreFreesTheDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := session.NewMemoryStore(3)
		for i := range 3 {
			if _, err := create(t, m, "ann", fmt.Sprint(i)); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := create(t, m, "bob", "x"); !errors.Is(err, session.ErrFull) {
			t.Errorf("a fourth: %v", err)
		}
		time.Sleep(time.Minute)
		if n, err := m.DeleteExpired(t.Context(), 2); n != 2 || err != nil {
			t.Errorf("freed %d, %v", n, err)
		}
		if n, _ := m.DeleteExpired(t.Context(), 0); n != 0 {
			t.Errorf("limit 0 freed %d", n)
		}
		for i, want := range []error{nil, nil, session.ErrFull} {
			if _, err := create(t, m, "bob", fmt.Sprint(i)); !errors.Is(err, want) {
				t.Errorf("bob's %d: %v, want %v", i, err, want)
			}
		}
	})
}

// A handle that died may be used again, and cleaning up the dead one must not
// take the new one's place in the index.
func TestMemoryStoreIndexSurvivesCleanup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := session.NewMemoryStore(0)
		create(t, m, "ann", "h")
		time.Sleep(time.Minute)
		epoch, now, _ := m.Epoch(t.Context(), "ann")
		k := session.Key{Shard: session.UserShard("ann"), Hash: [32]byte{1}}
		if err := m.Create(t.Context(), session.Record{
			Key: k, Handle: "h", User: "ann", Version: 1, Created: now, Expires: now.Add(time.Hour), Idle: time.Minute,
		}, epoch); err != nil {
			t.Fatal(err)
		}
		m.DeleteExpired(t.Context(), 10)
		m.DeleteHandle(t.Context(), "ann", "h")
		if _, err := m.Load(t.Context(), k); !errors.Is(err, session.ErrNotFound) {
			t.Errorf("not revoked: %v", err)
		}
	})
}

// Forgetting who was revoked must refuse logins, never let one pass.
func TestMemoryStoreEpochsOnlyGrow(t *testing.T) {
	m := session.NewMemoryStore(0)
	ctx := t.Context()
	var users []string
	for i := 0; len(users) < 1100; i++ { // more than one shard remembers
		if u := fmt.Sprint("user-", i); session.UserShard(u)%64 == 0 {
			users = append(users, u)
		}
	}
	last := map[string]uint64{}
	for i := range 2 * len(users) {
		u := users[i%len(users)]
		m.DeleteUser(ctx, u)
		epoch, _, err := m.Epoch(ctx, u)
		if err != nil || epoch < 2 || epoch <= last[u] {
			t.Fatalf("step %d: epoch %d after %d, %v", i, epoch, last[u], err)
		}
		last[u] = epoch
	}
	for _, u := range users {
		if epoch, _, _ := m.Epoch(ctx, u); epoch < last[u] {
			t.Errorf("epoch of %s went from %d to %d", u, last[u], epoch)
		}
	}
}

// Rotations in both directions between two shards, with revocations: no deadlock,
// and at the end nothing is left.
func TestMemoryStoreCrossRotation(t *testing.T) {
	m := session.NewMemoryStore(0)
	ctx := context.Background()
	var wg sync.WaitGroup
	for _, pair := range [][2]string{{"ann", "bob"}, {"bob", "ann"}} {
		wg.Go(func() {
			for i := range 500 {
				name := fmt.Sprint(pair[0], i)
				epoch, now, _ := m.Epoch(ctx, pair[0])
				r := session.Record{
					Key:    session.Key{Shard: session.UserShard(pair[0])},
					Handle: session.Handle(name), User: pair[0], Version: 1, Created: now, Expires: now.Add(time.Hour), Idle: time.Minute,
				}
				copy(r.Key.Hash[:], name)
				m.Create(ctx, r, epoch)
				old := r.Key
				r.User, r.Key.Shard = pair[1], session.UserShard(pair[1])
				epoch, _, _ = m.Epoch(ctx, pair[1])
				m.Rotate(ctx, old, 1, r, epoch)
				m.DeleteUser(ctx, pair[i%2])
			}
		})
	}
	wg.Wait()
	for _, u := range []string{"ann", "bob"} {
		m.DeleteUser(ctx, u)
		if rs, _ := m.User(ctx, u); len(rs) != 0 {
			t.Errorf("%s has %d sessions", u, len(rs))
		}
	}
}
