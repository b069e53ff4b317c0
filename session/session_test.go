package session_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pavise/pavise/session"
)

func TestLoginRotatesAndKeepsAnonymousData(t *testing.T) {
	m := newManager(t, session.NewMemoryStore(0))
	b := newBrowser(t, m)
	b.add(3)
	anonymous, before := b.clone(), b.get()
	if before.Handle == "" || before.LoggedIn() {
		t.Fatalf("anonymous session: %+v", before)
	}
	b.login("ann")
	s := b.get()
	if s.User != "ann" || s.AAL != 1 || s.Data.N != 3 || s.Handle != before.Handle {
		t.Errorf("after login: %+v", s)
	}
	if b.cookie == anonymous.cookie {
		t.Error("the token did not change")
	}
	if s := anonymous.get(); s.Handle != "" || s.Data.N != 0 {
		t.Errorf("the old token still opens %+v", s)
	}
}

func TestLoginAsSomebodyElseStartsAfresh(t *testing.T) {
	m := newManager(t, session.NewMemoryStore(0))
	b := newBrowser(t, m)
	b.login("ann")
	b.add(3)
	ann := b.get().Handle
	b.login("bob")
	if s := b.get(); s.User != "bob" || s.Data.N != 0 || s.Handle == ann {
		t.Errorf("bob got %+v", s)
	}
	if infos, _ := m.Devices(t.Context(), "ann"); len(infos) != 0 {
		t.Error("ann's session survived")
	}
}

func TestReauthenticate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManager(t, session.NewMemoryStore(0))
		b := newBrowser(t, m)
		up := func(a session.Auth) error {
			return b.try(func(ctx context.Context) error { return m.Reauthenticate(ctx, a) })
		}
		if err := up(session.Auth{}); !errors.Is(err, session.ErrNotLoggedIn) {
			t.Errorf("without a session: %v", err)
		}
		b.login("ann")
		b.add(5)
		old, first := b.clone(), b.get()
		time.Sleep(10 * time.Minute)
		if err := up(session.Auth{User: "bob"}); !errors.Is(err, session.ErrInvalid) {
			t.Errorf("as another user: %v", err)
		}
		if err := up(session.Auth{AAL: 2, Methods: []string{"pwd", "otp"}}); err != nil {
			t.Fatal(err)
		}
		s := b.get()
		if s.AAL != 2 || strings.Join(s.Methods, " ") != "pwd otp" || s.Data.N != 5 || s.Handle != first.Handle {
			t.Errorf("got %+v", s)
		}
		if !s.Created.Equal(first.Created) || !s.ExpiresAt.Equal(first.ExpiresAt) || s.AuthTime.Sub(first.AuthTime) != 10*time.Minute {
			t.Errorf("times: %+v, before %+v", s.Info, first.Info)
		}
		if old.get().LoggedIn() {
			t.Error("the old token still works")
		}
	})
}

// Alive one microsecond before the end, dead at it.
func TestTimeouts(t *testing.T) {
	const idle, absolute = 30 * time.Minute, 12 * time.Hour
	const pIdle, pAbsolute = 14 * 24 * time.Hour, 30 * 24 * time.Hour
	tick := time.Microsecond
	for _, tc := range []struct {
		name    string
		persist bool
		sleeps  []time.Duration // a request after each
		alive   bool            // at the last one
	}{
		{"idle, before", false, []time.Duration{idle - tick}, true},
		{"idle, at", false, []time.Duration{idle}, false},
		{"idle, extended", false, []time.Duration{idle - tick, idle - tick}, true},
		{"idle, extended, at", false, []time.Duration{idle - tick, idle}, false},
		{"persist idle, before", true, []time.Duration{pIdle - tick}, true},
		{"persist idle, at", true, []time.Duration{pIdle}, false},
		{"absolute, before", false, append(every(20*time.Minute, absolute-20*time.Minute), 20*time.Minute-tick), true},
		{"absolute, at", false, every(20*time.Minute, absolute), false},
		{"persist absolute, before", true, append(every(24*time.Hour, pAbsolute-24*time.Hour), 24*time.Hour-tick), true},
		{"persist absolute, at", true, every(24*time.Hour, pAbsolute), false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				stored, sealed := newBrowser(t, newManager(t, session.NewMemoryStore(0))), newSealedBrowser(t)
				login := func(m manager) func(context.Context) error {
					return func(ctx context.Context) error {
						return m.Login(ctx, session.Auth{User: "ann", Persist: tc.persist}, nil)
					}
				}
				stored.must(login(stored.m))
				sealed.must(login(sealed.m))
				for i, d := range tc.sleeps {
					time.Sleep(d)
					want := tc.alive || i < len(tc.sleeps)-1
					if got := stored.get().LoggedIn(); got != want {
						t.Fatalf("after sleep %d: logged in %v, want %v", i, got, want)
					}
					if got := sealed.get().LoggedIn(); got != want {
						t.Fatalf("sealed, after sleep %d: logged in %v, want %v", i, got, want)
					}
				}
			})
		})
	}
}

