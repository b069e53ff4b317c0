package ratelimit

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"strings"
	"time"
)

// Limit is one token bucket: Burst tokens at most, refilled with Rate tokens in each Per.
//
// Over any span of time a key is admitted at most Burst + Rate·span/Per tokens,
// so a bucket of "100 per second, burst 100" may admit 200 in one second: the burst
// and the refill. Use [AtMost] where the count in a window is what must hold.
type Limit struct {
	// Name identifies the limit in a Decision, in HTTP fields and across reloads: 1 to 64 printable
	// ASCII characters without '"' and '\' (a Structured Fields string, RFC 9651 section 3.3.3).
	Name string

	// Rate tokens are refilled, evenly, in each Per. Both are positive, and together at most 16 tokens a
	// nanosecond. The rate is never rounded up; it is exact if Rate/Per in tokens a nanosecond reduces to a numerator of at most 16, as all that
	// AtMost returns do, and otherwise rounded down by less than one part in 16·Per(ns)/Rate.
	Rate int64
	Per  time.Duration

	// Burst is the size of the bucket and the highest cost of one call: 1 to 10^15 - 1
	// tokens, refilled within four years.
	Burst int64
}

// PerSecond is n tokens each second with a burst of n.
func PerSecond(n int64) Limit {
	return Limit{Name: perName(n, time.Second), Rate: n, Per: time.Second, Burst: n}
}

// AtMost never admits more than n tokens in any half-open window [t, t+window), wherever it starts.
//
// burst of them (1 to n) may come at once; after that, one token is refilled each
// ⌈window/(n-burst+1)⌉, which is the sustained rate. AtMost(5, 15*time.Minute, 3) admits
// three at once and then one each five minutes; with a burst of 5 it is one each 15 minutes.
//
// Arguments out of range give a Limit that [New] refuses.
func AtMost(n int64, window time.Duration, burst int64) Limit {
	l := Limit{Name: perName(n, window), Burst: burst}
	if burst < 1 || burst > n || window <= 0 || n-burst == math.MaxInt64 {
		return l // Rate 0: refused by New
	}
	share := n - burst + 1
	l.Rate = 1
	l.Per = time.Duration((int64(window)-1)/share + 1)
	return l
}

func perName(n int64, window time.Duration) string {
	// A name is ASCII, and Duration.String writes the micro sign.
	return strconv.FormatInt(n, 10) + "-per-" + strings.Replace(window.String(), "µ", "u", 1)
}

const (
	maxName   = 64
	maxBurst  = 999_999_999_999_999 // the largest Structured Fields integer
	maxRefill = 4 * 365 * 24 * time.Hour
	maxStep   = 16
	maxDebt   = 1 << 61 // highest capacity: with maxClock below, no sum reaches 2^63
	maxClock  = 1 << 62
)

// validate tells what is wrong with l without repeating a value of it.
func (l Limit) validate() error {
	switch {
	case !validName(l.Name):
		return errors.New("ratelimit: limit name is not 1 to 64 printable ASCII characters without quote and backslash")
	case l.Rate <= 0 || l.Per <= 0:
		return fmt.Errorf("ratelimit: limit %q: rate and period must be positive", l.Name)
	case (l.Rate-1)/maxStep >= int64(l.Per):
		return fmt.Errorf("ratelimit: limit %q: rate is more than 16 tokens a nanosecond", l.Name)
	case l.Burst <= 0 || l.Burst > maxBurst:
		return fmt.Errorf("ratelimit: limit %q: burst is not between 1 and 10^15-1", l.Name)
	case !refillsInTime(l):
		return fmt.Errorf("ratelimit: limit %q: burst takes more than four years to refill", l.Name)
	}
	return nil
}

func validName(s string) bool {
	if s == "" || len(s) > maxName {
		return false
	}
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// refillsInTime reports burst·per/rate <= maxRefill, in 128 bits.
func refillsInTime(l Limit) bool {
	needHi, needLo := bits.Mul64(uint64(l.Burst), uint64(l.Per))
	haveHi, haveLo := bits.Mul64(uint64(maxRefill), uint64(l.Rate))
	return needHi < haveHi || needHi == haveHi && needLo <= haveLo
}

// scale is a limit in integers: its virtual clock advances step units each nanosecond and a token
// costs unit units, so that step/unit is the rate. Debt and time are then exact
// sums, with no rounding from one call to the next.
type scale struct {
	step, unit int64
	perUnit    uint64 // reciprocal of unit
	capacity   int64  // burst·unit
	horizon    int64  // elapsed nanoseconds (nine years or more) at which the virtual clock stops: closed
}

// newScale returns the scale of a valid limit.
func newScale(l Limit) scale {
	step, unit := reduce(l.Rate, int64(l.Per))
	return scale{step: step, unit: unit, perUnit: reciprocal(unit), capacity: l.Burst * unit, horizon: maxClock / step}
}

// reduce returns the largest fraction step/unit <= rate/per with step <= maxStep.
func reduce(rate, per int64) (step, unit int64) {
	g := gcd(rate, per)
	rate, per = rate/g, per/g
	if rate <= maxStep {
		return rate, per
	}
	for s := int64(1); s <= maxStep; s++ {
		hi, lo := bits.Mul64(uint64(per), uint64(s))
		q, r := bits.Div64(hi, lo, uint64(rate)) // hi < 16 <= rate
		u := int64(q)
		if r > 0 {
			u++
		}
		if step == 0 || higher(s, u, step, unit) {
			step, unit = s, u
		}
	}
	return step, unit
}

// higher reports a/b > c/d, where a and c are at most maxStep.
func higher(a, b, c, d int64) bool {
	hi1, lo1 := bits.Mul64(uint64(a), uint64(d))
	hi2, lo2 := bits.Mul64(uint64(c), uint64(b))
	return hi1 > hi2 || hi1 == hi2 && lo1 > lo2
}

func gcd(a, b int64) int64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// reciprocal is at most 1 below 2^64/unit, so that units < 2^64 times it, divided by 2^64, is
// less than 1 below units/unit.
func reciprocal(unit int64) uint64 { return math.MaxUint64 / uint64(unit) }

// tokens is ⌊units/unit⌋ for units >= 0, by a multiplication: a division would be a fifth of a decision.
func (s *scale) tokens(units int64) int64 {
	hi, _ := bits.Mul64(uint64(units), s.perUnit)
	n := int64(hi) // exact or one too low
	if units-n*s.unit >= s.unit {
		n++
	}
	return n
}

// clock is the virtual time after elapsed nanoseconds.
func (s *scale) clock(elapsed int64) int64 {
	return min(max(elapsed, 0), s.horizon) * s.step
}

// duration is the time in which the virtual clock advances by units, rounded up.
func (s *scale) duration(units int64) time.Duration {
	if units <= 0 {
		return 0
	}
	if s.step == 1 { // most limits: spare the hot path a division
		return time.Duration(units)
	}
	return time.Duration((units-1)/s.step + 1)
}
