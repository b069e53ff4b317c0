package crypto

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pavise/pavise/crypto/internal/fipstest"
)

// Requests that are sent and given up at once leave no call of a KEK behind them.
func TestAbandonedOpensEndTheirCalls(t *testing.T) {
	fipstest.Bubble(t, func(t *testing.T) {
		kek, b := newTimedKEK(t, time.Second), Bind("test", "1")
		e := newEnvelope(t, []KEK{kek})
		sealed := sealEnvelopeOf(t, kek, b)
		kek.hang.Store(true)
		open := func() error {
			ctx, cancel := context.WithCancel(t.Context())
			var wg sync.WaitGroup
			defer wg.Wait()
			wg.Go(func() { synctest.Wait(); cancel() })
			_, err := e.Open(ctx, nil, sealed, b)
			return err
		}
		for range 100 {
			if err := open(); !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
		}
		start := time.Now()
		e.caches.flights.running.Wait()
		if n := len(e.caches.opening.pending); n != 0 || time.Since(start) != 0 {
			t.Errorf("%d calls were left for %v", n, time.Since(start))
		}

		// Who comes after the last has gone is not failed by what was cancelled.
		kek.hang.Store(false)
		if _, err := e.Open(t.Context(), nil, sealed, b); err != nil {
			t.Error(err)
		}
		key := e.caches.opening.recent.Front().Value.(*openEntry).key
		if n := key.refs.Load(); n != 1 {
			t.Errorf("%d references are left, want that of the cache", n)
		}
	})
}

// stubbornKEK answers although its context has ended.
type stubbornKEK struct {
	*testKEK
	answer chan struct{}
}

func (k stubbornKEK) Unwrap(_ context.Context, wrapped []byte, label string) ([]byte, error) {
	k.calls.Add(1)
	<-k.answer
	return k.KEK.Unwrap(context.Background(), wrapped, label)
}

func TestLateAnswerOfAnAbandonedCall(t *testing.T) {
	fipstest.Bubble(t, func(t *testing.T) {
		kek, b := stubbornKEK{newTestKEK(t, "kek"), make(chan struct{})}, Bind("test", "1")
		sealed := sealEnvelope(t, newEnvelope(t, []KEK{kek}), nil, b)
		e := newEnvelope(t, []KEK{kek}, WithDEKCache(DEKCache{MaxEntries: 1}))
		for range 3 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			if _, err := e.Open(ctx, nil, sealed, b); !errors.Is(err, context.DeadlineExceeded) {
				t.Fatal(err)
			}
			cancel()
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := e.Open(t.Context(), nil, sealed, b); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		close(kek.answer) // to all four at once
		wg.Wait()
		e.caches.flights.running.Wait()
		c := e.caches.opening
		if len(c.entries) != 1 || c.recent.Len() != 1 {
			t.Errorf("%d entries and %d in the order", len(c.entries), c.recent.Len())
		}
		if n := c.recent.Front().Value.(*openEntry).key.refs.Load(); n != 1 {
			t.Errorf("%d references are left, want that of the cache", n)
		}
	})
}

// A message that takes most of a DEK gets its own: it would wait forever for one that
// nobody else has begun to use.
func TestLargeMessageAmongSmallOnes(t *testing.T) {
	fipstest.Bubble(t, func(t *testing.T) {
		kek, b := newTimedKEK(t, time.Second), Bind("test", "1")
		e := newEnvelope(t, []KEK{kek}, WithDEKCache(DEKCache{MaxBytes: 1000}))
		defer e.Close()
		small := headOf(t, sealEnvelope(t, e, make([]byte, 10), b))
		if headOf(t, sealEnvelope(t, e, make([]byte, 501), b)) == small {
			t.Error("more than half of MaxBytes under a shared key")
		}
		if headOf(t, sealEnvelope(t, e, make([]byte, 10), b)) != small || kek.calls.Load() != 2 {
			t.Errorf("it displaced the shared key; %d calls", kek.calls.Load())
		}
	})
}

// A refresh that failed is tried again soon, also where DEKs live for a day.
func TestRefreshAfterAShortOutage(t *testing.T) {
	fipstest.Bubble(t, func(t *testing.T) {
		kek, b := newTimedKEK(t, 0), Bind("test", "1")
		e := newEnvelope(t, []KEK{kek}, WithDEKCache(DEKCache{MaxAge: 24 * time.Hour, MaxMessages: 10}))
		defer e.Close()
		first := headOf(t, sealEnvelope(t, e, nil, b))
		kek.down.Store(true)
		for range 6 {
			sealEnvelope(t, e, nil, b)
		}
		synctest.Wait()
		kek.down.Store(false)
		time.Sleep(time.Minute)
		sealEnvelope(t, e, nil, b)
		synctest.Wait()
		kek.down.Store(true)
		for range 5 {
			if headOf(t, sealEnvelope(t, e, nil, b)) == first {
				t.Fatal("not refreshed between two outages")
			}
		}
	})
}

