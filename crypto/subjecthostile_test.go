package crypto

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pavise/pavise/crypto/internal/fipstest"
)

// What remains of a deleted key needs the old KEK: no data key that it is under may
// come along in the header of a message that is rewrapped for the new one.
func TestRemainsStayWithTheOldKEK(t *testing.T) {
	for _, opts := range [][]EnvelopeOption{nil, {WithoutDEKCache()}} {
		oldKey, newKey := GenerateKey(), GenerateKey()
		store, leftover := &MemorySubjectKeys{}, &MemorySubjectKeys{}
		with := func(s SubjectKeys) []EnvelopeOption { return append(opts, WithSubjectKeys(s)) }
		before := newEnvelope(t, []KEK{KeyringKEK(newKeyring(t, oldKey))}, with(store)...)
		message := sealEnvelope(t, before, []byte("of nobody"), subjectBound)
		alice := sealFor(t, before, "alice", "diary")
		id, remains, _ := store.Load(t.Context(), "alice")
		if err := before.Forget(t.Context(), "alice"); err != nil {
			t.Fatal(err)
		}

		rotated := newEnvelope(t, []KEK{KeyringKEK(newKeyring(t, newKey, oldKey))}, with(store)...)
		head, err := rotated.RewrapHeader(t.Context(), bytes.NewReader(message))
		if err != nil {
			t.Fatal(err)
		}
		after := newEnvelope(t, []KEK{KeyringKEK(newKeyring(t, newKey))}, with(leftover)...)
		if !opens(t, after, slices.Concat(head, payloadOf(t, message)), "of nobody") {
			t.Fatal("the rewrapped message does not open: nothing is shown")
		}
		leftover.Create(t.Context(), "alice", id, slices.Concat(head, payloadOf(t, remains)))
		if opens(t, after, alice, "diary") {
			t.Error("opens after Forget, by the new KEK and a rewrapped header")
		}
	}
}

// The key of a subject is the one recipient, wherever it stands.
func TestSubjectKeyStandsAlone(t *testing.T) {
	kek := newTestKEK(t, "kek")
	e := newEnvelope(t, []KEK{kek}, WithSubjectKeys(&MemorySubjectKeys{}))
	by, err := e.subjectKeyToSeal(t.Context(), "alice")
	if err != nil {
		t.Fatal(err)
	}
	dek := bytes.Repeat([]byte{'d'}, dekSize)
	wrapped, err := by.wrap(dek, e.label)
	if err != nil {
		t.Fatal(err)
	}
	wrappedToo, err := kek.Wrap(t.Context(), bytes.Clone(dek), e.label)
	if err != nil {
		t.Fatal(err)
	}
	subject, other := recipient{kind: kindSubject, id: string(by.id)}, recipient{kind: kindSymmetric, id: "kek"}
	second := recipient{kind: kindSubject, id: strings.Repeat("2", subjectIDLen)}
	for name, tt := range map[string]struct {
		to   []recipient
		keys [][]byte
		want bool
	}{
		"alone":            {[]recipient{subject}, [][]byte{wrapped}, true},
		"before a KEK":     {[]recipient{subject, other}, [][]byte{wrapped, wrappedToo}, false},
		"after a KEK":      {[]recipient{other, subject}, [][]byte{wrappedToo, wrapped}, false},
		"beside a subject": {[]recipient{subject, second}, [][]byte{wrapped, wrapped}, false},
		"id of 15 bytes":   {[]recipient{{kind: kindSubject, id: string(by.id[1:])}}, [][]byte{wrapped}, false},
	} {
		head, err := encodeHeader(e.suite, tt.to, tt.keys, dek)
		if err != nil {
			t.Fatal(err)
		}
		key, err := e.newDataKey(e.suite, bytes.Clone(dek))
		if err != nil {
			t.Fatal(err)
		}
		key.header.Store(&head)
		bound, _ := subjectBound.encode()
		sealed, err := e.sealUnder(key, nil, []byte("diary"), bound)
		if err != nil {
			t.Fatal(err)
		}
		if got := opens(t, e, sealed, "diary"); got != tt.want {
			t.Errorf("%s: opens %v", name, got)
		}
		r, err := e.Reader(t.Context(), bytes.NewReader(sealed), subjectBound)
		if (err == nil) != tt.want || err != nil && err != ErrOpen || err == nil && r == nil {
			t.Errorf("%s: Reader: %v", name, err)
		}
		want := ErrOpen
		if tt.want {
			want = errSubjectHead
		}
		if _, err := e.RewrapHeader(t.Context(), bytes.NewReader(sealed)); err != want {
			t.Errorf("%s: RewrapHeader: %v", name, err)
		}
	}
}

