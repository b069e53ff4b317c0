package ratelimit_test

import (
	"cmp"
	"math"
	"math/big"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/pavise/pavise/ratelimit"
)

// bucket is the oracle: a token bucket in integers without bound, in units of 1/Per token. Level
// is what it held at last, and is less than nothing before then.
type bucket struct {
	limit ratelimit.Limit
	level *big.Int
	last  int64
}

func newBucket(l ratelimit.Limit) *bucket {
	return &bucket{limit: l, level: mul(l.Burst, int64(l.Per)), last: 0}
}

func mul(a, b int64) *big.Int { return new(big.Int).Mul(big.NewInt(a), big.NewInt(b)) }

func (b *bucket) at(now int64) *big.Int {
	v := mul(b.limit.Rate, now-b.last)
	v.Add(v, b.level)
	if full := mul(b.limit.Burst, int64(b.limit.Per)); v.Cmp(full) > 0 {
		return full
	}
	return v
}

func (b *bucket) admits(now, n int64) bool { return b.at(now).Cmp(mul(n, int64(b.limit.Per))) >= 0 }

func (b *bucket) take(now, n int64) {
	v := b.at(now)
	b.level, b.last = v.Sub(v, mul(n, int64(b.limit.Per))), now
}

func (b *bucket) refund(now, n int64) {
	v, full := b.at(now), mul(b.limit.Burst, int64(b.limit.Per))
	if v.Cmp(full) == 0 {
		return // nothing owed now, and what was owed before is no less
	}
	if v.Add(v, mul(n, int64(b.limit.Per))); v.Cmp(full) > 0 {
		v = full
	}
	b.level, b.last = v, now
}

// until is the time from now until n tokens are there, rounded up to nanoseconds.
func (b *bucket) until(now, n int64) time.Duration {
	v := mul(n, int64(b.limit.Per))
	if v.Sub(v, b.at(now)); v.Sign() <= 0 {
		return 0
	}
	v.Add(v, big.NewInt(b.limit.Rate-1))
	return time.Duration(v.Div(v, big.NewInt(b.limit.Rate)).Int64())
}

func (b *bucket) decision(now, n int64) ratelimit.Decision {
	d := ratelimit.Decision{Limit: b.limit.Name, Allowed: b.admits(now, n), RetryAfter: b.until(now, n)}
	c := *b
	if d.Allowed {
		c.take(now, n)
	}
	left := c.at(now)
	if left.Sign() > 0 {
		d.Remaining = left.Div(left, big.NewInt(int64(b.limit.Per))).Int64()
	}
	d.ResetAfter = c.until(now, b.limit.Burst)
	return d
}

// tightest decides over all limits as Decision documents it.
func tightest(bs []*bucket, now, n int64) ratelimit.Decision {
	var ds []ratelimit.Decision
	for _, b := range bs {
		ds = append(ds, b.decision(now, n))
	}
	slices.SortStableFunc(ds, func(a, b ratelimit.Decision) int {
		if a.Allowed != b.Allowed {
			return map[bool]int{false: -1, true: 1}[a.Allowed]
		}
		if !a.Allowed {
			return cmp.Compare(b.RetryAfter, a.RetryAfter)
		}
		return cmp.Compare(a.Remaining, b.Remaining)
	})
	return ds[0]
}

// world is a limiter, its oracle for each key, and the clock that both read.
type world struct {
	r       *rand.Rand
	limits  []ratelimit.Limit
	now     int64
	limiter *ratelimit.Limiter
	keys    []ratelimit.Key
	oracle  [][]*bucket
	log     [][]admission // for each key
}

type admission struct{ at, cost int64 }

var epoch = time.Unix(1_800_000_000, 0)