// panickingKEK fails in the worst way.
type panickingKEK struct{ *testKEK }

func (panickingKEK) Wrap(context.Context, []byte, string) ([]byte, error)   { panic("secret") }
func (panickingKEK) Unwrap(context.Context, []byte, string) ([]byte, error) { panic("secret") }

// A KEK that panics fails as one that returns an error: named, with an event, and
// without harm to another that works.
func TestPanicOfAKEK(t *testing.T) {
	good, b := newTestKEK(t, "good"), Bind("test", "1")
	bad := newTestKEK(t, "bad")
	sealed := sealEnvelope(t, newEnvelope(t, []KEK{bad, good}), nil, b)
	for _, opts := range [][]EnvelopeOption{nil, {WithoutDEKCache()}} {
		var log bytes.Buffer
		e := newEnvelope(t, []KEK{panickingKEK{bad}, good}, append(opts, WithLogger(slog.New(slog.NewJSONHandler(&log, nil))))...)
		for range 2 {
			_, err := e.Seal(t.Context(), nil, nil, b)
			if kekErr, ok := errors.AsType[*KEKError](err); !ok || kekErr.ID != "bad" || kekErr.Err != errKEKPanic {
				t.Error(err)
			}
			if _, err := e.Open(t.Context(), nil, sealed, b); err != nil {
				t.Error(err)
			}
		}
		if n := strings.Count(log.String(), `"event.reason":"crypto: KEK \"bad\": wrap: crypto: KEK panicked"`); n != 2 {
			t.Errorf("%d events in\n%s", n, &log)
		}
		if strings.Contains(log.String(), "secret") {
			t.Error("the value of the panic is in the log")
		}
	}
}

// Whatever comes in, the cache holds what a KEK has opened, and not more of it than
// it may.
func TestHostileEnvelopesLeaveNothing(t *testing.T) {
	kek, b := newTestKEK(t, "kek"), Bind("test", "1")
	e := newEnvelope(t, []KEK{kek}, WithDEKCache(DEKCache{MaxEntries: 8}))
	sealed := sealEnvelope(t, e, nil, b)
	for i := range 1000 {
		forged := bytes.Clone(sealed)
		forged[20+i%50] ^= byte(1 + i/50) // of the wrapped key
		if _, err := e.Open(t.Context(), nil, forged, b); !errors.Is(err, ErrOpen) {
			t.Fatal(err)
		}
	}
	c := e.caches.opening
	if len(c.entries) != 0 || c.recent.Len() != 0 || len(c.pending) != 0 {
		t.Errorf("%d entries, %d pending", len(c.entries), len(c.pending))
	}
	writer := newEnvelope(t, []KEK{kek}, WithoutDEKCache())
	for i := range 100 { // control: what does open, and too much of it
		if _, err := e.Open(t.Context(), nil, sealEnvelope(t, writer, fmt.Append(nil, i), b), b); err != nil {
			t.Fatal(err)
		}
	}
	if len(c.entries) != 8 || c.recent.Len() != 8 || len(c.pending) != 0 {
		t.Errorf("%d entries, %d in the order, %d pending", len(c.entries), c.recent.Len(), len(c.pending))
	}
}

// One wrapped key serves both suites and two recipients apart from each other.
func TestOpenCacheTellsContextsApart(t *testing.T) {
	a, c, b := newTestKEK(t, "a"), newTestKEK(t, "c"), Bind("test", "1")
	c.KEK = a.KEK
	var sealed [][]byte
	dek := bytes.Repeat([]byte{7}, dekSize)
	wrapped, err := a.KEK.Wrap(t.Context(), dek, "test")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []suite{suitePayloadXAES, suitePayloadCobblestone} {
		for _, kek := range []*testKEK{a, c} {
			to, _ := newRecipients([]KEK{kek})
			head, err := encodeHeader(s, to, [][]byte{wrapped}, dek)
			if err != nil {
				t.Fatal(err)
			}
			key, err := (&Envelope{}).newDataKey(s, bytes.Clone(dek))
			if err != nil {
				t.Fatal(err)
			}
			out, err := key.seal(true, head, []byte(kek.id), b.encoded)
			if err != nil {
				t.Fatal(err)
			}
			sealed = append(sealed, out)
		}
	}
	e := newEnvelope(t, []KEK{a, c})
	for range 2 {
		for i, message := range sealed {
			if got, err := e.Open(t.Context(), nil, message, b); err != nil || string(got) != []string{"a", "c"}[i%2] {
				t.Errorf("message %d: %q, %v", i, got, err)
			}
		}
	}
	if a.calls.Load() != 2 || c.calls.Load() != 2 {
		t.Errorf("%d and %d calls, want one for each suite", a.calls.Load(), c.calls.Load())
	}
}
