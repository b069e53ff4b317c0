package session

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/rueidis"

	"github.com/pavise/pavise/session"
	"github.com/pavise/pavise/session/redisstore"
	"github.com/pavise/pavise/session/sessiontest"
)

// startCluster starts three masters on loopback, each with a third of the slots, that end
// with the test.
func startCluster(t *testing.T) []string {
	t.Helper()
	binary, err := exec.LookPath("redis-server")
	if err != nil && os.Getenv("CI") == "true" {
		t.Fatal(err)
	} else if err != nil {
		t.Skip("redis-server (package redis-server) is missing")
	}
	var addresses []string
	for range 3 {
		addresses = append(addresses, startNode(t, binary))
	}
	for i, address := range addresses {
		node := goredis.NewClient(&goredis.Options{Addr: address})
		defer node.Close()
		first, last := i*16384/3, (i+1)*16384/3-1
		command(t, node, "CLUSTER", "ADDSLOTSRANGE", first, last)
		host, port, _ := net.SplitHostPort(addresses[0])
		command(t, node, "CLUSTER", "MEET", host, port)
	}
	for _, address := range addresses {
		node := goredis.NewClient(&goredis.Options{Addr: address})
		defer node.Close()
		await(t, func() bool {
			info, err := node.ClusterInfo(t.Context()).Result()
			return err == nil && strings.Contains(info, "cluster_state:ok") && strings.Contains(info, "cluster_known_nodes:3")
		})
	}
	return addresses
}

// startNode starts a node on a port that is free, as is the one 10,000 above it.
func startNode(t *testing.T, binary string) string {
	t.Helper()
	port := 0
	for range 50 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		port = l.Addr().(*net.TCPAddr).Port
		l.Close()
		if port < 55_000 {
			break
		}
		port = 10_000 + port%20_000
	}
	node := exec.Command(binary, "--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--dir", t.TempDir(), "--save", "",
		"--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf", "--cluster-node-timeout", "2000")
	if err := node.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { node.Process.Kill(); node.Wait() })
	address := fmt.Sprintf("127.0.0.1:%d", port)
	client := goredis.NewClient(&goredis.Options{Addr: address})
	defer client.Close()
	await(t, func() bool { return client.Ping(t.Context()).Err() == nil })
	return address
}

func command(t *testing.T, client *goredis.Client, args ...any) {
	t.Helper()
	if err := client.Do(t.Context(), args...).Err(); err != nil {
		t.Fatal(args, err)
	}
}

func await(t *testing.T, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !done(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("not within 30 seconds")
		}
	}
}

func TestRedisCluster(t *testing.T) {
	addresses := startCluster(t)
	g := goredis.NewClusterClient(&goredis.ClusterOptions{Addrs: addresses, PoolSize: 20})
	defer g.Close()
	r, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: addresses, DisableCache: true})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	t.Run("go-redis", func(t *testing.T) {
		sessiontest.Store(t, func(t *testing.T) session.Store { return openRedis(t, goRedis(g)) }, options(t)...)
	})
	t.Run("rueidis", func(t *testing.T) { // its commands find their node by a redirection
		sessiontest.Store(t, func(t *testing.T) session.Store { return openRedis(t, rueidisDo(r)) }, sessiontest.Interleavings(30), sessiontest.Histories(10))
	})
	t.Run("revocations", func(t *testing.T) {
		store := openRedis(t, goRedis(g))
		sessiontest.Revocations(t, func(t *testing.T) session.Revocations { return newRevocations(t, store) })
	})
	var nodes atomic.Int64
	err = g.ForEachMaster(t.Context(), func(ctx context.Context, node *goredis.Client) error {
		if n, err := node.DBSize(ctx).Result(); err != nil || n == 0 {
			return fmt.Errorf("%d keys, %w", n, err)
		}
		nodes.Add(1)
		return nil
	})
	if err != nil || nodes.Load() != 3 {
		t.Errorf("%d nodes hold sessions: %v", nodes.Load(), err)
	}
}

// A dump of Redis holds neither a token nor what is in a session.
func TestRedisDump(t *testing.T) {
	address := server(t, "PAVISE_REDIS")
	client := goredis.NewClient(&goredis.Options{Addr: address})
	defer client.Close()
	prefix := fmt.Sprintf("dump%d:", time.Now().UnixNano())
	store, err := redisstore.New(goRedis(client), redisstore.Prefix(prefix))
	if err != nil {
		t.Fatal(err)
	}
	token, plain := useSessions(t, store)
	var dump strings.Builder
	keys := client.Scan(t.Context(), 0, prefix+"*", 1000).Iterator()
	n := 0
	for keys.Next(t.Context()) {
		n++
		dump.WriteString(keys.Val())
		if fields, err := client.HGetAll(t.Context(), keys.Val()).Result(); err == nil {
			fmt.Fprint(&dump, fields)
		} else {
			dump.WriteString(client.Get(t.Context(), keys.Val()).Val())
		}
	}
	if err := keys.Err(); err != nil || n == 0 {
		t.Fatalf("%d keys, %v", n, err)
	}
	if !strings.Contains(dump.String(), "ann") {
		t.Error("the dump is not one: no user id in it")
	}
	for _, secret := range []string{token, token[len(token)-20:], plain} {
		if strings.Contains(dump.String(), secret) {
			t.Errorf("the dump holds %q", secret)
		}
	}
}
