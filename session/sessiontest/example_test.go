package sessiontest_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/pavise/pavise/session"
	"github.com/pavise/pavise/session/sessiontest"
)

// In a test file of your own store.
func ExampleStore() {
	_ = func(t *testing.T) {
		sessiontest.Store(t, func(t *testing.T) session.Store {
			return session.NewMemoryStore(0) // your store here
		})
	}
}

// upserting is a store that inserts what it should only update.
type upserting struct{ session.Store }

func (u upserting) Save(ctx context.Context, k session.Key, version uint64, data []byte, idle time.Duration) (uint64, error) {
	got, err := u.Store.Save(ctx, k, version, data, idle)
	if err != session.ErrNotFound {
		return got, err
	}
	_, now, _ := u.Epoch(ctx, "")
	return version, u.Create(ctx, session.Record{
		Key: k, Handle: "aaaaaaaaaaaaaaaaaaaaaaaaaa", Version: 1, Data: data, Created: now, Expires: now.Add(time.Hour), Idle: idle,
	}, 1)
}

// What the suite is there to find: a slow request that saves after the logout.
func Example() {
	ctx := context.Background()
	for _, store := range []session.Store{session.NewMemoryStore(0), upserting{session.NewMemoryStore(0)}} {
		_, now, _ := store.Epoch(ctx, "")
		r := session.Record{Key: session.Key{Shard: 1}, Handle: "bbbbbbbbbbbbbbbbbbbbbbbbbb", Version: 1, Created: now, Expires: now.Add(time.Hour), Idle: time.Minute}
		_ = store.Create(ctx, r, 1)
		_ = store.Delete(ctx, r.Key)
		_, _ = store.Save(ctx, r.Key, 1, []byte("slow"), time.Minute)
		_, err := store.Load(ctx, r.Key)
		fmt.Printf("%T: after logout and a slow save, Load says: %v\n", store, err)
	}
	// Output:
	// *session.MemoryStore: after logout and a slow save, Load says: session: not found
	// sessiontest_test.upserting: after logout and a slow save, Load says: <nil>
}
