package sanitize_test

import (
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/pavise/pavise/sanitize"
)

// balanced returns random HTML of the policy's elements in which every tag is closed where it should be, and nothing else is
// known to be right.
func balanced(r *rand.Rand, names []string, depth int) string {
	var b strings.Builder
	for range r.IntN(4) {
		name := names[r.IntN(len(names))]
		switch {
		case r.IntN(4) == 0:
			b.WriteString([]string{"x", " ", "\n"}[r.IntN(3)])
		case slices.Contains([]string{"br", "col", "hr", "img", "wbr"}, name):
			b.WriteString("<" + name + ">")
		case depth > 0:
			b.WriteString("<" + name + ">" + balanced(r, names, depth-1) + "</" + name + ">")
		}
	}
	return b.String()
}

// TestVerifyNesting holds the verifier's conditions against a parser: what it accepts is parsed as it is written.
func TestVerifyNesting(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	families := []string{
		"table tbody thead tr td th caption colgroup col b", "ul ol li div p b", "dl dt dd div p blockquote", "ruby rt rp p b li", "h1 h2 a b p",
		"p pre hr br address table tbody tr td", "a table tbody tr td ul li p",
	}
	families = append(families, strings.Join(slices.Sorted(maps.Keys(sanitize.Article().Elements)), " "))
	s, accepted, refused := presets["article"], 0, 0
	for i := range 20000 {
		html := balanced(r, strings.Fields(families[i%len(families)]), 1+i%5)
		if s.Verify(html) != nil {
			refused++
			continue
		}
		accepted++
		for _, c := range containers {
			if why := staysIn(t, c[0], html, c[1]); why != "" {
				t.Fatalf("accepted %q, which in %s is %s", html, c[0], why)
			}
		}
	}
	if accepted < 3000 || refused < 3000 {
		t.Errorf("%d accepted and %d refused prove little", accepted, refused)
	}
}
