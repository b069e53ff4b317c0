package password

import (
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"

	"github.com/pavise/pavise/secrets"
)

// Params are the cost parameters of argon2, RFC 9106 section 3.1.
type Params struct {
	Memory      uint32 // m, in KiB
	Time        uint32 // t, passes over the memory
	Parallelism uint8  // p, lanes
}

func (p Params) charge() uint64 { return 2 * uint64(p.Memory) << 10 }

// strong reports whether p is at least one of the equivalent minimums of the OWASP
// Password Storage Cheat Sheet, which range from 46 MiB and one pass to 7 MiB and five.
func (p Params) strong() bool {
	return p.Memory >= 7<<10 && uint64(p.Memory)*uint64(p.Time) >= 35<<10
}

func (p Params) valid() bool {
	return p.Time >= 1 && p.Parallelism >= 1 && p.Memory >= 8*uint32(p.Parallelism)
}

func (p Params) within(ceiling Params) bool {
	return p.Memory <= ceiling.Memory && p.Time <= ceiling.Time && p.Parallelism <= ceiling.Parallelism
}

// Pepper is a secret key that is not stored with the hashes: passwords go through
// HMAC-SHA-256 under it first, so that hashes alone cannot be searched.
type Pepper struct {
	ID  string         // 1 to 32 letters, digits, '-' and '.'; stored in each hash
	Key secrets.Secret // at least 32 random bytes
}

// apply returns pw itself if p is the zero Pepper.
func (p Pepper) apply(pw []byte) (out []byte) {
	if p.ID == "" {
		return pw
	}
	p.Key.Use(func(key []byte) {
		m := hmac.New(sha256.New, key)
		m.Write(pw)
		out = m.Sum(nil)
	})
	return out
}

func (p Pepper) check() (err error) {
	if !validPepperID(p.ID) {
		return errPepperID
	}
	p.Key.Use(func(key []byte) {
		if len(key) < 32 {
			err = errPepperKey
		}
	})
	return err
}

// Legacy is a kind of hash that is verified, never made, for moving to argon2id.
type Legacy int

const (
	Argon2i Legacy = iota + 1 // PHC string, version 19
	Bcrypt                    // $2a$, $2b$, $2y$, up to cost 14
	Scrypt                    // PHC string with ln, r and p
	PBKDF2                    // $pbkdf2-sha256$ and $pbkdf2-sha512$ as passlib writes them, up to 5,000,000 iterations
)

// Option is an option of [New].
type Option func(*config)

type config struct {
	params   Params
	insecure bool
	ceiling  Params
	memory   uint64
	queue    int
	pepper   Pepper // the current one
	peppers  []Pepper
	legacy   []Legacy
}

func defaults() config {
	return config{
		params:  Params{Memory: 19 << 10, Time: 2, Parallelism: 1},
		ceiling: Params{Memory: 128 << 10, Time: 10, Parallelism: 16},
		memory:  defaultMemory(),
		queue:   64,
	}
}

// WithParams sets the parameters of new hashes; stored hashes with others are
// rehashed by [Hasher.Verify]. Less than 7 MiB, or than 35 MiB times passes (OWASP
// Password Storage Cheat Sheet), is an error.
func WithParams(p Params) Option { return func(c *config) { c.params, c.insecure = p, false } }

// InsecureParams is [WithParams] without a minimum: for tests.
func InsecureParams(p Params) Option { return func(c *config) { c.params, c.insecure = p, true } }

// WithCeiling sets the highest parameters that a stored hash may have, by default
// 128 MiB, 10 passes and 16 lanes. A stored scrypt hash may need as much memory, and
// as many passes over it, as Memory and Time say.
func WithCeiling(p Params) Option { return func(c *config) { c.ceiling = p } }

// WithMemory sets how many bytes all hashes together may use. Each is charged twice
// its memory parameter, the peak that was measured; on 32-bit platforms, where the
// collector takes random data for pointers to it, it was up to three times as much. The
// default is 256 MiB, or a quarter of GOMEMLIMIT or of the cgroup's memory limit if that
// is less.
func WithMemory(bytes uint64) Option { return func(c *config) { c.memory = bytes } }

// WithQueue sets how many calls may wait for memory, by default 64; they are served
// in order, and one more gets [ErrBusy].
func WithQueue(n int) Option { return func(c *config) { c.queue = n } }

// WithPepper makes new hashes with current and verifies with all peppers given, and
// hashes that have none. To rotate, make a new pepper the current one and keep the
// old one until no stored hash has it.
func WithPepper(current Pepper, older ...Pepper) Option {
	return func(c *config) {
		c.pepper = current
		c.peppers = append([]Pepper{current}, older...)
	}
}

// AcceptLegacy also verifies hashes of the kinds given.
func AcceptLegacy(kinds ...Legacy) Option {
	return func(c *config) { c.legacy = append(slices.Clone(c.legacy), kinds...) }
}

var (
	errParams    = errors.New("password: parameters are not valid: at least one pass, one lane and 8 KiB a lane")
	errWeak      = errors.New("password: parameters are weak: at least 7 MiB, and 35 MiB times passes")
	errOwnLimit  = errors.New("password: parameters of new hashes exceed the ceiling")
	errQueue     = errors.New("password: length of the queue is negative")
	errPepperID  = errors.New("password: ID of a pepper is not 1 to 32 letters, digits, '-' and '.'")
	errPepperKey = errors.New("password: key of a pepper is shorter than 32 bytes")
	errPeppers   = errors.New("password: two peppers have one ID")
	errLegacy    = errors.New("password: legacy kind is not known")
)

func (c *config) check() error {
	switch {
	case !c.params.valid():
		return errParams
	case !c.insecure && !c.params.strong():
		return errWeak
	case !c.params.within(c.ceiling):
		return errOwnLimit
	case c.params.charge() > c.memory:
		return fmt.Errorf("password: one hash needs %d bytes and the memory budget is %d", c.params.charge(), c.memory)
	case c.queue < 0:
		return errQueue
	}
	for _, l := range c.legacy {
		if l < Argon2i || l > PBKDF2 {
			return errLegacy
		}
	}
	return c.checkPeppers()
}

func (c *config) checkPeppers() error {
	for i, p := range c.peppers {
		if err := p.check(); err != nil {
			return err
		}
		if slices.ContainsFunc(c.peppers[:i], func(o Pepper) bool { return o.ID == p.ID }) {
			return errPeppers
		}
	}
	return nil
}

// pepperOf returns the pepper with an id, the zero Pepper for the empty id.
func (c *config) pepperOf(id string) (Pepper, error) {
	if id == "" {
		return Pepper{}, nil
	}
	i := slices.IndexFunc(c.peppers, func(p Pepper) bool { return p.ID == id })
	if i < 0 {
		return Pepper{}, ErrPepper
	}
	return c.peppers[i], nil
}
