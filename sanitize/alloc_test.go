//go:build !race

package sanitize_test

import (
	"strings"
	"testing"
)

func TestAllocations(t *testing.T) {
	s := presets["article"]
	article := string(s.HTML(strings.Repeat(`<p id=a>x <a href="https://a.example">é</a><img srcset="/a 1x, /b 2x" alt="&quot;"></p><ul><li>y</ul>`, 50)))
	for name, f := range map[string]func(){
		"Verify":             func() { s.Verify(article) },
		"HTML of plain text": func() { s.HTML("Hello, world.\nÜber 9000 of them!") },
	} {
		if n := testing.AllocsPerRun(50, f); n != 0 {
			t.Errorf("%s allocates %v times", name, n)
		}
	}
	if s.Verify(article) != nil {
		t.Error("the article does not verify: the count above means nothing")
	}
}
