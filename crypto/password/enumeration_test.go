package password

import (
	"strings"
	"testing"
	"time"

	"github.com/pavise/pavise/secrets"
)

// Nothing but a log-in tells whether a user exists: an unknown one costs the time of
// a known one, and so does one whose stored hash cannot be verified.
func TestUnknownUserCostsTheSame(t *testing.T) {
	h := newHasher(t, InsecureParams(Params{4 << 10, 2, 1}))
	known := mustHash(t, h, "correct horse")
	for name, c := range map[string]struct {
		stored string
		want   error
	}{
		"unknown":   {"", nil},
		"malformed": {"x", ErrFormat},
		"ceiling":   {strings.Replace(known, "m=4096", "m=4194304", 1), ErrCeiling},
		"pepper":    {strings.Replace(known, "p=1", "p=1,pepper=p9", 1), ErrPepper},
	} {
		if !sameCost(func(stored string) {
			r, err := h.Verify(t.Context(), secrets.New("wrong"), stored)
			if want := map[string]error{c.stored: c.want}[stored]; r.OK || err != want {
				t.Fatalf("%s: %+v, %v", name, r, err)
			}
		}, known, c.stored) {
			t.Errorf("%s: does not cost the same", name)
		}
	}
	b := newHasher(t, AcceptLegacy(Bcrypt))
	const stored = "$2b$06$abcdefghijklmnopqrstuuBzzIgyKkz7xMWYSzkIjUSnxEQFQ0WNe"
	if !sameCost(func(pw string) { mustVerify(t, b, pw, stored) }, "wrong", strings.Repeat("a", 73)) {
		t.Error("a password that bcrypt does not read in full does not cost the same")
	}
}

// sameCost compares the best of several runs in turn, and again if another process was
// in the way. It tells a hash from none, which is a thousand times faster, and leaves
// room for a busy machine.
func sameCost(f func(string), a, b string) bool {
	cost := func(best time.Duration, in string) time.Duration {
		start := time.Now()
		f(in)
		return min(best, time.Since(start))
	}
	bestA, bestB := time.Hour, time.Hour
	for range 200 {
		bestA, bestB = cost(bestA, a), cost(bestB, b)
		if ratio := float64(bestB) / float64(bestA); ratio > 0.25 && ratio < 4 {
			return true
		}
	}
	return false
}

// When the queue is full, it is full for everybody.
func TestBusyForUnusableHashes(t *testing.T) {
	h := newHasher(t, WithMemory(cheap.charge()), WithQueue(0))
	if err := h.budget.acquire(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	for _, stored := range []string{"", "x", good, strings.Replace(good, "m=64", "m=4194304", 1)} {
		if _, err := h.Verify(t.Context(), secrets.New("wrong"), stored); err != ErrBusy {
			t.Errorf("%q: %v", stored, err)
		}
	}
}

func TestUnknownUserIsNeverLoggedIn(t *testing.T) {
	for _, pw := range []string{"", "wrong"} {
		if r := mustVerify(t, newHasher(t), pw, ""); r.OK || r.Rehash != "" {
			t.Errorf("%q: %+v", pw, r)
		}
	}
}
