package ratelimit

import (
	"errors"
	"log/slog"
	"math"
	"time"
)

// Option configures [New] and [NewLogin].
type Option func(*config)

type config struct {
	maxKeys   int
	overflow  Overflow
	clock     func() time.Time
	logger    *slog.Logger
	deviceKey []byte
}

// Overflow says what a new key meets when its part of the table is full of keys in debt.
type Overflow uint8

const (
	// Inherit, the default, lets a new key start with the highest debt that was ever evicted from its set.
	// No key is ever admitted past its limit, whatever the number of keys. The
	// price is paid in a flood of more than WithMaxKeys keys: fresh keys are refused.
	Inherit Overflow = iota

	// EvictLeastDebt forgets the key with the least debt and lets the new key start with none. Fresh
	// keys are always admitted; the price is that a flood makes the limiter forget, and
	// keys under attack are then admitted past their limit.
	EvictLeastDebt
)

const (
	defaultMaxKeys = 1 << 16
	largestMaxKeys = min(1<<30, math.MaxInt/64)
)

// WithMaxKeys sets the number of keys in debt at the same time that each limit has room for,
// 1 to 2^30 (2^25-1 on 32-bit platforms). At that number about one live key in ten thousand meets the [Overflow] policy. All
// memory, 43 bytes a key and limit, is allocated by the constructor. The default is 65,536.
func WithMaxKeys(n int) Option { return func(c *config) { c.maxKeys = n } }

// WithOverflow sets the policy for a full table. The default is [Inherit].
func WithOverflow(p Overflow) Option { return func(c *config) { c.overflow = p } }

// WithClock sets the clock. It is called once for each decision, by many goroutines. Readings may
// repeat or go back: that delays admissions and never adds any. A step ahead refills, so a clock that
// others can set is none to limit by.
func WithClock(now func() time.Time) Option { return func(c *config) { c.clock = now } }

// WithLogger sets the logger for the events of the package comment. The default is none.
func WithLogger(l *slog.Logger) Option { return func(c *config) { c.logger = l } }

func newConfig(opts []Option) (*config, error) {
	c := &config{maxKeys: defaultMaxKeys}
	for _, o := range opts {
		o(c)
	}
	if c.maxKeys < 1 || c.maxKeys > largestMaxKeys {
		return nil, errors.New("ratelimit: maximum number of keys is not between 1 and 2^30")
	}
	if c.overflow > EvictLeastDebt {
		return nil, errors.New("ratelimit: unknown overflow policy")
	}
	return c, nil
}
