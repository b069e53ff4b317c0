package pkcs11kek

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"slices"
	"sync"
	"testing"
	"time"
)

// fakeLibrary is a PKCS #11 module with one token, which fails on demand.
type fakeLibrary struct {
	mu          sync.Mutex
	token       token
	pin         string
	keys        []*fakeKey
	maxSessions int
	makesIV     bool
	forgetsIV   bool // uses another IV than it says

	faults    map[string][]fault
	counts    map[string]int
	pins      []string
	tries     int // that are left of the PIN, if not 0
	sessions  map[*fakeSession]bool
	user      bool
	removed   bool
	stopped   bool
	unwrapped []byte // by the last decryption
	stale     bool   // sees no token that came back until it is started anew
}

type fakeKey struct {
	object
	aead cipher.AEAD
}

// fault makes one call of an operation fail; a negative one hangs for a minute.
type fault int

const hang fault = -1

func newFakeKey(label, id string) *fakeKey {
	raw := make([]byte, 32)
	rand.Read(raw)
	block, _ := aes.NewCipher(raw)
	aead, _ := cipher.NewGCM(block)
	return &fakeKey{object{label: []byte(label), id: []byte(id), aes256: true, sensitive: true, private: true, encrypt: true, decrypt: true}, aead}
}

func newFake(keys ...*fakeKey) *fakeLibrary {
	return &fakeLibrary{
		token: token{slot: 7, label: "notes", serial: "0815"}, pin: "canary-1234", keys: keys, maxSessions: 100,
		faults: map[string][]fault{}, counts: map[string]int{}, sessions: map[*fakeSession]bool{}, stopped: true,
	}
}

func (l *fakeLibrary) inject(op string, faults ...fault) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.faults[op] = faults
}

func (l *fakeLibrary) count(op string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.counts[op]
}

// remove takes the token away, with all sessions; restore brings it back.
func (l *fakeLibrary) remove() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.removed, l.user, l.sessions = true, false, map[*fakeSession]bool{}
}

func (l *fakeLibrary) restore(stale bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.removed, l.stale, l.token.slot = stale, stale, l.token.slot+1
}

// begin counts a call, has it hang or fail, and locks l if it returns nil.
func (l *fakeLibrary) begin(op string) error {
	l.mu.Lock()
	l.counts[op]++
	var f fault
	if q := l.faults[op]; len(q) > 0 {
		f, l.faults[op] = q[0], q[1:]
	}
	if f == hang {
		l.mu.Unlock()
		time.Sleep(time.Minute)
		l.mu.Lock()
		f = 0
	}
	if f == 0 && l.stopped && op != "initialize" {
		f = fault(codeCryptokiNotInitialized)
	}
	if f != 0 {
		l.mu.Unlock()
		return Code(f)
	}
	return nil
}

func (l *fakeLibrary) initialize() error {
	if err := l.begin("initialize"); err != nil {
		return err
	}
	defer l.mu.Unlock()
	if !l.stopped {
		return codeCryptokiInitialized
	}
	if l.stale {
		l.removed, l.stale = false, false
	}
	l.stopped = false
	return nil
}

func (l *fakeLibrary) finalize() {
	if l.begin("finalize") == nil {
		defer l.mu.Unlock()
		l.stopped, l.user, l.sessions = true, false, map[*fakeSession]bool{}
	}
}

func (l *fakeLibrary) tokens() ([]token, error) {
	if err := l.begin("tokens"); err != nil {
		return nil, err
	}
	defer l.mu.Unlock()
	other := token{slot: 1, label: "other", serial: "1"}
	if l.removed {
		return []token{other}, nil
	}
	return []token{other, l.token}, nil
}

func (l *fakeLibrary) open(slot uint) (device, error) {
	if err := l.begin("open"); err != nil {
		return nil, err
	}
	defer l.mu.Unlock()
	switch {
	case l.removed || slot != l.token.slot:
		return nil, codeTokenNotPresent
	case len(l.sessions) >= l.maxSessions:
		return nil, codeSessionCount
	}
	s := &fakeSession{l}
	s.l.sessions[s] = true
	return s, nil
}