func newWorld(t *testing.T, r *rand.Rand, keys int, limits []ratelimit.Limit, opts ...ratelimit.Option) *world {
	w := &world{r: r, limits: limits, log: make([][]admission, keys)}
	clock := func() time.Time { return epoch.Add(time.Duration(w.now)) }
	w.limiter = newLimiter(t, limits, append(opts, ratelimit.WithClock(clock))...)
	for i := range keys {
		w.keys = append(w.keys, ratelimit.NewKey(strconv.Itoa(i)))
		var bs []*bucket
		for _, l := range limits {
			bs = append(bs, newBucket(l))
		}
		w.oracle = append(w.oracle, bs)
	}
	return w
}

// tick moves the clock by up to a few refills of the fastest limit: on, not at all, or back.
func (w *world) tick() {
	step := int64(math.MaxInt64)
	for _, l := range w.limits {
		step = min(step, int64(l.Per)/l.Rate+1)
	}
	switch w.r.IntN(10) {
	case 0: // the same again
	case 1:
		w.now = max(0, w.now-w.r.Int64N(3*step))
	case 2:
		w.now += w.r.Int64N(20 * step)
	default:
		w.now += w.r.Int64N(step/2 + 2)
	}
}

func (w *world) smallestBurst() int64 {
	b := int64(math.MaxInt64)
	for _, l := range w.limits {
		b = min(b, l.Burst)
	}
	return b
}

// randomLimits are kept exactly if exact is true. Others have odd rates.
func randomLimits(r *rand.Rand, exact bool) []ratelimit.Limit {
	var out []ratelimit.Limit
	for i := range 1 + r.IntN(3) {
		l := ratelimit.Limit{Name: strconv.Itoa(i), Rate: 1 + r.Int64N(16), Burst: 1 + r.Int64N(20)}
		l.Per = time.Duration(1 + r.Int64N(1000))
		if !exact {
			l.Per = time.Duration(1 + r.Int64N(1_000_000_000))
			l.Rate = 1 + r.Int64N(min(1_000_000, 16*int64(l.Per)))
		}
		out = append(out, l)
	}
	return out
}

func operations(t *testing.T, small int) int {
	if s := os.Getenv("PAVISE_RATELIMIT_OPS"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatal("PAVISE_RATELIMIT_OPS is not a number")
		}
		return n
	}
	return small
}

// PAVISE_RATELIMIT_OPS sets the number of operations of a recorded run.
func TestOracleExact(t *testing.T) {
	total, worlds := operations(t, 100_000), 0
	var admitted, denied, probed int
	for done := 0; done < total; worlds++ {
		r := rand.New(rand.NewPCG(uint64(worlds), 1))
		w := newWorld(t, r, 5, randomLimits(r, true), ratelimit.WithMaxKeys(1000))
		for range 1000 {
			done++
			w.tick()
			i := r.IntN(len(w.keys))
			n := 1 + r.Int64N(w.smallestBurst())
			if r.IntN(10) == 0 {
				w.refund(t, i, n)
				continue
			}
			want := tightest(w.oracle[i], w.now, n)
			if got := allow(t, w.limiter, w.keys[i], n); got != want {
				t.Fatalf("world %d: AllowN(%d) at %d of %+v:\n got %+v\nwant %+v", worlds, n, w.now, w.limits, got, want)
			}
			if want.Allowed {
				admitted++
				w.admit(i, n)
				continue
			}
			denied++
			if r.IntN(4) == 0 {
				probed++
				w.probe(t, i, n, want.RetryAfter)
			}
		}
	}
	t.Logf("%d worlds: %d admitted, %d denied, %d RetryAfter probed", worlds, admitted, denied, probed)
}

func (w *world) admit(i int, n int64) {
	for _, b := range w.oracle[i] {
		b.take(w.now, n)
	}
	w.log[i] = append(w.log[i], admission{w.now, n})
}

func (w *world) refund(t *testing.T, i int, n int64) {
	if err := w.limiter.Refund(t.Context(), w.keys[i], n); err != nil {
		t.Fatal(err)
	}
	for _, b := range w.oracle[i] {
		b.refund(w.now, n)
	}
}

