//go:build !race

package ratelimit_test

import (
	"net/netip"
	"strconv"
	"testing"
	"time"

	"github.com/pavise/pavise/ratelimit"
)

func TestAllowDoesNotAllocate(t *testing.T) {
	hour := ratelimit.AtMost(10, time.Hour, 10)
	one := newLimiter(t, []ratelimit.Limit{ratelimit.PerSecond(1e6)})
	strict := newLimiter(t, []ratelimit.Limit{hour})
	two := newLimiter(t, []ratelimit.Limit{ratelimit.PerSecond(1e6), hour})
	ctx, key, addr := t.Context(), ratelimit.NewKey("ann"), netip.MustParseAddr("2001:db8::1")
	fresh := make([]ratelimit.Key, 2000)
	for i := range fresh {
		fresh[i] = ratelimit.NewKey(strconv.Itoa(i))
	}
	next := 0
	for name, f := range map[string]func(){
		"hit":        func() { _, _ = one.Allow(ctx, key) },
		"denial":     func() { _, _ = strict.Allow(ctx, key) },
		"new key":    func() { _, _ = one.Allow(ctx, fresh[next]); next++ },
		"two limits": func() { _, _ = two.Allow(ctx, key) },
		"address":    func() { _, _ = one.Allow(ctx, ratelimit.IPKey(addr)) },
		"peek":       func() { _, _ = two.Peek(ctx, key, 1) },
		"refund":     func() { _ = two.Refund(ctx, key, 1) },
	} {
		if n := testing.AllocsPerRun(1000, f); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