func every(d, total time.Duration) (ds []time.Duration) {
	for range total / d {
		ds = append(ds, d)
	}
	return ds
}

func TestCookieAttributes(t *testing.T) {
	const host = "; Path=/; HttpOnly; SameSite=Lax; Secure"
	for _, tc := range []struct {
		name    string
		persist bool
		opts    []session.Option
		want    string // around the value
	}{
		{"default", false, nil, "__Host-session=*" + host},
		{"persist", true, nil, "__Host-session=*" + host + "; Max-Age=2592000"},
		{"name", false, []session.Option{session.CookieName("__Host-id")}, "__Host-id=*" + host},
		{"domain", false, []session.Option{session.CookieDomain("example.com")}, "__Secure-session=*; Path=/; Domain=example.com; HttpOnly; SameSite=Lax; Secure"},
	} {
		m := newManager(t, session.NewMemoryStore(0), tc.opts...)
		w := newBrowser(t, m).do(func(w http.ResponseWriter, r *http.Request) {
			if err := m.Login(r.Context(), session.Auth{User: "ann", Persist: tc.persist}, nil); err != nil {
				t.Fatal(err)
			}
		})
		line := w.Header().Get("Set-Cookie")
		name, rest, _ := strings.Cut(line, "=")
		value, attrs, _ := strings.Cut(rest, ";")
		if got := name + "=*;" + attrs; got != tc.want || len(value) != 46 || len(line) > 4096 {
			t.Errorf("%s: %s (value of %d characters), want %s", tc.name, got, len(value), tc.want)
		}
	}
}

func TestLogoutClearsTheBrowser(t *testing.T) {
	m := newManager(t, session.NewMemoryStore(0))
	b := newBrowser(t, m)
	b.login("ann")
	w := b.do(func(w http.ResponseWriter, r *http.Request) {
		if err := m.Logout(r.Context()); err != nil {
			t.Error(err)
		}
		if err := m.Update(r.Context(), func(*data) error { return nil }); !errors.Is(err, session.ErrGone) {
			t.Errorf("update after logout: %v", err)
		}
	})
	if got := w.Header().Get("Clear-Site-Data"); got != `"cache", "storage"` {
		t.Errorf("Clear-Site-Data: %s", got)
	}
	if b.cookie != "" || len(w.Header()["Set-Cookie"]) != 1 {
		t.Errorf("Set-Cookie: %q", w.Header()["Set-Cookie"])
	}
}

// A login in the request that logged out leaves one cookie, the new one.
func TestLoginAfterLogoutInOneRequest(t *testing.T) {
	m := newManager(t, session.NewMemoryStore(0))
	b := newBrowser(t, m)
	b.login("ann")
	w := b.do(func(w http.ResponseWriter, r *http.Request) {
		if err := errors.Join(m.Logout(r.Context()), m.Login(r.Context(), session.Auth{User: "bob"}, nil)); err != nil {
			t.Error(err)
		}
	})
	if n := len(w.Header()["Set-Cookie"]); n != 1 || b.get().User != "bob" {
		t.Errorf("%d cookies, user %q", n, b.get().User)
	}
}

