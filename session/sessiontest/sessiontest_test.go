package sessiontest

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/pavise/pavise/session"
)

func TestMemoryStore(t *testing.T) {
	open := func(*testing.T) session.Store { return session.NewMemoryStore(0) }
	t.Run("synctest", func(t *testing.T) { Store(t, open, Bubble(), Interleavings(-1), Histories(1000)) })
	t.Run("real clock", func(t *testing.T) { Store(t, open) })

	// PAVISE_INTERLEAVINGS=1000000 is for recorded runs.
	if n, err := strconv.Atoi(os.Getenv("PAVISE_INTERLEAVINGS")); err == nil {
		t.Run("recorded", func(t *testing.T) { Store(t, open, Bubble(), Interleavings(n), Histories(n/10)) })
	}
}

// recorder takes what a check says instead of failing the test.
type recorder struct {
	mu   sync.Mutex
	said []string
}

func (r *recorder) Helper() {}

func (r *recorder) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.said = append(r.said, fmt.Sprintf(format, args...))
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}

// verdict runs one check against a store with that fault.
func verdict(t *testing.T, check, fault string) string {
	t.Helper()
	var r recorder
	c := newConfig([]Option{Histories(400), Interleavings(1000), Updates(200), Seed(1)})
	for _, candidate := range checks {
		if candidate.name != check {
			continue
		}
		synctest.Test(t, func(*testing.T) {
			var done sync.WaitGroup
			done.Go(func() { candidate.run(newSuite(&r, c, func() session.Store { return newBroken(fault) })) })
			done.Wait()
		})
		return strings.Join(r.said, "\n")
	}
	t.Fatalf("no check named %q", check)
	return ""
}

