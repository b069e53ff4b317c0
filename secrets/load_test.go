package secrets_test

import (
	"context"
	"errors"
	"io"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pavise/pavise/secrets"
)

func TestLoad(t *testing.T) {
	type config struct {
		Name     string
		Password secrets.Secret `secret:"DB_PASSWORD,required"`
		Absent   secrets.Secret `secret:"ABSENT"`
		Later    secrets.Secret `secret:"-"`
		DB       struct {
			URL *url.URL `secret:"DB_URL,required"`
		}
		Reader io.Reader      `secret:"DB_PASSWORD"`
		hidden secrets.Secret //lint:ignore U1000 Load must pass over it
	}
	src := secrets.Static(map[string]string{"DB_PASSWORD": "correct horse", "DB_URL": "postgres://h/db"})
	c := config{Name: "kept", Absent: secrets.New("default")}
	err := secrets.Load(t.Context(), src, &c,
		secrets.Decoder(func(s secrets.Secret) (*url.URL, error) { return url.Parse(s.Reveal()) }),
		secrets.Decoder(func(s secrets.Secret) (io.Reader, error) { return strings.NewReader(s.Reveal()), nil }),
	)
	if err != nil {
		t.Fatal(err)
	}
	read, _ := io.ReadAll(c.Reader)
	if c.Name != "kept" || c.Password.Reveal() != "correct horse" || c.Absent.Reveal() != "default" ||
		!c.Later.IsZero() || c.DB.URL.Host != "h" || string(read) != "correct horse" {
		t.Errorf("loaded %+v", c)
	}
}

// TestLoadReportsAllAtOnce: one run shows everything that is wrong, and changes nothing.
func TestLoadReportsAllAtOnce(t *testing.T) {
	type config struct {
		Good       secrets.Secret `secret:"GOOD,required"`
		Missing    secrets.Secret `secret:"MISSING,required"`
		Denied     secrets.Secret `secret:"DENIED"`
		Empty      secrets.Secret `secret:"EMPTY"`
		Dumped     secrets.Secret `secret:"DUMPED"`
		Number     int            `secret:"NUMBER"`
		Plain      string         `secret:"GOOD"`
		Untagged   secrets.Secret
		Nameless   secrets.Secret `secret:",required"`
		Misspelled secrets.Secret `secret:"GOOD,requierd"`
		Spaced     secrets.Secret `secret:" GOOD"`
		private    secrets.Secret `secret:"GOOD"`
	}
	src := secrets.Only(secrets.Static(map[string]string{
		"GOOD": "value-good", "EMPTY": "", "DUMPED": "[REDACTED]", "NUMBER": "value-4711",
	}), "GOOD", "MISSING", "EMPTY", "DUMPED", "NUMBER")
	before := config{Good: secrets.New("before"), private: secrets.New("before")}
	c := before
	err := secrets.Load(t.Context(), src, &c, secrets.Decoder(func(s secrets.Secret) (int, error) { return strconv.Atoi(s.Reveal()) }))
	want := `secrets: Plain: a field is a Secret or has a Decoder for its type
secrets: Untagged: a Secret without a secret tag stays empty; tag it "-" to mean that
secrets: Nameless: the secret tag has the form "NAME" or "NAME,required"
secrets: Misspelled: the secret tag has the form "NAME" or "NAME,required"
secrets: Spaced: the secret tag has the form "NAME" or "NAME,required"
secrets: private: Load cannot set an unexported field
secrets: MISSING: not found
secrets: DENIED: access denied
secrets: EMPTY: is empty
secrets: DUMPED: refusing the redaction placeholder as a value
secrets: NUMBER: cannot be decoded`
	if err == nil || err.Error() != want {
		t.Errorf("Load:\n%v\nwant:\n%s", err, want)
	}
	if !errors.Is(err, secrets.ErrNotFound) || !errors.Is(err, secrets.ErrDenied) {
		t.Error("the sentinels are lost")
	}
	if !c.Good.Equal(before.Good) || !c.private.Equal(before.private) {
		t.Error("a failed Load changed the struct")
	}
}

// texts returns the text of err and of all that it wraps.
func texts(err error) string {
	switch e := err.(type) {
	case nil:
		return ""
	case interface{ Unwrap() []error }:
		text := err.Error()
		for _, e := range e.Unwrap() {
			text += texts(e)
		}
		return text
	}
	return err.Error() + texts(errors.Unwrap(err))
}

// TestDecodeErrorsDoNotEcho uses parsers that quote what they were given.
func TestDecodeErrorsDoNotEcho(t *testing.T) {
	const value = "postgres://u:hunter2#%zz@h:port/db"
	var echoed int
	check := func(name string, decoder secrets.LoadOption, dst any) {
		err := secrets.Load(t.Context(), secrets.Static(map[string]string{"A": value}), dst, decoder)
		if text := texts(err); err == nil || strings.Contains(text, "hunter2") {
			t.Errorf("%s: %s", name, text)
		}
	}
	count := func(err error) {
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			echoed++
		}
	}
	check("strconv", secrets.Decoder(func(s secrets.Secret) (int, error) {
		n, err := strconv.Atoi(s.Reveal())
		count(err)
		return n, err
	}), &struct {
		A int `secret:"A"`
	}{})
	check("time", secrets.Decoder(func(s secrets.Secret) (time.Duration, error) {
		d, err := time.ParseDuration(s.Reveal())
		count(err)
		return d, err
	}), &struct {
		A time.Duration `secret:"A"`
	}{})
	check("url", secrets.Decoder(func(s secrets.Secret) (*url.URL, error) {
		u, err := url.Parse(s.Reveal())
		count(err)
		return u, err
	}), &struct {
		A *url.URL `secret:"A"`
	}{})
	if echoed != 3 {
		t.Errorf("control: %d of 3 parsers quote the value", echoed)
	}
}

