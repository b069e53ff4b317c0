package crypto

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
)

// testKEK is a KEK with a name, counters and faults.
type testKEK struct {
	KEK
	id      string
	calls   atomic.Int32
	fail    error
	wrapped func([]byte) []byte // changes what Wrap returns
}

func newTestKEK(t testing.TB, id string) *testKEK {
	return &testKEK{KEK: KeyringKEK(newKeyring(t)), id: id}
}

func (k *testKEK) ID() string { return k.id }

func (k *testKEK) Wrap(ctx context.Context, dek []byte, label string) ([]byte, error) {
	k.calls.Add(1)
	if k.fail != nil {
		return nil, k.fail
	}
	out, err := k.KEK.Wrap(ctx, dek, label)
	clear(dek) // as a careful provider might
	if k.wrapped != nil {
		out = k.wrapped(out)
	}
	return out, err
}

func (k *testKEK) Unwrap(ctx context.Context, wrapped []byte, label string) ([]byte, error) {
	k.calls.Add(1)
	if k.fail != nil {
		return nil, k.fail
	}
	return k.KEK.Unwrap(ctx, wrapped, label)
}

type publicKEK struct {
	*testKEK
	postQuantum bool
}

func (k publicKEK) PublicKey() bool { return k.postQuantum }

func newEnvelope(t testing.TB, to []KEK, opts ...EnvelopeOption) *Envelope {
	t.Helper()
	e, err := NewEnvelope("test", to, opts...)
	if err != nil {
		t.Fatal(err)
	}
	e.skipFIPS = true // as SkipFIPSNonceEnforcement, which refuses to stand beside WithXAES
	return e
}

