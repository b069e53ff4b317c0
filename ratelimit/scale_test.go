package ratelimit

import (
	"math/rand/v2"
	"testing"
)

func TestTokensIsADivision(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 4))
	check := func(unit, units int64) {
		t.Helper()
		s := newScale(Limit{Rate: 1, Per: 1, Burst: 1})
		s.unit, s.perUnit = unit, reciprocal(unit)
		if got := s.tokens(units); got != units/unit {
			t.Fatalf("%d units of %d: %d tokens", units, unit, got)
		}
	}
	for range 200_000 {
		unit := 1 + r.Int64N(1<<61)>>r.IntN(61)
		check(unit, r.Int64N(1<<61)>>r.IntN(61))
		multiple := unit * (r.Int64N(1<<61) / unit)
		check(unit, multiple)
		check(unit, max(multiple-1, 0))
	}
	check(1, 1<<61)
	check(1<<61, 1<<61)
}