// probe waits for RetryAfter: denied a nanosecond before, admitted then.
func (w *world) probe(t *testing.T, i int, n int64, wait time.Duration) {
	w.now += int64(wait) - 1
	if wait < 1 || allow(t, w.limiter, w.keys[i], n).Allowed {
		t.Fatalf("RetryAfter %d of %+v: admitted earlier", wait, w.limits)
	}
	w.now++
	if !allow(t, w.limiter, w.keys[i], n).Allowed {
		t.Fatalf("RetryAfter %d of %+v: denied at its end", wait, w.limits)
	}
	w.admit(i, n)
}

// overAdmitted checks the definition and no algorithm: in each span between two readings of the
// clock, a key is admitted no more than burst + rate·span.
func overAdmitted(log []admission, l ratelimit.Limit) bool {
	log = slices.Clone(log)
	slices.SortFunc(log, func(a, b admission) int { return cmp.Compare(a.at, b.at) })
	sum, per := new(big.Int), int64(l.Per)
	full := mul(l.Burst, per)
	var least *big.Int // of sum·per - rate·at before each admission
	for _, a := range log {
		drift := mul(l.Rate, a.at)
		v := new(big.Int).Sub(sum, drift)
		if least == nil || v.Cmp(least) < 0 {
			least = v
		}
		sum = new(big.Int).Add(sum, mul(a.cost, per))
		v = new(big.Int).Sub(sum, drift)
		if v.Sub(v, least).Cmp(full) > 0 {
			return true
		}
	}
	return false
}

func TestOracleOddRates(t *testing.T) {
	total := operations(t, 100_000)
	for done, seed := 0, uint64(0); done < total; seed++ {
		r := rand.New(rand.NewPCG(seed, 2))
		w := newWorld(t, r, 5, randomLimits(r, false), ratelimit.WithMaxKeys(1000))
		for range 1000 {
			done++
			w.tick()
			i := r.IntN(len(w.keys))
			n := 1 + r.Int64N(w.smallestBurst())
			d := allow(t, w.limiter, w.keys[i], n)
			if d.Allowed {
				w.admit(i, n)
			} else if r.IntN(4) == 0 {
				w.probe(t, i, n, d.RetryAfter)
			}
		}
		for i := range w.log {
			for _, l := range w.limits {
				if overAdmitted(w.log[i], l) {
					t.Fatalf("seed %d: over-admission of %+v", seed, l)
				}
			}
		}
	}
}

// The check finds one token too many.
func TestOverAdmittedFinds(t *testing.T) {
	l := ratelimit.Limit{Rate: 1, Per: 10, Burst: 2}
	if ok := []admission{{0, 2}, {10, 1}, {20, 1}}; overAdmitted(ok, l) {
		t.Error("false alarm")
	}
	for _, log := range [][]admission{{{0, 3}}, {{0, 2}, {9, 1}}, {{9, 1}, {0, 2}}, {{0, 1}, {95, 2}, {104, 1}}} {
		if !overAdmitted(log, l) {
			t.Errorf("missed %v", log)
		}
	}
}

// An odd rate is rounded down and by no more than documented.
func TestOddRateIsNearlyReached(t *testing.T) {
	for _, rate := range []int64{17, 997, 65_537, 999_983} {
		var now time.Time
		l := newLimiter(t, []ratelimit.Limit{ratelimit.PerSecond(rate)}, ratelimit.WithClock(func() time.Time { return now }))
		k := ratelimit.NewKey("a")
		allow(t, l, k, rate)
		d := allow(t, l, k, rate)
		if d.RetryAfter < time.Second || float64(d.RetryAfter) > 1e9*(1+float64(rate)/16e9)+1 {
			t.Errorf("%d/s: burst refilled in %v", rate, d.RetryAfter)
		}
	}
}
