package session_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pavise/pavise/session"
)

// visit has messages beside other data.
type visit struct {
	N     int           `json:"n"`
	Flash session.Flash `json:"flash,omitempty"`
}

func flashOf(v *visit) *session.Flash { return &v.Flash }

func newVisits(t *testing.T, store session.Store) (*session.Manager[visit], func(func(context.Context) error) error) {
	t.Helper()
	m, err := session.New[visit](store)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	cookie := ""
	return m, func(f func(context.Context) error) (err error) {
		r := httptest.NewRequest("POST", "https://example.com/", nil)
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		mu.Lock()
		r.Header.Set("Cookie", cookie)
		mu.Unlock()
		w := httptest.NewRecorder()
		m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { err = f(r.Context()) })).ServeHTTP(w, r)
		for _, c := range w.Result().Cookies() {
			mu.Lock()
			cookie = c.Name + "=" + c.Value
			mu.Unlock()
		}
		return err
	}
}

// savingStore counts what is saved.
type savingStore struct {
	session.Store
	n atomic.Int32
}

func (s *savingStore) Save(ctx context.Context, k session.Key, version uint64, data []byte, idle time.Duration) (uint64, error) {
	s.n.Add(1)
	return s.Store.Save(ctx, k, version, data, idle)
}

func TestFlash(t *testing.T) {
	m, request := newVisits(t, session.NewMemoryStore(0))
	add := func(kind, text string) {
		t.Helper()
		if err := request(func(ctx context.Context) error {
			return m.Update(ctx, func(v *visit) error { v.N++; v.Flash.Add(kind, text); return nil })
		}); err != nil {
			t.Fatal(err)
		}
	}
	take := func() (got []session.Message) {
		t.Helper()
		if err := request(func(ctx context.Context) (err error) { got, err = m.TakeFlash(ctx, flashOf); return err }); err != nil {
			t.Fatal(err)
		}
		return got
	}
	if got := take(); len(got) != 0 {
		t.Errorf("without a session: %v", got)
	}
	add("", "saved")
	add("error", "not sent")
	if got := fmt.Sprint(take()); got != "[{ saved} {error not sent}]" {
		t.Errorf("got %s", got)
	}
	if got := take(); len(got) != 0 {
		t.Errorf("shown twice: %v", got)
	}
	for i := range 20 {
		add("", fmt.Sprint(i))
	}
	if got := take(); len(got) != 16 || got[0].Text != "4" || got[15].Text != "19" {
		t.Errorf("of 20: %v", got)
	}
	if err := request(func(ctx context.Context) error {
		s, err := m.Get(ctx)
		if s.Data.N != 22 {
			t.Errorf("the other data is %d", s.Data.N)
		}
		return err
	}); err != nil {
		t.Error(err)
	}
}

// Of many pages that load at once exactly one shows a message.
func TestFlashIsShownOnce(t *testing.T) {
	m, request := newVisits(t, session.NewMemoryStore(0))
	var shown atomic.Int32
	for range 20 {
		if err := request(func(ctx context.Context) error {
			return m.Update(ctx, func(v *visit) error { v.Flash.Add("", "saved"); return nil })
		}); err != nil {
			t.Fatal(err)
		}
		var pages sync.WaitGroup
		for range 8 {
			pages.Go(func() {
				if err := request(func(ctx context.Context) error {
					got, err := m.TakeFlash(ctx, flashOf)
					shown.Add(int32(len(got)))
					return err
				}); err != nil {
					t.Error(err)
				}
			})
		}
		pages.Wait()
	}
	if n := shown.Load(); n != 20 {
		t.Errorf("20 messages were shown %d times", n)
	}
}

// A page without messages writes nothing.
func TestFlashCostsNoWrite(t *testing.T) {
	store := &savingStore{Store: session.NewMemoryStore(0)}
	m, request := newVisits(t, store)
	count := func() error { return request(func(ctx context.Context) error { return m.Update(ctx, nil) }) }
	if err := count(); err != nil { // makes the session
		t.Fatal(err)
	}
	before := store.n.Load()
	if err := request(func(ctx context.Context) error { _, err := m.TakeFlash(ctx, flashOf); return err }); err != nil {
		t.Fatal(err)
	}
	if n := store.n.Load() - before; n != 0 {
		t.Errorf("%d writes", n)
	}
	if err := count(); err != nil || store.n.Load() == before {
		t.Errorf("the count counts nothing: %v", err)
	}
}
