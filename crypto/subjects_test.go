package crypto

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
)

// testStore is a store with counters, faults and a gate.
type testStore struct {
	MemorySubjectKeys
	mu     sync.Mutex
	calls  map[string]int
	fail   error
	after  func(call string)                                // before the answer is given
	answer func(id, wrapped []byte) (otherID, other []byte) // changes what Load and Create return
}

func (s *testStore) called(call string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.calls == nil {
		s.calls = map[string]int{}
	}
	s.calls[call]++
	return s.fail
}

func (s *testStore) answered(call string, id, wrapped []byte) ([]byte, []byte) {
	if s.after != nil {
		s.after(call)
	}
	if s.answer != nil && len(wrapped) > 0 {
		return s.answer(id, wrapped)
	}
	return id, wrapped
}

func (s *testStore) Create(ctx context.Context, subject string, id, wrapped []byte) ([]byte, []byte, error) {
	if err := s.called("create"); err != nil {
		return nil, nil, err
	}
	id, wrapped, err := s.MemorySubjectKeys.Create(ctx, subject, id, wrapped)
	id, wrapped = s.answered("create", id, wrapped)
	return id, wrapped, err
}

func (s *testStore) Load(ctx context.Context, subject string) ([]byte, []byte, error) {
	if err := s.called("load"); err != nil {
		return nil, nil, err
	}
	id, wrapped, err := s.MemorySubjectKeys.Load(ctx, subject)
	id, wrapped = s.answered("load", id, wrapped)
	return id, wrapped, err
}

func (s *testStore) Find(ctx context.Context, id []byte) (string, []byte, error) {
	if err := s.called("find"); err != nil {
		return "", nil, err
	}
	subject, wrapped, err := s.MemorySubjectKeys.Find(ctx, id)
	_, wrapped = s.answered("find", id, wrapped)
	return subject, wrapped, err
}

func (s *testStore) Replace(ctx context.Context, id, old, wrapped []byte) error {
	if err := s.called("replace"); err != nil {
		return err
	}
	if s.after != nil {
		s.after("replace")
	}
	return s.MemorySubjectKeys.Replace(ctx, id, old, wrapped)
}

func (s *testStore) Delete(ctx context.Context, subject string) error {
	if err := s.called("delete"); err != nil {
		return err
	}
	return s.MemorySubjectKeys.Delete(ctx, subject)
}

var subjectBound = Bind("test", "1")

