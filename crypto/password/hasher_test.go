package password

import (
	"context"
	"crypto/fips140"
	"crypto/pbkdf2"
	"crypto/sha256"
	"errors"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pavise/pavise/secrets"
)

var cheap = Params{Memory: 64, Time: 1, Parallelism: 1}

// newHasher returns a Hasher with cheap parameters.
func newHasher(t testing.TB, opts ...Option) *Hasher {
	t.Helper()
	h, err := New(append([]Option{InsecureParams(cheap)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func mustHash(t testing.TB, h *Hasher, pw string) string {
	t.Helper()
	phc, err := h.Hash(t.Context(), secrets.New(pw))
	if err != nil {
		t.Fatal(err)
	}
	return phc
}

func mustVerify(t testing.TB, h *Hasher, pw, stored string) Result {
	t.Helper()
	r, err := h.Verify(t.Context(), secrets.New(pw), stored)
	if err != nil {
		t.Fatalf("%s: %v", stored, err)
	}
	return r
}

func TestHashAndVerifyWithDefaults(t *testing.T) {
	h, err := New()
	if err != nil {
		t.Fatal(err)
	}
	phc := mustHash(t, h, "correct horse")
	if !strings.HasPrefix(phc, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Fatal(phc)
	}
	if r := mustVerify(t, h, "correct horse", phc); !r.OK || r.Rehash != "" {
		t.Errorf("right password: %+v", r)
	}
	for _, wrong := range []string{"correct horsE", "correct horse ", "", "correct horse\x00"} {
		if r := mustVerify(t, h, wrong, phc); r.OK || r.Rehash != "" {
			t.Errorf("%q: %+v", wrong, r)
		}
	}
	if mustHash(t, h, "correct horse") == phc {
		t.Error("the salt repeats")
	}
}

// Hashes made by other implementations.
func TestForeignHashes(t *testing.T) {
	h := newHasher(t, AcceptLegacy(Argon2i, Bcrypt, Scrypt, PBKDF2))
	for _, c := range []struct{ source, pw, stored string }{
		{"reference implementation", "password", "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"},
		{"reference implementation", "password", "$argon2i$v=19$m=65536,t=2,p=4$c29tZXNhbHQ$RdescudvJCsgt3ub+b+dWRWJTmaaJObG"},
		{"crypt(3)", "correct horse", "$2b$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e"},
		{"crypt(3)", "correct horse", "$2y$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e"},
		{"passlib", "password", "$scrypt$ln=16,r=8,p=1$aM15713r3Xsvxbi31lqr1Q$nFNh2CVHVjNldFVKDHDlm4CbdRSCdEBsjjJxD+iCs5E"},
		{"Python hashlib", "correct horse", "$scrypt$ln=10,r=8,p=1$c2FsdHNhbHRzYWx0c2FsdA$A9lBa6RTbfBovWqamVIqXKovIl4Vk6OZyVojLJmYmSI"},
		{"Python hashlib", "correct horse", "$pbkdf2-sha256$1000$8PHy8/T19vf4.fr7/P3./w$JwgcbJZlHBoE0uPBMy9SZsCsIJXsYLx/8XwH97PVwMU"},
		{"Python hashlib", "correct horse", "$pbkdf2-sha512$1000$8PHy8/T19vf4.fr7/P3./w$xqu1f3FSdHbs02z9AocIk0UpBf6S9uqlRTfcS56zkPqTxPMhm.kj4D.e8E9DRlH/uXf/Pe1g59vHIM0MwcvtiA"},
	} {
		if r := mustVerify(t, h, "wrong", c.stored); r.OK {
			t.Errorf("%s: %s: a wrong password matched", c.source, c.stored)
		}
		r := mustVerify(t, h, c.pw, c.stored)
		if !r.OK || !strings.HasPrefix(r.Rehash, "$argon2id$v=19$m=64,t=1,p=1$") {
			t.Errorf("%s: %s: %+v", c.source, c.stored, r)
			continue
		}
		if again := mustVerify(t, h, c.pw, r.Rehash); !again.OK || again.Rehash != "" {
			t.Errorf("%s: the rehash: %+v", c.source, again)
		}
		if strings.HasPrefix(c.stored, "$argon2id") {
			continue
		}
		if _, err := newHasher(t).Verify(t.Context(), secrets.New(c.pw), c.stored); err != ErrFormat {
			t.Errorf("%s: taken without AcceptLegacy: %v", c.stored, err)
		}
	}
}

// bcrypt reads 72 bytes of a password, and the same again after a NUL.
func TestBcryptInputNotReadInFull(t *testing.T) {
	const stored = "$2b$04$abcdefghijklmnopqrstuuBzzIgyKkz7xMWYSzkIjUSnxEQFQ0WNe"
	h := newHasher(t, AcceptLegacy(Bcrypt))
	if !mustVerify(t, h, strings.Repeat("a", 72), stored).OK {
		t.Error("72 bytes: no match")
	}
	if mustVerify(t, h, strings.Repeat("a", 73), stored).OK {
		t.Error("a password matched by its first 72 bytes")
	}
	const ofOneLetter = "$2b$04$abcdefghijklmnopqrstuuMFdJu9yVgmagVAIC24fOZkaFqd3s9JC"
	if !mustVerify(t, h, "a", ofOneLetter).OK {
		t.Error("one letter: no match")
	}
	if mustVerify(t, h, "a\x00a", ofOneLetter).OK {
		t.Error("a password matched up to its NUL")
	}
}

func TestRehashWhenOutdated(t *testing.T) {
	stored := mustHash(t, newHasher(t), "correct horse")
	pepper := Pepper{"p1", secrets.New(strings.Repeat("k", 32))}
	for name, h := range map[string]*Hasher{
		"memory": newHasher(t, InsecureParams(Params{65, 1, 1})),
		"time":   newHasher(t, InsecureParams(Params{64, 2, 1})),
		"lanes":  newHasher(t, InsecureParams(Params{64, 1, 2})),
		"pepper": newHasher(t, WithPepper(pepper)),
	} {
		r := mustVerify(t, h, "correct horse", stored)
		if !r.OK || r.Rehash == "" {
			t.Errorf("%s: %+v", name, r)
			continue
		}
		if again := mustVerify(t, h, "correct horse", r.Rehash); !again.OK || again.Rehash != "" {
			t.Errorf("%s: rehash %+v", name, again)
		}
		if r := mustVerify(t, h, "wrong", stored); r.OK || r.Rehash != "" {
			t.Errorf("%s: wrong password %+v", name, r)
		}
	}
}

func TestPepper(t *testing.T) {
	p1 := Pepper{"p1", secrets.New(strings.Repeat("1", 32))}
	p2 := Pepper{"p2", secrets.New(strings.Repeat("2", 32))}
	stored := mustHash(t, newHasher(t, WithPepper(p1)), "correct horse")
	if !strings.Contains(stored, ",pepper=p1$") {
		t.Fatal(stored)
	}
	r := mustVerify(t, newHasher(t, WithPepper(p2, p1)), "correct horse", stored)
	if !r.OK || !strings.Contains(r.Rehash, ",pepper=p2$") {
		t.Errorf("rotation: %+v", r)
	}
	impostor := Pepper{"p1", p2.Key}
	if mustVerify(t, newHasher(t, WithPepper(impostor)), "correct horse", stored).OK {
		t.Error("the key of the pepper does not matter")
	}
	without := strings.Replace(stored, ",pepper=p1", "", 1)
	if mustVerify(t, newHasher(t, WithPepper(p1)), "correct horse", without).OK {
		t.Error("the pepper can be dropped")
	}
	if _, err := newHasher(t, WithPepper(p2)).Verify(t.Context(), secrets.New("correct horse"), stored); err != ErrPepper {
		t.Errorf("unknown pepper: %v", err)
	}
}

func TestInputCap(t *testing.T) {
	h := newHasher(t)
	longest := strings.Repeat("x", 1024)
	if !mustVerify(t, h, longest, mustHash(t, h, longest)).OK {
		t.Error("1,024 bytes")
	}
	for _, stored := range []string{"", mustHash(t, h, longest)} {
		if _, err := h.Verify(t.Context(), secrets.New(longest+"x"), stored); err != ErrTooLong {
			t.Errorf("1,025 bytes: %v", err)
		}
	}
	if _, err := h.Hash(t.Context(), secrets.New(longest+"x")); err != ErrTooLong {
		t.Errorf("1,025 bytes: %v", err)
	}
	if _, err := h.Hash(t.Context(), secrets.Secret{}); err != ErrEmpty {
		t.Errorf("empty: %v", err)
	}
}

func TestZeroHasher(t *testing.T) {
	var h Hasher
	if phc, err := h.Hash(t.Context(), secrets.New("correct horse")); err != errZero || phc != "" {
		t.Errorf("%q, %v", phc, err)
	}
	for _, stored := range []string{"", "x", good} {
		if r, err := h.Verify(t.Context(), secrets.New("correct horse"), stored); err != errZero || r.OK {
			t.Errorf("%q: %+v, %v", stored, r, err)
		}
	}
}

// A panic in the middle of a hash returns its memory.
func TestBudgetSurvivesPanic(t *testing.T) {
	h := newHasher(t)
	before := h.budget.free
	func() {
		defer func() {
			if recover() == nil {
				t.Error("control: no panic")
			}
		}()
		h.compare(t.Context(), schemeFunc(func() bool { panic("test") }), nil)
	}()
	if h.budget.free != before {
		t.Errorf("%d of %d free", h.budget.free, before)
	}
}

// The mode refuses short salts in PBKDF2, on which scrypt is built: an error, no panic.
func TestShortSaltsUnderEnforcement(t *testing.T) {
	if !fips140.Enforced() {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestShortSaltsUnderEnforcement$", "-test.v")
		cmd.Env = append(os.Environ(), "GODEBUG=fips140=only")
		out, err := cmd.CombinedOutput()
		if strings.Contains(string(out), "incompatible with GOEXPERIMENT=boringcrypto") {
			t.Skip("this toolchain cannot run in that mode")
		}
		if err != nil || !strings.Contains(string(out), "enforced") {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	h := newHasher(t, AcceptLegacy(Scrypt, PBKDF2))
	const salt8, salt16, tag = "c2FsdHNhbHQ", "c2FsdHNhbHRzYWx0c2FsdA", "A9lBa6RTbfBovWqamVIqXKovIl4Vk6OZyVojLJmYmSI"
	for _, prefix := range []string{"$scrypt$ln=4,r=8,p=1$", "$pbkdf2-sha256$10$"} {
		_, err := h.Verify(t.Context(), secrets.New("pw"), prefix+salt8+"$"+tag)
		if want := map[bool]error{true: ErrFormat}[fips140.Enforced()]; err != want {
			t.Errorf("%s with 8 bytes: %v", prefix, err)
		}
		if _, err := h.Verify(t.Context(), secrets.New("pw"), prefix+salt16+"$"+tag); err != nil {
			t.Errorf("%s with 16 bytes: %v", prefix, err)
		}
	}
	if fips140.Enforced() {
		t.Log("enforced")
	}
}

// What hashes really take at their peak is what they are charged: half of it in use,
// half of it garbage. The collector may lag behind by another half.
func TestChargeCoversThePeak(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector has a heap of its own")
	}
	if strconv.IntSize == 32 {
		t.Skip("the collector takes words of a hash for pointers to another one")
	}
	p := Params{19 << 10, 2, 1}
	const atOnce = 3
	h := newHasher(t, InsecureParams(p), WithMemory(atOnce*p.charge()), WithQueue(1000))
	debug.FreeOSMemory()
	var before runtime.MemStats
	runtime.ReadMemStats(&before)

	var peak, stop atomic.Uint64
	var sampler, hashers sync.WaitGroup
	sampler.Go(func() {
		var m runtime.MemStats
		for stop.Load() == 0 {
			runtime.ReadMemStats(&m)
			peak.Store(max(peak.Load(), m.HeapAlloc))
			time.Sleep(200 * time.Microsecond)
		}
	})
	for range 18 {
		hashers.Go(func() { mustHash(t, h, "correct horse") })
	}
	hashers.Wait()
	stop.Store(1)
	sampler.Wait()
	used := peak.Load() - min(peak.Load(), before.HeapAlloc)
	t.Logf("peak %d KiB of a budget of %d KiB", used>>10, atOnce*p.charge()>>10)
	if used > atOnce*p.charge()*3/2 {
		t.Errorf("peak of %d KiB", used>>10)
	}
	if used < uint64(p.Memory)<<10 {
		t.Error("control: no hash was seen")
	}
}

func TestBudgetBoundsRealHashes(t *testing.T) {
	h := newHasher(t, WithMemory(2*cheap.charge()), WithQueue(3))
	stored := mustHash(t, h, "correct horse")
	var done, busy atomic.Int32
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			switch r, err := h.Verify(context.Background(), secrets.New("correct horse"), stored); {
			case err == nil && r.OK:
				done.Add(1)
			case errors.Is(err, ErrBusy):
				busy.Add(1)
			default:
				t.Error(r, err)
			}
		})
	}
	wg.Wait()
	if done.Load() == 0 || done.Load()+busy.Load() != 64 {
		t.Errorf("%d done, %d busy", done.Load(), busy.Load())
	}
	if h.budget.free != 2*cheap.charge() || len(h.budget.queue) != 0 {
		t.Errorf("the budget lost memory: %d", h.budget.free)
	}
}

// A rehash takes no second place in the queue, in which a log-in that is right could
// be lost: it uses the memory that the log-in holds.
func TestRehashDoesNotQueueAgain(t *testing.T) {
	stored := mustHash(t, newHasher(t), "correct horse")
	h := newHasher(t, InsecureParams(Params{64, 2, 1}), WithMemory(cheap.charge()), WithQueue(0))
	r, err := h.Verify(&doneAfter{Context: t.Context(), calls: 1}, secrets.New("correct horse"), stored)
	if err != nil || !r.OK || r.Rehash == "" {
		t.Errorf("%+v, %v", r, err)
	}
	if _, err := h.Verify(&doneAfter{Context: t.Context()}, secrets.New("correct horse"), stored); !errors.Is(err, context.Canceled) {
		t.Errorf("done before: %v", err)
	}
}

// doneAfter is a context that is done after some calls of Err.
type doneAfter struct {
	context.Context
	calls int
}

func (d *doneAfter) Err() error {
	if d.calls--; d.calls < 0 {
		return context.Canceled
	}
	return nil
}

// A kind of hash that needs hardly any memory still takes a place in the budget.
func TestSmallSchemesAreCharged(t *testing.T) {
	h := newHasher(t, WithMemory(3*cheap.charge()))
	var during uint64
	r, err := h.compare(t.Context(), schemeFunc(func() bool { during = h.budget.free; return true }), nil)
	if err != nil || !r.OK || during != 2*cheap.charge() {
		t.Errorf("%d of %d free, %v", during, 3*cheap.charge(), err)
	}
}

type schemeFunc func() bool

func (schemeFunc) charge() uint64                 { return 1 }
func (f schemeFunc) matches([]byte) (bool, error) { return f(), nil }

// A legacy hash of the empty password logs nobody in.
func TestEmptyPasswordOfLegacyHash(t *testing.T) {
	salt := []byte("sixteen bytes!!!")
	tag, err := pbkdf2.Key(sha256.New, "", salt, 1, 32)
	if err != nil {
		t.Skip(err) // FIPS 140-3 enforcement wants a longer password
	}
	dotted := func(b []byte) string { return strings.ReplaceAll(b64.EncodeToString(b), "+", ".") }
	stored := "$pbkdf2-sha256$1$" + dotted(salt) + "$" + dotted(tag)
	if r := mustVerify(t, newHasher(t, AcceptLegacy(PBKDF2)), "", stored); r.OK {
		t.Error("matched")
	}
}

func TestNewRefuses(t *testing.T) {
	key := secrets.New(strings.Repeat("k", 32))
	for name, opt := range map[string]Option{
		"weak memory":         WithParams(Params{7<<10 - 1, 10, 1}),
		"weak product":        WithParams(Params{19 << 10, 1, 1}),
		"no pass":             InsecureParams(Params{64, 0, 1}),
		"no lane":             InsecureParams(Params{64, 1, 0}),
		"memory under lanes":  InsecureParams(Params{15, 1, 2}),
		"over the ceiling":    WithParams(Params{256 << 10, 1, 1}),
		"no room for one":     WithMemory(38<<20 - 1),
		"negative queue":      WithQueue(-1),
		"unknown legacy kind": AcceptLegacy(PBKDF2 + 1),
		"pepper without id":   WithPepper(Pepper{"", key}),
		"pepper id":           WithPepper(Pepper{"a,b", key}),
		"pepper id length":    WithPepper(Pepper{strings.Repeat("a", 33), key}),
		"pepper key":          WithPepper(Pepper{"a", secrets.New("short")}),
		"no pepper key":       WithPepper(Pepper{"a", secrets.Secret{}}),
		"equal peppers":       WithPepper(Pepper{"a", key}, Pepper{"a", key}),
	} {
		if h, err := New(opt); err == nil || h != nil {
			t.Errorf("%s: no error", name)
		}
	}
	for _, p := range []Params{{46 << 10, 1, 1}, {19 << 10, 2, 1}, {12 << 10, 3, 1}, {9 << 10, 4, 1}, {7 << 10, 5, 1}} {
		if _, err := New(WithParams(p)); err != nil {
			t.Errorf("%v of the cheat sheet: %v", p, err)
		}
	}
}