func sealEnvelope(t testing.TB, e *Envelope, plaintext []byte, b Binding) []byte {
	t.Helper()
	out, err := e.Seal(t.Context(), nil, plaintext, b)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// numbered returns n KEKs with different IDs.
func numbered(t testing.TB, n int) (keks []KEK) {
	for i := range n {
		keks = append(keks, newTestKEK(t, fmt.Sprint("kek-", i)))
	}
	return keks
}

func payloadOf(t testing.TB, envelope []byte) []byte {
	t.Helper()
	_, payload, ok := parseHeader(envelope)
	if !ok {
		t.Fatal("not an envelope")
	}
	return payload
}

func TestEnvelopeRoundTrip(t *testing.T) {
	for _, opts := range [][]EnvelopeOption{nil, {WithXAES()}} {
		e, b := newEnvelope(t, []KEK{KeyringKEK(newKeyring(t))}, opts...), Bind("test", "1")
		for _, n := range []int{0, 64, 16 << 10, 100_000} {
			plaintext := bytes.Repeat([]byte{'p'}, n)
			sealed, err := e.Seal(t.Context(), []byte("kept"), plaintext, b)
			if err != nil || !bytes.HasPrefix(sealed, []byte("kept")) {
				t.Fatal(err)
			}
			got, err := e.Open(t.Context(), []byte("too"), sealed[4:], b)
			if err != nil || !bytes.Equal(got, append([]byte("too"), plaintext...)) {
				t.Fatal(err)
			}
			if e.NeedsRewrap(sealed[4:]) {
				t.Error("a new envelope needs a rewrap")
			}
		}
	}
}

func TestEnvelopeRecipientCount(t *testing.T) {
	keks, b := numbered(t, 33), Bind("test", "1")
	sealed := sealEnvelope(t, newEnvelope(t, keks[:32]), []byte("plaintext"), b)
	for i, kek := range keks[:32] {
		got, err := newEnvelope(t, []KEK{kek}).Open(t.Context(), nil, sealed, b)
		if err != nil || string(got) != "plaintext" {
			t.Errorf("recipient %d: %v", i, err)
		}
	}
	for _, to := range [][]KEK{keks, nil, {nil}} {
		if _, err := NewEnvelope("test", to); err == nil {
			t.Errorf("%d recipients: no error", len(to))
		}
	}
	keks[32].(*testKEK).calls.Store(0)
	if _, err := newEnvelope(t, keks[32:]).Open(t.Context(), nil, sealed, b); err != ErrOpen || keks[32].(*testKEK).calls.Load() != 0 {
		t.Errorf("not a recipient: %v, %d calls", err, keks[32].(*testKEK).calls.Load())
	}
}

func TestNewEnvelopeRefuses(t *testing.T) {
	ok := newTestKEK(t, "a")
	for name, c := range map[string]struct {
		label string
		to    []KEK
		opts  []EnvelopeOption
	}{
		"no label":        {"", []KEK{ok}, nil},
		"long label":      {strings.Repeat("l", 256), []KEK{ok}, nil},
		"binary label":    {"\xff", []KEK{ok}, nil},
		"no id":           {"test", []KEK{newTestKEK(t, "")}, nil},
		"long id":         {"test", []KEK{newTestKEK(t, strings.Repeat("i", 256))}, nil},
		"one id twice":    {"test", []KEK{ok, newTestKEK(t, "a")}, nil},
		"quantum mix":     {"test", []KEK{publicKEK{newTestKEK(t, "b"), true}, ok, publicKEK{newTestKEK(t, "c"), false}}, nil},
		"useless opt-out": {"test", []KEK{ok}, []EnvelopeOption{WithXAES(), SkipFIPSNonceEnforcement()}},
	} {
		if _, err := NewEnvelope(c.label, c.to, c.opts...); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	longest := newTestKEK(t, strings.Repeat("i", 255))
	e, err := NewEnvelope(strings.Repeat("l", 255), []KEK{longest}, WithXAES())
	if err != nil {
		t.Fatal(err)
	}
	b := Unbound("test")
	if _, err := e.Open(t.Context(), nil, sealEnvelope(t, e, nil, b), b); err != nil {
		t.Errorf("longest id and label: %v", err)
	}
}

// What the zero Envelope sealed nobody could open.
func TestZeroEnvelope(t *testing.T) {
	var e Envelope
	b := Bind("test", "1")
	if out, err := e.Seal(t.Context(), nil, []byte("plaintext"), b); err == nil || out != nil {
		t.Errorf("sealed %d bytes", len(out))
	}
	sealed := sealEnvelope(t, newEnvelope(t, numbered(t, 1)), nil, b)
	for _, in := range [][]byte{nil, sealed} {
		if _, err := e.Open(t.Context(), nil, in, b); err != ErrOpen {
			t.Error(err)
		}
		if _, err := e.RewrapHeader(t.Context(), bytes.NewReader(in), newTestKEK(t, "a")); err != ErrOpen {
			t.Error(err)
		}
	}
}

func TestEnvelopeTruncationAndBitFlipAtEveryByte(t *testing.T) {
	for _, opts := range [][]EnvelopeOption{nil, {WithXAES()}} {
		e, b := newEnvelope(t, []KEK{KeyringKEK(newKeyring(t))}, append(opts, WithoutDEKCache())...), Bind("test", "1")
		sealed := sealEnvelope(t, e, bytes.Repeat([]byte("p"), 200), b)
		for i := range sealed {
			if _, err := e.Open(t.Context(), nil, sealed[:i], b); err != ErrOpen {
				t.Fatalf("cut at %d: %v", i, err)
			}
			sealed[i] ^= 1 << (i % 8)
			if _, err := e.Open(t.Context(), nil, sealed, b); err != ErrOpen {
				t.Fatalf("flipped at %d: %v", i, err)
			}
			sealed[i] ^= 1 << (i % 8)
		}
		for name, c := range map[string]Binding{"part": Bind("test", "2"), "unbound": Unbound("test")} {
			if _, err := e.Open(t.Context(), nil, sealed, c); err != ErrOpen {
				t.Errorf("another %s: %v", name, err)
			}
		}
		if _, err := e.Open(t.Context(), nil, append(bytes.Clone(sealed), 0), b); err != ErrOpen {
			t.Errorf("a byte more: %v", err)
		}
		other := sealEnvelope(t, e, bytes.Repeat([]byte("p"), 200), b)
		spliced := slices.Concat(sealed[:len(sealed)-len(payloadOf(t, sealed))], payloadOf(t, other))
		if _, err := e.Open(t.Context(), nil, spliced, b); err != ErrOpen {
			t.Errorf("payload of another: %v", err)
		}
	}
}

// The label is authenticated by the KEK.
func TestLabel(t *testing.T) {
	kek, b := KeyringKEK(newKeyring(t)), Bind("test", "1")
	sealed := sealEnvelope(t, newEnvelope(t, []KEK{kek}), nil, b)
	other, _ := NewEnvelope("tesT", []KEK{kek})
	if _, err := other.Open(t.Context(), nil, sealed, b); err != ErrOpen {
		t.Error(err)
	}
}

func TestRewrapHeader(t *testing.T) {
	a, b2, c := newTestKEK(t, "a"), newTestKEK(t, "b"), newTestKEK(t, "c")
	before, after, binding := newEnvelope(t, []KEK{a, b2}), newEnvelope(t, []KEK{c, a}), Bind("test", "1")
	sealed := sealEnvelope(t, before, twoChunks, binding)
	if !after.NeedsRewrap(sealed) || before.NeedsRewrap(sealed) {
		t.Fatal("NeedsRewrap does not follow the recipients")
	}
	payload := payloadOf(t, sealed)
	r := bytes.NewReader(sealed)
	head, err := after.RewrapHeader(t.Context(), iotest.OneByteReader(r))
	if err != nil {
		t.Fatal(err)
	}
	rest, _ := io.ReadAll(r)
	if !bytes.Equal(rest, payload) {
		t.Fatal("RewrapHeader read into the payload")
	}
	rewrapped := slices.Concat(head, payload)
	if after.NeedsRewrap(rewrapped) || after.NeedsRewrap(head) || !before.NeedsRewrap(rewrapped) {
		t.Error("NeedsRewrap after the rewrap")
	}
	for name, kek := range map[string]KEK{"c": c, "a": a} {
		if got, err := newEnvelope(t, []KEK{kek}).Open(t.Context(), nil, rewrapped, binding); err != nil || !bytes.Equal(got, twoChunks) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := newEnvelope(t, []KEK{b2}).Open(t.Context(), nil, rewrapped, binding); err != ErrOpen {
		t.Errorf("b: %v", err)
	}
	if head, err = before.RewrapHeader(t.Context(), bytes.NewReader(sealed), c); err != nil {
		t.Fatal(err)
	}
	if _, err := newEnvelope(t, []KEK{c}).Open(t.Context(), nil, slices.Concat(head, payload), binding); err != nil {
		t.Errorf("to an explicit recipient: %v", err)
	}
	if _, err := before.RewrapHeader(t.Context(), iotest.ErrReader(io.ErrClosedPipe)); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("failing reader: %v", err)
	}
	lost := fmt.Errorf("connection lost: %w", io.ErrUnexpectedEOF)
	if _, err := before.RewrapHeader(t.Context(), iotest.ErrReader(lost)); !errors.Is(err, lost) || errors.Is(err, ErrOpen) {
		t.Errorf("lost connection: %v", err)
	}
	if _, err := before.RewrapHeader(t.Context(), bytes.NewReader(sealed), a, a); err == nil {
		t.Error("one recipient twice")
	}
}

func TestNeedsRewrapFollowsTheKeyring(t *testing.T) {
	first, second := GenerateKey(), GenerateKey()
	before := newEnvelope(t, []KEK{KeyringKEK(newKeyring(t, first))})
	after := newEnvelope(t, []KEK{KeyringKEK(newKeyring(t, second, first))})
	b := Bind("test", "1")
	sealed := sealEnvelope(t, before, []byte("plaintext"), b)
	if before.NeedsRewrap(sealed) || !after.NeedsRewrap(sealed) {
		t.Fatal("NeedsRewrap does not follow the primary key")
	}
	head, err := after.RewrapHeader(t.Context(), bytes.NewReader(sealed))
	if err != nil {
		t.Fatal(err)
	}
	only := newEnvelope(t, []KEK{KeyringKEK(newKeyring(t, second))})
	if _, err := only.Open(t.Context(), nil, slices.Concat(head, payloadOf(t, sealed)), b); err != nil {
		t.Error(err)
	}
}

// A public key beside a symmetric KEK is sealed to and not opened with.
func TestPublicKeyBesideSymmetricKEK(t *testing.T) {
	sym, b := newTestKEK(t, "sym"), Bind("test", "1")
	for _, pq := range []bool{false, true} {
		public := publicKEK{newTestKEK(t, "public"), pq}
		escrow, both := newEnvelope(t, []KEK{public}), newEnvelope(t, []KEK{sym, public})
		insecure := newEnvelope(t, []KEK{sym, public}, InsecureUnauthenticatedSender())

		sealed := sealEnvelope(t, both, []byte("plaintext"), b)
		for name, e := range map[string]*Envelope{"both": both, "public alone": escrow, "symmetric alone": newEnvelope(t, []KEK{sym})} {
			if _, err := e.Open(t.Context(), nil, sealed, b); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		forged := sealEnvelope(t, escrow, []byte("from anybody"), b)
		public.calls.Store(0)
		if _, err := both.Open(t.Context(), nil, forged, b); err != ErrOpen || public.calls.Load() != 0 {
			t.Errorf("sealed to the public key only: %v", err)
		}
		if _, err := both.RewrapHeader(t.Context(), bytes.NewReader(forged)); err != ErrOpen {
			t.Errorf("rewrap of it: %v", err)
		}
		if _, err := escrow.RewrapHeader(t.Context(), bytes.NewReader(forged), sym); err != errLaundering {
			t.Errorf("rewrap for a symmetric KEK: %v", err)
		}
		if _, err := insecure.Open(t.Context(), nil, forged, b); err != nil {
			t.Errorf("with InsecureUnauthenticatedSender: %v", err)
		}
		if _, err := insecure.RewrapHeader(t.Context(), bytes.NewReader(forged)); err != nil {
			t.Errorf("rewrap with InsecureUnauthenticatedSender: %v", err)
		}
	}
}

func TestKEKFailures(t *testing.T) {
	outage := errors.New("outage")
	a, c, b := newTestKEK(t, "a"), newTestKEK(t, "c"), Bind("test", "1")
	e := newEnvelope(t, []KEK{a, c}, WithoutDEKCache())
	sealed := sealEnvelope(t, e, []byte("plaintext"), b)

	a.fail = outage
	if _, err := e.Open(t.Context(), nil, sealed, b); err != nil {
		t.Errorf("one KEK is down: %v", err)
	}
	if _, err := e.Seal(t.Context(), nil, nil, b); !errors.Is(err, outage) {
		t.Errorf("sealing without one recipient: %v", err)
	}
	c.fail = outage
	_, err := e.Open(t.Context(), nil, sealed, b)
	kekErr, ok := errors.AsType[*KEKError](err)
	if !ok || kekErr.ID != "c" || kekErr.Op != "unwrap" || !errors.Is(err, outage) || errors.Is(err, ErrOpen) {
		t.Errorf("all KEKs are down: %v", err)
	}
	a.fail, c.fail = nil, nil

	// a names a wrapped key of another message: c must not be asked after that.
	other := sealEnvelope(t, e, []byte("plaintext"), b)
	swapped := slices.Concat(sealed[:12], other[12:12+wrappedLen], sealed[12+wrappedLen:])
	a.calls.Store(0)
	c.calls.Store(0)
	if _, err := e.Open(t.Context(), nil, swapped, b); err != ErrOpen || a.calls.Load() != 1 || c.calls.Load() != 0 {
		t.Errorf("swapped data keys: %v, %d and %d calls", err, a.calls.Load(), c.calls.Load())
	}

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	local := newEnvelope(t, []KEK{KeyringKEK(newKeyring(t))})
	if _, err := local.Seal(ctx, nil, nil, b); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if _, err := local.Open(ctx, nil, sealEnvelope(t, local, nil, b), b); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestEnvelopeEvents(t *testing.T) {
	var log bytes.Buffer
	kek, b := newTestKEK(t, "kek-1"), Bind("purpose-of-it", "record-of-it")
	e := newEnvelope(t, []KEK{kek}, WithoutDEKCache(), WithLogger(slog.New(slog.NewJSONHandler(&log, nil))))
	sealed := sealEnvelope(t, e, []byte("the plaintext"), b)
	e.Open(t.Context(), nil, sealed, b)
	e.Open(t.Context(), nil, sealed[:len(sealed)-1], b)
	e.RewrapHeader(t.Context(), bytes.NewReader(sealed))
	e.RewrapHeader(t.Context(), strings.NewReader("not an envelope"))
	kek.fail = errors.New("outage")
	e.Open(t.Context(), nil, sealed, b)
	for _, want := range []string{
		`"event.action":"kek-wrap","event.outcome":"success","event.duration":`,
		`"event.action":"kek-unwrap","event.outcome":"success"`,
		`"event.action":"kek-unwrap","event.outcome":"failure"`,
		`"event.action":"envelope-open","event.outcome":"failure"`,
		`"event.action":"envelope-rewrap","event.outcome":"success"`,
		`"event.action":"envelope-rewrap","event.outcome":"failure"`,
		`"kek.id":"kek-1"`, `unwrap: outage"`,
	} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("no %s in\n%s", want, &log)
		}
	}
	for _, leak := range []string{"plaintext", "purpose-of-it", "record-of-it"} {
		if strings.Contains(log.String(), leak) {
			t.Errorf("the log holds %q", leak)
		}
	}
}

func TestEnvelopeConcurrentUse(t *testing.T) {
	e := newEnvelope(t, []KEK{KeyringKEK(newKeyring(t)), newTestKEK(t, "other")})
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 50 {
				b := Bind("test", fmt.Sprint(g, i))
				plaintext := bytes.Repeat([]byte{byte(g)}, 100*i)
				sealed, err := e.Seal(t.Context(), nil, plaintext, b)
				if err != nil {
					t.Error(err)
					return
				}
				if got, err := e.Open(t.Context(), nil, sealed, b); err != nil || !bytes.Equal(got, plaintext) {
					t.Error(err)
				}
				e.NeedsRewrap(sealed)
			}
		})
	}
	wg.Wait()
}
