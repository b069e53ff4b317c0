package session_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pavise/pavise/crypto"
	"github.com/pavise/pavise/session"
)

type sealedBrowser = browserOf[*session.SealedManager[data]]

func newKeys(t testing.TB) *crypto.Keyring {
	t.Helper()
	keys, err := crypto.NewKeyring(crypto.GenerateKey())
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func newRevocations(t testing.TB) session.Revocations {
	t.Helper()
	r, err := session.NewRevocations(session.NewMemoryStore(0))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func newSealed(t testing.TB, keys *crypto.Keyring, r session.Revocations, opts ...session.Option) *session.SealedManager[data] {
	t.Helper()
	m, err := session.NewSealed[data](keys, r, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func newSealedBrowser(t testing.TB, opts ...session.Option) *sealedBrowser {
	t.Helper()
	return newBrowser(t, newSealed(t, newKeys(t), newRevocations(t), opts...))
}

func (b *browserOf[M]) stepUp() error {
	return b.try(func(ctx context.Context) error {
		return b.m.Reauthenticate(ctx, session.Auth{AAL: 2, Methods: []string{"pwd", "otp"}})
	})
}

func TestNewSealedRefuses(t *testing.T) {
	keys, revocations := newKeys(t), newRevocations(t)
	for name, make := range map[string]func() error{
		"no keys":        func() error { _, err := session.NewSealed[data](nil, revocations); return err },
		"no revocations": func() error { _, err := session.NewSealed[data](keys, nil); return err },
		"no store":       func() error { _, err := session.NewRevocations(nil); return err },
		"bad option": func() error {
			_, err := session.NewSealed[data](keys, revocations, session.Timeouts(0, 0))
			return err
		},
		"data that JSON cannot encode": func() error { _, err := session.NewSealed[chan int](keys, revocations); return err },
	} {
		if make() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestSealedLogin(t *testing.T) {
	b := newSealedBrowser(t)
	if s := b.get(); s.Handle != "" || b.cookie != "" {
		t.Errorf("a session that nobody began: %+v, cookie %q", s, b.cookie)
	}
	b.add(3)
	anonymous, before := b.clone(), b.get()
	if before.Handle == "" || before.LoggedIn() || before.Data.N != 3 {
		t.Fatalf("anonymous session: %+v", before)
	}
	b.must(func(ctx context.Context) error {
		return b.m.Login(ctx, session.Auth{User: "ann", Methods: []string{"pwd"}}, func(d *data) error { d.Note = "hello"; return nil })
	})
	s := b.get()
	if s.User != "ann" || s.AAL != 1 || fmt.Sprint(s.Methods) != "[pwd]" || s.Data != (data{N: 3, Note: "hello"}) {
		t.Errorf("after login: %+v", s)
	}
	if s.Handle == before.Handle || anonymous.get().Handle != "" {
		t.Error("the session of before the login still lives")
	}
	again := b.clone()
	again.login("ann")
	if again.get().Data != s.Data || b.get().LoggedIn() {
		t.Error("a second login of the same user loses the data, or leaves the first session alive")
	}
	again.login("bob")
	if s := again.get(); s.User != "bob" || s.Data != (data{}) {
		t.Errorf("bob got %+v", s)
	}
}

func TestSealedStepUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newSealedBrowser(t)
		if err := b.stepUp(); !errors.Is(err, session.ErrNotLoggedIn) {
			t.Errorf("without a session: %v", err)
		}
		b.login("ann")
		b.add(5)
		old, first := b.clone(), b.get()
		time.Sleep(10 * time.Minute)
		if err := b.try(func(ctx context.Context) error {
			return b.m.Reauthenticate(ctx, session.Auth{User: "bob"})
		}); !errors.Is(err, session.ErrInvalid) {
			t.Errorf("as another user: %v", err)
		}
		require := func() int { return b.do(b.m.Require(session.Policy{AAL: 2})(ok).ServeHTTP).Code }
		if code := require(); code != 401 {
			t.Errorf("before the step-up: %d", code)
		}
		if err := b.stepUp(); err != nil {
			t.Fatal(err)
		}
		s := b.get()
		if s.AAL != 2 || fmt.Sprint(s.Methods) != "[pwd otp]" || s.Data.N != 5 || require() != 200 {
			t.Errorf("got %+v", s)
		}
		if !s.Created.Equal(first.Created) || !s.ExpiresAt.Equal(first.ExpiresAt) || s.AuthTime.Sub(first.AuthTime) != 10*time.Minute {
			t.Errorf("times: %+v, before %+v", s.Info, first.Info)
		}
		if old.get().LoggedIn() {
			t.Error("the old cookie still works")
		}
	})
}

var ok = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })

func TestSealedLogout(t *testing.T) {
	b := newSealedBrowser(t)
	b.login("ann")
	copied := b.clone()
	w := b.do(func(w http.ResponseWriter, r *http.Request) {
		if err := b.m.Logout(r.Context()); err != nil {
			t.Error(err)
		}
		if err := b.m.Set(r.Context(), data{}); !errors.Is(err, session.ErrGone) {
			t.Errorf("set after logout: %v", err)
		}
	})
	if b.cookie != "" || w.Header().Get("Clear-Site-Data") != `"cache", "storage"` || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("headers: %v", w.Header())
	}
	if copied.get().LoggedIn() {
		t.Error("a copy of the cookie survived the logout")
	}
	w = copied.do(func(w http.ResponseWriter, r *http.Request) {
		if err := b.m.Set(r.Context(), data{}); !errors.Is(err, session.ErrGone) {
			t.Errorf("set with the old cookie: %v", err)
		}
	})
	if hasSetCookie(w) {
		t.Error("a request with the old cookie set one")
	}
}