type fakeSession struct{ l *fakeLibrary }

func (s *fakeSession) begin(op string) error {
	if err := s.l.begin(op); err != nil {
		return err
	}
	err := Code(0)
	switch {
	case s.l.removed:
		err = codeDeviceRemoved
	case !s.l.sessions[s]:
		err = codeSessionHandleInvalid
	case !s.l.user && (op == "encrypt" || op == "decrypt"):
		err = codeUserNotLoggedIn
	default:
		return nil
	}
	s.l.mu.Unlock()
	return err
}

func (s *fakeSession) close() {
	if s.begin("close") == nil {
		defer s.l.mu.Unlock()
		delete(s.l.sessions, s)
		s.l.user = s.l.user && len(s.l.sessions) > 0
	}
}

func (s *fakeSession) loggedIn() (bool, error) {
	if err := s.begin("info"); err != nil {
		return false, err
	}
	defer s.l.mu.Unlock()
	return s.l.user, nil
}

func (s *fakeSession) login(pin []byte) error {
	if err := s.begin("login"); err != nil {
		return err
	}
	defer s.l.mu.Unlock()
	s.l.pins = append(s.l.pins, string(pin))
	if string(pin) != s.l.pin {
		if s.l.tries > 0 {
			s.l.tries--
			s.l.token.finalTry, s.l.token.locked = s.l.tries == 1, s.l.tries == 0
		}
		return codePINIncorrect
	}
	s.l.user = true
	return nil
}

func (s *fakeSession) find(k Key) ([]object, error) {
	if err := s.begin("find"); err != nil {
		return nil, err
	}
	defer s.l.mu.Unlock()
	var found []object
	for i, have := range s.l.keys {
		if s.l.user && (k.Label == "" || string(have.label) == k.Label) && (len(k.ID) == 0 || bytes.Equal(have.id, k.ID)) {
			o := have.object
			o.handle = uint(i)
			found = append(found, o)
		}
	}
	return found, nil
}

func (s *fakeSession) encrypt(handle uint, iv, aad, plaintext []byte) (used, sealed []byte, err error) {
	if err := s.begin("encrypt"); err != nil {
		return nil, nil, err
	}
	defer s.l.mu.Unlock()
	used = slices.Clone(iv)
	if s.l.makesIV {
		rand.Read(used)
	}
	sealed = s.l.keys[handle].aead.Seal(nil, used, plaintext, aad)
	if s.l.forgetsIV {
		used = iv
	}
	return used, sealed, nil
}

func (s *fakeSession) decrypt(handle uint, iv, aad, sealed []byte) ([]byte, error) {
	if err := s.begin("decrypt"); err != nil {
		return nil, err
	}
	defer s.l.mu.Unlock()
	out, err := s.l.keys[handle].aead.Open(nil, iv, sealed, aad)
	if err != nil {
		return nil, codeGeneralError // as SoftHSM does
	}
	s.l.unwrapped = out
	return out, nil
}

// connect returns a KEK on l that is closed with the test. Every test has a module of
// its own name.
func connect(t *testing.T, l *fakeLibrary, opts ...Option) *KEK {
	t.Helper()
	k, err := dial(t, l, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.Close() })
	return k
}

func dial(t *testing.T, l *fakeLibrary, opts ...Option) (*KEK, error) {
	return newKEK(t.Context(), "/fake/"+t.Name(), Token{Label: "notes", PIN: pinOf(l.pin)}, namesOf(l.keys), opts, l.load)
}

func (l *fakeLibrary) load(string) (library, error) { return l, nil }

func namesOf(keys []*fakeKey) (names []Key) {
	for _, k := range keys {
		names = append(names, Key{Label: string(k.label)})
	}
	return names
}
