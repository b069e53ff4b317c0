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
	runs := 10
	if n, err := strconv.Atoi(os.Getenv("PAVISE_DRILLS")); err == nil {
		runs = n
	}
	for seed := range runs {
		synctest.Test(t, func(t *testing.T) { drill(t, rand.New(rand.NewPCG(uint64(seed), 1)), seed%2 == 0) })
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

// drill keeps to what the comment of Live asks for, and to no more. In every other one
// replicas restart; in the rest the store has one older version only, so that Overlap
// must keep what it no longer has.
func drill(t *testing.T, r *rand.Rand, restarts bool) {
	const (
		step, lifetime = 7 * time.Second, 20 * time.Minute
		activate       = 4 * time.Minute
	)
	s := rotatingStore{older: 1}
	if restarts {
		s.older = 9
	}
	s.publish()
	time.Sleep(time.Hour)
	start := func() *secrets.Live[secrets.Secret] {
		l, err := secrets.Open(t.Context(), &s, "KEY", secrets.Options[secrets.Secret]{MaxStale: time.Hour, Overlap: 2 * lifetime})
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
	defer func() {
		for _, replica := range replicas {
			replica.Close()
		}
	}()
	var messages []message
	signed := map[string]bool{}
	var rotation, restored time.Time // the last ones
	var outage time.Time             // when it ends; zero if there is none
	for range 600 {
		switch now := time.Now(); {
		case now.Before(outage):
		case !outage.IsZero():
			s.fail(nil)
			outage, restored = time.Time{}, now
		case r.IntN(60) == 0 && now.Sub(restored) >= 2*activate:
			outage = now.Add(time.Duration(r.IntN(600)) * time.Second)
			s.fail(errors.New("down"))
		case r.IntN(10) == 0 && now.Sub(rotation) >= activate:
			s.rotate(r.IntN(2) == 0)
			rotation = now
		case restarts && r.IntN(20) == 0 && now.Sub(restored) >= activate:
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

// rotatingStore is a store that says of every version that it came with the last change,
// as a volume does.
type rotatingStore struct {
	store
	newest, older int
	announced     bool
}

// rotate makes one step of a rotation.
func (s *rotatingStore) rotate(announce bool) {
	if s.announced {
		s.announced = false
	} else {
		s.newest++
		s.announced = announce
	}
	s.publish()
}

func (s *rotatingStore) publish() {
	var keys []string
	for i := s.newest; i >= max(0, s.newest-s.older); i-- {
		keys = append(keys, fmt.Sprint("k", i))
	}
	if s.announced {
		keys[0] += "?"
	}
	s.set(keys...)
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