// Two cookies open nothing, but Logout ends what stands under both.
func TestSealedLogoutOfDuplicates(t *testing.T) {
	ann := newSealedBrowser(t)
	eve := newBrowser(t, ann.m)
	ann.login("ann")
	eve.login("eve")
	both := httptest.NewRequest("GET", "https://example.com/", nil)
	both.Header.Set("Cookie", cookieName+"="+eve.cookie+"; "+cookieName+"="+ann.cookie)
	newBrowser(t, ann.m).send(both, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s, err := ann.m.Get(r.Context()); err != nil || s.LoggedIn() {
			t.Errorf("two cookies opened %+v, %v", s, err)
		}
		if err := ann.m.Logout(r.Context()); err != nil {
			t.Error(err)
		}
	}))
	if ann.get().LoggedIn() || eve.get().LoggedIn() {
		t.Error("a session survived")
	}
}

func TestSealedRevokeUser(t *testing.T) {
	var log bytes.Buffer
	ann := newSealedBrowser(t, session.Logger(slog.New(slog.NewJSONHandler(&log, nil))))
	bob, other := newBrowser(t, ann.m), newBrowser(t, ann.m)
	ann.login("ann")
	other.login("ann")
	bob.login("bob")
	epoch, err := ann.m.Epoch(t.Context(), "ann")
	if err != nil {
		t.Fatal(err)
	}
	if err := ann.m.RevokeUser(t.Context(), "ann"); err != nil {
		t.Fatal(err)
	}
	if ann.get().LoggedIn() || other.get().LoggedIn() || !bob.get().LoggedIn() {
		t.Error("not ann's sessions, and not they alone, have ended")
	}
	if err := ann.try(func(ctx context.Context) error {
		return ann.m.Login(ctx, session.Auth{User: "ann", Epoch: epoch}, nil)
	}); !errors.Is(err, session.ErrStaleEpoch) {
		t.Errorf("a login that was verified before: %v", err)
	}
	ann.login("ann")
	if !ann.get().LoggedIn() {
		t.Error("a login after it does not work")
	}
	for _, event := range []string{`"event.action":"session-revoked"`, `"event.reason":"stale-epoch"`, `"user.id":"ann"`} {
		if !strings.Contains(log.String(), event) {
			t.Errorf("no %s in %s", event, &log)
		}
	}
	if err := ann.m.RevokeUser(t.Context(), ""); !errors.Is(err, session.ErrInvalid) {
		t.Errorf("nobody: %v", err)
	}
}

// What does not fit changes nothing; what fits is a cookie that a browser takes.
func TestSealedCookieSize(t *testing.T) {
	b := newSealedBrowser(t)
	b.must(func(ctx context.Context) error {
		return b.m.Login(ctx, session.Auth{User: strings.Repeat("u", 255), Persist: true}, nil)
	})
	largest := 0
	for n := 0; n < 4096; n += 13 {
		note := strings.Repeat("x", n)
		var err error
		w := b.do(func(w http.ResponseWriter, r *http.Request) { err = b.m.Set(r.Context(), data{Note: note}) })
		line := w.Header().Get("Set-Cookie")
		if len(line) > 4096 {
			t.Fatalf("a cookie of %d bytes", len(line))
		}
		if err == nil {
			largest = n
		} else if !errors.Is(err, session.ErrTooLarge) || line != "" || w.Code != 200 {
			t.Fatalf("%d bytes: %v, %d, cookie %q", n, err, w.Code, line)
		}
	}
	if got := b.get().Data.Note; len(got) != largest || largest < 2300 || largest > 3000 {
		t.Errorf("the largest that fitted has %d bytes, the session has %d", largest, len(got))
	}
}

func TestSealedCookieIsRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newSealedBrowser(t)
		b.must(func(ctx context.Context) error { return b.m.Login(ctx, session.Auth{User: "ann", Persist: true}, nil) })
		read := func(w http.ResponseWriter, r *http.Request) { b.m.Get(r.Context()) }
		time.Sleep(time.Minute - time.Microsecond)
		if w := b.do(read); hasSetCookie(w) {
			t.Error("renewed within the minute")
		}
		time.Sleep(time.Hour)
		line := b.do(read).Header().Get("Set-Cookie")
		if !strings.HasSuffix(line, "; Max-Age=2588340") { // 30 days less what has passed
			t.Errorf("after an hour: %s", line)
		}
		w := b.do(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(200); b.m.Get(r.Context()) })
		if hasSetCookie(w) {
			t.Error("a cookie after the header was sent")
		}
	})
}

func TestSealedAfterTheHeaders(t *testing.T) {
	b := newSealedBrowser(t)
	b.login("ann")
	b.do(func(w http.ResponseWriter, r *http.Request) {
		b.m.Get(r.Context())
		w.WriteHeader(200)
		for name, err := range map[string]error{
			"set":     b.m.Set(r.Context(), data{N: 1}),
			"login":   b.m.Login(r.Context(), session.Auth{User: "bob"}, nil),
			"step-up": b.m.Reauthenticate(r.Context(), session.Auth{}),
		} {
			if !errors.Is(err, session.ErrHeadersSent) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
	if s := b.get(); s.User != "ann" || s.Data.N != 0 {
		t.Errorf("it changed the session: %+v", s)
	}
	if err := b.m.Set(t.Context(), data{}); !errors.Is(err, session.ErrNoHandler) {
		t.Errorf("outside of a request: %v", err)
	}
}

// Neither the cookie nor what is inside its encoding shows anything of the session.
func TestSealedCookieShowsNothing(t *testing.T) {
	b := newSealedBrowser(t)
	b.must(func(ctx context.Context) error {
		return b.m.Login(ctx, session.Auth{User: "ann@example.com", Methods: []string{"fingerprint"}}, func(d *data) error {
			d.Note = "a very private note"
			return nil
		})
	})
	raw, err := base64.RawURLEncoding.DecodeString(b.cookie)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"ann@example.com", "fingerprint", "private", string(b.get().Handle)} {
		if strings.Contains(b.cookie, text) || bytes.Contains(raw, []byte(text)) {
			t.Errorf("the cookie shows %q", text)
		}
	}
}

// The keyring rotates as any other: the first key seals, each opens.
func TestSealedKeyRotation(t *testing.T) {
	first, second := crypto.GenerateKey(), crypto.GenerateKey()
	ring := func(primary crypto.Key, older ...crypto.Key) *crypto.Keyring {
		k, err := crypto.NewKeyring(primary, older...)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	revocations := newRevocations(t)
	b := newBrowser(t, newSealed(t, ring(first), revocations))
	b.login("ann")
	old := b.clone()
	b.m = newSealed(t, ring(second, first), revocations)
	if !b.get().LoggedIn() {
		t.Fatal("the session ended with the rotation")
	}
	b.add(1)
	b.m = newSealed(t, ring(second), revocations)
	if s := b.get(); !s.LoggedIn() || s.Data.N != 1 {
		t.Error("what was sealed after the rotation needs the old key")
	}
	if old.m = b.m; old.get().LoggedIn() {
		t.Error("a cookie opened without its key")
	}
}

func TestSkipRevocation(t *testing.T) {
	b := newBrowser(t, newSealed(t, newKeys(t), session.SkipRevocation()))
	b.login("ann")
	copied := b.clone()
	if err := b.stepUp(); err != nil || b.get().AAL != 2 {
		t.Errorf("step-up: %v", err)
	}
	b.logout()
	if b.get().LoggedIn() || !copied.get().LoggedIn() {
		t.Error("the browser's session has to end, and a copy of the cookie goes on")
	}
}

func TestSealedUndecodableData(t *testing.T) {
	var log bytes.Buffer
	keys, revocations := newKeys(t), newRevocations(t)
	b := newBrowser(t, newSealed(t, keys, revocations, session.Schema(2, nil)))
	b.login("ann")
	b.m = newSealed(t, keys, revocations, session.Schema(1, nil), session.Logger(slog.New(slog.NewJSONHandler(&log, nil))))
	if b.get().LoggedIn() || !strings.Contains(log.String(), "undecodable-data") {
		t.Errorf("log: %s", &log)
	}
	b.login("ann")
	if !b.get().LoggedIn() {
		t.Error("a login does not help")
	}
}
