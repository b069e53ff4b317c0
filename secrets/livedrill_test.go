package secrets_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pavise/pavise/secrets"
)

// TestRotationDrill: three replicas with polls of their own, restarts, outages of the
// store, and rotations with and without an announcement. Each message is verified by
// every replica when it is made and later. PAVISE_DRILLS sets how many runs there are.
func TestRotationDrill(t *testing.T) {
	runs := 30
	if n, err := strconv.Atoi(os.Getenv("PAVISE_DRILLS")); err == nil {
		runs = n
	}
	for seed := range runs {
		synctest.Test(t, func(t *testing.T) { drill(t, rand.New(rand.NewPCG(uint64(seed), 1))) })
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

type message struct {
	made time.Time
	mac  []byte
}

func hmacOf(key secrets.Secret) (mac []byte) {
	key.Use(func(b []byte) {
		h := hmac.New(sha256.New, b)
		h.Write([]byte("message"))
		mac = h.Sum(nil)
	})
	return mac
}

func drill(t *testing.T, r *rand.Rand) {
	const step, lifetime = 7 * time.Second, 20 * time.Minute
	var s store
	s.set("k0")
	time.Sleep(time.Hour)
	start := func() *secrets.Live[secrets.Secret] {
		l, err := secrets.Open(t.Context(), &s, "KEY", secrets.Options[secrets.Secret]{
			MaxStale: time.Hour, Overlap: lifetime + 10*time.Minute,
		})
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	var replicas [3]*secrets.Live[secrets.Secret]
	for i := range replicas {
		replicas[i] = start()
		time.Sleep(rand.N(time.Minute))
	}
	var messages []message
	signed := map[string]bool{}
	n, next := 0, time.Now()
	var then func()
	var outage, restored time.Time
	defer func() {
		for _, replica := range replicas {
			replica.Close()
		}
	}()
	for range 600 {
		down := time.Now().Before(outage)
		switch now := time.Now(); {
		case down:
		case !outage.IsZero():
			s.fail(nil)
			outage, restored = time.Time{}, now
		case r.IntN(100) == 0:
			outage = now.Add(time.Duration(r.IntN(10)) * time.Minute)
			s.fail(errors.New("down"))
		case now.After(next):
			then = rotate(&s, &n, then, r)
			next = now.Add(3*time.Minute + time.Duration(r.IntN(300))*time.Second)
		case r.IntN(20) == 0 && now.Sub(restored) > 3*time.Minute:
			i := r.IntN(len(replicas))
			replicas[i].Close()
			replicas[i] = start()
		}
		for i, replica := range replicas {
			key := replica.Signing()
			signed[key.Reveal()] = true
			messages = append(messages, message{time.Now(), hmacOf(key)})
			check(t, i, messages[len(messages)-1], replicas[:])
		}
		time.Sleep(step)
		for len(messages) > 0 && time.Since(messages[0].made) > lifetime {
			check(t, -1, messages[0], replicas[:])
			messages = messages[1:]
		}
		if t.Failed() {
			return
		}
	}
	if len(signed) < 3 {
		t.Errorf("control: only %d keys signed", len(signed))
	}
}

// rotate makes one step of a rotation and returns the one that must follow.
func rotate(s *store, n *int, then func(), r *rand.Rand) func() {
	if then != nil {
		then()
		return nil
	}
	key := func(i int) string { return fmt.Sprint("k", max(i, 0)) }
	*n++
	i := *n
	if r.IntN(2) == 0 {
		s.set(key(i)+"?", key(i-1), key(i-2), key(i-3), key(i-4), key(i-5), key(i-6), key(i-7), key(i-8), key(i-9))
		return func() {
			s.set(key(i), key(i-1), key(i-2), key(i-3), key(i-4), key(i-5), key(i-6), key(i-7), key(i-8), key(i-9))
		}
	}
	s.set(key(i), key(i-1), key(i-2), key(i-3), key(i-4), key(i-5), key(i-6), key(i-7), key(i-8), key(i-9))
	return nil
}

func check(t *testing.T, by int, m message, replicas []*secrets.Live[secrets.Secret]) {
	t.Helper()
	for i, replica := range replicas {
		ok := false
		for _, key := range replica.Verifying() {
			ok = ok || hmac.Equal(hmacOf(key), m.mac)
		}
		if !ok {
			t.Errorf("made by replica %d, %v ago: replica %d refuses it", by, time.Since(m.made), i)
		}
	}
}
