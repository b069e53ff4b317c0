package session_test

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/pavise/pavise/session"
)

// None of these opens a session, is adopted, or makes a request set a cookie.
func TestSealedForgedCookies(t *testing.T) {
	var log bytes.Buffer
	keys, revocations := newKeys(t), newRevocations(t)
	m := newSealed(t, keys, revocations, session.Logger(slog.New(slog.NewJSONHandler(&log, nil))))
	b := newBrowser(t, m)
	b.login("ann")
	good := b.cookie

	elsewhere := newBrowser(t, newSealed(t, keys, revocations, session.CookieName("__Host-admin")))
	w := elsewhere.do(func(w http.ResponseWriter, r *http.Request) {
		if err := elsewhere.m.Login(r.Context(), session.Auth{User: "ann"}, nil); err != nil {
			t.Error(err)
		}
	})
	_, moved, _ := strings.Cut(w.Header().Get("Set-Cookie"), "=")
	moved, _, _ = strings.Cut(moved, ";")
	foreign := newBrowser(t, newSealed(t, newKeys(t), revocations))
	foreign.login("ann")

	for name, value := range map[string]string{
		"of another cookie":   moved,
		"of another key":      foreign.cookie,
		"token of a Manager":  strings.Repeat("A", 46),
		"another spelling":    good[:len(good)-1] + string(good[len(good)-1]+1),
		"shortened":           good[:len(good)-1],
		"lengthened":          good + "A",
		"quoted":              `"` + good + `"`,
		"padded":              good + "=",
		"longer than allowed": strings.Repeat("A", 5000),
		"empty":               "",
		"twice":               good + "; " + cookieName + "=" + good,
	} {
		t.Run(name, func(t *testing.T) {
			w := refusedSealed(t, m, value)
			if hasSetCookie(w) || w.Code != 200 {
				t.Errorf("%d %v", w.Code, w.Header())
			}
		})
	}
	if strings.Count(log.String(), "malformed-token") != 10 || strings.Count(log.String(), "duplicate-cookie") != 1 || strings.Contains(log.String(), good[:20]) {
		t.Errorf("events: %s", &log)
	}
	for i := range good {
		other := byte('A')
		if good[i] == other {
			other = 'B'
		}
		refusedSealed(t, m, good[:i]+string(other)+good[i+1:])
	}
	if b.get().User != "ann" {
		t.Error("control: the good cookie was refused")
	}
}

// refusedSealed sends a cookie that must open nothing.
func refusedSealed(t *testing.T, m *session.SealedManager[data], value string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest("POST", "https://example.com/", nil)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.Header.Set("Cookie", cookieName+"="+value)
	w := httptest.NewRecorder()
	m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s, err := m.Get(r.Context()); err != nil || s.Handle != "" {
			t.Errorf("opened %+v, %v", s.Info, err)
		}
		if err := m.Set(r.Context(), data{}); !errors.Is(err, session.ErrGone) {
			t.Errorf("set: %v, want ErrGone", err)
		}
	})).ServeHTTP(w, r)
	return w
}
