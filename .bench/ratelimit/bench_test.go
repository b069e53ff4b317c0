// Package ratelimit compares keyed, in-memory limiters. Every row does the same work: one token of
// one key out of a bucket that is practically never empty.
package ratelimit

import (
	"context"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/pavise/pavise/ratelimit"
	"github.com/sethvargo/go-limiter/memorystore"
	"golang.org/x/time/rate"
)

const (
	million = 1 << 20
	perSec  = 1_000_000
)

// peers build a limiter and return its call for the i-th of a million keys.
var peers = []struct {
	name  string
	build func(b *testing.B, keys []string) func(i int) bool
}{
	{"pavise", func(b *testing.B, keys []string) func(int) bool {
		l, err := ratelimit.New([]ratelimit.Limit{ratelimit.PerSecond(perSec)}, ratelimit.WithMaxKeys(len(keys)))
		if err != nil {
			b.Fatal(err)
		}
		ctx := b.Context()
		return func(i int) bool {
			d, err := l.Allow(ctx, ratelimit.NewKey(keys[i]))
			return d.Allowed && err == nil
		}
	}},
	{"xtimerate", func(_ *testing.B, keys []string) func(int) bool {
		var mu sync.Mutex
		m := map[string]*rate.Limiter{}
		return func(i int) bool {
			mu.Lock()
			l, ok := m[keys[i]]
			if !ok {
				l = rate.NewLimiter(perSec, perSec)
				m[keys[i]] = l
			}
			mu.Unlock()
			return l.Allow()
		}
	}},
	{"sethvargo", func(b *testing.B, keys []string) func(int) bool {
		s, err := memorystore.New(&memorystore.Config{Tokens: perSec, Interval: time.Second})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = s.Close(context.Background()) })
		ctx := b.Context()
		return func(i int) bool {
			_, _, _, ok, err := s.Take(ctx, keys[i])
			return ok && err == nil
		}
	}},
}

func keys(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = "203.0.113.4/32:" + strconv.Itoa(i+1_000_000)
	}
	return out
}

func BenchmarkOneKey(b *testing.B) {
	ks := keys(1)
	for _, p := range peers {
		b.Run(p.name, func(b *testing.B) {
			allow := p.build(b, ks)
			b.ReportAllocs()
			for b.Loop() {
				allow(0)
			}
		})
	}
}

func BenchmarkMillionKeys(b *testing.B) {
	ks := keys(million)
	for _, p := range peers {
		b.Run(p.name, func(b *testing.B) {
			allow := p.build(b, ks)
			for i := range ks {
				if !allow(i) {
					b.Fatal("a fresh key was denied")
				}
			}
			x := uint64(0x9E3779B97F4A7C15)
			b.ReportAllocs()
			for b.Loop() {
				x ^= x << 13
				x ^= x >> 7
				x ^= x << 17
				allow(int(x % million))
			}
		})
	}
}

func BenchmarkMillionKeysParallel(b *testing.B) {
	ks := keys(million)
	for _, p := range peers {
		b.Run(p.name, func(b *testing.B) {
			allow := p.build(b, ks)
			for i := range ks {
				allow(i)
			}
			b.ReportAllocs()
			b.ResetTimer() // RunParallel, unlike Loop, counts what came before
			b.RunParallel(func(pb *testing.PB) {
				x := uint64(time.Now().UnixNano()) | 1
				for pb.Next() {
					x ^= x << 13
					x ^= x >> 7
					x ^= x << 17
					allow(int(x % million))
				}
			})
		})
	}
}
