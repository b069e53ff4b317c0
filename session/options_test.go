package session_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/pavise/pavise/secrets"
	"github.com/pavise/pavise/session"
)

func TestNewRefusesUnsafeOptions(t *testing.T) {
	st := session.NewMemoryStore(0)
	for name, opts := range map[string][]session.Option{
		"idle over absolute":         {session.Timeouts(2*time.Hour, time.Hour)},
		"no idle timeout":            {session.Timeouts(0, time.Hour)},
		"absolute over 30 days":      {session.Timeouts(time.Hour, 31*24*time.Hour)},
		"persist over 400 days":      {session.PersistTimeouts(time.Hour, 401*24*time.Hour)},
		"name without prefix":        {session.CookieName("sid")},
		"name with a bad character":  {session.CookieName("__Host-a b")},
		"long name":                  {session.CookieName("__Host-" + strings.Repeat("x", 64))},
		"host prefix with a domain":  {session.CookieName("__Host-s"), session.CookieDomain("example.com")},
		"domain without a dot":       {session.CookieDomain("com")},
		"domain is an address":       {session.CookieDomain("127.0.0.1")},
		"domain injects":             {session.CookieDomain("example.com; Secure=no")},
		"development with a domain":  {session.InsecureDevelopment(), session.CookieDomain("example.com")},
		"origin without a scheme":    {session.TrustedOrigins("example.com")},
		"origin with a path":         {session.TrustedOrigins("https://example.com/a")},
		"bypass pattern is no":       {session.InsecureCSRFBypass("POST /{")},
		"bypass patterns conflict":   {session.InsecureCSRFBypass("/a"), session.InsecureCSRFBypass("/a")},
		"development, name is empty": {session.InsecureDevelopment(), session.CookieName("__Host-")},
	} {
		if m, err := session.New[data](st, opts...); err == nil || m != nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := session.New[data](nil); err == nil {
		t.Error("nil store accepted")
	}
}

func TestNewRefusesDataThatCannotBeKept(t *testing.T) {
	st := session.NewMemoryStore(0)
	refused := func(name string, err error) {
		t.Helper()
		if err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	_, err := session.New[secrets.Secret](st)
	refused("a secret", err)
	_, err = session.New[map[string][]struct{ Key *secrets.Secret }](st)
	refused("a secret inside", err)
	_, err = session.New[struct{ C chan int }](st)
	refused("a channel", err)
	type tree struct{ Kids []*tree }
	if _, err := session.New[tree](st); err != nil {
		t.Errorf("a recursive type: %v", err)
	}
}

func TestInvalidArguments(t *testing.T) {
	m := newManager(t, session.NewMemoryStore(0))
	for name, a := range map[string]session.Auth{
		"no user":       {},
		"NUL in user":   {User: "a\x00"},
		"not UTF-8":     {User: "a\xff"},
		"long user":     {User: strings.Repeat("u", 256)},
		"AAL 4":         {User: "ann", AAL: 4},
		"empty method":  {User: "ann", Methods: []string{""}},
		"spaced method": {User: "ann", Methods: []string{"pwd otp"}},
		"nine methods":  {User: "ann", Methods: strings.Split("a,b,c,d,e,f,g,h,i", ",")},
	} {
		err := newBrowser(t, m).try(func(ctx context.Context) error { return m.Login(ctx, a, nil) })
		if !errors.Is(err, session.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := m.RevokeUser(t.Context(), ""); !errors.Is(err, session.ErrInvalid) {
		t.Errorf("revoke nobody: %v", err)
	}
	if _, err := m.Get(t.Context()); !errors.Is(err, session.ErrNoHandler) {
		t.Errorf("no handler: %v", err)
	}
	b := newBrowser(t, m)
	err := b.try(func(ctx context.Context) error {
		return m.Update(ctx, func(d *data) error { d.Note = strings.Repeat("x", 1<<16); return nil })
	})
	if !errors.Is(err, session.ErrTooLarge) || b.cookie != "" {
		t.Errorf("64 KiB of data: %v", err)
	}
}

func TestInsecureDevelopmentIsForThisMachine(t *testing.T) {
	m := newManager(t, session.NewMemoryStore(0), session.InsecureDevelopment())
	for host, want := range map[string]int{
		"localhost": 200, "localhost:8080": 200, "127.0.0.1:80": 200, "[::1]:80": 200, "[::1]": 200,
		"example.com": 421, "localhost.example.com": 421, "192.168.0.1": 421, "": 421,
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Host = host
		w := httptest.NewRecorder()
		m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if err := m.Login(r.Context(), session.Auth{User: "ann"}, nil); err != nil {
				t.Error(err)
			}
		})).ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("%q: %d, want %d", host, w.Code, want)
		}
		if c := w.Header().Get("Set-Cookie"); want == 200 && (!strings.HasPrefix(c, "session=") || strings.Contains(c, "Secure")) {
			t.Errorf("cookie: %d characters, wrong attributes", len(c))
		}
	}
	if p := m.Policy(); !p.Development || p.Idle != 30*time.Minute || p.Absolute != 12*time.Hour || p.Cookie != "session" {
		t.Errorf("policy: %+v", p)
	}
}

func TestEventsNameTheClient(t *testing.T) {
	for name, c := range map[string]struct {
		resolve func(*http.Request) (netip.Addr, error)
		want    string
	}{
		"default": {nil, "source.ip=192.0.2.1 "},
		"proxy": {func(r *http.Request) (netip.Addr, error) {
			return netip.ParseAddr(r.Header.Get("X-Client"))
		}, "source.ip=2001:db8::7 "},
		"unknown": {func(*http.Request) (netip.Addr, error) {
			return netip.Addr{}, errors.New("no address")
		}, "source.ip=192.0.2.1 "},
	} {
		var log bytes.Buffer
		m := newManager(t, session.NewMemoryStore(0), session.Logger(slog.New(slog.NewTextHandler(&log, nil))), session.ClientIP(c.resolve))
		r := httptest.NewRequest("POST", "https://example.com/", nil)
		r.Header.Set("X-Client", "2001:db8::7")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		newBrowser(t, m).send(r, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if err := m.Login(r.Context(), session.Auth{User: "ann"}, nil); err != nil {
				t.Error(err)
			}
		}))
		if !strings.Contains(log.String(), c.want) {
			t.Errorf("%s: %s", name, log.String())
		}
	}
}
