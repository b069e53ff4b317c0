package sanitize_test

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/microcosm-cc/bluemonday"
	"github.com/pavise/pavise/sanitize"
)

// TestOracle is the control of every test that finds nothing: unsanitized, most of the hostile inputs leave their container,
// lose nesting or are dangerous.
func TestOracle(t *testing.T) {
	found := 0
	for _, in := range hostile {
		doc := fragment(in)
		if doc == nil || dangerous(doc) || staysIn(t, containers[0][0], in, containers[0][1]) != "" {
			found++
		}
	}
	if found < len(hostile)*8/10 {
		t.Errorf("the oracle objects to %d of %d hostile inputs only", found, len(hostile))
	}
}

func TestReport(t *testing.T) {
	in := "\r<b onclick=x>a</i><script>s</script><!-- c --><td>d<a href=\"javascript:x\" href=/ <b"
	_, report, err := presets["article"].Clean(in)
	want := []sanitize.Removal{
		{Offset: 1, Element: "b", Attribute: "onclick", Reason: sanitize.NotAllowed},
		{Offset: 15, Element: "i", Reason: sanitize.Misplaced},
		{Offset: 19, Element: "script", Reason: sanitize.NotAllowed},
		{Offset: 37, Reason: sanitize.NotAllowed},
		{Offset: 47, Element: "td", Reason: sanitize.Misplaced},
	}
	if err != nil || report.Total != len(want) || !report.Changed() {
		t.Fatalf("%d removals (%v), want %d: %+v", report.Total, err, len(want), report.Removed)
	}
	for i, m := range report.Removed {
		if m != want[i] {
			t.Errorf("removal %d: %+v, want %+v", i, m, want[i])
		}
	}
	if _, report, _ := presets["article"].Clean(`<p>clean</p>`); report.Changed() {
		t.Errorf("a clean input is reported: %+v", report)
	}
	_, report, _ = presets["article"].Clean(strings.Repeat("<x-secret><script>", 1) + strings.Repeat("</i>", 500) + `<b s3cr3t!>`)
	if len(report.Removed) != 100 || report.Total != 501 {
		t.Errorf("%d removals listed, %d counted", len(report.Removed), report.Total)
	}
}

