package password

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"
)

func TestBudgetIsFIFO(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(10, 10)
		if err := b.acquire(t.Context(), 8); err != nil {
			t.Fatal(err)
		}
		var order []uint64
		for _, n := range []uint64{9, 2, 10, 1} { // 2 and 1 would fit at once, no neighbours fit together
			go func() {
				if err := b.acquire(context.Background(), n); err != nil {
					t.Error(err)
				}
				order = append(order, n)
				time.Sleep(time.Second)
				b.release(n)
			}()
			synctest.Wait()
		}
		if len(order) != 0 {
			t.Fatalf("%v overtook", order)
		}
		b.release(8)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if !slices.Equal(order, []uint64{9, 2, 10, 1}) || b.free != 10 {
			t.Fatalf("served %v, %d free", order, b.free)
		}
	})
}

func TestBudgetBusyAndCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(10, 2)
		if err := b.acquire(t.Context(), 10); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		errs := make(chan error, 2)
		go func() { errs <- b.acquire(ctx, 10) }()
		synctest.Wait()
		go func() { errs <- b.acquire(t.Context(), 5) }()
		synctest.Wait()
		start := time.Now()
		if err := b.acquire(t.Context(), 1); err != ErrBusy || time.Since(start) != 0 {
			t.Fatalf("a full queue gives %v after %v", err, time.Since(start))
		}
		if err := <-errs; !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		b.release(5) // the one behind the abandoned waiter is served now
		if err := <-errs; err != nil {
			t.Fatal(err)
		}
		b.release(5)
		b.release(5)
		if b.free != 10 || len(b.queue) != 0 {
			t.Fatalf("%d free, %d waiting", b.free, len(b.queue))
		}
		cancelled, stop := context.WithCancel(t.Context())
		stop()
		if err := b.acquire(cancelled, 1); !errors.Is(err, context.Canceled) || b.free != 10 {
			t.Fatal(err)
		}
	})
}

// A waiter that is served in the moment in which it gives up returns what it got.
func TestBudgetGrantedAndAbandoned(t *testing.T) {
	b := newBudget(10, 1)
	if err := b.acquire(t.Context(), 10); err != nil {
		t.Fatal(err)
	}
	w, err := b.enqueue(7)
	if err != nil {
		t.Fatal(err)
	}
	b.release(10)
	b.abandon(w)
	if b.free != 10 {
		t.Fatalf("%d free", b.free)
	}
}

// Random arrivals, holds and cancellations: never more than the total is out, and
// all of it comes back.
func TestBudgetConserves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const total = 100
		b := newBudget(total, 20)
		var wg sync.WaitGroup
		served := 0
		for range 2000 {
			n, hold, patience := 1+rand.Uint64N(total), rand.N(100*time.Millisecond), rand.N(time.Second)
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(context.Background(), patience)
				defer cancel()
				if b.acquire(ctx, n) != nil {
					return
				}
				b.mu.Lock()
				served++
				if b.free > total-n {
					t.Errorf("%d free while %d are out", b.free, n)
				}
				b.mu.Unlock()
				time.Sleep(hold)
				b.release(n)
			})
			time.Sleep(rand.N(60 * time.Millisecond))
		}
		wg.Wait()
		if b.free != total || len(b.queue) != 0 || served < 100 {
			t.Fatalf("%d free, %d waiting, %d served", b.free, len(b.queue), served)
		}
	})
}

func TestDefaultMemory(t *testing.T) {
	file := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }
	for name, c := range map[string]struct {
		root fstest.MapFS
		want uint64
	}{
		"no cgroup":     {fstest.MapFS{}, math.MaxUint64},
		"no limit":      {fstest.MapFS{"proc/self/cgroup": file("0::/\n"), "sys/fs/cgroup/memory.max": file("max\n")}, math.MaxUint64},
		"container":     {fstest.MapFS{"proc/self/cgroup": file("0::/\n"), "sys/fs/cgroup/memory.max": file("1000\n")}, 1000},
		"slice":         {fstest.MapFS{"proc/self/cgroup": file("0::/a/b\n"), "sys/fs/cgroup/a/b/memory.max": file("max\n"), "sys/fs/cgroup/a/memory.max": file("2000\n")}, 2000},
		"version 1":     {fstest.MapFS{"proc/self/cgroup": file("4:memory:/x\n"), "sys/fs/cgroup/memory/memory.limit_in_bytes": file("3000\n")}, 3000},
		"strange group": {fstest.MapFS{"proc/self/cgroup": file("0::/../..\n"), "sys/fs/cgroup/memory.max": file("4000\n")}, 4000},
	} {
		if got := cgroupLimit(c.root); got != c.want {
			t.Errorf("%s: %d", name, got)
		}
	}
	if budgetWithin(math.MaxInt64) != 256<<20 || budgetWithin(400<<20) != 100<<20 {
		t.Error("budget")
	}
}
