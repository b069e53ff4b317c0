package secrets_test

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"encoding/xml"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/pavise/pavise/secrets"
)

func TestNewCopies(t *testing.T) {
	type key []byte
	mine := key("correct horse")
	s := secrets.New(mine)
	clear(mine)
	if got := s.Reveal(); got != "correct horse" {
		t.Errorf("Reveal after the caller wiped its slice = %q", got)
	}
}

func TestZeroSecretIsEmpty(t *testing.T) {
	for _, s := range []secrets.Secret{{}, secrets.New(""), secrets.New([]byte(nil)), secrets.New([]byte{})} {
		if !s.IsZero() || s.Reveal() != "" || s.Fingerprint() != "empty" {
			t.Error("the Secret is not empty")
		}
		s.Use(func(b []byte) {
			if b != nil {
				t.Error("Use of an empty Secret gives bytes")
			}
		})
		s.Destroy() // nothing to wipe, nothing to break
		if got := s.Reveal(); got != "" {
			t.Errorf("Reveal after Destroy of nothing = %q", got)
		}
	}
	if secrets.New("\x00").IsZero() {
		t.Error("a NUL byte is a value")
	}
}

func TestUseWipesItsCopy(t *testing.T) {
	s := secrets.New("correct horse")
	var kept []byte
	s.Use(func(b []byte) {
		b[0] = 'C' // must not reach the Secret
		kept = b
	})
	if !bytes.Equal(kept, make([]byte, len(kept))) {
		t.Errorf("Use left %q behind", kept)
	}
	func() {
		defer func() { _ = recover() }()
		s.Use(func(b []byte) { kept = b; panic("caller") })
	}()
	if !bytes.Equal(kept, make([]byte, len(kept))) {
		t.Errorf("Use left %q behind after a panic", kept)
	}
	if got := s.Reveal(); got != "correct horse" {
		t.Errorf("Reveal = %q", got)
	}
}

func TestEqual(t *testing.T) {
	destroyed := secrets.New("a")
	destroyed.Destroy()
	for _, tt := range []struct {
		name string
		a, b secrets.Secret
		want bool
	}{
		{"same value", secrets.New("a"), secrets.New([]byte("a")), true},
		{"other value", secrets.New("a"), secrets.New("b"), false},
		{"prefix", secrets.New("a"), secrets.New("aa"), false},
		{"one empty", secrets.New("a"), secrets.Secret{}, false},
		{"both empty", secrets.New(""), secrets.Secret{}, false},
		{"destroyed", destroyed, destroyed, false},
		{"destroyed and empty", destroyed, secrets.Secret{}, false},
	} {
		if got := tt.a.Equal(tt.b); got != tt.want {
			t.Errorf("%s: Equal = %v", tt.name, got)
		}
		if got := tt.b.Equal(tt.a); got != tt.want {
			t.Errorf("%s: Equal the other way round = %v", tt.name, got)
		}
	}
	if reflect.TypeFor[secrets.Secret]().Comparable() {
		t.Error("a Secret can be compared with ==, which would compare identities")
	}
}

func TestDestroyReachesAllCopies(t *testing.T) {
	s := secrets.New("correct horse")
	copied := s
	s.Destroy()
	s.Destroy()
	for name, use := range map[string]func(){
		"Reveal": func() { copied.Reveal() },
		"Use":    func() { copied.Use(func([]byte) { t.Error("Use called its function") }) },
	} {
		func() {
			defer func() {
				if r := recover(); r != "secrets: use of a destroyed Secret" {
					t.Errorf("%s panicked with %v", name, r)
				}
			}()
			use()
		}()
	}
	if copied.IsZero() || copied.Fingerprint() != "destroyed" || copied.String() != "[REDACTED]" {
		t.Error("a destroyed Secret looks like something else")
	}
}

// TestDestroyDuringUse: a reader gets the whole value or a panic, never wiped bytes.
func TestDestroyDuringUse(t *testing.T) {
	want := strings.Repeat("x", 4096)
	for range 200 {
		s := secrets.New(want)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				defer func() { _ = recover() }()
				for {
					s.Use(func(b []byte) {
						if string(b) != want {
							t.Error("Use saw a wiped value")
						}
					})
					s.Equal(s)
				}
			})
		}
		s.Destroy()
		wg.Wait()
	}
}

