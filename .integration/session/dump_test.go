package session

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/pavise/pavise/session"
)

// Whoever copies the tables, at whatever moment, has neither a token nor the data.
func TestDump(t *testing.T) {
	for _, b := range backends {
		t.Run(b.dialect.String(), func(t *testing.T) {
			db := b.connect(t)
			dropTables(t, db)
			store := open(t, db, b.dialect)
			p := newPages(t, store)
			stop := make(chan struct{})
			var traffic sync.WaitGroup
			for i := range 8 {
				traffic.Go(func() { p.visit(stop, fmt.Sprintf("dumped-user-%d", i)) })
			}
			var dump []byte
			for range 20 {
				dump = append(dump, tables(t, db)...)
				time.Sleep(20 * time.Millisecond)
			}
			close(stop)
			traffic.Wait()
			dump = append(dump, tables(t, db)...)
			p.search(t, dump)

			// The control: a token and data where a careless store would leave them.
			token := p.tokens[0]
			careless(t, store, token)
			dump = tables(t, db)
			for _, secret := range [][]byte{[]byte(token), []byte(plaintext)} {
				if !holds(dump, secret) {
					t.Error("control: what was planted was not found")
				}
			}
		})
	}
}

const plaintext = "what-only-the-user-may-read"

// pages is a small service, and what its users hold.
type pages struct {
	t       *testing.T
	manager *session.Manager[string]
	mu      sync.Mutex
	tokens  []string
}

func newPages(t *testing.T, store session.Store) *pages {
	t.Helper()
	m, err := session.New[string](store)
	if err != nil {
		t.Fatal(err)
	}
	return &pages{t: t, manager: m}
}

// visit lives a user's life again and again, and always leaves a session behind.
func (p *pages) visit(stop <-chan struct{}, user string) {
	write := func(ctx context.Context) error {
		return p.manager.Update(ctx, func(s *string) error { *s = plaintext + *s; return nil })
	}
	login := func(ctx context.Context) error {
		return p.manager.Login(ctx, session.Auth{User: user, Methods: []string{"pwd"}}, nil)
	}
	stepUp := func(ctx context.Context) error { return p.manager.Reauthenticate(ctx, session.Auth{AAL: 2}) }
	for {
		cookie := ""
		for _, step := range []func(context.Context) error{write, login, write, stepUp, write, p.manager.Logout, login, write} {
			cookie = p.request(cookie, step)
		}
		select {
		case <-stop:
			return
		default:
		}
	}
}

// request makes one and returns the cookie that the browser has then.
func (p *pages) request(cookie string, step func(context.Context) error) string {
	r := httptest.NewRequest("POST", "https://example.com/", nil)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	if cookie != "" {
		r.AddCookie(&http.Cookie{Name: cookieName, Value: cookie})
	}
	w := httptest.NewRecorder()
	p.manager.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if err := step(r.Context()); err != nil {
			p.t.Error(err)
		}
	})).ServeHTTP(w, r)
	for _, c := range w.Result().Cookies() {
		if cookie = c.Value; cookie != "" {
			p.mu.Lock()
			p.tokens = append(p.tokens, cookie)
			p.mu.Unlock()
		}
	}
	return cookie
}

// search looks for what must not be in the dump, and for what is.
func (p *pages) search(t *testing.T, dump []byte) {
	t.Helper()
	if holds(dump, []byte(plaintext)) {
		t.Error("the dump holds data in the clear")
	}
	if !holds(dump, []byte("dumped-user-7")) || len(p.tokens) < 50 {
		t.Errorf("control: a user id was not found, or there were only %d tokens", len(p.tokens))
	}
	for _, token := range p.tokens[len(p.tokens)-50:] {
		raw, err := base64.RawURLEncoding.DecodeString(token)
		if err != nil || len(raw) != 34 {
			t.Fatalf("a token of %d bytes, error %v", len(raw), err)
		}
		for _, part := range [][]byte{[]byte(token), raw[2:], raw[2:18], raw[18:]} {
			if holds(dump, part) {
				t.Error("the dump holds (a part of) a token")
			}
		}
	}
	t.Logf("%d bytes dumped, %d tokens issued", len(dump), len(p.tokens))
}

// holds finds a secret in any of its spellings.
func holds(dump, secret []byte) bool {
	lower := hex.EncodeToString(secret)
	return slices.ContainsFunc([]string{
		string(secret), lower, string(bytes.ToUpper([]byte(lower))),
		base64.RawStdEncoding.EncodeToString(secret), base64.RawURLEncoding.EncodeToString(secret),
	}, func(spelling string) bool { return bytes.Contains(dump, []byte(spelling)) })
}

// tables is every value of every row, one after another.
func tables(t *testing.T, db *sql.DB) []byte {
	t.Helper()
	var dump bytes.Buffer
	for _, table := range []string{"pavise_sessions", "pavise_session_epochs"} {
		rows, err := db.Query("SELECT * FROM " + table)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		columns, err := rows.Columns()
		if err != nil {
			t.Fatal(err)
		}
		values, into := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		for rows.Next() {
			if err := rows.Scan(into...); err != nil {
				t.Fatal(err)
			}
			for _, v := range values {
				if b, ok := v.([]byte); ok {
					dump.Write(b)
				} else {
					fmt.Fprint(&dump, v)
				}
				dump.WriteByte('\n')
			}
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
	}
	return dump.Bytes()
}

// careless stores a token and data as they are.
func careless(t *testing.T, store session.Store, token string) {
	t.Helper()
	_, now, err := store.Epoch(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	r := session.Record{
		Handle: "abcdefghijklmnopqrstuvwxyz", Version: 1, Data: []byte(token + plaintext),
		Created: now, Expires: now.Add(time.Hour), Idle: time.Hour,
	}
	if err := store.Create(t.Context(), r, 1); err != nil {
		t.Fatal(err)
	}
}