// The positive control of the suite: each broken store fails the check that is
// there for it, and for that reason.
func TestBrokenStores(t *testing.T) {
	for _, tt := range []struct{ fault, check, says string }{
		{"sorts methods", "round trip", `want`},
		{"rounds times", "round trip", "created="},
		{"float versions", "round trip", "v=9007199254740992"},
		{"shares memory", "copies", "the caller changed what it had given to Create"},
		{"create replaces", "create inserts only", "Create with the same key: got error <nil>"},
		{"handles of all users", "create inserts only", "Create: session: version conflict"},
		{"create meets the dead", "the dead", "Create with the key and handle of a dead record: got error session: version conflict"},
		{"save ignores the version", "save", "Save with another version: got error <nil>"},
		{"save ignores the version", "concurrent updates", "acknowledged updates: counter"},
		{"save checks, then writes", "concurrent updates", "acknowledged updates: counter"},
		{"save checks, then writes", "linearizability", "no order explains"},
		{"save checks, then writes", "logout against writers", "a session came back after Delete under writers"},
		{"save inserts", "nothing inserts but create", "Save of a record that never was: got error <nil>"},
		{"save inserts", "delete", "a session came back"},
		{"touch inserts", "nothing inserts but create", "Touch of a record that never was: got error <nil>"},
		{"touch revives", "idle end", "Touch after its idle end: got error <nil>"},
		{"touch counts", "touch", "v=2"},
		{"touch shortens", "times of save and touch", "Touch with a shorter idle time moved IdleUntil"},
		{"touch writes back", "logout against writers", "a session came back after Delete under writers"},
		{"touch writes back", "linearizability", "no order explains"},
		{"an equal touch is lost", "one instant", "Touches: got error session: not found"},
		{"load prolongs", "times of save and touch", "Load moved Seen"},
		{"idle beyond the absolute end", "times of save and touch", "beyond the absolute end: IdleUntil"},
		{"no idle end", "idle end", "alive"},
		{"no absolute end", "absolute end", "after its end"},
		{"lives at its end", "idle end", "alive 0s after its end"},
		{"rotate keeps the old key", "rotate", "the old key lives after Rotate"},
		{"rotate inserts, then removes", "linearizability", "no order explains"},
		{"rotate removes, then inserts", "linearizability", "no order explains"},
		{"rotate removes, then inserts", "revocation against rotation", "a session came back after DeleteHandle under rotation"},
		{"index written late", "revocation against login", "a login overtook DeleteUser"},
		{"index written late", "linearizability", "no order explains"},
		{"checks the epoch before it creates", "revocation against login", "a login overtook DeleteUser"},
		{"checks the epoch before it rotates", "revocation against login", "a login overtook DeleteUser"},
		{"checks the epoch before it rotates", "linearizability", "no order explains"},
		{"rotate ignores the version", "rotate", "Rotate with another version: got error <nil>"},
		{"rotate ignores the version", "linearizability", "no order explains"},
		{"rotates within a user at any epoch", "epoch", "Rotate of the user's own record with a stale epoch: got error <nil>"},
		{"rotates within a user at any epoch", "interleavings of three requests", "error <nil>, want [session: user was revoked during login]"},
		{"advances the epoch late", "revocation against login", "a login overtook DeleteUser"},
		{"advances the epoch late", "linearizability", "no order explains"},
		{"lists nobody's", "user ids", "anonymous records, want none"},
		{"ignores epochs", "epoch", "Create with a stale epoch: got error <nil>"},
		{"ignores epochs", "interleavings of three requests", "error <nil>, want [session: user was revoked during login]"},
		{"deletes without an epoch", "epoch", "DeleteUser without sessions"},
		{"deletes a stale key", "revocation against rotation", "came back after DeleteHandle under rotation"},
		{"deletes a stale key", "linearizability", "no order explains"},
		{"deletes another user's handle", "handles", "session: not found"},
		{"delete is not idempotent", "delete", "Delete again: got error session: not found"},
		{"forgets the previous key", "previous key", "a session came back after Delete by the key before"},
		{"forgets the previous key", "logout against step-up", "a session came back after Delete beside a rotation"},
		{"forgets the previous key", "interleavings of two requests", "reauthenticate + logout"},
		{"forgets the previous key", "linearizability", "no order explains"},
		{"remembers the previous key late", "logout against step-up", "a session came back after Delete beside a rotation"},
		{"remembers the key of another user", "previous key of another user", "Load: session: not found"},
		{"remembers every key", "previous key", "Load: session: not found"},
		{"loads by the previous key", "previous key", "Load of the key before a rotation: got error <nil>"},
		{"creates by the clock of the caller", "times of create", "Create: Seen is 1m0s after"},
		{"uses by the clock of the caller", "times of save and touch", "Seen is 1m0s after"},
		{"folds case of users", "user ids", "lists 3 sessions"},
		{"trims users", "user ids", "lists 2 sessions"},
		{"keeps nothing", "keep", "3 deleted, want 2"},
		{"lists the dead", "the dead", "User beside dead sessions"},
		{"counts the dead", "the dead", "3 deleted, want 2"},
		{"sweeps the living", "delete expired", "session: not found"},
		{"sweeps beyond the limit", "delete expired", "DeleteExpired(0) freed 5"},
		{"an ended context is not found", "ended context", "Load with an ended context: session: not found"},
		{"an ended context is a conflict", "ended context", "Rotate with an ended context: session: version conflict"},
	} {
		t.Run(tt.fault+"/"+tt.check, func(t *testing.T) {
			if said := verdict(t, tt.check, tt.fault); !strings.Contains(said, tt.says) {
				t.Errorf("the check said:\n%.2000s\nwant %q in it", said, tt.says)
			}
		})
	}
}

// The store that the faults are put into is correct without one.
func TestNoFault(t *testing.T) {
	Store(t, func(*testing.T) session.Store { return newBroken("") }, Bubble())
	for _, check := range checks {
		if said := verdict(t, check.name, ""); said != "" {
			t.Errorf("%s: %s", check.name, said)
		}
	}
}
