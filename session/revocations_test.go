package session_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/pavise/pavise/session"
)

// failingStore fails in the methods of its name.
type failingStore struct {
	session.Store
	fails string
}

func (s *failingStore) Load(ctx context.Context, k session.Key) (session.Record, error) {
	if s.fails == "Load" {
		return session.Record{}, errDisk
	}
	return s.Store.Load(ctx, k)
}

func (s *failingStore) Epoch(ctx context.Context, user string) (uint64, time.Time, error) {
	if s.fails == "Epoch" {
		return 0, time.Time{}, errDisk
	}
	return s.Store.Epoch(ctx, user)
}

func (s *failingStore) Create(ctx context.Context, r session.Record, epoch uint64) error {
	if s.fails == "Create" {
		return errDisk
	}
	return s.Store.Create(ctx, r, epoch)
}

// Whatever call of the store fails, nobody is told that a session was not revoked, or that
// it was revoked now.
func TestRevocationsOfAFailingStore(t *testing.T) {
	store := &failingStore{Store: session.NewMemoryStore(0)}
	r, err := session.NewRevocations(store)
	if err != nil {
		t.Fatal(err)
	}
	epoch, err := r.Epoch(t.Context(), "ann")
	if err != nil {
		t.Fatal(err)
	}
	for _, store.fails = range []string{"Load", "Epoch"} {
		if revoked, err := r.Revoked(t.Context(), "handle", "ann", epoch); revoked || !errors.Is(err, errDisk) {
			t.Errorf("%s fails: Revoked says %v, %v", store.fails, revoked, err)
		}
	}
	for _, store.fails = range []string{"Epoch", "Create"} {
		if first, err := r.Revoke(t.Context(), "handle", time.Hour); first || !errors.Is(err, errDisk) {
			t.Errorf("%s fails: Revoke says %v, %v", store.fails, first, err)
		}
	}
	store.fails = ""
	if revoked, err := r.Revoked(t.Context(), "handle", "ann", epoch); revoked || err != nil {
		t.Errorf("afterwards: %v, %v", revoked, err)
	}
}

// panickyStore panics in Epoch.
type panickyStore struct{ session.Store }

func (panickyStore) Epoch(context.Context, string) (uint64, time.Time, error) { panic("epoch") }

// A panic of the store stays in the goroutine of the request, where net/http recovers it.
func TestRevocationsOfAPanickingStore(t *testing.T) {
	r, err := session.NewRevocations(panickyStore{session.NewMemoryStore(0)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if recover() != "epoch" {
			t.Error("the panic did not arrive")
		}
	}()
	_, _ = r.Revoked(t.Context(), "handle", "ann", 1)
}
