package ratelimit_test

import (
	"context"
	"errors"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pavise/pavise/ratelimit"
)

func newLimiter(t testing.TB, limits []ratelimit.Limit, opts ...ratelimit.Option) *ratelimit.Limiter {
	t.Helper()
	l, err := ratelimit.New(limits, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func allow(t testing.TB, l *ratelimit.Limiter, k ratelimit.Key, n int64) ratelimit.Decision {
	t.Helper()
	d, err := l.AllowN(t.Context(), k, n)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestBucket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, []ratelimit.Limit{ratelimit.PerSecond(10)})
		k := ratelimit.NewKey("ann")
		for i := range int64(10) {
			want := ratelimit.Decision{
				Allowed: true, Limit: "10-per-1s", Remaining: 9 - i,
				ResetAfter: time.Duration(i+1) * 100 * time.Millisecond,
			}
			if d := allow(t, l, k, 1); d != want {
				t.Fatalf("call %d: got %+v, want %+v", i, d, want)
			}
		}
		want := ratelimit.Decision{Limit: "10-per-1s", RetryAfter: 100 * time.Millisecond, ResetAfter: time.Second}
		if d := allow(t, l, k, 1); d != want {
			t.Fatalf("got %+v, want %+v", d, want)
		}
		time.Sleep(want.RetryAfter - 1)
		if allow(t, l, k, 1).Allowed {
			t.Fatal("admitted 1 ns before RetryAfter")
		}
		time.Sleep(time.Nanosecond)
		if !allow(t, l, k, 1).Allowed {
			t.Fatal("denied after RetryAfter")
		}
		time.Sleep(time.Hour)
		if d := allow(t, l, k, 10); !d.Allowed || d.Remaining != 0 {
			t.Fatalf("idle key did not get its burst: %+v", d)
		}
	})
}

func TestAtMostInAnyWindow(t *testing.T) {
	const n, window = 7, 1000 * time.Nanosecond
	for burst := int64(1); burst <= n; burst++ {
		synctest.Test(t, func(t *testing.T) {
			l := newLimiter(t, []ratelimit.Limit{ratelimit.AtMost(n, window, burst)})
			k := ratelimit.NewKey("ann")
			start := time.Now()
			var admitted []time.Duration
			for range 5000 {
				for allow(t, l, k, 1).Allowed {
					admitted = append(admitted, time.Since(start))
				}
				time.Sleep(time.Nanosecond)
			}
			for i := n; i < len(admitted); i++ {
				if admitted[i]-admitted[i-n] < window {
					t.Fatalf("burst %d: %d in a window: %v", burst, n+1, admitted[i-n:i+1])
				}
			}
			if len(admitted) < n {
				t.Fatalf("burst %d: only %d admitted", burst, len(admitted))
			}
		})
	}
}

func TestSeveralLimitsAllOrNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, []ratelimit.Limit{
			{Name: "second", Rate: 5, Per: time.Second, Burst: 5},
			{Name: "day", Rate: 1, Per: 24 * time.Hour, Burst: 8},
		})
		k := ratelimit.NewKey("ann")
		if d := allow(t, l, k, 4); !d.Allowed || d.Limit != "second" || d.Remaining != 1 {
			t.Fatalf("got %+v", d)
		}
		if d := allow(t, l, k, 3); d.Allowed || d.Limit != "second" {
			t.Fatalf("got %+v", d)
		}
		time.Sleep(time.Second)
		if d := allow(t, l, k, 5); d.Allowed || d.Limit != "day" {
			t.Fatalf("got %+v", d)
		}
		// Neither denial took anything from the limit that would have admitted it.
		if d := allow(t, l, k, 4); !d.Allowed || d.Limit != "day" || d.Remaining != 0 {
			t.Fatalf("got %+v", d)
		}
	})
}

