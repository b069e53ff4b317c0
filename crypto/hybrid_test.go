package crypto

import (
	"bytes"
	"context"
	"crypto/fips140"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// hybridKinds are the algorithms: how to make a key, and how long a wrapped one is.
var hybridKinds = map[string]struct {
	generate func() HybridPrivateKey
	wrapped  int
}{
	"X-Wing":         {GenerateHybridKey, 1169},
	"MLKEM1024-P384": {GenerateHybridKeyP384, 1714},
}

// skipHybridFIPS skips what wraps for a hybrid key, or unwraps, where that is refused.
func skipHybridFIPS(t testing.TB) {
	t.Helper()
	if fips140.Enforced() && fips140.Version() == "v1.0.0" {
		t.Skip("version v1.0.0 of the Go Cryptographic Module has no approved AES-GCM for HPKE")
	}
}

// countedKEK counts the calls of a KEK that is a public key.
type countedKEK struct {
	KEK
	calls atomic.Int32
}

func counted(k KEK) *countedKEK { return &countedKEK{KEK: k} }

func (*countedKEK) PublicKey() bool { return true }

func (k *countedKEK) Unwrap(ctx context.Context, wrapped []byte, label string) ([]byte, error) {
	k.calls.Add(1)
	return k.KEK.Unwrap(ctx, wrapped, label)
}

func TestHybridWrap(t *testing.T) {
	skipHybridFIPS(t)
	dek := bytes.Repeat([]byte{7}, 32)
	for name, kind := range hybridKinds {
		private := kind.generate()
		to, from := HybridRecipient(private.Public()), HybridIdentity(private)
		for who, kek := range map[string]KEK{"recipient": to, "identity": from} {
			wrapped, err := kek.Wrap(t.Context(), dek, "label")
			if err != nil || len(wrapped) != kind.wrapped {
				t.Fatalf("%s, %s: %d bytes, %v", name, who, len(wrapped), err)
			}
			if got, err := from.Unwrap(t.Context(), wrapped, "label"); err != nil || !bytes.Equal(got, dek) {
				t.Errorf("%s, %s: %v", name, who, err)
			}
		}
		for _, n := range []int{0, 31, 33} {
			if _, err := to.Wrap(t.Context(), make([]byte, n), "label"); err != errWrapLen {
				t.Errorf("%s: data key of %d bytes: %v", name, n, err)
			}
		}
	}
}

func TestHybridUnwrapRefuses(t *testing.T) {
	skipHybridFIPS(t)
	for name, kind := range hybridKinds {
		private := kind.generate()
		to, from := HybridRecipient(private.Public()), HybridIdentity(private)
		wrapped, err := to.Wrap(t.Context(), make([]byte, 32), "label")
		if err != nil {
			t.Fatal(err)
		}
		bad := [][]byte{nil, {}, {1}, wrapped[:1], wrapped[1:], wrapped[:len(wrapped)-1], append(bytes.Clone(wrapped), 0)}
		for i := 0; i < len(wrapped); i = min(i+41, max(i+1, len(wrapped)-1)) { // the first, the last and some between
			altered := bytes.Clone(wrapped)
			altered[i] ^= 1
			bad = append(bad, altered)
		}
		zeroPoint := bytes.Clone(wrapped) // X25519 gives zero for it; it is not on P-384
		clear(zeroPoint[len(zeroPoint)-48-32 : len(zeroPoint)-48])
		topBit := bytes.Clone(wrapped) // which X25519 itself ignores
		topBit[len(topBit)-48-1] ^= 0x80
		for i, b := range append(bad, zeroPoint, topBit) {
			if dek, err := from.Unwrap(t.Context(), b, "label"); err != ErrOpen || dek != nil {
				t.Errorf("%s: %d: %v", name, i, err)
			}
		}
		for _, label := range []string{"", "labe", "labels", "Label"} {
			if _, err := from.Unwrap(t.Context(), wrapped, label); err != ErrOpen {
				t.Errorf("%s: label %q: %v", name, label, err)
			}
		}
		if _, err := HybridIdentity(kind.generate()).Unwrap(t.Context(), wrapped, "label"); err != ErrOpen {
			t.Errorf("%s: another key: %v", name, err)
		}
		if _, err := to.Unwrap(t.Context(), wrapped, "label"); err != errSealOnly {
			t.Errorf("%s: seal-only: %v", name, err)
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		_, wrapErr := to.Wrap(ended, make([]byte, 32), "label")
		if _, err := from.Unwrap(ended, wrapped, "label"); !errors.Is(err, context.Canceled) || !errors.Is(wrapErr, context.Canceled) {
			t.Errorf("%s: cancelled: %v, %v", name, err, wrapErr)
		}
		if _, err := from.Unwrap(t.Context(), wrapped, "label"); err != nil {
			t.Errorf("%s: control: %v", name, err)
		}
	}
}

func TestHybridID(t *testing.T) {
	seen := map[string]bool{}
	for name, kind := range hybridKinds {
		private := kind.generate()
		id := HybridIdentity(private).ID()
		parsed, err := ParseHybridPublicKey(private.Public().String())
		if err != nil || HybridRecipient(parsed).ID() != id || !regexp.MustCompile(`^hybrid-[0-9a-f]{64}$`).MatchString(id) {
			t.Errorf("%s: %q, %v", name, id, err)
		}
		seen[id], seen[HybridIdentity(kind.generate()).ID()] = true, true
	}
	if len(seen) != 4 {
		t.Error("two keys have one ID")
	}
}

func TestHybridZeroKeys(t *testing.T) {
	for name, kek := range map[string]KEK{"recipient": HybridRecipient(HybridPublicKey{}), "identity": HybridIdentity(HybridPrivateKey{})} {
		if _, err := NewEnvelope("test", []KEK{kek}); err == nil || !strings.Contains(err.Error(), "key is empty") {
			t.Errorf("%s: NewEnvelope: %v", name, err)
		}
		if _, err := kek.Wrap(t.Context(), make([]byte, 32), "label"); err != errNoHybridKey {
			t.Errorf("%s: Wrap: %v", name, err)
		}
		if _, err := kek.Unwrap(t.Context(), make([]byte, 1169), "label"); err != errNoHybridKey && err != errSealOnly {
			t.Errorf("%s: Unwrap: %v", name, err)
		}
	}
}

func TestHybridEnvelope(t *testing.T) {
	skipHybridFIPS(t)
	b := Bind("test", "1")
	for name, kind := range hybridKinds {
		mine, theirs := kind.generate(), kind.generate()
		me, escrow := HybridIdentity(mine), HybridRecipient(theirs.Public())
		to := newEnvelope(t, []KEK{escrow, me})
		sealed := sealEnvelope(t, to, []byte("plaintext"), b)
		if len(sealed) < 6+2*(5+71+kind.wrapped)+32 || sealed[6] != byte(kindPostQuantum) {
			t.Errorf("%s: %d bytes, kind %d", name, len(sealed), sealed[6])
		}
		for who, k := range map[string][]KEK{"both": {escrow, me}, "me": {me}, "they": {HybridIdentity(theirs)}} {
			if got, err := newEnvelope(t, k).Open(t.Context(), nil, sealed, b); err != nil || string(got) != "plaintext" {
				t.Errorf("%s: %s: %v", name, who, err)
			}
		}
		if _, err := newEnvelope(t, []KEK{HybridIdentity(kind.generate())}).Open(t.Context(), nil, sealed, b); err != ErrOpen {
			t.Errorf("%s: somebody else: %v", name, err)
		}
		if _, err := newEnvelope(t, []KEK{escrow}).Open(t.Context(), nil, sealed, b); err != errSealOnly {
			t.Errorf("%s: who only seals: %v", name, err)
		}
		// What is wrong with a message must not look like a fault of the escrow key.
		at := 6 + 5 + 71 + kind.wrapped + 5 + 71 - 1
		sealed[at+100] ^= 1
		if _, err := to.Open(t.Context(), nil, sealed, b); err != ErrOpen {
			t.Errorf("%s: altered: %v", name, err)
		}
	}
}

// The rule about senders, and the one about mixing, with real keys.
func TestHybridBesideOthers(t *testing.T) {
	skipHybridFIPS(t)
	b, private := Bind("test", "1"), GenerateHybridKey()
	sym, public, identity := newTestKEK(t, "sym"), HybridRecipient(private.Public()), counted(HybridIdentity(private))
	fromAnybody := sealEnvelope(t, newEnvelope(t, []KEK{public}), []byte("from anybody"), b)
	fromUs := sealEnvelope(t, newEnvelope(t, []KEK{sym, public}), []byte("from us"), b)

	both := newEnvelope(t, []KEK{sym, identity})
	if _, err := both.Open(t.Context(), nil, fromAnybody, b); err != ErrOpen || identity.calls.Load() != 0 {
		t.Errorf("the message of anybody: %v, %d calls", err, identity.calls.Load())
	}
	for name, to := range map[string][]KEK{"symmetric KEK": {sym}, "identity": {identity}, "both": {sym, identity}, "seal-only side": {public, sym}} {
		if got, err := newEnvelope(t, to).Open(t.Context(), nil, fromUs, b); err != nil || string(got) != "from us" {
			t.Errorf("our message, opened by %s: %v", name, err)
		}
	}
	if _, err := newEnvelope(t, []KEK{identity}).RewrapHeader(t.Context(), bytes.NewReader(fromAnybody), sym); err != errLaundering {
		t.Errorf("rewrap for a symmetric KEK: %v", err)
	}
	insecure := newEnvelope(t, []KEK{sym, identity}, InsecureUnauthenticatedSender())
	if _, err := insecure.Open(t.Context(), nil, fromAnybody, b); err != nil {
		t.Errorf("with InsecureUnauthenticatedSender: %v", err)
	}
	classical := publicKEK{newTestKEK(t, "classical"), false}
	for name, c := range map[string]struct {
		to   []KEK
		want error
	}{
		"classical public key":     {[]KEK{public, classical}, errQuantumMix},
		"recipient and identity":   {[]KEK{public, HybridIdentity(private)}, errSameID},
		"one recipient twice":      {[]KEK{public, sym, public}, errSameID},
		"both algorithms":          {[]KEK{public, HybridRecipient(GenerateHybridKeyP384().Public())}, nil},
		"symmetric and hybrid KEK": {[]KEK{public, sym}, nil},
	} {
		if _, err := NewEnvelope("test", c.to); err != c.want {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := insecure.RewrapHeader(t.Context(), bytes.NewReader(fromUs), c.to...); err != c.want {
			t.Errorf("rewrap: %s: %v", name, err)
		}
	}
}

// A wrapper that hides the method PublicKey would make what anybody sealed look like
// the message of a holder of a symmetric KEK.
func TestHybridBehindAWrapper(t *testing.T) {
	skipHybridFIPS(t)
	for name, kind := range hybridKinds {
		private := kind.generate()
		sym, identity, recipient := newTestKEK(t, "sym"), HybridIdentity(private), HybridRecipient(private.Public())
		for who, kek := range map[string]KEK{"identity": struct{ KEK }{identity}, "recipient": struct{ KEK }{recipient}} {
			for _, to := range [][]KEK{{kek}, {sym, kek}} {
				if _, err := NewEnvelope("test", to); err != errHiddenPublic {
					t.Errorf("%s: %s: %v", name, who, err)
				}
				e := newEnvelope(t, []KEK{sym})
				sealed := sealEnvelope(t, e, nil, Bind("test", "1"))
				if _, err := e.RewrapHeader(t.Context(), bytes.NewReader(sealed), to...); err != errHiddenPublic {
					t.Errorf("%s: rewrap: %s: %v", name, who, err)
				}
			}
		}
		newEnvelope(t, []KEK{sym, counted(identity)}) // control: it passes the method on
	}
	for _, id := range []string{"hybrid-", "hybrid-cloud", "hybrid-" + strings.Repeat("g", 64), "hybrid-" + strings.Repeat("a", 65)} {
		newEnvelope(t, []KEK{newTestKEK(t, id)}) // of somebody else
	}
}

// 32 of the longer kind make the longest header of hybrid recipients.
func TestHybridRecipientCount(t *testing.T) {
	skipHybridFIPS(t)
	b := Bind("test", "1")
	for name, kind := range hybridKinds {
		var to []KEK
		for range 33 {
			to = append(to, HybridIdentity(kind.generate()))
		}
		sealed := sealEnvelope(t, newEnvelope(t, to[:32]), nil, b)
		if length := len(sealed) - len(payloadOf(t, sealed)); length != 6+32*(2+71+2+kind.wrapped)+32 || length > maxHeader {
			t.Errorf("%s: header of %d bytes", name, length)
		}
		for i, kek := range to[:32] {
			if _, err := newEnvelope(t, []KEK{kek}).Open(t.Context(), nil, sealed, b); err != nil {
				t.Errorf("%s: recipient %d: %v", name, i, err)
			}
		}
		if _, err := NewEnvelope("test", to); err != errManyRecipients {
			t.Errorf("%s: 33 recipients: %v", name, err)
		}
	}
}

func TestHybridConcurrentUse(t *testing.T) {
	skipHybridFIPS(t)
	private := GenerateHybridKey()
	kek := HybridIdentity(private)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 5 {
				dek := bytes.Repeat([]byte{byte(g)}, 32)
				wrapped, err := kek.Wrap(t.Context(), dek, fmt.Sprint(i))
				if err != nil {
					t.Error(err)
					return
				}
				if got, err := kek.Unwrap(t.Context(), wrapped, fmt.Sprint(i)); err != nil || !bytes.Equal(got, dek) || private.Public().String() == "" {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

func FuzzHybridUnwrap(f *testing.F) {
	skipHybridFIPS(f)
	for _, kind := range hybridKinds {
		kek := HybridIdentity(kind.generate())
		wrapped, err := kek.Wrap(context.Background(), make([]byte, 32), "label")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(wrapped)
		f.Add(wrapped[:len(wrapped)-49])
	}
	identities := []KEK{HybridIdentity(GenerateHybridKey()), HybridIdentity(GenerateHybridKeyP384())}
	f.Fuzz(func(t *testing.T, wrapped []byte) {
		for _, kek := range identities {
			if dek, err := kek.Unwrap(context.Background(), wrapped, "label"); err != ErrOpen || dek != nil {
				t.Fatalf("a forgery opened: %v", err)
			}
		}
	})
}
