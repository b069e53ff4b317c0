package session

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/pavise/pavise/session"
)

// useSessions sends a log-in, an update and a step-up through a Manager and returns the
// last token and a text that the session holds.
func useSessions(t *testing.T, store session.Store) (token, plain string) {
	t.Helper()
	type data struct{ Note string }
	m, err := session.New[data](store)
	if err != nil {
		t.Fatal(err)
	}
	plain = "the diagnosis of patient 4711"
	for _, f := range []func(context.Context) error{
		func(ctx context.Context) error { return m.Login(ctx, session.Auth{User: "ann"}, nil) },
		func(ctx context.Context) error {
			return m.Update(ctx, func(d *data) error { d.Note = plain; return nil })
		},
		func(ctx context.Context) error { return m.Reauthenticate(ctx, session.Auth{AAL: 2}) },
		func(ctx context.Context) error {
			s, err := m.Get(ctx)
			if s.Data.Note != plain {
				t.Errorf("the session holds %q", s.Data.Note)
			}
			return err
		},
	} {
		r := httptest.NewRequest("POST", "https://example.com/", nil)
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		r.Header.Set("Cookie", "__Host-session="+token)
		if token == "" {
			r.Header.Del("Cookie")
		}
		w := httptest.NewRecorder()
		m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if err := f(r.Context()); err != nil {
				t.Fatal(err)
			}
		})).ServeHTTP(w, r)
		if c := w.Header().Get("Set-Cookie"); c != "" {
			token = strings.TrimPrefix(strings.Split(c, ";")[0], "__Host-session=")
		}
	}
	return token, plain
}