// A message for a subject that comes to an Envelope without store calls nobody.
func TestSubjectMessageWithoutStore(t *testing.T) {
	kek := newTestKEK(t, "kek")
	sealed := sealFor(t, newEnvelope(t, []KEK{kek}, WithSubjectKeys(&MemorySubjectKeys{})), "alice", "diary")
	e := newEnvelope(t, []KEK{kek})
	kek.calls.Store(0)
	_, openErr := e.Open(t.Context(), nil, sealed, subjectBound)
	_, readErr := e.Reader(t.Context(), bytes.NewReader(sealed), subjectBound)
	_, atErr := e.ReaderAt(t.Context(), bytes.NewReader(sealed), int64(len(sealed)), subjectBound)
	_, headErr := e.RewrapHeader(t.Context(), bytes.NewReader(sealed))
	if openErr != ErrOpen || readErr != ErrOpen || atErr != ErrOpen || headErr != errSubjectHead || kek.calls.Load() != 0 {
		t.Errorf("%v, %v, %v, %v, %d calls", openErr, readErr, atErr, headErr, kek.calls.Load())
	}
	keyring := newKeyring(t)
	if _, err := keyring.Open(nil, sealed, subjectBound); err != ErrOpen {
		t.Errorf("Keyring: %v", err)
	}
}

// hostileStore does to each call what a mistaken store does.
type hostileStore struct {
	SubjectKeys
	do func()
}

func (s *hostileStore) Load(ctx context.Context, subject string) ([]byte, []byte, error) {
	s.do()
	return s.SubjectKeys.Load(ctx, subject)
}

func (s *hostileStore) Create(ctx context.Context, subject string, id, wrapped []byte) ([]byte, []byte, error) {
	s.do()
	return s.SubjectKeys.Create(ctx, subject, id, wrapped)
}

func (s *hostileStore) Find(ctx context.Context, id []byte) (string, []byte, error) {
	s.do()
	subject, wrapped, err := s.SubjectKeys.Find(ctx, id)
	clear(id)
	return subject, wrapped, err
}

func (s *hostileStore) Replace(ctx context.Context, id, old, wrapped []byte) error {
	s.do()
	return s.SubjectKeys.Replace(ctx, id, old, wrapped)
}

func (s *hostileStore) Delete(ctx context.Context, subject string) error {
	s.do()
	return s.SubjectKeys.Delete(ctx, subject)
}

