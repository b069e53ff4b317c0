package sessiontest_test

import (
	"context"
	"fmt"
	"net/http"
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

// newService is your service, with a user in it.
func newService(*testing.T) http.Handler { return http.NotFoundHandler() }

// In a test file of your service. More fields of App check more; what is missing is
// skipped by name.
func ExampleASVS() {
	_ = func(t *testing.T) {
		sessiontest.ASVS(t, func(t *testing.T) sessiontest.App {
			return sessiontest.App{
				Handler: newService(t),
				Login:   sessiontest.Form("/login", "name", "ann", "password", "correct horse"),
				Logout:  sessiontest.Form("/logout"),
				Page:    "/account",
				Text:    "Logged in as ann",
				Change:  sessiontest.Form("/account/motto", "motto", "carpe diem"),
				Changed: "carpe diem",
				Idle:    30 * time.Minute, Absolute: 12 * time.Hour,
				ChangePassword: sessiontest.Sensitive{
					Do:   sessiontest.Form("/password", "old", "correct horse", "new", "battery staple"),
					Bare: sessiontest.Form("/password", "old", "a guess", "new", "battery staple"),
				},
			}
		}, sessiontest.Bubble()) // twelve hours pass in no time
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
