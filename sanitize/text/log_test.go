package text_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/slogtest"
	"unicode"
	"unicode/utf8"

	"github.com/pavise/pavise/sanitize/text"
)

func TestLogValue(t *testing.T) {
	for in, want := range map[string]string{
		"":                      "",
		"plain text, Größe 5 €": "plain text, Größe 5 €",
		"日本語\u3000🙂":            "日本語\u3000🙂",
		`C:\new`:                `C:\new`,
		"a\nlevel=ERROR\r":      `a\nlevel=ERROR\r`,
		"a\tb":                  `a\tb`,
		"\x1b[2J\x07\x00\x7f":   `\x1b[2J\x07\x00\x7f`,
		"\u009b31m\u0085":       `\u009b31m\u0085`,
		"\u202eabc\u2066":       `\u202eabc\u2066`,
		"a\u200bb\ufeff\u2028":  `a\u200bb\ufeff\u2028`,
		"\U000e0041\ue000":      `\U000e0041\ue000`,
		"bad\xff\xc3":           `bad\xff\xc3`,
		"\ufffd":                "\ufffd",
	} {
		if got := text.LogValue(in); got != want {
			t.Errorf("LogValue(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzLogValue(f *testing.F) {
	for _, s := range []string{"a\nb", "\xff\x1b[31m", "\u202e\U000e0001", "ok"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		out := text.LogValue(in)
		if again := text.LogValue(out); again != out {
			t.Errorf("not idempotent: %q then %q", out, again)
		}
		if !utf8.ValidString(out) || strings.ContainsFunc(out, func(r rune) bool { return !unicode.IsGraphic(r) }) {
			t.Errorf("LogValue(%q) = %q", in, out)
		}
		if len(out) > 6*len(in) {
			t.Errorf("%d bytes from %d", len(out), len(in))
		}
	})
}

type account struct {
	Name string
	Tags map[string]string
}

// secret stands for a type that knows how to hide itself.
type secret struct{ v string }

func (secret) LogValue() slog.Value { return slog.StringValue("[redacted]\x1b") }

// broken fails to marshal, with an error that holds what it was given.
type broken struct{ v string }

func (b broken) MarshalJSON() ([]byte, error) { return nil, errors.New(b.v) }
func (b broken) MarshalText() ([]byte, error) { return nil, errors.New(b.v) }

const hostile = "x\n\x1b[2J\u202e\u2066\u0085\u009b\x7f\u200b\U000e0041y"

// logHostile puts the hostile string everywhere a record can hold it.
func logHostile(h slog.Handler) {
	log := slog.New(h).With("with"+hostile, hostile).WithGroup("g" + hostile)
	log.Error(hostile,
		"string", hostile,
		"error", errors.New(hostile),
		"struct", account{hostile, map[string]string{hostile: hostile}},
		"bytes", []byte(hostile),
		"strings", []string{hostile},
		"raw", json.RawMessage(`{"k":"\u202e`+"\u202e"+`"}`),
		"secret", secret{"s3cr3t"},
		"broken", broken{hostile},
		"nil", nil,
		slog.Group("inner", "deep", hostile, "n", 7),
	)
}

func unsafeRunes(b []byte) (n int) {
	for _, r := range string(bytes.TrimSuffix(b, []byte("\n"))) {
		if !unicode.IsGraphic(r) {
			n++
		}
	}
	return n
}

func TestLogHandler(t *testing.T) {
	for name, makeHandler := range map[string]func(io.Writer) slog.Handler{
		"json": func(w io.Writer) slog.Handler { return slog.NewJSONHandler(w, nil) },
		"text": func(w io.Writer) slog.Handler { return slog.NewTextHandler(w, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			logHostile(text.LogHandler(makeHandler(&out)))
			if n := unsafeRunes(out.Bytes()); n != 0 || bytes.Contains(out.Bytes(), []byte("s3cr3t")) {
				t.Errorf("%d unsafe characters in %q", n, out.Bytes())
			}
			if name == "json" && !json.Valid(out.Bytes()) {
				t.Errorf("not JSON: %s", out.Bytes())
			}
		})
	}
	t.Run("control", func(t *testing.T) {
		var out bytes.Buffer
		logHostile(slog.NewJSONHandler(&out, nil))
		if unsafeRunes(out.Bytes()) == 0 {
			t.Error("the bare handler let nothing through: this test proves nothing")
		}
	})
}

// TestLogHandlerContract runs the standard library's own test of handlers: groups, empty attributes, LogValuers.
func TestLogHandlerContract(t *testing.T) {
	var out bytes.Buffer
	slogtest.Run(t, func(*testing.T) slog.Handler {
		out.Reset()
		return text.LogHandler(slog.NewJSONHandler(&out, nil))
	}, func(t *testing.T) (record map[string]any) {
		if err := json.Unmarshal(out.Bytes(), &record); err != nil {
			t.Fatal(err)
		}
		return record
	})
}

func TestLogHandlerKeepsShapes(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(text.LogHandler(slog.NewJSONHandler(&out, nil)))
	log.Info("saved", "n", 7, "ok", true, "who", account{Name: "Zoë"}, "err", io.EOF, "none", nil)
	var got struct {
		Msg, Err string
		N        int
		OK       bool
		Who      account
		None     any
	}
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.Msg != "saved" || got.N != 7 || !got.OK || got.Who.Name != "Zoë" || got.Err != "EOF" || got.None != nil {
		t.Errorf("got %s", out.Bytes())
	}
}
