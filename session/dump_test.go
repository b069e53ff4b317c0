package session_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pavise/pavise/session"
)

// spyStore keeps every record that was ever written, and can change what is read.
type spyStore struct {
	session.Store
	mu      sync.Mutex
	written []session.Record
	tamper  func(*session.Record)
}

func (s *spyStore) note(r session.Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.written = append(s.written, r)
}

func (s *spyStore) Create(ctx context.Context, r session.Record, epoch uint64) error {
	s.note(r)
	return s.Store.Create(ctx, r, epoch)
}

func (s *spyStore) Rotate(ctx context.Context, old session.Key, v uint64, r session.Record, epoch uint64) error {
	s.note(r)
	return s.Store.Rotate(ctx, old, v, r, epoch)
}

func (s *spyStore) Save(ctx context.Context, k session.Key, v uint64, data []byte, idle time.Duration) (uint64, error) {
	s.note(session.Record{Key: k, Data: data})
	return s.Store.Save(ctx, k, v, data, idle)
}

func (s *spyStore) Load(ctx context.Context, k session.Key) (session.Record, error) {
	r, err := s.Store.Load(ctx, k)
	if err == nil && s.tamper != nil {
		r.Data = bytes.Clone(r.Data)
		s.tamper(&r)
	}
	return r, err
}

// dump is everything that the store ever saw, as bytes.
func (s *spyStore) dump(t *testing.T) []byte {
	var b bytes.Buffer
	for _, r := range s.written {
		b.Write(r.Key.Hash[:])
		b.Write(r.Data)
		rest, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		b.Write(rest)
	}
	return b.Bytes()
}

// spellings are the forms in which a leak could stand in a dump.
func spellings(secret []byte) [][]byte {
	return [][]byte{
		secret,
		[]byte(hex.EncodeToString(secret)),
		[]byte(base64.RawStdEncoding.EncodeToString(secret)),
		[]byte(base64.RawURLEncoding.EncodeToString(secret)),
	}
}

func leaks(dump, secret []byte) bool {
	for _, s := range spellings(secret) {
		if bytes.Contains(dump, s) {
			return true
		}
	}
	return false
}

func TestStolenStoreOpensNothing(t *testing.T) {
	st := &spyStore{Store: session.NewMemoryStore(0)}
	var log bytes.Buffer
	m := newManager(t, st, session.Logger(slog.New(slog.NewJSONHandler(&log, nil))))
	b := newBrowser(t, m)
	var tokens []string
	const note = "what-only-the-user-may-read"
	write := func(ctx context.Context) error {
		return m.Update(ctx, func(d *data) error { d.Note = note; return nil })
	}
	for _, step := range []func(context.Context) error{
		write,
		func(ctx context.Context) error { return m.Login(ctx, session.Auth{User: "ann"}, nil) },
		write,
		func(ctx context.Context) error { return m.Reauthenticate(ctx, session.Auth{AAL: 2}) },
		write,
		m.Logout,
	} {
		b.must(step)
		if b.cookie != "" {
			tokens = append(tokens, b.cookie)
		}
	}
	dump := append(st.dump(t), log.Bytes()...)
	for _, token := range tokens {
		raw, err := base64.RawURLEncoding.DecodeString(token)
		if err != nil || len(raw) != 34 {
			t.Fatal(len(raw), err)
		}
		for _, secret := range [][]byte{[]byte(token), raw, raw[2:], raw[2:18], raw[18:]} {
			if leaks(dump, secret) {
				t.Error("the dump contains (a part of) a token")
			}
			planted := append(dump, spellings(secret)[1]...)
			if !leaks(planted, secret) {
				t.Fatal("control: a planted token was not found")
			}
		}
	}
	if leaks(dump, []byte(note)) {
		t.Error("the dump contains data in the clear")
	}
	if !leaks(dump, []byte("ann")) {
		t.Error("control: the user id stands in the clear and was not found")
	}
	if len(st.written) != 6-1 || !strings.Contains(log.String(), "session-logout") {
		t.Errorf("%d records seen, log: %s", len(st.written), &log)
	}
}

// Whoever can write to the store gets an anonymous session and leaves a trace.
func TestAlteredRecordIsAnonymous(t *testing.T) {
	st := &spyStore{Store: session.NewMemoryStore(0)}
	var log bytes.Buffer
	m := newManager(t, st, session.Logger(slog.New(slog.NewJSONHandler(&log, nil))))
	b := newBrowser(t, m)
	b.must(func(ctx context.Context) error {
		return m.Login(ctx, session.Auth{User: "ann", AAL: 2, Methods: []string{"pwd", "otp"}}, nil)
	})
	victim := newBrowser(t, m)
	victim.login("root")
	foreign := st.written[len(st.written)-1]
	tick := time.Microsecond
	for name, tamper := range map[string]func(*session.Record){
		"user":            func(r *session.Record) { r.User = "root" },
		"user dropped":    func(r *session.Record) { r.User = "" },
		"handle":          func(r *session.Record) { r.Handle = foreign.Handle },
		"version":         func(r *session.Record) { r.Version++ },
		"AAL":             func(r *session.Record) { r.AAL = 3 },
		"methods":         func(r *session.Record) { r.Methods = []string{"pwd", "hwk"} },
		"methods joined":  func(r *session.Record) { r.Methods = []string{"pwdotp"} },
		"methods dropped": func(r *session.Record) { r.Methods = nil },
		"persist":         func(r *session.Record) { r.Persist = true },
		"created":         func(r *session.Record) { r.Created = r.Created.Add(tick) },
		"auth time":       func(r *session.Record) { r.AuthTime = r.AuthTime.Add(tick) },
		"expires":         func(r *session.Record) { r.Expires = r.Expires.Add(tick) },
		"data, format":    func(r *session.Record) { r.Data[0]++ },
		"data, schema":    func(r *session.Record) { r.Data[4]++ },
		"data, nonce":     func(r *session.Record) { r.Data[5]++ },
		"data, tag":       func(r *session.Record) { r.Data[len(r.Data)-1]++ },
		"data, cut":       func(r *session.Record) { r.Data = r.Data[:len(r.Data)-1] },
		"data, none":      func(r *session.Record) { r.Data = nil },
		"another record":  func(r *session.Record) { *r = foreign; r.Now, r.Seen = r.Created, r.Created },
	} {
		t.Run(name, func(t *testing.T) {
			log.Reset()
			st.tamper = tamper
			w := b.do(m.Require(session.Policy{})(nil).ServeHTTP)
			if w.Code != 401 || hasSetCookie(w) || !strings.Contains(log.String(), "altered-record") {
				t.Errorf("%d %v, log: %s", w.Code, w.Header(), &log)
			}
			if s := b.get(); s.LoggedIn() || s.Handle != "" {
				t.Errorf("opened %+v", s)
			}
		})
	}
	st.tamper = func(r *session.Record) {
		r.Seen = r.Seen.Add(-tick) // the store moves it by itself
		r.Key.Hash[0]++            // where it was found is what counts
	}
	if s := b.get(); s.User != "ann" || s.AAL != 2 {
		t.Errorf("control: %+v", s)
	}
}
