// Package sessiontest checks what stands on both sides of package session: any
// implementation of session.Store with [Store], or of session.Revocations with
// [Revocations], against its contract, and with [ASVS] a whole service against the
// requirements of OWASP ASVS 5.0 about sessions.
//
//	func TestStore(t *testing.T) {
//		sessiontest.Store(t, func(t *testing.T) session.Store { return mystore.New(...) })
//	}
//
// The suite for stores is model-based. A small sequential model says what each call may
// answer. Requests as a Manager makes them (read, update, login, logout, revoke...)
// are interleaved step by step and compared with it; the same requests are run
// truly in parallel, and the recorded history must have an order that the model
// explains (linearizability, Herlihy and Wing 1990). Expiry, user ids, limits and
// revocation have checks of their own.
//
// # Security
//
// A store that passes has kept these promises in everything the suite tried: what
// was deleted stays deleted, no update is lost, no login overtakes a revocation,
// nobody's session is found under another user (OWASP ASVS 5.0: 7.2.4, 7.4.1,
// 7.4.2, 7.4.5). It does not kill the server or the network: durability has to be
// tested on the store's own ground.
//
// A service that passes ASVS has kept 3.3.1 to 3.3.5, 3.5.1, 3.5.3, 7.2.1 to 7.2.4,
// 7.3.1, 7.3.2, 7.4.1 to 7.4.5, 7.5.1 to 7.5.3, 7.6.2 and 14.3.2 in the requests that
// were tried; see there for what no program can see. It may use any session library:
// only its handler is looked at.
//
// # Errors
//
// Failures go to the testing.T: with the history that the model cannot explain, or with
// what the service did.
//
// # Events
//
// None.
//
// # Performance
//
// The default takes less than a second on a store in memory and some ten thousand
// calls, so a minute or less on a server. [Interleavings] and [Histories] change that.
// ASVS opens the service 23 times and makes some 90 logins and 500 requests.
package sessiontest

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pavise/pavise/session"
)

// Option changes how much is tried, never what must hold.
type Option func(*config)

type config struct {
	interleavings int // negative: every one
	histories     int
	updates       int
	seed          uint64
	bubble        bool
	unit          time.Duration
}

// Interleavings sets how many interleavings of three requests are drawn at random,
// 300 by default; a negative n runs every one, about thirty thousand. Those of two
// requests are always run in full.
func Interleavings(n int) Option { return func(c *config) { c.interleavings = n } }

// Histories sets how many histories of truly concurrent requests are recorded and
// checked for linearizability, 200 by default.
func Histories(n int) Option { return func(c *config) { c.histories = n } }

// Updates sets how many compare-and-set updates of one session are made by 16
// goroutines, 1,600 by default.
func Updates(n int) Option { return func(c *config) { c.updates = n } }

// Seed draws the same requests again. How concurrent ones meet is up to the scheduler
// all the same. Without it the seed is new each time; the test's log names it.
func Seed(n uint64) Option { return func(c *config) { c.seed = n } }

// Bubble runs each check inside testing/synctest, for a store in memory whose clock
// is time.Now: then waiting costs nothing and expiry is checked to the microsecond.
func Bubble() Option { return func(c *config) { c.bubble = true } }

// Unit is the idle timeout in the checks that wait for one, 200 ms by default. It
// must be well above a round trip to the store and the precision of its clock.
func Unit(d time.Duration) Option { return func(c *config) { c.unit = d } }

// Store runs every check as a subtest, each on a store of its own from open. The
// stores may share their tables: each check uses new keys, handles and users, and
// looks at nothing else. Closing what open made is up to open (t.Cleanup).
func Store(t *testing.T, open func(t *testing.T) session.Store, opts ...Option) {
	t.Helper()
	c := newConfig(opts)
	t.Logf("sessiontest: seed %d", c.seed)
	for _, check := range checks {
		run := func(t *testing.T) {
			check.run(newSuite(t, c, func() session.Store { return open(t) }))
		}
		t.Run(check.name, func(t *testing.T) {
			if c.bubble {
				synctest.Test(t, run)
				return
			}
			run(t)
		})
	}
}

func newConfig(opts []Option) config {
	c := config{
		interleavings: 300, histories: 200, updates: 1600,
		seed: rand.Uint64(), unit: 200 * time.Millisecond,
	}
	for _, o := range opts {
		o(&c)
	}
	return c
}

// checks in the order in which a broken store is best understood.
var checks = []struct {
	name string
	run  func(*suite)
}{
	{"round trip", checkRoundTrip},
	{"copies", checkCopies},
	{"create inserts only", checkCreate},
	{"save", checkSave},
	{"touch", checkTouch},
	{"rotate", checkRotate},
	{"nothing inserts but create", checkNoInsert},
	{"delete", checkDelete},
	{"previous key", checkPrevious},
	{"previous key of another user", checkPreviousUser},
	{"handles", checkHandles},
	{"user ids", checkUserIDs},
	{"epoch", checkEpoch},
	{"keep", checkKeep},
	{"times of create", checkTimesOfCreate},
	{"times of save and touch", checkTimesOfUse},
	{"one instant", checkOneInstant},
	{"idle end", checkIdleEnd},
	{"absolute end", checkAbsoluteEnd},
	{"the dead", checkDead},
	{"delete expired", checkDeleteExpired},
	{"ended context", checkContext},
	{"interleavings of two requests", checkPairs},
	{"interleavings of three requests", checkTriples},
	{"concurrent updates", checkUpdates},
	{"logout against writers", checkLogoutRace},
	{"logout against step-up", checkStepUpRace},
	{"revocation against rotation", checkRevokeRace},
	{"revocation against login", checkLoginRace},
	{"linearizability", checkHistories},
}
