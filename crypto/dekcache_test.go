package crypto

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pavise/pavise/crypto/internal/fipstest"
)

var errOutage = errors.New("outage")

// timedKEK is a KEK that takes its time and has outages of both kinds.
type timedKEK struct {
	*testKEK
	latency    time.Duration
	down, hang atomic.Bool
}

func newTimedKEK(t testing.TB, latency time.Duration) *timedKEK {
	return &timedKEK{testKEK: newTestKEK(t, "timed"), latency: latency}
}

func (k *timedKEK) pass(ctx context.Context) error {
	k.calls.Add(1)
	wait := time.After(k.latency)
	if k.hang.Load() {
		wait = nil
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-wait:
	}
	if k.down.Load() {
		return errOutage
	}
	return nil
}

func (k *timedKEK) Wrap(ctx context.Context, dek []byte, label string) ([]byte, error) {
	if err := k.pass(ctx); err != nil {
		return nil, err
	}
	return k.KEK.Wrap(ctx, dek, label)
}

func (k *timedKEK) Unwrap(ctx context.Context, wrapped []byte, label string) ([]byte, error) {
	if err := k.pass(ctx); err != nil {
		return nil, err
	}
	return k.KEK.Unwrap(ctx, wrapped, label)
}

func headOf(t testing.TB, sealed []byte) string {
	t.Helper()
	return string(sealed[:len(sealed)-len(payloadOf(t, sealed))])
}

func wiped(k *dataKey) bool { return bytes.Equal(k.dek, make([]byte, dekSize)) }

func sealingKey(e *Envelope) *dataKey {
	c := e.caches.sealing
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.key
}

func cachedKeys(e *Envelope) []*dataKey {
	c := e.caches.opening
	c.mu.Lock()
	defer c.mu.Unlock()
	return []*dataKey{sealingKey(e), c.recent.Front().Value.(*openEntry).key}
}

