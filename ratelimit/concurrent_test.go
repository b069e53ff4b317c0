package ratelimit_test

import (
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pavise/pavise/ratelimit"
)

// parallel calls f from eight goroutines at once, 5000 times each.
func parallel(f func(worker, i int)) {
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 5000 {
				f(g, i)
			}
		})
	}
	wg.Wait()
}

func stopped() ratelimit.Option {
	return ratelimit.WithClock(func() time.Time { return epoch })
}

func TestConcurrentExactCount(t *testing.T) {
	one := []ratelimit.Limit{{Name: "a", Rate: 1, Per: time.Minute, Burst: 25_000}}
	two := append(one, ratelimit.Limit{Name: "b", Rate: 1, Per: time.Minute, Burst: 20_000})
	for _, limits := range [][]ratelimit.Limit{one, two} {
		l := newLimiter(t, limits, stopped())
		k := ratelimit.NewKey("hot")
		var admitted atomic.Int64
		parallel(func(_, i int) {
			if i%50 == 0 {
				_, _ = l.Peek(t.Context(), k, 1)
			}
			if allow(t, l, k, 1).Allowed {
				admitted.Add(1)
			}
		})
		if want := limits[len(limits)-1].Burst; admitted.Load() != want {
			t.Errorf("%d limits: %d admitted, want %d", len(limits), admitted.Load(), want)
		}
	}
}

// One hot set, twice as many keys as slots, and refunds: admissions minus refunds stay within each burst.
func TestConcurrentEviction(t *testing.T) {
	const keys, burst = 30, 500
	for _, n := range []int{1, 2} {
		limits := []ratelimit.Limit{
			{Name: "a", Rate: 1, Per: time.Hour, Burst: burst},
			{Name: "b", Rate: 1, Per: time.Hour, Burst: burst},
		}[:n]
		l := newLimiter(t, limits, stopped(), ratelimit.WithMaxKeys(1))
		var held [keys]atomic.Int64
		var total atomic.Int64
		parallel(func(g, i int) {
			j := (g*31 + i*7) % keys
			k := ratelimit.NewKey(strconv.Itoa(j))
			if !allow(t, l, k, 1).Allowed {
				return
			}
			total.Add(1)
			if i%5 != 0 {
				held[j].Add(1)
				return
			}
			if err := l.Refund(t.Context(), k, 1); err != nil {
				t.Error(err)
			}
		})
		for j := range held {
			if held[j].Load() > burst {
				t.Errorf("key %d holds %d of %d", j, held[j].Load(), burst)
			}
		}
		if total.Load() < burst {
			t.Errorf("only %d admitted", total.Load())
		}
	}
}

func TestConcurrentRealClock(t *testing.T) {
	l := newLimiter(t, []ratelimit.Limit{{Name: "fast", Rate: 100_000, Per: time.Second, Burst: 50}})
	k := ratelimit.NewKey("hot")
	var admitted atomic.Int64
	start := time.Now()
	parallel(func(int, int) {
		if allow(t, l, k, 1).Allowed {
			admitted.Add(1)
		}
	})
	bound := 50 + int64(time.Since(start)/(10*time.Microsecond))
	if admitted.Load() > bound {
		t.Errorf("%d admitted, bound %d", admitted.Load(), bound)
	}
}