func TestLoadTargets(t *testing.T) {
	src := secrets.Static(nil)
	n := 1
	for _, dst := range []any{nil, 1, &n, struct{}{}, (*struct{})(nil), new(secrets.Secret)} {
		if err := secrets.Load(t.Context(), src, dst); err == nil {
			t.Errorf("Load into %T", dst)
		}
	}
	if err := secrets.Load(t.Context(), src, &struct{}{}); err != nil {
		t.Errorf("Load into an empty struct: %v", err)
	}
}

// TestLoadOutOfReach: a Secret that Load would pass over is an error, not an empty
// password.
func TestLoadOutOfReach(t *testing.T) {
	type db struct {
		Password secrets.Secret `secret:"A,required"`
	}
	type node struct {
		Next  *node // a type that holds itself
		Value int
	}
	src := secrets.Static(map[string]string{"A": "v"})
	for name, dst := range map[string]any{
		"pointer to a struct":     &struct{ DB *db }{},
		"pointer, not nil":        &struct{ DB *db }{new(db)},
		"pointer to a pointer":    &struct{ DB **db }{},
		"slice of structs":        &struct{ DB []db }{make([]db, 1)},
		"array of structs":        &struct{ DB [1]db }{},
		"map of structs":          &struct{ DB map[string]db }{},
		"nested":                  &struct{ DB []struct{ Primary *db } }{},
		"pointer to a Secret":     &struct{ DB *secrets.Secret }{},
		"map of Secrets":          &struct{ DB map[string]secrets.Secret }{},
		"embedded, behind a link": &struct{ DB *struct{ db } }{},
	} {
		if err := secrets.Load(t.Context(), src, dst); err == nil || !strings.HasPrefix(err.Error(), "secrets: DB: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, dst := range map[string]any{
		"dismissed": &struct {
			DB *db `secret:"-"`
		}{},
		"all inside": &struct {
			DB *struct {
				Password secrets.Secret `secret:"-"`
			}
		}{},
		"unexported": &struct{ db []db }{},
		"no Secret":  &struct{ DB *struct{ URL *url.URL } }{},
		"hidden there": &struct {
			DB *struct{ password secrets.Secret }
		}{},
		"recursive": &struct{ DB *node }{},
	} {
		if err := secrets.Load(t.Context(), src, dst); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// vetoing has the methods of an Allowlist, also those that have no name outside, and
// a Fetch of its own.
type vetoing struct{ *secrets.Allowlist }

func (vetoing) Fetch(context.Context, string) ([]secrets.Version, error) {
	return nil, secrets.ErrDenied
}

func TestLoadAsksTheOuterSource(t *testing.T) {
	src := vetoing{secrets.Only(secrets.Static(map[string]string{"A": "v"}), "A")}
	for name, src := range map[string]secrets.Source{"Load": src, "Only": secrets.Only(src, "A"), "First": secrets.First(src)} {
		var c struct {
			A secrets.Secret `secret:"A,required"`
		}
		if err := secrets.Load(t.Context(), src, &c); !errors.Is(err, secrets.ErrDenied) || !c.A.IsZero() {
			t.Errorf("%s passes over the Fetch of a wrapper: %v", name, err)
		}
	}
}

// versions is a Source of a user's own, which knows one name.
type versions []secrets.Version

func (v versions) Fetch(context.Context, string) ([]secrets.Version, error) { return v, nil }

func TestLoadTakesTheVersionInUse(t *testing.T) {
	var c struct {
		A secrets.Secret `secret:"A,required"`
	}
	next := secrets.Version{Secret: secrets.New("next"), ID: "2", Pending: true}
	now := secrets.Version{Secret: secrets.New("now"), ID: "1"}
	old := secrets.Version{Secret: secrets.New("old"), ID: "0"}
	if err := secrets.Load(t.Context(), versions{next, now, old}, &c); err != nil || c.A.Reveal() != "now" {
		t.Errorf("loaded %q, %v", c.A.Reveal(), err)
	}
	for _, v := range []versions{nil, {next}} {
		if err := secrets.Load(t.Context(), v, &c); !errors.Is(err, secrets.ErrNotFound) {
			t.Errorf("%d versions, none in use: %v", len(v), err)
		}
	}
}

// TestLoadRefusesADestroyedValue: a Source that hands out what it destroyed is an
// error of that name.
func TestLoadRefusesADestroyedValue(t *testing.T) {
	var c struct {
		A secrets.Secret `secret:"A,required"`
	}
	gone := secrets.New("v")
	gone.Destroy()
	if err := secrets.Load(t.Context(), versions{{Secret: gone}}, &c); err == nil || err.Error() != "secrets: A: is empty" {
		t.Errorf("Load: %v", err)
	}
}

func TestLoadReportsABrokenStore(t *testing.T) {
	var c struct {
		A secrets.Secret `secret:"A"` // optional, which is not "ignore failures"
	}
	down := errors.New("store is down")
	err := secrets.Load(t.Context(), broken{down}, &c)
	if !errors.Is(err, down) || err.Error() != "secrets: A: store is down" {
		t.Errorf("Load: %v", err)
	}
}