func TestRefusedCostsAndKeys(t *testing.T) {
	l := newLimiter(t, []ratelimit.Limit{{Name: "hour", Rate: 1, Per: time.Hour, Burst: 3}, ratelimit.PerSecond(100)})
	k, ctx := ratelimit.NewKey("ann"), t.Context()
	for _, n := range []int64{math.MinInt64, -1, 0, 4, 3_000_000, math.MaxInt64} {
		d, err := l.AllowN(ctx, k, n)
		if !errors.Is(err, ratelimit.ErrCost) || d != (ratelimit.Decision{}) {
			t.Errorf("AllowN(%d) = %+v, %v", n, d, err)
		}
		if _, err := l.Peek(ctx, k, n); !errors.Is(err, ratelimit.ErrCost) {
			t.Errorf("Peek(%d): %v", n, err)
		}
		if err := l.Refund(ctx, k, n); !errors.Is(err, ratelimit.ErrCost) {
			t.Errorf("Refund(%d): %v", n, err)
		}
	}
	if _, err := l.Allow(ctx, ratelimit.NewKey()); !errors.Is(err, ratelimit.ErrKey) {
		t.Errorf("empty key: %v", err)
	}
	if d := allow(t, l, k, 3); !d.Allowed {
		t.Errorf("a refused call took tokens: %+v", d)
	}
}

func TestPeekAndRefund(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, []ratelimit.Limit{{Name: "hour", Rate: 1, Per: time.Hour, Burst: 3}})
		k := ratelimit.NewKey("ann")
		peek := func(n int64) ratelimit.Decision {
			d, err := l.Peek(context.Background(), k, n)
			if err != nil {
				t.Fatal(err)
			}
			return d
		}
		for range 2 {
			if !peek(3).Allowed {
				t.Fatal("Peek took tokens")
			}
		}
		allow(t, l, k, 2)
		if d := peek(2); d.Allowed || d.RetryAfter != time.Hour {
			t.Fatalf("got %+v", d)
		}
		for range 5 { // three refunds more than were taken
			if err := l.Refund(t.Context(), k, 1); err != nil {
				t.Fatal(err)
			}
		}
		if !allow(t, l, k, 3).Allowed || allow(t, l, k, 1).Allowed {
			t.Fatal("refunds did not fill the bucket to its burst")
		}
	})
}

func TestInvalidLimits(t *testing.T) {
	good := ratelimit.PerSecond(1)
	for name, limits := range map[string][]ratelimit.Limit{
		"none":            nil,
		"zero":            {{}},
		"no name":         {{Rate: 1, Per: 1, Burst: 1}},
		"quote in name":   {{Name: `a"b`, Rate: 1, Per: 1, Burst: 1}},
		"no rate":         {{Name: "a", Per: 1, Burst: 1}},
		"no period":       {{Name: "a", Rate: 1, Burst: 1}},
		"no burst":        {{Name: "a", Rate: 1, Per: 1}},
		"huge burst":      {{Name: "a", Rate: math.MaxInt64, Per: 1, Burst: math.MaxInt64}},
		"unkeepable":      {{Name: "a", Rate: 17, Per: 1, Burst: 1}},
		"slow refill":     {{Name: "a", Rate: 1, Per: math.MaxInt64, Burst: 1}},
		"same name":       {good, good},
		"burst above n":   {ratelimit.AtMost(5, time.Hour, 6)},
		"burst of none":   {ratelimit.AtMost(5, time.Hour, 0)},
		"negative n":      {ratelimit.AtMost(math.MinInt64, time.Hour, 1)},
		"negative window": {ratelimit.AtMost(5, -1, 1)},
		"zero per second": {ratelimit.PerSecond(0)},
	} {
		if _, err := ratelimit.New(limits); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	for name, o := range map[string]ratelimit.Option{
		"no keys":        ratelimit.WithMaxKeys(0),
		"negative keys":  ratelimit.WithMaxKeys(-1),
		"too many keys":  ratelimit.WithMaxKeys(math.MaxInt),
		"beyond memory":  ratelimit.WithMaxKeys(min(1<<30+1, math.MaxInt/32)), // of a 32-bit platform
		"unknown policy": ratelimit.WithOverflow(7),
		"device key":     ratelimit.WithDeviceKey(make([]byte, 32)),
	} {
		if _, err := ratelimit.New([]ratelimit.Limit{good}, o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