// None of these opens a session, is adopted, or makes a request set a cookie.
func TestRefusedCookies(t *testing.T) {
	m := newManager(t, session.NewMemoryStore(0))
	b := newBrowser(t, m)
	b.login("ann")
	good := cookieName + "=" + b.cookie
	last := b.cookie[:45] + string(b.cookie[45]+1) // the same bytes, spelled in another way
	for name, lines := range map[string][]string{
		"unknown token":     {cookieName + "=" + strings.Repeat("A", 46)},
		"another spelling":  {cookieName + "=" + last},
		"shortened":         {good[:len(good)-1]},
		"lengthened":        {good + "A"},
		"quoted":            {cookieName + `="` + b.cookie + `"`},
		"over 4096 bytes":   {cookieName + "=" + strings.Repeat("A", 5000)},
		"empty":             {cookieName + "="},
		"twice":             {good + "; " + good},
		"two headers":       {good, good},
		"two values":        {cookieName + "=x; " + good},
		"other case":        {strings.ToLower(good)},
		"space before name": {cookieName + " =" + b.cookie},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest("POST", "https://example.com/", nil)
			r.Header.Set("Sec-Fetch-Site", "same-origin")
			r.Header["Cookie"] = lines
			w := httptest.NewRecorder()
			present := !strings.HasPrefix(lines[0], strings.ToLower(cookieName)) && !strings.Contains(lines[0], " =")
			m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if s, err := m.Get(r.Context()); err != nil || s.Handle != "" {
					t.Errorf("opened %+v, %v", s.Info, err)
				}
				if !present {
					return // another cookie: not ours at all
				}
				if err := m.Update(r.Context(), func(*data) error { return nil }); !errors.Is(err, session.ErrGone) {
					t.Errorf("update: %v, want ErrGone", err)
				}
			})).ServeHTTP(w, r)
			if hasSetCookie(w) {
				t.Error("set a cookie")
			}
		})
	}
	r := httptest.NewRequest("GET", "https://example.com/", nil)
	r.Header["Cookie"] = []string{"a=1;" + good + ";b=2"}
	newBrowser(t, m).send(r, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s, _ := m.Get(r.Context()); s.User != "ann" {
			t.Error("control: the good cookie was refused")
		}
	}))
}

// Two cookies open nothing, but Logout and Login end what stands under both.
func TestDuplicateCookiesEnd(t *testing.T) {
	m := newManager(t, session.NewMemoryStore(0))
	for name, end := range map[string]func(context.Context) error{
		"logout": m.Logout,
		"login":  func(ctx context.Context) error { return m.Login(ctx, session.Auth{User: "bob"}, nil) },
	} {
		ann, eve := newBrowser(t, m), newBrowser(t, m)
		ann.login("ann")
		eve.login("eve")
		r := httptest.NewRequest("GET", "https://example.com/", nil)
		r.Header.Set("Cookie", cookieName+"="+eve.cookie+"; "+cookieName+"="+ann.cookie)
		m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if err := end(r.Context()); err != nil {
				t.Error(err)
			}
		})).ServeHTTP(httptest.NewRecorder(), r)
		if ann.get().LoggedIn() || eve.get().LoggedIn() {
			t.Errorf("%s: a session survived", name)
		}
	}
}

func TestDevicesAndRevocation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManager(t, session.NewMemoryStore(0))
		var bs [3]*browser
		for i := range bs {
			bs[i] = newBrowser(t, m)
			bs[i].login("ann")
			time.Sleep(time.Minute)
		}
		infos, err := m.Devices(t.Context(), "ann")
		if err != nil || len(infos) != 3 || infos[0].Handle != bs[2].get().Handle {
			t.Fatalf("devices: %+v, %v", infos, err)
		}
		if err := m.Revoke(t.Context(), "bob", bs[0].get().Handle); err != nil || !bs[0].get().LoggedIn() {
			t.Error("another user could revoke", err)
		}
		if err := m.Revoke(t.Context(), "ann", bs[0].get().Handle); err != nil || bs[0].get().LoggedIn() {
			t.Error("not revoked", err)
		}
		n, err := m.RevokeUser(t.Context(), "ann", bs[1].get().Handle)
		if n != 1 || err != nil || !bs[1].get().LoggedIn() || bs[2].get().LoggedIn() {
			t.Errorf("revoke user: %d, %v", n, err)
		}
	})
}