func TestConcurrentOpensMakeOneCallPerKey(t *testing.T) {
	fipstest.Bubble(t, func(t *testing.T) {
		kek, b := newTimedKEK(t, time.Second), Bind("test", "1")
		writer := newEnvelope(t, []KEK{kek}, WithoutDEKCache())
		var sealed [100][]byte
		for i := range sealed {
			sealed[i] = sealEnvelope(t, writer, fmt.Append(nil, i), b)
		}
		for entries, opts := range map[int]DEKCache{100: {}, 1: {MaxEntries: 1}} {
			reader := newEnvelope(t, []KEK{kek}, WithDEKCache(opts))
			kek.calls.Store(0)
			var wg sync.WaitGroup
			for i := range 10_000 {
				wg.Go(func() {
					got, err := reader.Open(t.Context(), nil, sealed[i%100], b)
					if err != nil || string(got) != fmt.Sprint(i%100) {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			if n := kek.calls.Load(); n != 100 {
				t.Errorf("%d calls for 100 envelopes", n)
			}
			if n := reader.caches.opening.recent.Len(); n != entries {
				t.Errorf("%d entries, want %d", n, entries)
			}
			reader.Close()
		}
	})
}

func TestConcurrentFirstSealsMakeOneCall(t *testing.T) {
	fipstest.Bubble(t, func(t *testing.T) {
		kek, b := newTimedKEK(t, time.Second), Bind("test", "1")
		e := newEnvelope(t, []KEK{kek})
		var wg sync.WaitGroup
		for range 1000 {
			wg.Go(func() { sealEnvelope(t, e, nil, b) })
		}
		wg.Wait()
		if n := kek.calls.Load(); n != 1 {
			t.Errorf("%d calls", n)
		}
	})
}

// An outage that begins at any moment of the life of a DEK costs no call before
// the DEK is MaxAge old, gives a KEKError after that, and leaves nothing behind.
func TestOutageAtAnyMoment(t *testing.T) {
	for _, hang := range []bool{false, true} {
		for begin := time.Duration(0); begin <= 6*time.Minute; begin += 10 * time.Second {
			fipstest.Bubble(t, func(t *testing.T) { outage(t, begin, hang) })
		}
	}
}

func outage(t *testing.T, begin time.Duration, hang bool) {
	kek, b := newTimedKEK(t, 100*time.Millisecond), Bind("test", "1")
	e := newEnvelope(t, []KEK{kek})
	defer e.Close()
	head, born := "", time.Time{}
	seal := func() error {
		start := time.Now()
		sealed, err := e.Seal(t.Context(), nil, nil, b)
		if took := time.Since(start); took != 0 && head != "" && start.Sub(born) < defaultMaxAge {
			t.Errorf("outage at %v: a call waited %v for a refresh", begin, took)
		}
		if err == nil && headOf(t, sealed) != head {
			head, born = headOf(t, sealed), time.Now()
		}
		return err
	}
	for start := time.Now(); time.Since(start) < begin || head == ""; time.Sleep(time.Second) {
		if err := seal(); err != nil {
			t.Fatal(err)
		}
	}
	kek.down.Store(!hang)
	kek.hang.Store(hang)
	calls := kek.calls.Load()
	var err error
	for err == nil {
		if err = seal(); err == nil {
			time.Sleep(time.Second)
		}
	}
	age := time.Since(born) // one second after the refresh that the last Seal may have seen
	if age < defaultMaxAge-2*time.Second || age > defaultMaxAge+defaultTimeout+2*time.Second {
		t.Errorf("outage at %v (hang %v): failed at age %v", begin, hang, age)
	}
	want := errOutage
	if hang {
		want = context.DeadlineExceeded
	}
	if kekErr, ok := errors.AsType[*KEKError](err); !ok || kekErr.Op != "wrap" || !errors.Is(err, want) {
		t.Errorf("outage at %v: %v", begin, err)
	}
	if n := kek.calls.Load() - calls; n > refreshTries+3 {
		t.Errorf("outage at %v: %d calls", begin, n)
	}
	kek.down.Store(false)
	kek.hang.Store(false)
	if err := seal(); err != nil {
		t.Errorf("after the outage: %v", err)
	}
}

func TestRefreshAtHalfLife(t *testing.T) {
	fipstest.Bubble(t, func(t *testing.T) {
		kek, b := newTimedKEK(t, time.Second), Bind("test", "1")
		e := newEnvelope(t, []KEK{kek})
		first := headOf(t, sealEnvelope(t, e, nil, b))
		old := sealingKey(e)
		time.Sleep(defaultMaxAge/2 - 1)
		sealEnvelope(t, e, nil, b)
		synctest.Wait()
		if n := kek.calls.Load(); n != 1 {
			t.Fatalf("%d calls before half of the life", n)
		}
		time.Sleep(time.Nanosecond)
		for range 10 { // these still use the old one and wait for nothing
			if headOf(t, sealEnvelope(t, e, nil, b)) != first {
				t.Fatal("a new key before its KEK has answered")
			}
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if headOf(t, sealEnvelope(t, e, nil, b)) == first || kek.calls.Load() != 2 {
			t.Errorf("not refreshed; %d calls", kek.calls.Load())
		}
		if !wiped(old) {
			t.Error("the old key is not wiped")
		}
	})
}

func TestCancelledLeaderFailsNobodyElse(t *testing.T) {
	fipstest.Bubble(t, func(t *testing.T) {
		kek, b := newTimedKEK(t, time.Second), Bind("test", "1")
		sealed := sealEnvelope(t, newEnvelope(t, []KEK{kek}), []byte("plaintext"), b)
		e := newEnvelope(t, []KEK{kek})
		for name, call := range map[string]func(context.Context) error{
			"seal": func(ctx context.Context) error { _, err := e.Seal(ctx, nil, nil, b); return err },
			"open": func(ctx context.Context) error { _, err := e.Open(ctx, nil, sealed, b); return err },
		} {
			kek.calls.Store(0)
			leader, cancel := context.WithCancel(t.Context())
			var wg sync.WaitGroup
			wg.Go(func() {
				if err := call(leader); !errors.Is(err, context.Canceled) {
					t.Errorf("%s: leader: %v", name, err)
				}
			})
			synctest.Wait()
			for range 10 {
				wg.Go(func() {
					if err := call(t.Context()); err != nil {
						t.Errorf("%s: follower: %v", name, err)
					}
				})
			}
			synctest.Wait()
			start := time.Now()
			cancel()
			synctest.Wait()
			if time.Since(start) != 0 {
				t.Errorf("%s: the leader waited", name)
			}
			wg.Wait()
			if n := kek.calls.Load(); n != 1 {
				t.Errorf("%s: %d calls", name, n)
			}
		}
		key := e.caches.opening.recent.Front().Value.(*openEntry).key
		if n := key.refs.Load(); n != 1 {
			t.Errorf("%d references are left, want that of the cache", n)
		}
	})
}

// Each key serves one message and is dropped while others still use it.
func TestEvictionOnEveryCall(t *testing.T) {
	kek := newTestKEK(t, "kek")
	for _, opts := range [][]EnvelopeOption{nil, {WithXAES()}} {
		e := newEnvelope(t, []KEK{kek}, append(opts, WithDEKCache(DEKCache{MaxMessages: 1, MaxEntries: 1}))...)
		fresh := newEnvelope(t, []KEK{kek}, WithoutDEKCache())
		var heads sync.Map
		var wg sync.WaitGroup
		for g := range 8 {
			wg.Go(func() {
				for i := range 50 {
					b, plaintext := Bind("test", fmt.Sprint(g, i)), bytes.Repeat([]byte{byte(g)}, 300*i)
					sealed := sealEnvelope(t, e, plaintext, b)
					if _, twice := heads.LoadOrStore(headOf(t, sealed), true); twice {
						t.Error("one key for two messages")
					}
					for _, reader := range []*Envelope{e, fresh} {
						if got, err := reader.Open(t.Context(), nil, sealed, b); err != nil || !bytes.Equal(got, plaintext) {
							t.Error(err)
						}
					}
				}
			})
		}
		wg.Wait()
		e.Close()
	}
}

func TestMessagesOfOneKey(t *testing.T) {
	kek := newTestKEK(t, "kek")
	e := newEnvelope(t, []KEK{kek})
	one, two := Bind("test", "1"), Bind("test", "2")
	a, b := sealEnvelope(t, e, []byte("plaintext"), one), sealEnvelope(t, e, []byte("plaintext"), two)
	if headOf(t, a) != headOf(t, b) || kek.calls.Load() != 1 {
		t.Fatalf("two keys, or %d calls", kek.calls.Load())
	}
	swapped := append([]byte(headOf(t, a)), payloadOf(t, b)...)
	if _, err := e.Open(t.Context(), nil, swapped, one); err != ErrOpen {
		t.Errorf("payload of another: %v", err)
	}
	if _, err := e.Open(t.Context(), nil, swapped, two); err != nil {
		t.Errorf("control: %v", err)
	}
	// The key is cached now, and an altered header is still seen.
	for i := range len(headOf(t, a)) {
		a[i] ^= 1
		if _, err := e.Open(t.Context(), nil, a, one); err == nil {
			t.Errorf("flipped at %d: opened", i)
		}
		a[i] ^= 1
	}
	if _, err := e.Open(t.Context(), nil, a, one); err != nil {
		t.Errorf("control: %v", err)
	}
}

func TestSealLimitsAtTheEdges(t *testing.T) {
	b := Bind("test", "1")
	keys := func(limits DEKCache, sizes ...int) (n int) {
		fipstest.Bubble(t, func(t *testing.T) {
			heads := map[string]bool{}
			e := newEnvelope(t, []KEK{newTimedKEK(t, time.Hour)}, WithDEKCache(limits)) // no refresh comes in time
			defer e.Close()
			for _, size := range sizes {
				heads[headOf(t, sealEnvelope(t, e, make([]byte, size), b))] = true
			}
			n = len(heads)
		})
		return n
	}
	const hours = 12 * time.Hour
	for name, c := range map[string]struct {
		limits DEKCache
		sizes  []int
		want   int
	}{
		"messages at the limit":     {DEKCache{MaxAge: hours, Timeout: hours, MaxMessages: 3}, []int{1, 1, 1}, 1},
		"messages over it":          {DEKCache{MaxAge: hours, Timeout: hours, MaxMessages: 3}, []int{1, 1, 1, 1}, 2},
		"bytes at the limit":        {DEKCache{MaxAge: hours, Timeout: hours, MaxBytes: 100}, []int{50, 50, 0}, 1},
		"bytes over it":             {DEKCache{MaxAge: hours, Timeout: hours, MaxBytes: 100}, []int{50, 51}, 2},
		"one message of all":        {DEKCache{MaxAge: hours, Timeout: hours, MaxBytes: 100}, []int{100}, 1},
		"one message over MaxBytes": {DEKCache{MaxAge: hours, Timeout: hours, MaxBytes: 100}, []int{1, 101, 1}, 2},
	} {
		if got := keys(c.limits, c.sizes...); got != c.want {
			t.Errorf("%s: %d keys, want %d", name, got, c.want)
		}
	}
}

func TestAgeAtTheEdge(t *testing.T) {
	fipstest.Bubble(t, func(t *testing.T) {
		kek, b := newTestKEK(t, "kek"), Bind("test", "1")
		e := newEnvelope(t, []KEK{kek}, WithDEKCache(DEKCache{MaxAge: time.Minute}))
		sealed := sealEnvelope(t, e, nil, b)
		e.Open(t.Context(), nil, sealed, b)
		keys := cachedKeys(e)
		time.Sleep(time.Minute - 1)
		if _, err := e.Open(t.Context(), nil, sealed, b); err != nil || kek.calls.Load() != 2 {
			t.Errorf("just before: %v, %d calls", err, kek.calls.Load())
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		for i, k := range keys {
			if !wiped(k) {
				t.Errorf("key %d is in memory after its time", i)
			}
		}
		if _, err := e.Open(t.Context(), nil, sealed, b); err != nil || kek.calls.Load() != 3 {
			t.Errorf("after: %v, %d calls", err, kek.calls.Load())
		}
	})
}

// The key that was not used for longest gives way.
func TestOpenCacheEvictsLeastRecentlyUsed(t *testing.T) {
	kek, b := newTestKEK(t, "kek"), Bind("test", "1")
	writer := newEnvelope(t, []KEK{kek}, WithoutDEKCache())
	x, y, z := sealEnvelope(t, writer, nil, b), sealEnvelope(t, writer, nil, b), sealEnvelope(t, writer, nil, b)
	e := newEnvelope(t, []KEK{kek}, WithDEKCache(DEKCache{MaxEntries: 2}))
	calls := func(sealed []byte) int32 {
		before := kek.calls.Load()
		if _, err := e.Open(t.Context(), nil, sealed, b); err != nil {
			t.Fatal(err)
		}
		return kek.calls.Load() - before
	}
	got := fmt.Sprint(calls(x), calls(y), calls(x), calls(z), calls(x), calls(y))
	if got != "1 1 0 1 0 1" {
		t.Errorf("calls: %s", got)
	}
}

// What one KEK has answered is found also while a preferred one is down.
func TestCachedKeyOfAnyRecipient(t *testing.T) {
	a, c, b := newTestKEK(t, "a"), newTestKEK(t, "c"), Bind("test", "1")
	e := newEnvelope(t, []KEK{a, c})
	sealed := sealEnvelope(t, e, nil, b)
	a.fail = errOutage
	for range 3 {
		if _, err := e.Open(t.Context(), nil, sealed, b); err != nil {
			t.Fatal(err)
		}
	}
	if n := a.calls.Load(); n != 2 { // the wrap and one unwrap
		t.Errorf("%d calls of the KEK that is down", n)
	}
}

func TestFailedUnwrapIsNotKept(t *testing.T) {
	kek, b := newTestKEK(t, "kek"), Bind("test", "1")
	e := newEnvelope(t, []KEK{kek})
	sealed := sealEnvelope(t, e, nil, b)
	kek.fail = errOutage
	if _, err := e.Open(t.Context(), nil, sealed, b); !errors.Is(err, errOutage) {
		t.Error(err)
	}
	kek.fail = nil
	if _, err := e.Open(t.Context(), nil, sealed, b); err != nil {
		t.Error(err)
	}
}

func TestClose(t *testing.T) {
	fipstest.Bubble(t, func(t *testing.T) {
		kek, b := newTimedKEK(t, time.Second), Bind("test", "1")
		e, off := newEnvelope(t, []KEK{kek}), newEnvelope(t, []KEK{kek}, WithoutDEKCache())
		sealed := sealEnvelope(t, e, nil, b)
		e.Open(t.Context(), nil, sealed, b)
		keys := cachedKeys(e)
		kek.hang.Store(true)
		other := sealEnvelopeOf(t, kek, b)
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := e.Open(t.Context(), nil, other, b); err != errClosed {
				t.Errorf("while it closes: %v", err)
			}
		})
		synctest.Wait()
		start := time.Now()
		for _, x := range []*Envelope{e, e, off, {}} {
			if err := x.Close(); err != nil {
				t.Error(err)
			}
			if _, err := x.Seal(t.Context(), nil, nil, b); err != errClosed {
				t.Errorf("Seal: %v", err)
			}
			if _, err := x.Open(t.Context(), nil, sealed, b); err != errClosed {
				t.Errorf("Open: %v", err)
			}
			if _, err := x.RewrapHeader(t.Context(), bytes.NewReader(sealed)); err != errClosed {
				t.Errorf("RewrapHeader: %v", err)
			}
		}
		wg.Wait()
		if time.Since(start) != 0 {
			t.Error("Close waited for a KEK that hangs")
		}
		for i, k := range keys {
			if !wiped(k) {
				t.Errorf("key %d is not wiped", i)
			}
		}
	})
}

// sealEnvelopeOf seals past the latency and the outages of kek.
func sealEnvelopeOf(t *testing.T, kek *timedKEK, b Binding) []byte {
	return sealEnvelope(t, newEnvelope(t, []KEK{kek.testKEK}, WithoutDEKCache()), nil, b)
}

func TestDEKCacheOptions(t *testing.T) {
	kek := newTestKEK(t, "kek")
	for _, c := range []DEKCache{
		{MaxAge: -1},
		{MaxMessages: -1},
		{MaxBytes: -1},
		{MaxEntries: -1},
		{Timeout: -1},
		{MaxAge: 300},
		{Timeout: 10},
		{MaxAge: 24*time.Hour + 1},
		{MaxMessages: 1<<32 + 1},
		{MaxEntries: 1<<20 + 1},
	} {
		if _, err := NewEnvelope("test", []KEK{kek}, WithDEKCache(c)); err == nil {
			t.Errorf("%+v: no error", c)
		}
	}
	if _, err := NewEnvelope("test", []KEK{kek}, WithDEKCache(DEKCache{}), WithoutDEKCache()); err == nil {
		t.Error("with and without: no error")
	}
	ceilings := DEKCache{MaxAge: 24 * time.Hour, MaxMessages: 1 << 32, MaxBytes: 1 << 62, MaxEntries: 1 << 20, Timeout: time.Hour}
	if _, err := NewEnvelope("test", []KEK{kek}, WithDEKCache(ceilings)); err != nil {
		t.Errorf("the ceilings: %v", err)
	}
	e, _ := NewEnvelope("test", []KEK{kek})
	want := DEKCache{5 * time.Minute, 1 << 20, 64 << 30, 1024, 10 * time.Second}
	if got := e.caches.sealing.limits; got != want {
		t.Errorf("defaults: %+v", got)
	}
}

// One event for each call of a KEK, with what the call took; none for a hit.
func TestCachedCallsEvents(t *testing.T) {
	fipstest.Bubble(t, func(t *testing.T) {
		var log bytes.Buffer
		b := Bind("test", "1")
		e := newEnvelope(t, []KEK{newTimedKEK(t, time.Second)}, WithLogger(slog.New(slog.NewJSONHandler(&log, nil))))
		for range 3 {
			e.Open(t.Context(), nil, sealEnvelope(t, e, nil, b), b)
		}
		for _, action := range []string{"kek-wrap", "kek-unwrap"} {
			want := `"event.action":"` + action + `","event.outcome":"success","event.duration":1000000000`
			if n := strings.Count(log.String(), want); n != 1 {
				t.Errorf("%s: %d events in\n%s", action, n, &log)
			}
		}
	})
}