// A store that panics ends no process, and what it panicked with stands nowhere.
func TestStoreThatPanics(t *testing.T) {
	var log bytes.Buffer
	memory, kek := &MemorySubjectKeys{}, newTestKEK(t, "kek")
	alice := sealFor(t, newEnvelope(t, []KEK{kek}, WithSubjectKeys(memory)), "alice", "diary")
	second := newTestKEK(t, "second")
	for name, store := range map[string]SubjectKeys{
		"each call":     &hostileStore{memory, func() { panic("alice") }},
		"a nil pointer": (*MemorySubjectKeys)(nil),
	} {
		e := newEnvelope(t, []KEK{kek, second}, WithSubjectKeys(store), WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
		_, sealErr := e.SealFor(t.Context(), "alice", nil, nil, subjectBound)
		_, openErr := e.Open(t.Context(), nil, alice, subjectBound)
		for call, err := range map[string]error{
			"SealFor": sealErr, "Open": openErr,
			"Forget": e.Forget(t.Context(), "alice"), "RewrapSubject": e.RewrapSubject(t.Context(), "alice"),
		} {
			if !errors.Is(err, errSubjectPanic) {
				t.Errorf("%s, %s: %v", name, call, err)
			}
		}
	}
	armed := false
	late := &hostileStore{memory, func() {
		if armed {
			panic("alice")
		}
		armed = true // the second call
	}}
	e := newEnvelope(t, []KEK{kek, second}, WithSubjectKeys(late), WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	if _, err := e.SealFor(t.Context(), "bob", nil, nil, subjectBound); !errors.Is(err, errSubjectPanic) {
		t.Errorf("Create: %v", err)
	}
	armed = false
	if err := e.RewrapSubject(t.Context(), "alice"); !errors.Is(err, errSubjectPanic) {
		t.Errorf("Replace: %v", err)
	}
	if strings.Contains(log.String(), "alice") || strings.Count(log.String(), "event.action=envelope-forget") != 2 {
		t.Errorf("events: %s", &log)
	}
}

// A store that writes to the id it is asked for does not reach the ciphertext.
func TestStoreThatWritesToItsArgument(t *testing.T) {
	memory, kek := &MemorySubjectKeys{}, newTestKEK(t, "kek")
	sealed := sealFor(t, newEnvelope(t, []KEK{kek}, WithSubjectKeys(memory)), "alice", "diary")
	e := newEnvelope(t, []KEK{kek}, WithSubjectKeys(&hostileStore{memory, func() {}}))
	before := bytes.Clone(sealed)
	if !opens(t, e, sealed, "diary") || !bytes.Equal(sealed, before) {
		t.Error("the store has changed the ciphertext")
	}
}

// A row that is longer than any key is refused before it costs a call of a KEK.
func TestStoredKeyTooLong(t *testing.T) {
	memory, kek := &MemorySubjectKeys{}, newTestKEK(t, "kek")
	sealed := sealFor(t, newEnvelope(t, []KEK{kek}, WithSubjectKeys(memory)), "alice", "diary")
	for n, want := range map[int]int32{65_639: 1, 65_640: 0} {
		store := &testStore{answer: func(id, wrapped []byte) ([]byte, []byte) {
			return id, append(wrapped, make([]byte, n-len(wrapped))...)
		}}
		id, wrapped, _ := memory.Load(t.Context(), "alice")
		store.MemorySubjectKeys.Create(t.Context(), "alice", id, wrapped)
		e := newEnvelope(t, []KEK{kek}, WithSubjectKeys(store))
		kek.calls.Store(0)
		if opens(t, e, sealed, "diary") || kek.calls.Load() != want {
			t.Errorf("%d bytes: %d calls of the KEK, want %d", n, kek.calls.Load(), want)
		}
	}
}

// RewrapSubject says that all is well only of a key: a row that holds none is no key
// that was rewrapped.
func TestRewrapSubjectOfNoKey(t *testing.T) {
	memory, kek := &MemorySubjectKeys{}, newTestKEK(t, "kek")
	e := newEnvelope(t, []KEK{kek}, WithSubjectKeys(memory))
	alice := sealFor(t, e, "alice", "diary")
	id := []byte(strings.Repeat("i", subjectIDLen))
	for name, row := range map[string][]byte{"garbage": []byte("garbage"), "a message for a subject": alice} {
		memory.Create(t.Context(), name, id, row)
		if err := e.RewrapSubject(t.Context(), name); err != ErrOpen {
			t.Errorf("%s: %v", name, err)
		}
		memory.Delete(t.Context(), name)
	}
}

// An answer that was asked for earlier does not take the place of a later one.
func TestSlowAnswerKeepsTheNewerKey(t *testing.T) {
	fipstest.Bubble(t, func(t *testing.T) {
		store, kek := &testStore{}, newTestKEK(t, "kek")
		elsewhere := newEnvelope(t, []KEK{kek}, WithSubjectKeys(&store.MemorySubjectKeys))
		defer elsewhere.Close()
		first := sealFor(t, elsewhere, "alice", "diary")
		e := newEnvelope(t, []KEK{kek}, WithSubjectKeys(store))
		defer e.Close()

		slow := true
		store.after = func(call string) {
			if call == "find" && slow {
				slow = false
				time.Sleep(time.Second)
			}
		}
		done := make(chan bool)
		go func() { done <- opens(t, e, first, "diary") }() // asks for the first key
		synctest.Wait()
		if err := elsewhere.Forget(t.Context(), "alice"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond)
		second := sealFor(t, e, "alice", "diary")
		if !<-done {
			t.Fatal("a call that had begun did not complete")
		}
		if third := sealFor(t, e, "alice", "diary"); subjectIDOf(t, third) != subjectIDOf(t, second) {
			t.Error("sealed under the forgotten key, though the new one was known")
		}
	})
}

// A stream that was opened before Forget reads on, which the documentation says.
func TestForgetBesideOpenStreams(t *testing.T) {
	e := newEnvelope(t, numbered(t, 1), WithSubjectKeys(&MemorySubjectKeys{}))
	plaintext := strings.Repeat("p", 100_000)
	sealed := sealFor(t, e, "alice", plaintext)
	r, err := e.Reader(t.Context(), bytes.NewReader(sealed), subjectBound)
	if err != nil {
		t.Fatal(err)
	}
	at, err := e.ReaderAt(t.Context(), bytes.NewReader(sealed), int64(len(sealed)), subjectBound)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Forget(t.Context(), "alice"); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(r)
	again, atErr := io.ReadAll(io.NewSectionReader(at, 0, at.Size()))
	if string(got) != plaintext || string(again) != plaintext || err != nil || atErr != nil {
		t.Errorf("%d and %d bytes, %v, %v", len(got), len(again), err, atErr)
	}
	if opens(t, e, sealed, plaintext) {
		t.Error("opens after Forget")
	}
}

// A context that has ended stops a call before it has made a key.
func TestSealForCancelled(t *testing.T) {
	store := &MemorySubjectKeys{}
	e := newEnvelope(t, numbered(t, 1), WithSubjectKeys(store))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	out, err := e.SealFor(ctx, "alice", nil, []byte("diary"), subjectBound)
	if !errors.Is(err, context.Canceled) || out != nil || strings.Contains(err.Error(), "alice") {
		t.Errorf("SealFor: %v", err)
	}
	if err := e.Forget(ctx, "alice"); !errors.Is(err, context.Canceled) {
		t.Errorf("Forget: %v", err)
	}
	if id, _, _ := store.Load(t.Context(), "alice"); id != nil {
		t.Error("a key was made")
	}
}

// The data key of stored forms ends with its Envelope.
func TestKeyOfStoredIsWiped(t *testing.T) {
	e := newEnvelope(t, numbered(t, 1), WithSubjectKeys(&MemorySubjectKeys{}))
	sealFor(t, e, "alice", "diary")
	dek := e.subjects.sealing.key.dek
	if allWiped([][]byte{dek}) {
		t.Fatal("there is none")
	}
	e.Close()
	if !allWiped([][]byte{dek}) {
		t.Error("it is not wiped")
	}
}
