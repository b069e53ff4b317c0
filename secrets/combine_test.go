package secrets_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/pavise/pavise/secrets"
)

// broken is a Source that fails.
type broken struct{ err error }

func (b broken) Fetch(context.Context, string) ([]secrets.Version, error) { return nil, b.err }

func TestStatic(t *testing.T) {
	m := map[string]string{"a": "1", "empty": ""}
	src := secrets.Static(m)
	m["a"], m["b"] = "2", "2"
	if got, err := reveal(src, "a"); got != "1" {
		t.Errorf("Static follows the caller's map: %q, %v", got, err)
	}
	if _, err := reveal(src, "b"); !errors.Is(err, secrets.ErrNotFound) {
		t.Errorf("an unknown name: %v", err)
	}
	if _, err := reveal(src, "empty"); err == nil || errors.Is(err, secrets.ErrNotFound) {
		t.Errorf("an empty value: %v", err)
	}
}

// TestStaticOutlivesDestroy: a reader that destroys what it got takes it from nobody else.
func TestStaticOutlivesDestroy(t *testing.T) {
	src := secrets.Static(map[string]string{"a": "1"})
	got, err := src.Fetch(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	got[0].Secret.Destroy()
	if again, err := src.Fetch(t.Context(), "a"); err != nil || !again[0].Secret.Equal(secrets.New("1")) {
		t.Errorf("after Destroy of the first answer: %v, %v", again, err)
	}
}

func TestFirst(t *testing.T) {
	down := errors.New("store is down")
	one := secrets.Static(map[string]string{"a": "1", "b": "1"})
	two := secrets.Static(map[string]string{"b": "2", "c": "2"})
	for _, tt := range []struct {
		about string
		src   secrets.Source
		name  string
		want  string
		err   error
	}{
		{"in the first", secrets.First(one, two), "b", "1", nil},
		{"in the second", secrets.First(one, two), "c", "2", nil},
		{"in none", secrets.First(one, two), "d", "", secrets.ErrNotFound},
		{"denied, then found", secrets.First(secrets.Only(one), two), "b", "2", nil},
		{"denied, then missing", secrets.First(secrets.Only(one), two), "d", "", secrets.ErrNotFound},
		{"missing, then denied", secrets.First(two, secrets.Only(one)), "d", "", secrets.ErrNotFound},
		{"denied by all", secrets.First(secrets.Only(one), secrets.Env()), "b", "", secrets.ErrDenied},
		{"no source", secrets.First(), "b", "", secrets.ErrDenied},
		{"a broken store is not passed over", secrets.First(broken{down}, two), "b", "", down},
		{"found before the broken store", secrets.First(one, broken{down}), "a", "1", nil},
		{"nested", secrets.First(secrets.First(one), secrets.First(two)), "c", "2", nil},
	} {
		got, err := reveal(tt.src, tt.name)
		if got != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("%s: %q, %v", tt.about, got, err)
		}
	}
}

func TestOnly(t *testing.T) {
	var log bytes.Buffer
	src := secrets.Only(secrets.Static(map[string]string{"a": "value-1", "b": "value-2"}), "a").
		WithLogger(slog.New(slog.NewJSONHandler(&log, nil)))
	if got, err := reveal(src, "a"); got != "value-1" || log.Len() > 0 {
		t.Errorf("an allowed name: %q, %v, %s", got, err, &log)
	}
	_, err := reveal(src, "b")
	if !errors.Is(err, secrets.ErrDenied) || errors.Is(err, secrets.ErrNotFound) || err.Error() != "secrets: b: access denied" {
		t.Errorf("another name: %v", err)
	}
	for _, want := range []string{
		`"event.action":"secret-access"`, `"event.outcome":"failure"`,
		`"event.reason":"name not in the allowlist"`, `"secret.name":"b"`, `"level":"WARN"`,
	} {
		if strings.Count(log.String(), want) != 1 {
			t.Errorf("the event has no %s: %s", want, &log)
		}
	}
	if strings.Contains(log.String(), "value") {
		t.Errorf("the event holds a value: %s", &log)
	}
	log.Reset()
	if _, err := reveal(src, "a\nINFO all is well"); err == nil || strings.Contains(err.Error()+log.String(), "well") {
		t.Errorf("what is not a name is repeated: %v, %s", err, &log)
	}
	names := []string{"a"}
	limited := secrets.Only(secrets.Static(map[string]string{"a": "1", "b": "2"}), names...)
	names[0] = "b"
	if _, err := reveal(limited, "b"); !errors.Is(err, secrets.ErrDenied) {
		t.Errorf("the list was changed after the fact: %v", err)
	}
	if _, err := reveal(secrets.Only(src), "a"); !errors.Is(err, secrets.ErrDenied) {
		t.Errorf("Only of no names: %v", err)
	}
}
