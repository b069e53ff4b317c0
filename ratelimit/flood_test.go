package ratelimit_test

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/pavise/pavise/ratelimit"
)

// crowded runs far more keys than a tiny table holds, with refunds, mixed limits and a clock that goes
// back, and counts the admissions that the oracle of that key refuses.
func crowded(t *testing.T, policy ratelimit.Overflow, seed uint64, operations int) (admitted, over int) {
	w := crowd(t, policy, seed, true)
	for range operations {
		w.tick()
		i := w.r.IntN(len(w.keys))
		n := 1 + w.r.Int64N(w.smallestBurst())
		if w.r.IntN(8) == 0 {
			w.refund(t, i, n)
			continue
		}
		if !allow(t, w.limiter, w.keys[i], n).Allowed {
			continue
		}
		admitted++
		if !tightest(w.oracle[i], w.now, n).Allowed {
			over++
		}
		w.admit(i, n)
	}
	return admitted, over
}

// crowdedOdd does so with rates that are rounded, and counts the keys for which the definition is broken. (A
// clock that goes back takes tokens, and fewer at the rounded rate than the oracle takes.)
func crowdedOdd(t *testing.T, policy ratelimit.Overflow, seed uint64, operations int) (admitted, over int) {
	w := crowd(t, policy, seed, false)
	for range operations {
		w.tick()
		i := w.r.IntN(len(w.keys))
		n := 1 + w.r.Int64N(w.smallestBurst())
		if allow(t, w.limiter, w.keys[i], n).Allowed {
			admitted++
			w.admit(i, n)
		}
	}
	for _, log := range w.log {
		if slices.ContainsFunc(w.limits, func(l ratelimit.Limit) bool { return overAdmitted(log, l) }) {
			over++
		}
	}
	return admitted, over
}

func crowd(t *testing.T, policy ratelimit.Overflow, seed uint64, exact bool) *world {
	r := rand.New(rand.NewPCG(seed, 3))
	return newWorld(t, r, 1+r.IntN(200), randomLimits(r, exact),
		ratelimit.WithMaxKeys(1+r.IntN(8)), ratelimit.WithOverflow(policy))
}

var crowds = []func(*testing.T, ratelimit.Overflow, uint64, int) (int, int){crowded, crowdedOdd}

func TestInheritNeverOverAdmits(t *testing.T) {
	total := operations(t, 100_000)
	admitted := 0
	for seed := range uint64(total / 500) {
		for _, crowd := range crowds {
			a, over := crowd(t, ratelimit.Inherit, seed, 250)
			if admitted += a; over > 0 {
				t.Fatalf("seed %d: %d of %d admissions past the limit", seed, over, a)
			}
		}
	}
	if admitted < total/10 {
		t.Fatalf("only %d of %d calls admitted", admitted, total)
	}
	t.Logf("%d admissions, none past the limit", admitted)
}

// The same schedules under the other policy do over-admit, so the test above can fail.
func TestEvictLeastDebtForgets(t *testing.T) {
	for i, crowd := range crowds {
		over := 0
		for seed := range uint64(50) {
			_, o := crowd(t, ratelimit.EvictLeastDebt, seed, 250)
			over += o
		}
		if over == 0 {
			t.Errorf("crowd %d: no over-admission found: the property test looks at nothing", i)
		}
	}
}

// flood simulates a minute in which perSecond fresh keys a second meet a table for 512 keys, 5 a minute each,
// while 20 accounts are under attack and 20 fresh users a second come along.
func flood(t *testing.T, policy ratelimit.Overflow, perSecond int) (attacker int, fresh float64) {
	var now time.Duration
	limit := []ratelimit.Limit{{Name: "login", Rate: 5, Per: time.Minute, Burst: 5}}
	l := newLimiter(t, limit, ratelimit.WithMaxKeys(512), ratelimit.WithOverflow(policy),
		ratelimit.WithClock(func() time.Time { return epoch.Add(now) }))
	next := 0
	call := func(name string) bool {
		next++
		return allow(t, l, ratelimit.NewKey(name, strconv.Itoa(next)), 1).Allowed
	}
	users, admitted := 0, 0
	for tick := range 6000 {
		now = time.Duration(tick) * 10 * time.Millisecond
		for range perSecond / 100 {
			call("flood")
		}
		if tick%5 == 0 {
			users++
			if call("user") {
				admitted++
			}
		}
		for i := range 20 {
			if tick%10 == 0 && allow(t, l, ratelimit.NewKey("attacked", strconv.Itoa(i)), 1).Allowed {
				attacker++
			}
		}
	}
	return attacker, float64(admitted) / float64(users)
}

func TestFlood(t *testing.T) {
	const exact = 20 * (5 + 4) // the burst, and a refill each 12 s
	for _, c := range []struct {
		perSecond int
		fresh     float64 // the least share of fresh users to be admitted under Inherit
	}{
		{0, 0.99}, {100, 0.95}, {1000, 0.15},
	} {
		got, fresh := flood(t, ratelimit.Inherit, c.perSecond)
		t.Logf("Inherit, %d keys/s: attacker %d of %d, fresh users %.1f %%", c.perSecond, got, exact, 100*fresh)
		if got > exact {
			t.Errorf("%d keys/s: attacker admitted %d times, limit %d", c.perSecond, got, exact)
		}
		if fresh < c.fresh {
			t.Errorf("%d keys/s: %.3f of fresh users admitted, want %.3f", c.perSecond, fresh, c.fresh)
		}
	}
	got, fresh := flood(t, ratelimit.EvictLeastDebt, 1000)
	t.Logf("EvictLeastDebt, 1000 keys/s: attacker %d of %d, fresh users %.1f %%", got, exact, 100*fresh)
	if fresh < 1 {
		t.Errorf("EvictLeastDebt refused fresh users: %.3f admitted", fresh)
	}
}

// At the stated number of keys about one in ten thousand meets the overflow policy.
func TestOverflowAtMaxKeys(t *testing.T) {
	const n = 100_000
	l := newLimiter(t, []ratelimit.Limit{{Name: "day", Rate: 1, Per: 24 * time.Hour, Burst: 1}}, ratelimit.WithMaxKeys(n))
	denied := 0
	for i := range n {
		if !allow(t, l, ratelimit.NewKey(strconv.Itoa(i)), 1).Allowed {
			denied++
		}
	}
	st := l.Stats()
	t.Logf("%d of %d keys refused; %+v", denied, n, st)
	if denied > n/2000 {
		t.Errorf("%d of %d keys found no slot", denied, n)
	}
	if st.Allowed != int64(n-denied) || st.Denied != int64(denied) || st.LiveKeys != st.Allowed-st.ForcedEvictions {
		t.Errorf("%+v", st)
	}
}