func TestFingerprint(t *testing.T) {
	a, b := secrets.New("a").Fingerprint(), secrets.New("b").Fingerprint()
	if a == b || a != secrets.New("a").Fingerprint() {
		t.Error("fingerprints do not tell values apart")
	}
	if len(a) != 16 || strings.Trim(a, "0123456789abcdef") != "" {
		t.Errorf("Fingerprint = %q", a)
	}
}

// TestRoundTripIsRefused: dumping a configuration and loading the dump must not make
// the placeholder a password.
func TestRoundTripIsRefused(t *testing.T) {
	type config struct{ Password secrets.Secret }
	in := config{secrets.New("correct horse")}
	for name, roundTrip := range map[string]func(out *config) error{
		"json": func(out *config) error {
			b, err := json.Marshal(in)
			if err != nil {
				t.Fatal(err)
			}
			return json.Unmarshal(b, out)
		},
		"xml": func(out *config) error {
			b, err := xml.Marshal(in)
			if err != nil {
				t.Fatal(err)
			}
			return xml.Unmarshal(b, out)
		},
		"gob": func(out *config) error { return gob.NewEncoder(new(bytes.Buffer)).Encode(in) },
	} {
		out := config{secrets.New("old")}
		if err := roundTrip(&out); err == nil {
			t.Errorf("%s: the round trip succeeds", name)
		}
		if out.Password.Reveal() != "old" {
			t.Errorf("%s: the failed load changed the value", name)
		}
	}
}

func TestUnmarshal(t *testing.T) {
	type config struct {
		Password secrets.Secret `json:",omitzero"`
	}
	for _, tt := range []struct{ in, want string }{
		{`{"Password":"correct \"horse\""}`, `correct "horse"`},
		{`{"Password":""}`, ""},
		{`{"Password":null}`, "old"},
		{`{}`, "old"},
	} {
		c := config{secrets.New("old")}
		if err := json.Unmarshal([]byte(tt.in), &c); err != nil || c.Password.Reveal() != tt.want {
			t.Errorf("%s: %q, %v", tt.in, c.Password.Reveal(), err)
		}
	}
	for _, in := range []string{`{"Password":7777777}`, `{"Password":{"a":7777777}}`, `{"Password":["7777777"]}`, `{"Password":true}`} {
		c := config{secrets.New("old")}
		err := json.Unmarshal([]byte(in), &c)
		if err == nil || strings.Contains(err.Error(), "777") || c.Password.Reveal() != "old" {
			t.Errorf("%s: %v", in, err)
		}
	}
	if b, _ := json.Marshal(config{}); string(b) != "{}" {
		t.Errorf("omitzero of an empty Secret gives %s", b)
	}
}

// FuzzUnmarshalJSON compares with what encoding/json makes of a string.
func FuzzUnmarshalJSON(f *testing.F) {
	for _, seed := range []string{`"a"`, `"\u00e9\n"`, `null`, `"[REDACTED]"`, `12`, `{"a":"b"}`, `"`, ``, ` "a"`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var s secrets.Secret
		var want string
		err, wantErr := json.Unmarshal(data, &s), json.Unmarshal(data, &want)
		if want == "[REDACTED]" {
			if err == nil {
				t.Error("the placeholder was accepted")
			}
			return
		}
		if (err == nil) != (wantErr == nil) || s.Reveal() != want {
			t.Errorf("%q: %v, a string gives %v", data, err, wantErr)
		}
	})
}

func TestAllocs(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	s, o := secrets.New(strings.Repeat("x", 32)), secrets.New(strings.Repeat("x", 32))
	token := secrets.Generate("acme").Reveal()
	for name, tt := range map[string]struct {
		most float64
		f    func()
	}{
		"Reveal":      {1, func() { _ = s.Reveal() }},
		"Use":         {1, func() { s.Use(func([]byte) {}) }},
		"Equal":       {0, func() { s.Equal(o) }},
		"String":      {0, func() { _ = s.String() }},
		"CheckFormat": {1, func() { _ = secrets.CheckFormat("acme", token) }},
	} {
		if got := testing.AllocsPerRun(100, tt.f); got > tt.most {
			t.Errorf("%s: %v allocations, want at most %v", name, got, tt.most)
		} else {
			t.Logf("%s: %v", name, got)
		}
	}
}
