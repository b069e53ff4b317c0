package sanitize

import (
	"strings"
	"testing"
)

// TestFilterAgrees compares two allow-lists that were made from one policy and work differently: what the builder wrote,
// bluemonday must return unchanged.
func TestFilterAgrees(t *testing.T) {
	s := MustCompile(Article())
	for _, in := range []string{
		`<p id=a title='"&amp;'>x<a href="//a.example" target=_blank>y</a><img src="data:image/png;base64,AA" alt="?">`,
		`<table><td>1<li>2<ul><li>3</table><pre>` + "\n\n" + `x &lt;b&gt; 'y'`,
		`<bdo>a<col><a>b</a><ins datetime=2026 cite=/x>c</ins>` + "\xff",
	} {
		out, _ := s.rules.build(in, nil)
		if got := s.filter.Sanitize(out); got != out {
			t.Errorf("builder  %s\nfiltered %s", out, got)
		}
	}
}

// TestFailsClosed plants the fault that the verifier is there for.
func TestFailsClosed(t *testing.T) {
	s := MustCompile(Article())
	delete(s.lang.Elements, "em")
	in := `<em>1 < 2</em><script>x</script>`
	if got := s.HTML(in); got != "1 &lt; 2" {
		t.Errorf("HTML puts out %q", got)
	}
	if got, _, err := s.Clean(in); got != "" || err != ErrUnverified {
		t.Errorf("Clean: %q, %v", got, err)
	}
	if got, err := s.Append([]byte("x"), []byte(in)); string(got) != "x" || err != ErrUnverified {
		t.Errorf("Append: %q, %v", got, err)
	}
	if s.Unverified() != 3 {
		t.Errorf("counted %d", s.Unverified())
	}
}

func TestParseURL(t *testing.T) {
	for in, want := range map[string]siteURL{
		"/a?b#c":                         {"/a?b#c", "", ""},
		" a/b:c ":                        {"a/b:c", "", ""},
		"HTTPS://A.Example:8443/x":       {"https://A.Example:8443/x", "https", "a.example"},
		`https:\\a.example\x?\y`:         {`https://a.example/x?\y`, "https", "a.example"},
		"https:////a.example":            {"https://a.example", "https", "a.example"},
		"////a.example/x":                {"//a.example/x", "", "a.example"},
		`/\a.example`:                    {"//a.example", "", "a.example"},
		"ht\ntps://a.example":            {"https://a.example", "https", "a.example"},
		"mailto:a@b.example?subject=x y": {"mailto:a@b.example?subject=x%20y", "mailto", ""},
		"\x01javascript:x":               {"javascript:x", "javascript", ""},
		"java\tscript:x":                 {"javascript:x", "javascript", ""},
		"https://münchen.example/":       {"https://münchen.example/", "https", "münchen.example"},
	} {
		if got, ok := parseURL(in); !ok || got != want {
			t.Errorf("parseURL(%q) = %+v, %v", in, got, ok)
		}
	}
	for _, in := range []string{
		"", " ", "https:", "https:a", "https:/a", "https://", "https:///", "//", "https://u@a.example", "https://u:p@a.example", "https://[::1]/",
		"https://a%2eb", "https://a:x/", "java\x00script:x", "java script:x", "1:2", ":x", "é:x", `mailto:\x`, "tel:", "https://a b/",
	} {
		if got, ok := parseURL(in); ok {
			t.Errorf("parseURL(%q) = %+v", in, got)
		}
	}
}

func TestDecodeValue(t *testing.T) {
	for in, want := range map[string]string{
		"":                      "",
		"?a=1&copy=2&lt=3":      "?a=1&copy=2&lt=3",
		"&copy &copy; &copy2":   "© © &copy2",
		"&notit; &notin; &not;": "&notit; ∉ ¬",
		"&#58;&#x3a&#58x":       "::" + ":x",
		"& && &; &# &semi;":     "& && &; &# ;",
		"&nosuch; &nosuch=":     "&nosuch; &nosuch=",
	} {
		if got := decodeValue(in); got != want {
			t.Errorf("decodeValue(%q) = %q, want %q", in, got, want)
		}
	}
}

// FuzzLexer checks that tokens give the input again and that the lexer never reads beyond its budget.
func FuzzLexer(f *testing.F) {
	for _, s := range []string{"<a b='c'>", "<script></script", "<!-- --!>", "</p x=\">", "<svg><g>", strings.Repeat("<a x=\"'", 9)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		l := newLexer(in, map[string]bool{"script": true})
		at := 0
		for tok, ok := l.read(); ok; tok, ok = l.read() {
			if tok.start != at || tok.end <= tok.start {
				t.Fatalf("token %+v at %d of %q", tok, at, in)
			}
			at = tok.end
		}
		if at != len(in) {
			t.Errorf("%d of %d bytes of %q", at, len(in), in)
		}
	})
}
