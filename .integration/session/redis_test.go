package session

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/gomodule/redigo/redis"
	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/rueidis"
	"github.com/valkey-io/valkey-go"

	"github.com/pavise/pavise/session"
	"github.com/pavise/pavise/session/redisstore"
	"github.com/pavise/pavise/session/sessiontest"
)

// The closures of the README.

func goRedis(client goredis.UniversalClient) redisstore.Do {
	return func(ctx context.Context, args ...any) (any, error) { return client.Do(ctx, args...).Result() }
}

func rueidisDo(client rueidis.Client) redisstore.Do {
	return func(ctx context.Context, args ...any) (any, error) {
		return client.Do(ctx, client.B().Arbitrary(redisstore.Strings(args)...).Build()).ToAny()
	}
}

func valkeyDo(client valkey.Client) redisstore.Do {
	return func(ctx context.Context, args ...any) (any, error) {
		return client.Do(ctx, client.B().Arbitrary(redisstore.Strings(args)...).Build()).ToAny()
	}
}

func redigo(pool *redis.Pool) redisstore.Do {
	return func(ctx context.Context, args ...any) (any, error) {
		conn, err := pool.GetContext(ctx)
		if err != nil {
			return nil, err
		}
		defer conn.Close()
		return redis.DoContext(conn, ctx, args[0].(string), args[1:]...)
	}
}

// redisClients are connected to a Redis by each client.
func redisClients(t *testing.T, address string) map[string]redisstore.Do {
	t.Helper()
	g := goredis.NewClient(&goredis.Options{Addr: address, PoolSize: 20})
	r, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{address}, DisableCache: true})
	if err != nil {
		t.Fatal(err)
	}
	v, err := valkey.NewClient(valkey.ClientOption{InitAddress: []string{address}, DisableCache: true})
	if err != nil {
		t.Fatal(err)
	}
	pool := &redis.Pool{MaxIdle: 20, DialContext: func(ctx context.Context) (redis.Conn, error) { return redis.DialContext(ctx, "tcp", address) }}
	t.Cleanup(func() { g.Close(); r.Close(); v.Close(); pool.Close() })
	return map[string]redisstore.Do{"go-redis": goRedis(g), "rueidis": rueidisDo(r), "valkey-go": valkeyDo(v), "redigo": redigo(pool)}
}

var redisPrefixes atomic.Int64

// openRedis returns a store that shares its Redis with no other.
func openRedis(t *testing.T, do redisstore.Do) *redisstore.Store {
	t.Helper()
	prefix := fmt.Sprintf("%s%d:", strings.NewReplacer("{", "", "}", "").Replace(t.Name()), redisPrefixes.Add(1))
	s, err := redisstore.New(do, redisstore.Prefix(prefix[max(0, len(prefix)-64):]))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestRedis(t *testing.T) {
	for name, do := range redisClients(t, server(t, "PAVISE_REDIS")) {
		t.Run(name, func(t *testing.T) {
			opts := options(t)
			if name != "go-redis" { // they differ in how they pass arguments and replies on
				opts = []sessiontest.Option{sessiontest.Interleavings(30), sessiontest.Histories(10)}
			}
			sessiontest.Store(t, func(t *testing.T) session.Store { return openRedis(t, do) }, opts...)
		})
	}
}

// A client that sends every command again, as some do when an answer is lost, changes
// nothing twice unless another writer comes between. Only DeleteUser cannot count again.
func TestRedisResent(t *testing.T) {
	client := goredis.NewClient(&goredis.Options{Addr: server(t, "PAVISE_REDIS"), PoolSize: 20})
	defer client.Close()
	twice := sentTwice(goRedis(client))
	sessiontest.Store(t, func(t *testing.T) session.Store { return openRedis(t, twice) }, options(t)...)
}

func sentTwice(once redisstore.Do) redisstore.Do {
	var mu sync.Mutex
	return func(ctx context.Context, args ...any) (any, error) {
		mu.Lock()
		defer mu.Unlock()
		first, err := once(ctx, args...)
		if n, ok := first.(string); err != nil || ok && strings.Trim(n, "0123456789") == "" {
			return first, err
		}
		return once(ctx, args...)
	}
}
