package password

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"

	"golang.org/x/crypto/argon2"

	"github.com/pavise/pavise/secrets"
)

var (
	// ErrBusy is returned when the queue for memory is full: answer 503.
	ErrBusy = errors.New("password: too many hashes are waiting for memory")

	// ErrTooLong is returned for a password over 1 KiB, before anything is computed.
	ErrTooLong = errors.New("password: password is longer than 1,024 bytes")

	// ErrEmpty is returned by [Hasher.Hash] for an empty password.
	ErrEmpty = errors.New("password: password is empty")

	// ErrFormat is returned for a stored hash that is not a hash of an accepted kind.
	ErrFormat = errors.New("password: stored hash is malformed or of a kind that is not accepted")

	// ErrCeiling is returned for a stored hash that would cost more than the ceiling
	// or the memory budget allows. Nothing was allocated for it.
	ErrCeiling = errors.New("password: parameters of the stored hash exceed the ceiling")

	// ErrPepper is returned for a stored hash with a pepper that is not configured.
	ErrPepper = errors.New("password: stored hash has a pepper that is not configured")

	errZero = errors.New("password: Hasher is empty: use New")
)

const (
	maxInput = 1 << 10
	saltLen  = 16
	tagLen   = 32
)

// Hasher hashes and verifies passwords within a budget of memory. It is safe for
// concurrent use; one process needs one. The zero Hasher hashes and verifies nothing.
type Hasher struct {
	cfg    config
	budget *budget
}

// Result is the outcome of [Hasher.Verify].
type Result struct {
	// OK reports whether the password is the one of the stored hash.
	OK bool

	// Rehash is a new hash to store in place of the old one, which has other
	// parameters, another pepper or is of another kind. It is empty if the stored
	// hash is up to date or if OK is false.
	Rehash string
}

// New returns a Hasher. Without options it makes argon2id hashes with 19 MiB, two
// passes and one lane, and verifies no other kind.
func New(opts ...Option) (*Hasher, error) {
	cfg := defaults()
	for _, opt := range opts {
		opt(&cfg)
	}
	if err := cfg.check(); err != nil {
		return nil, err
	}
	return &Hasher{cfg: cfg, budget: newBudget(cfg.memory, cfg.queue)}, nil
}

// Hash returns the PHC string of password, to be stored. It blocks while the memory
// budget is used up: until ctx is done, or not at all if the queue is full ([ErrBusy]).
func (h *Hasher) Hash(ctx context.Context, password secrets.Secret) (phc string, err error) {
	password.Use(func(pw []byte) {
		if err = checkInput(pw); err == nil {
			phc, err = h.hash(ctx, pw)
		}
	})
	return phc, err
}

// Verify reports whether password is the one that stored was made of. An empty
// stored is for an unknown user: it is never OK and takes as long as a current hash.
// It blocks as [Hasher.Hash] does. An error means that the answer is not known;
// [ErrFormat], [ErrCeiling] and [ErrPepper] take as long as a current hash too.
func (h *Hasher) Verify(ctx context.Context, password secrets.Secret, stored string) (r Result, err error) {
	password.Use(func(pw []byte) { r, err = h.verify(ctx, pw, stored) })
	return r, err
}

func (h *Hasher) hash(ctx context.Context, pw []byte) (string, error) {
	n := h.cfg.params.charge()
	if err := h.budget.acquire(ctx, n); err != nil {
		return "", err
	}
	defer h.budget.release(n)
	return h.encode(pw), nil
}

// encode makes a new hash; the caller holds the memory for it.
func (h *Hasher) encode(pw []byte) string {
	a := h.current()
	rand.Read(a.salt) // never fails: crypto/rand aborts the process instead
	a.tag = a.sum(pw, tagLen)
	return a.String()
}

// verify gives whoever cannot log in, being unknown, without a password or with a
// stored hash that is of no use here, the cost and the place in the queue of those
// who can: a quick answer would tell that a user exists.
func (h *Hasher) verify(ctx context.Context, pw []byte, stored string) (Result, error) {
	if len(pw) > maxInput {
		return Result{}, ErrTooLong
	}
	var s scheme = h.current() // its empty tag is compared like any other and equals none
	var unusable error
	if stored != "" && len(pw) > 0 {
		parsed, err := h.cfg.parse(stored)
		if unusable = err; err == nil {
			s = parsed
		}
	}
	r, err := h.compare(ctx, s, pw)
	if err == nil {
		err = unusable
	}
	return r, err
}

func (h *Hasher) compare(ctx context.Context, s scheme, pw []byte) (r Result, err error) {
	// What needs little memory is charged as a current hash all the same, so that
	// the budget also bounds how many run at once, and covers the rehash.
	n := max(s.charge(), h.cfg.params.charge())
	if err := h.budget.acquire(ctx, n); err != nil {
		return Result{}, err
	}
	defer h.budget.release(n)
	if r.OK, err = s.matches(pw); r.OK && !h.upToDate(s) {
		r.Rehash = h.encode(pw)
	}
	return r, err
}

// current returns a hash to be made now, without its salt and tag.
func (h *Hasher) current() *argon2Hash {
	return &argon2Hash{kind: argon2id, params: h.cfg.params, pepper: h.cfg.pepper, salt: make([]byte, saltLen)}
}

func (h *Hasher) upToDate(s scheme) bool {
	a, ok := s.(*argon2Hash)
	return ok && a.kind == argon2id && a.params == h.cfg.params && a.pepper.ID == h.cfg.pepper.ID &&
		len(a.salt) == saltLen && len(a.tag) == tagLen
}

func checkInput(pw []byte) error {
	switch {
	case len(pw) == 0:
		return ErrEmpty
	case len(pw) > maxInput:
		return ErrTooLong
	}
	return nil
}

// scheme is a stored hash, parsed and within the ceiling.
type scheme interface {
	charge() uint64 // bytes of memory that matches takes at its peak
	matches(pw []byte) (bool, error)
}

// argon2Hash is one hash by argon2id or argon2i, RFC 9106.
type argon2Hash struct {
	kind   string
	params Params
	pepper Pepper // the zero Pepper is none
	salt   []byte
	tag    []byte
}

// charge is twice the memory parameter: the memory of one hash is garbage when the
// next one allocates its own, and with the default GOGC the heap grows to twice what
// is live. A test measures it; where many cores make the collector lag, three times
// the parameter was seen for a moment.
func (a *argon2Hash) charge() uint64 { return a.params.charge() }

func (a *argon2Hash) matches(pw []byte) (bool, error) {
	return subtle.ConstantTimeCompare(a.sum(pw, max(len(a.tag), minTag)), a.tag) == 1, nil
}

func (a *argon2Hash) sum(pw []byte, length int) []byte {
	in := a.pepper.apply(pw)
	if a.kind == argon2i {
		return argon2.Key(in, a.salt, a.params.Time, a.params.Memory, a.params.Parallelism, uint32(length))
	}
	return argon2.IDKey(in, a.salt, a.params.Time, a.params.Memory, a.params.Parallelism, uint32(length))
}