func sealFor(t testing.TB, e *Envelope, subject, plaintext string) []byte {
	t.Helper()
	out, err := e.SealFor(t.Context(), subject, nil, []byte(plaintext), subjectBound)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// opens reports whether e opens sealed to plaintext, and fails on another error than ErrOpen.
func opens(t testing.TB, e *Envelope, sealed []byte, plaintext string) bool {
	t.Helper()
	got, err := e.Open(t.Context(), nil, sealed, subjectBound)
	if err != nil && err != ErrOpen || err == nil && string(got) != plaintext {
		t.Errorf("Open: %q, %v", got, err)
	}
	return err == nil
}

func subjectIDOf(t testing.TB, sealed []byte) string {
	t.Helper()
	h, _, ok := parseHeader(sealed)
	if !ok || len(h.recipients) != 1 || h.recipients[0].kind != kindSubject {
		t.Fatal("not a message for a subject alone")
	}
	return string(h.recipients[0].id)
}

func TestSealForOpensWithStoreAndKEK(t *testing.T) {
	for _, opts := range [][]EnvelopeOption{nil, {WithXAES()}, {WithoutDEKCache()}} {
		store, kek := &MemorySubjectKeys{}, newTestKEK(t, "kek")
		with := append(opts, WithSubjectKeys(store))
		e := newEnvelope(t, []KEK{kek}, with...)
		sealed, err := e.SealFor(t.Context(), "alice", []byte("kept"), []byte("diary"), subjectBound)
		if err != nil || !bytes.HasPrefix(sealed, []byte("kept")) {
			t.Fatal(err)
		}
		sealed = sealed[4:]
		if bytes.Contains(sealed, []byte("alice")) {
			t.Error("the message names its subject")
		}
		for name, tt := range map[string]struct {
			e    *Envelope
			want bool
		}{
			"the same":      {e, true},
			"another":       {newEnvelope(t, []KEK{kek}, with...), true},
			"without store": {newEnvelope(t, []KEK{kek}, opts...), false},
			"empty store":   {newEnvelope(t, []KEK{kek}, append(opts, WithSubjectKeys(&MemorySubjectKeys{}))...), false},
			"another KEK":   {newEnvelope(t, []KEK{KeyringKEK(newKeyring(t))}, with...), false},
		} {
			if got := opens(t, tt.e, sealed, "diary"); got != tt.want {
				t.Errorf("%s: opens %v", name, got)
			}
		}
		if _, err := e.Open(t.Context(), nil, sealed, Bind("test", "2")); err != ErrOpen {
			t.Errorf("another binding: %v", err)
		}
	}
}

func TestSealForStreams(t *testing.T) {
	e := newEnvelope(t, numbered(t, 1), WithSubjectKeys(&MemorySubjectKeys{}))
	sealed := sealFor(t, e, "alice", strings.Repeat("p", 40_000))
	r, err := e.Reader(t.Context(), bytes.NewReader(sealed), subjectBound)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(r); err != nil || len(got) != 40_000 {
		t.Errorf("Reader: %d bytes, %v", len(got), err)
	}
	if at, err := e.ReaderAt(t.Context(), bytes.NewReader(sealed), int64(len(sealed)), subjectBound); err != nil || at.Size() != 40_000 {
		t.Errorf("ReaderAt: %v", err)
	}
	if err := e.Forget(t.Context(), "alice"); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Reader(t.Context(), bytes.NewReader(sealed), subjectBound); err != ErrOpen {
		t.Errorf("Reader of what was forgotten: %v", err)
	}
}

func TestForget(t *testing.T) {
	for _, opts := range [][]EnvelopeOption{nil, {WithoutDEKCache()}} {
		store, kek := &MemorySubjectKeys{}, newTestKEK(t, "kek")
		opts = append(opts, WithSubjectKeys(store))
		e := newEnvelope(t, []KEK{kek}, opts...)
		alice, bob := sealFor(t, e, "alice", "diary"), sealFor(t, e, "bob", "letters")
		if !opens(t, e, alice, "diary") {
			t.Fatal("does not open before Forget")
		}
		for range 2 {
			if err := e.Forget(t.Context(), "alice"); err != nil {
				t.Fatal(err)
			}
		}
		for name, e := range map[string]*Envelope{"the same": e, "restarted": newEnvelope(t, []KEK{kek}, opts...)} {
			if opens(t, e, alice, "diary") {
				t.Errorf("%s Envelope opens what was forgotten", name)
			}
			if !opens(t, e, bob, "letters") {
				t.Errorf("%s Envelope forgot another subject", name)
			}
		}
		again := sealFor(t, e, "alice", "new diary")
		if subjectIDOf(t, again) == subjectIDOf(t, alice) || !opens(t, e, again, "new diary") || opens(t, e, alice, "diary") {
			t.Error("the key after Forget is not a fresh one")
		}
	}
}

// A failing store leaves the key's fate open: it is out of the cache in any case, and
// Forget can be called again.
func TestForgetFails(t *testing.T) {
	store := &testStore{}
	e := newEnvelope(t, numbered(t, 1), WithSubjectKeys(store))
	sealed := sealFor(t, e, "alice", "diary")
	store.fail = errOutage
	if err := e.Forget(t.Context(), "alice"); !errors.Is(err, errOutage) {
		t.Errorf("Forget: %v", err)
	}
	if _, err := e.Open(t.Context(), nil, sealed, subjectBound); !errors.Is(err, errOutage) {
		t.Errorf("Open: %v", err)
	}
	if _, err := e.SealFor(t.Context(), "alice", nil, nil, subjectBound); !errors.Is(err, errOutage) {
		t.Errorf("SealFor: %v", err)
	}
	store.fail = nil
	if err := e.Forget(t.Context(), "alice"); err != nil || opens(t, e, sealed, "diary") {
		t.Errorf("Forget after an outage: %v", err)
	}
}

// What was asked of the store before Forget and is answered after it is not kept.
func TestForgetWhileLoading(t *testing.T) {
	for _, call := range []string{"load", "find", "create"} {
		store, kek := &testStore{}, newTestKEK(t, "kek")
		e := newEnvelope(t, []KEK{kek}, WithSubjectKeys(store))
		var old []byte
		if call != "create" {
			old = sealFor(t, newEnvelope(t, []KEK{kek}, WithSubjectKeys(store)), "alice", "diary")
		}
		forgot := false
		store.after = func(c string) {
			if c == call && !forgot {
				forgot = true
				if err := e.Forget(t.Context(), "alice"); err != nil {
					t.Error(err)
				}
			}
		}
		if call == "find" {
			opens(t, e, old, "diary") // began before Forget
		} else {
			old = sealFor(t, e, "alice", "diary")
		}
		if !forgot || opens(t, e, old, "diary") {
			t.Errorf("%s: forgotten %v, and the message opens", call, forgot)
		}
		if again := sealFor(t, e, "alice", "new"); subjectIDOf(t, again) == subjectIDOf(t, old) {
			t.Errorf("%s: sealed under the forgotten key", call)
		}
	}
}

// When all is quiet, exactly what is under the key that the store holds opens.
func TestForgetConcurrently(t *testing.T) {
	store := &MemorySubjectKeys{}
	e := newEnvelope(t, numbered(t, 1), WithSubjectKeys(store))
	var mu sync.Mutex
	var all [][]byte
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 60 {
				sealed := sealFor(t, e, "alice", "diary")
				opens(t, e, sealed, "diary")
				mu.Lock()
				all = append(all, sealed)
				mu.Unlock()
				if i%10 == 9 {
					if err := e.Forget(t.Context(), "alice"); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	all = append(all, sealFor(t, e, "alice", "diary"))
	id, _, _ := store.Load(t.Context(), "alice")
	opened := 0
	for _, sealed := range all {
		got := opens(t, e, sealed, "diary")
		if want := subjectIDOf(t, sealed) == string(id); got != want {
			t.Fatalf("opens %v, want %v", got, want)
		}
		if got {
			opened++
		}
	}
	if opened == 0 || opened == len(all) {
		t.Errorf("%d of %d open: nothing was shown", opened, len(all))
	}
}

// Processes that create the key of a subject at once agree on one.
func TestSubjectKeyIsCreatedOnce(t *testing.T) {
	store, kek := &MemorySubjectKeys{}, newTestKEK(t, "kek")
	ids := make(chan string, 64)
	var wg sync.WaitGroup
	for range 8 {
		e := newEnvelope(t, []KEK{kek}, WithSubjectKeys(store))
		for range 8 {
			wg.Go(func() {
				sealed := sealFor(t, e, "alice", "diary")
				if !opens(t, e, sealed, "diary") {
					t.Error("does not open")
				}
				ids <- subjectIDOf(t, sealed)
			})
		}
	}
	wg.Wait()
	close(ids)
	first := <-ids
	for id := range ids {
		if id != first {
			t.Fatal("two keys of one subject")
		}
	}
}

// The KEKs and the store are asked once for many messages.
func TestSubjectKeysAreCached(t *testing.T) {
	store, kek := &testStore{}, newTestKEK(t, "kek")
	e := newEnvelope(t, []KEK{kek}, WithSubjectKeys(store))
	var all [][]byte
	for i := range 1000 {
		all = append(all, sealFor(t, e, fmt.Sprint("subject-", i%100), "diary"))
	}
	if n := kek.calls.Load(); n != 1 || store.calls["load"] != 100 || store.calls["create"] != 100 {
		t.Errorf("sealing: %d calls of the KEK, of the store %v", n, store.calls)
	}
	reader := newEnvelope(t, []KEK{kek}, WithSubjectKeys(store))
	for _, sealed := range all {
		if !opens(t, reader, sealed, "diary") {
			t.Fatal("does not open")
		}
	}
	if n := kek.calls.Load(); n != 2 || store.calls["find"] != 100 {
		t.Errorf("opening: %d calls of the KEK, of the store %v", n, store.calls)
	}
}

func TestSubjectKeysRefusals(t *testing.T) {
	symmetric, public := newTestKEK(t, "kek"), publicKEK{newTestKEK(t, "public"), false}
	store := WithSubjectKeys(&MemorySubjectKeys{})
	for want, err := range map[error]error{
		errSubjectKeys:   second(NewEnvelope("test", []KEK{symmetric}, WithSubjectKeys(nil))),
		errSubjectSender: second(NewEnvelope("test", []KEK{public}, store)),
	} {
		if err != want {
			t.Errorf("NewEnvelope: %v, want %v", err, want)
		}
	}
	if _, err := NewEnvelope("test", []KEK{symmetric, public}, store, InsecureUnauthenticatedSender()); err != errSubjectSender {
		t.Errorf("unauthenticated sender: %v", err)
	}
	e := newEnvelope(t, []KEK{symmetric, public}, store)
	for subject, want := range map[string]error{
		"": errSubject, strings.Repeat("s", 1025): errSubject, strings.Repeat("s", 1024): nil, "\xff\x00": nil,
	} {
		_, sealErr := e.SealFor(t.Context(), subject, nil, nil, subjectBound)
		if forgetErr, rewrapErr := e.Forget(t.Context(), subject), e.RewrapSubject(t.Context(), subject); sealErr != want || forgetErr != want || rewrapErr != want {
			t.Errorf("%d bytes: %v, %v, %v", len(subject), sealErr, forgetErr, rewrapErr)
		}
	}
	if _, err := e.SealFor(t.Context(), "alice", nil, nil, Binding{}); err != errNoBinding {
		t.Errorf("no binding: %v", err)
	}
	plain := newEnvelope(t, []KEK{symmetric})
	closed := newEnvelope(t, []KEK{symmetric}, store)
	closed.Close()
	for want, e := range map[error]*Envelope{errNoSubjects: plain, errClosed: closed} {
		_, err := e.SealFor(t.Context(), "alice", nil, nil, subjectBound)
		if forgetErr, rewrapErr := e.Forget(t.Context(), "alice"), e.RewrapSubject(t.Context(), "alice"); err != want || forgetErr != want || rewrapErr != want {
			t.Errorf("%v, %v, %v, want %v", err, forgetErr, rewrapErr, want)
		}
	}
}

func second[T any](_ T, err error) error { return err }

// What a store returns is believed only if this Envelope made it for this subject and id.
func TestStoreThatLies(t *testing.T) {
	honest, kek := &MemorySubjectKeys{}, newTestKEK(t, "kek")
	e := newEnvelope(t, []KEK{kek}, WithSubjectKeys(honest))
	alice := sealFor(t, e, "alice", "diary")
	bob := sealFor(t, e, "bob", "letters")
	aliceID, aliceKey, _ := honest.Load(t.Context(), "alice")
	bobID, bobKey, _ := honest.Load(t.Context(), "bob")
	message := sealEnvelope(t, e, make([]byte, 32), subjectBound)

	for name, answer := range map[string][2][]byte{
		"another's key":              {bobID, bobKey},
		"another's key under our id": {aliceID, bobKey},
		"our key under another id":   {bobID, aliceKey},
		"garbage":                    {aliceID, []byte("garbage")},
		"a message":                  {aliceID, message},
		"a message for a subject":    {aliceID, alice},
	} {
		store := &testStore{answer: func(id, wrapped []byte) ([]byte, []byte) { return answer[0], answer[1] }}
		store.MemorySubjectKeys.Create(t.Context(), "alice", aliceID, aliceKey)
		fresh := newEnvelope(t, []KEK{kek}, WithSubjectKeys(store))
		if _, err := fresh.SealFor(t.Context(), "alice", nil, nil, subjectBound); err != ErrOpen {
			t.Errorf("%s: SealFor: %v", name, err)
		}
		if name != "our key under another id" && opens(t, fresh, alice, "diary") { // Find returns no id
			t.Errorf("%s: opens", name)
		}
	}
	short := &testStore{answer: func(id, wrapped []byte) ([]byte, []byte) { return id[1:], wrapped }}
	fresh := newEnvelope(t, []KEK{kek}, WithSubjectKeys(short))
	for range 2 { // created, then loaded
		if _, err := fresh.SealFor(t.Context(), "alice", nil, nil, subjectBound); err != errSubjectID {
			t.Errorf("short id: %v", err)
		}
	}
	if !opens(t, e, alice, "diary") || !opens(t, e, bob, "letters") {
		t.Error("the honest store does not open")
	}
}

func TestSubjectHeaderAltered(t *testing.T) {
	e := newEnvelope(t, numbered(t, 1), WithSubjectKeys(&MemorySubjectKeys{}))
	sealed := sealFor(t, e, "alice", "")
	other := sealFor(t, e, "bob", "")
	for i := range sealed {
		altered := bytes.Clone(sealed)
		altered[i] ^= 1
		if opens(t, e, altered, "") || opens(t, e, sealed[:i], "") {
			t.Errorf("opens with byte %d altered or missing", i)
		}
	}
	swapped := append(bytes.Clone(other[:len(other)-len(payloadOf(t, other))]), payloadOf(t, sealed)...)
	if opens(t, e, swapped, "") {
		t.Error("opens under the header of another message")
	}
}

// No event, nor its reason, names the subject.
func TestForgetEvents(t *testing.T) {
	var log bytes.Buffer
	store := &testStore{}
	e := newEnvelope(t, numbered(t, 1), WithSubjectKeys(store), WithLogger(slog.New(slog.NewJSONHandler(&log, nil))))
	sealed := sealFor(t, e, "alice", "diary")
	e.Forget(t.Context(), "alice")
	opens(t, e, sealed, "diary")
	store.fail = errOutage
	e.Forget(t.Context(), "alice")
	for _, want := range []string{
		`"event.action":"envelope-forget","event.outcome":"success"`,
		`"event.action":"envelope-forget","event.outcome":"failure"`,
		`"event.action":"envelope-open","event.outcome":"failure"`,
	} {
		if strings.Count(log.String(), want) != 1 {
			t.Errorf("not once: %s in\n%s", want, &log)
		}
	}
	if strings.Contains(log.String(), "alice") {
		t.Error("an event names the subject")
	}
}
