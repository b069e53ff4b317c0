// Package session_test compares session managers on one request: a cookie is
// present and the session holds about 200 bytes of typed data.
package session_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/gob"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/alexedwards/scs/v2/memstore"
	"github.com/gorilla/sessions"
	"github.com/pavise/pavise/crypto"
	"github.com/pavise/pavise/session"
)

type user struct {
	UID   int64     `json:"uid"`
	Email string    `json:"email"`
	Roles string    `json:"roles"`
	At    time.Time `json:"at"`
}

var (
	someone = user{42, "someone@example.com", strings.Repeat("r", 120), time.Unix(1_700_000_000, 0).UTC()}
	page    = []byte("ok")
)

// nullWriter costs nothing.
type nullWriter struct{ h http.Header }

func (w *nullWriter) Header() http.Header         { return w.h }
func (w *nullWriter) Write(b []byte) (int, error) { return len(b), nil }
func (w *nullWriter) WriteHeader(int)             {}

// run measures requests with the cookie that the handler setup sets.
func run(b *testing.B, setup, h http.Handler) {
	b.Helper()
	rec := httptest.NewRecorder()
	setup.ServeHTTP(rec, httptest.NewRequest("GET", "https://example.com/", nil))
	base := httptest.NewRequest("GET", "https://example.com/", nil)
	for _, c := range rec.Result().Cookies() {
		base.AddCookie(c)
	}
	w := &nullWriter{h: http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		clear(w.h)
		h.ServeHTTP(w, base.WithContext(context.Background())) // gorilla/sessions keeps its state in the request
	}
}

func write(w http.ResponseWriter) { w.Write(page) }

func BenchmarkUntouched(b *testing.B) {
	bench(b, func(*testing.B, http.ResponseWriter, *http.Request, client) {})
}

func BenchmarkRead(b *testing.B) {
	bench(b, func(b *testing.B, w http.ResponseWriter, r *http.Request, c client) {
		if c.read(w, r) != someone.UID {
			b.Fatal("not read")
		}
	})
}

func BenchmarkWrite(b *testing.B) {
	bench(b, func(b *testing.B, w http.ResponseWriter, r *http.Request, c client) { c.write(w, r) })
}

// client is what one library does in a request.
type client struct {
	wrap  func(http.Handler) http.Handler
	read  func(http.ResponseWriter, *http.Request) int64
	write func(http.ResponseWriter, *http.Request)
}

func bench(b *testing.B, use func(*testing.B, http.ResponseWriter, *http.Request, client)) {
	for _, lib := range []struct {
		name string
		make func(*testing.B) client
	}{{"pavise", pavise}, {"pavise-codec", withCodec}, {"pavise-sealed", sealed}, {"scs", scsClient}, {"gorilla", gorilla}} {
		b.Run(lib.name, func(b *testing.B) {
			c := lib.make(b)
			setup := c.wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { c.write(w, r); write(w) }))
			run(b, setup, c.wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { use(b, w, r, c); write(w) })))
		})
	}
}

func pavise(b *testing.B) client { return managed(b) }

// withCodec writes the data by hand in the place of JSON.
func withCodec(b *testing.B) client { return managed(b, session.Codec(appendUser, parseUser)) }

func appendUser(b []byte, u *user) ([]byte, error) {
	b = slices.Grow(b, 4*binary.MaxVarintLen64+len(u.Email)+len(u.Roles))
	b = binary.AppendVarint(b, u.UID)
	b = binary.AppendVarint(b, u.At.UnixNano())
	b = append(binary.AppendUvarint(b, uint64(len(u.Email))), u.Email...)
	return append(b, u.Roles...), nil
}

func parseUser(b []byte, u *user) error {
	uid, n := binary.Varint(b)
	b = b[max(n, 0):]
	at, n := binary.Varint(b)
	b = b[max(n, 0):]
	size, n := binary.Uvarint(b)
	b = b[max(n, 0):]
	if size > uint64(len(b)) {
		return io.ErrUnexpectedEOF
	}
	*u = user{uid, string(b[:size]), string(b[size:]), time.Unix(0, at).UTC()}
	return nil
}

func managed(b *testing.B, opts ...session.Option) client {
	m, err := session.New[user](session.NewMemoryStore(0), opts...)
	if err != nil {
		b.Fatal(err)
	}
	return client{
		wrap: m.Handler,
		read: func(_ http.ResponseWriter, r *http.Request) int64 {
			s, err := m.Get(r.Context())
			if err != nil {
				b.Fatal(err)
			}
			return s.Data.UID
		},
		write: func(_ http.ResponseWriter, r *http.Request) {
			if err := m.Update(r.Context(), func(u *user) error { *u = someone; return nil }); err != nil {
				b.Fatal(err)
			}
		},
	}
}

// sealed keeps the session in the cookie, as gorilla does, and its revocations in memory.
func sealed(b *testing.B) client {
	keys, err := crypto.NewKeyring(crypto.GenerateKey())
	if err != nil {
		b.Fatal(err)
	}
	revocations, err := session.NewRevocations(session.NewMemoryStore(0))
	if err != nil {
		b.Fatal(err)
	}
	m, err := session.NewSealed[user](keys, revocations)
	if err != nil {
		b.Fatal(err)
	}
	return client{
		wrap: m.Handler,
		read: func(_ http.ResponseWriter, r *http.Request) int64 {
			s, err := m.Get(r.Context())
			if err != nil {
				b.Fatal(err)
			}
			return s.Data.UID
		},
		write: func(_ http.ResponseWriter, r *http.Request) {
			if err := m.Set(r.Context(), someone); err != nil {
				b.Fatal(err)
			}
		},
	}
}

// scsClient has the options that its documentation recommends for production, and
// the idle timeout and hashed tokens that the others have or pavise always has.
func scsClient(*testing.B) client {
	gob.Register(time.Time{})
	m := scs.New()
	m.Store = memstore.NewWithCleanupInterval(0)
	m.IdleTimeout = 30 * time.Minute
	m.HashTokenInStore = true
	m.Cookie.Secure = true
	return client{
		wrap: m.LoadAndSave,
		read: func(_ http.ResponseWriter, r *http.Request) int64 { return m.GetInt64(r.Context(), "uid") },
		write: func(_ http.ResponseWriter, r *http.Request) {
			m.Put(r.Context(), "uid", someone.UID)
			m.Put(r.Context(), "email", someone.Email)
			m.Put(r.Context(), "roles", someone.Roles)
			m.Put(r.Context(), "at", someone.At)
		},
	}
}

// gorilla is its cookie store with authentication and encryption: it asks no
// store, and cannot end a session.
func gorilla(b *testing.B) client {
	gob.Register(time.Time{})
	st := sessions.NewCookieStore(bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32))
	get := func(r *http.Request) *sessions.Session {
		s, err := st.Get(r, "s")
		if err != nil {
			b.Fatal(err)
		}
		return s
	}
	return client{
		wrap: func(h http.Handler) http.Handler { return h },
		read: func(_ http.ResponseWriter, r *http.Request) int64 {
			uid, _ := get(r).Values["uid"].(int64)
			return uid
		},
		write: func(w http.ResponseWriter, r *http.Request) {
			s := get(r)
			s.Values["uid"], s.Values["email"], s.Values["roles"], s.Values["at"] = someone.UID, someone.Email, someone.Roles, someone.At
			if err := s.Save(r, w); err != nil {
				b.Fatal(err)
			}
		},
	}
}
