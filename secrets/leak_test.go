package secrets

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// canary is the value that no sink may show, in any of the forms below.
const canary = "hunter2SECRET"

// leaked reports whether out shows the canary: as text, as bytes in decimal,
// hexadecimal or Unicode notation with any separator, or in base64.
func leaked(out string) bool {
	var dec, chars, codes []string
	for _, c := range []byte(canary) {
		dec = append(dec, fmt.Sprint(c))
		chars = append(chars, fmt.Sprintf("%q", c))
		codes = append(codes, fmt.Sprintf("U+%04X", c))
	}
	squeeze := strings.NewReplacer(" ", "", ",", "", "\n", "", "0x", "", "[", "", "]", "").Replace
	forms := []string{canary, hex.EncodeToString([]byte(canary))}
	for _, list := range [][]string{dec, chars, codes} {
		forms = append(forms, strings.Join(list, ""))
	}
	for _, form := range forms {
		if strings.Contains(strings.ToLower(squeeze(out)), strings.ToLower(form)) {
			return true
		}
	}
	for skip := range 3 { // the three alignments, without the characters at the seams
		enc := base64.RawStdEncoding.EncodeToString([]byte(canary)[skip:])
		if strings.Contains(out, enc[:len(enc)-1]) {
			return true
		}
	}
	return false
}

// leaks runs every sink on v and returns the names of those that show the canary.
func leaks[T any](t *testing.T, v T) (leaking []string, total int) {
	t.Helper()
	all := sinks(v)
	for _, s := range all {
		if leaked(showOrPanic(s)) {
			leaking = append(leaking, s.name)
		}
	}
	return leaking, len(all)
}

// showOrPanic counts the text of a panic as output.
func showOrPanic(s sink) (out string) {
	defer func() {
		if r := recover(); r != nil {
			out = fmt.Sprint(r)
		}
	}()
	return s.show()
}

type stringerIdiom string

func (stringerIdiom) String() string { return placeholder }

type pointerIdiom struct{ p *struct{ b []byte } }

func (pointerIdiom) String() string               { return placeholder }
func (pointerIdiom) GoString() string             { return placeholder }
func (pointerIdiom) Format(f fmt.State, _ rune)   { f.Write([]byte(placeholder)) }
func (pointerIdiom) LogValue() slog.Value         { return slog.StringValue(placeholder) }
func (pointerIdiom) MarshalText() ([]byte, error) { return []byte(placeholder), nil }
func (pointerIdiom) GobEncode() ([]byte, error)   { return nil, errEncode }

// TestNoSinkLeaks is the claim of the package; the other idioms are the proof that
// the sinks work.
func TestNoSinkLeaks(t *testing.T) {
	const wantTotal = 281
	leaking, total := leaks(t, New(canary))
	for _, name := range leaking {
		t.Errorf("leak: %s", name)
	}
	if total != wantTotal {
		t.Errorf("%d sinks, want %d", total, wantTotal)
	}
	t.Logf("Secret: %d of %d sinks leak", len(leaking), total)

	controls := []struct {
		name    string
		leaking func() ([]string, int)
		least   int
	}{
		{"plain string", func() ([]string, int) { return leaks(t, canary) }, 200},
		{"plain []byte", func() ([]string, int) { return leaks(t, []byte(canary)) }, 200},
		{"type S string + String()", func() ([]string, int) { return leaks(t, stringerIdiom(canary)) }, 100},
		{"struct{*struct{[]byte}} + all methods", func() ([]string, int) {
			return leaks(t, pointerIdiom{&struct{ b []byte }{[]byte(canary)}})
		}, 10},
	}
	for _, c := range controls {
		leaking, total := c.leaking()
		t.Logf("%s: %d of %d sinks leak", c.name, len(leaking), total)
		if len(leaking) < c.least {
			t.Errorf("control %q leaks in %d sinks only: the matrix is blind", c.name, len(leaking))
		}
	}
}

// FuzzFormat looks for a format that shows the value of a Secret in any shape.
func FuzzFormat(f *testing.F) {
	for _, format := range []string{"%v", "%+v", "%#v", "%[1]*.[1]*[1]x", "%!", "%-+# 010.3q", "%s%d%c%U%t%e%p%w"} {
		f.Add(format)
	}
	s := New(canary)
	args := []any{
		s, &s,
		exported[Secret]{s},
		unexported[Secret]{s},
		&deep[Secret]{unexported[Secret]{s}},
		pointed[Secret]{&s},
		boxed{s},
		[]Secret{s},
		map[string]Secret{"k": s},
	}
	wide := regexp.MustCompile(`[0-9]{4}`) // megabytes of padding take seconds
	f.Fuzz(func(t *testing.T, format string) {
		if leaked(format) || wide.MatchString(format) {
			t.Skip()
		}
		for _, arg := range args {
			if out := fmt.Sprintf(format, arg, arg); leaked(out) {
				t.Errorf("Sprintf(%q, %T) leaks", format, arg)
			}
		}
	})
}

// TestUncaughtPanicDoesNotLeak runs itself in a process that dies of a panic, where
// the runtime prints the value without package fmt.
func TestUncaughtPanicDoesNotLeak(t *testing.T) {
	const key = "SECRETS_TEST_PANIC"
	switch os.Getenv(key) {
	case "secret":
		panic(New(canary))
	case "error":
		panic(fmt.Errorf("login with %v failed", unexported[Secret]{New(canary)}))
	case "control":
		panic(stringerIdiom(canary).reveal())
	}
	for _, kind := range []string{"secret", "error", "control"} {
		cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
		cmd.Env = append(os.Environ(), key+"="+kind)
		out, err := cmd.CombinedOutput()
		if err == nil || !strings.Contains(string(out), "panic") {
			t.Fatalf("%s: the child did not panic: %v", kind, err)
		}
		if got, want := leaked(string(out)), kind == "control"; got != want {
			t.Errorf("%s: leaked = %v, want %v", kind, got, want)
		}
	}
}

func (s stringerIdiom) reveal() string { return string(s) }
