package sanitize_test

import (
	"strings"
	"testing"

	"github.com/pavise/pavise/sanitize"
)

var presets = map[string]*sanitize.Sanitizer{
	"plain":   sanitize.MustCompile(sanitize.Plain()),
	"inline":  sanitize.MustCompile(sanitize.Inline()),
	"comment": sanitize.MustCompile(sanitize.Comment()),
	"article": sanitize.MustCompile(sanitize.Article()),
	"email":   sanitize.MustCompile(sanitize.Email()),
}

// containers are host markup that flow content may stand in.
var containers = [][2]string{
	{`<div id=box>`, `</div>`},
	{`<ul><li id=box>`, `</li></ul>`},
	{`<dl><dd id=box>`, `</dd></dl>`},
	{`<table><tbody><tr><td id=box>`, `</td></tr></tbody></table>`},
	{`<main><article id=box>`, `</article></main>`},
}

// phrasing are host markup that only the output of Inline may stand in.
var phrasing = [][2]string{
	{`<p id=box>`, `</p>`},
	{`<h2 id=box>`, `</h2>`},
	{`<p><a href="/" id=box>`, `</a></p>`},
	{`<table><caption id=box>`, `</caption></table>`},
}

func checkHTML(t *testing.T, name string, s *sanitize.Sanitizer, in string) {
	t.Helper()
	out, report, err := s.Clean(in)
	if err != nil {
		t.Fatalf("%s: Clean(%q): %v", name, in, err)
	}
	got := string(out)
	if len(got) > 6*len(in)+8<<10 {
		t.Errorf("%s: %d bytes become %d", name, len(in), len(got))
	}
	if err := s.Verify(got); err != nil {
		t.Fatalf("%s: %q from %q: %v", name, got, in, err)
	}
	if h := string(s.HTML(in)); h != got {
		t.Fatalf("%s: HTML gives %q, Clean %q", name, h, got)
	}
	if again := string(s.HTML(got)); again != got {
		t.Errorf("%s: not idempotent\n   in %q\nfirst %q\n then %q", name, in, got, again)
	}
	hosts := containers
	if name == "inline" || name == "plain" {
		hosts = append(phrasing, containers...)
	}
	for _, c := range hosts {
		if why := staysIn(t, c[0], got, c[1]); why != "" {
			t.Errorf("%s in %s: %s\n in %q\nout %q", name, c[0], why, in, got)
		}
	}
	if report.Truncated {
		return
	}
	if want := sanitize.Text(in); squeeze(sanitize.Text(got)) != squeeze(want) {
		t.Errorf("%s: text lost\n  in %q\n out %q\nwant %q\n got %q", name, in, got, want, sanitize.Text(got))
	}
}

// squeeze removes what sanitizing may change in a text: white space and C0 controls.
func squeeze(s string) string {
	return strings.Map(func(r rune) rune {
		if r <= ' ' {
			return -1
		}
		return r
	}, strings.Join(strings.Fields(strings.ToValidUTF8(s, "\ufffd")), ""))
}

func FuzzHTML(f *testing.F) {
	for _, s := range hostile {
		f.Add(s)
	}
	for _, b := range benign {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, in string) {
		for name, s := range presets {
			checkHTML(t, name, s, in)
		}
		sanitize.Text(in)
	})
}
