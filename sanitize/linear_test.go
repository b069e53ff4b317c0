package sanitize_test

import "strings"

// linearShapes are repeated to a size; each was chosen to make some search start over at every step.
var linearShapes = []string{
	"<div>", "<b>", `<a href="x">`, "<a>", "<", "<!", "</", "&", `"`, "<!--", "<!--x", "<!-- --x", "<!----!>", "<?", "<p a", "<p id=a ", `<p title="`, `<a x="'`,
	`<a b='<a b="`, "<script>", "<script></scrip ", "<textarea>", "<template>", "</script", "<table>x", "<table><tr><td>", "<b><i><p></b>", "<li>",
	"<ul><li>", "<svg><g>", "</i>", "</p>", "&notit;", "&#", "<![CDATA[", "<select><option>", "<ruby><rt>", "<h1>", "<pre>\n", "\n", "\xff", "<a =",
	"<img srcset=',,,,'>", "<img srcset=\"a 1x,", "\r", "<q cite=", "<dl><dt><dd>",
}

func repeat(shape string, n int) string { return strings.Repeat(shape, n/len(shape)) + ">" }