func TestLimits(t *testing.T) {
	var log bytes.Buffer
	p := sanitize.Article()
	p.Limits = sanitize.Limits{Input: 64, Depth: 2, Attributes: 2}
	s, err := sanitize.Compile(p, sanitize.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	if err != nil {
		t.Fatal(err)
	}
	long := "<p>" + strings.Repeat("é", 29) + `<b title="secret">x</b>`
	if got, want := string(s.HTML(long)), "<p>"+strings.Repeat("é", 29)+"</p>"; got != want {
		t.Errorf("cut to %q, want %q", got, want)
	}
	if !strings.Contains(log.String(), "event.action=sanitize.truncated") || strings.Contains(log.String(), "secret") {
		t.Errorf("log %q", log.String())
	}
	if _, _, err := s.Clean(long); !errors.Is(err, sanitize.ErrTooLarge) {
		t.Errorf("Clean: %v", err)
	}
	if got, err := s.Append([]byte("x"), []byte(long)); string(got) != "x" || !errors.Is(err, sanitize.ErrTooLarge) {
		t.Errorf("Append: %q, %v", got, err)
	}
	var out bytes.Buffer
	if _, err := s.Copy(&out, strings.NewReader(long)); !errors.Is(err, sanitize.ErrTooLarge) || out.Len() > 0 {
		t.Errorf("Copy: %q, %v", out.String(), err)
	}
	if got := s.HTML("<b><i><u>x</u></i></b>"); got != "<b><i>x</i></b>" {
		t.Errorf("depth 2: %s", got)
	}
	if got := s.HTML(`<p lang=a dir=ltr title=c>x`); got != `<p lang="a" dir="ltr">x</p>` {
		t.Errorf("2 attributes: %s", got)
	}
	if got := s.HTML(`<table><tr><td>x`); got != "x" {
		t.Errorf("a table without room for its parts: %s", got)
	}
}

func TestCopyAndAppend(t *testing.T) {
	s := presets["comment"]
	var out bytes.Buffer
	report, err := s.Copy(&out, iotest.OneByteReader(strings.NewReader(`<b onclick=x>é`)))
	if out.String() != "<b>é</b>" || report.Total != 1 || err != nil {
		t.Errorf("Copy: %q, %+v, %v", out.String(), report, err)
	}
	out.Reset()
	broken := io.MultiReader(strings.NewReader("<b>x"), iotest.ErrReader(io.ErrUnexpectedEOF))
	if _, err := s.Copy(&out, broken); !errors.Is(err, io.ErrUnexpectedEOF) || out.Len() > 0 {
		t.Errorf("broken reader: %q, %v", out.String(), err)
	}
	if got, err := s.Append([]byte("<li>"), []byte("<i>x")); string(got) != "<li><i>x</i>" || err != nil {
		t.Errorf("Append: %q, %v", got, err)
	}
}

func TestText(t *testing.T) {
	for in, want := range map[string]string{
		"":                                    "",
		"  a \n\t b  ":                        "a b",
		"<p>one</p><p>two</p>":                "one\ntwo",
		"one<br>two<hr>three":                 "one\ntwo\nthree",
		"<td>a</td><td>b</td>":                "a b",
		"<ul><li>a<li>b</ul>c":                "a\nb\nc",
		"b<b>o</b>ld&amp;&lt;b&gt;&#33;":      "bold&<b>!",
		"a<b, John <j@x>":                     "a<b, John <j@x>",
		"x<script>y</script>z<!-- c -->":      "xz",
		"a<img src=x>b":                       "a b",
		"<textarea>&lt;x</textarea>":          "<x",
		"<title>t</title><ruby>漢<rt>kan</rt>": "漢 kan",
	} {
		if got := sanitize.Text(in); got != want {
			t.Errorf("Text(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestConcurrent(t *testing.T) {
	s, err := sanitize.Bluemonday(bluemonday.UGCPolicy())
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for _, in := range hostile[:20] {
				presets["article"].HTML(in)
				s.HTML(in)
			}
		})
	}
	wg.Wait()
}

func TestBluemonday(t *testing.T) {
	s, err := sanitize.Bluemonday(bluemonday.UGCPolicy())
	if err != nil {
		t.Fatal(err)
	}
	for _, in := range hostile {
		out, _, err := s.Clean(in)
		if err != nil || s.Verify(string(out)) != nil || dangerous(fragment(string(out))) {
			t.Errorf("Clean(%q) = %s, %v", in, out, err)
		}
		if why := staysIn(t, containers[0][0], string(out), containers[0][1]); why != "" {
			t.Errorf("%s: %q from %q", why, out, in)
		}
	}
	for in, want := range map[string]string{
		`</div></div><p id=cookie>hi`:      `<p id="user-content-cookie">hi</p>`,
		`a<b, John <john@x>`:               `a&lt;b, John &lt;john@x&gt;`,
		`<a href="////evil.example">x</a>`: `<a href="//evil.example" rel="nofollow noopener ugc">x</a>`,
	} {
		if got := s.HTML(in); string(got) != want {
			t.Errorf("HTML(%q) = %s, want %s", in, got, want)
		}
	}
	for want, p := range map[string]*bluemonday.Policy{
		"nil":       nil,
		"<svg>":     bluemonday.NewPolicy().AllowElements("svg"),
		"<select>":  bluemonday.NewPolicy().AllowElements("select"),
		`"onclick"`: bluemonday.NewPolicy().AllowAttrs("onclick").Globally().AllowElements("p"),
		`"style"`:   bluemonday.NewPolicy().AllowAttrs("style").OnElements("p"),
	} {
		if _, err := sanitize.Bluemonday(p); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("policy with %s: %v", want, err)
		}
	}
}

// TestLinear gives hostile inputs a size at which quadratic work takes minutes and linear work a tenth of a second: the bound
// between them is far from both, so that a busy machine does not reach it.
func TestLinear(t *testing.T) {
	const size, bound = 1 << 19, 3 * time.Second
	s := presets["article"]
	for _, shape := range linearShapes {
		start := time.Now()
		s.HTML(repeat(shape, size))
		if took := time.Since(start); took > bound {
			t.Errorf("%q: %d bytes take %v, at most %v", shape, size, took, bound)
		}
	}
}
