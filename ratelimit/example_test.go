package ratelimit_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"time"

	"github.com/pavise/pavise/ratelimit"
)

func Example() {
	limiter, err := ratelimit.New([]ratelimit.Limit{
		ratelimit.AtMost(3, time.Minute, 3),
		ratelimit.AtMost(100, 24*time.Hour, 50),
	})
	if err != nil {
		log.Fatal(err)
	}

	for range 4 {
		d, err := limiter.Allow(context.Background(), ratelimit.NewKey("tenant", "ann"))
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(d.Allowed, d.Limit, d.Remaining)
	}
	// Output:
	// true 3-per-1m0s 2
	// true 3-per-1m0s 1
	// true 3-per-1m0s 0
	// false 3-per-1m0s 0
}

func ExampleMiddleware() {
	limiter, err := ratelimit.New([]ratelimit.Limit{ratelimit.AtMost(2, time.Minute, 2)})
	if err != nil {
		log.Fatal(err)
	}
	hello := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "hello")
	})
	handler := ratelimit.Middleware(limiter, ratelimit.ClientIP{}.Key)(hello)

	for i := range 3 {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("X-Forwarded-For", fmt.Sprintf("198.51.100.%d", i)) // a new disguise each time
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		fmt.Println(w.Code, w.Header().Get("RateLimit-Policy"))
	}
	// Output:
	// 200 "2-per-1m0s";q=2;w=120
	// 200 "2-per-1m0s";q=2;w=120
	// 429 "2-per-1m0s";q=2;w=120
}

// What a client claims about its address counts only if a proxy of ours says so.
func ExampleClientIP() {
	ips := ratelimit.ClientIP{Trusted: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}

	show := func(what, peer, field string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = peer
		r.Header.Set("X-Forwarded-For", field)
		addr, err := ips.Resolve(r)
		fmt.Println(what, addr, err)
	}
	show("through our proxy:      ", "10.0.0.1:4711", "198.51.100.7")
	show("forged, past the proxy: ", "203.0.113.9:4711", "198.51.100.7")
	show("forged, through it:     ", "10.0.0.1:4711", "198.51.100.7, 203.0.113.9")
	show("the proxy wrote no IP:  ", "10.0.0.1:4711", "198.51.100.7, unknown")
	// Output:
	// through our proxy:       198.51.100.7 <nil>
	// forged, past the proxy:  203.0.113.9 <nil>
	// forged, through it:      203.0.113.9 <nil>
	// the proxy wrote no IP:   invalid IP ratelimit: client address cannot be determined
}

func ExampleLogin() {
	ctx := context.Background()
	login, err := ratelimit.NewLogin()
	if err != nil {
		log.Fatal(err)
	}
	ip := netip.MustParseAddr("192.0.2.1")

	// Ann logs in, and her browser keeps a device cookie.
	attempt, _, err := login.Begin(ctx, "ann", ip, "")
	if err != nil {
		log.Fatal(err)
	}
	if err := attempt.Succeed(ctx); err != nil {
		log.Fatal(err)
	}
	device := attempt.DeviceCookie()

	// A thousand machines guess her password.
	guesses := 0
	for i := range 1000 {
		bot := netip.AddrFrom4([4]byte{203, 0, byte(i >> 8), byte(i)})
		attempt, _, err := login.Begin(ctx, "ann", bot, "")
		if err != nil {
			log.Fatal(err)
		}
		if attempt == nil {
			continue // answer 429
		}
		guesses++
		if err := attempt.Fail(ctx); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println("guesses:", guesses)

	// That does not keep her out.
	_, d, err := login.Begin(ctx, "ann", ip, device)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("ann with her device:", d.Allowed)
	// Output:
	// guesses: 4
	// ann with her device: true
}

// A refund for work that turned out to be free, such as an answer from a cache.
func ExampleLimiter_Refund() {
	ctx := context.Background()
	limiter, err := ratelimit.New([]ratelimit.Limit{ratelimit.AtMost(10, time.Hour, 10)})
	if err != nil {
		log.Fatal(err)
	}
	key := ratelimit.IPKey(netip.MustParseAddr("2001:db8::1"))

	d, err := limiter.AllowN(ctx, key, 8)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(d.Remaining)
	if err := limiter.Refund(ctx, key, 8); err != nil {
		log.Fatal(err)
	}
	d, err = limiter.Peek(ctx, key, 1)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(d.Remaining)
	// Output:
	// 2
	// 9
}
