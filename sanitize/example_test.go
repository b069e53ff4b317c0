package sanitize_test

import (
	"fmt"

	"github.com/pavise/pavise/sanitize"
)

var comments = sanitize.MustCompile(sanitize.Comment())

func Example() {
	fmt.Println(comments.HTML(`<p>Nice <b onclick=steal()>post</b>!<script>steal()</script>`))
	fmt.Println(comments.HTML(`</div></div><a href="java&#9;script:steal()">click</a>`))
	fmt.Println(comments.HTML(`a<b, says John <john@example.com>`))
	// Output:
	// <p>Nice <b>post</b>!</p>
	// <a>click</a>
	// a&lt;b, says John &lt;john@example.com&gt;
}

func ExampleSanitizer_Clean() {
	html, report, err := comments.Clean(`Hi <img src=x onerror=steal()> <a href="////evil.example" rel=opener>win</a>`)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(html)
	for _, m := range report.Removed {
		fmt.Printf("at %d: <%s> %s: %s\n", m.Offset, m.Element, m.Attribute, m.Reason)
	}
	// Output:
	// Hi  <a href="//evil.example" rel="nofollow noopener ugc">win</a>
	// at 3: <img> : not allowed
	// at 31: <a> rel: not allowed
}

func ExampleSanitizer_Verify() {
	stored := string(comments.HTML(`<em>fine</em>`))
	fmt.Println(comments.Verify(stored))
	fmt.Println(comments.Verify(stored + `<img src=x onerror=steal()>`))
	// Output:
	// <nil>
	// sanitize: not in the output language of the policy
}

func ExampleCompile() {
	_, err := sanitize.Compile(sanitize.Comment().With("p", sanitize.Attrs{"onclick": sanitize.AttrText}))
	fmt.Println(err)
	_, err = sanitize.Compile(sanitize.Comment().With("svg", nil))
	fmt.Println(err)
	// Output:
	// sanitize: "onclick" on <p> cannot be allowed: it is an event handler
	// sanitize: <svg> cannot be allowed: it changes the namespace, in which other rules hold
}

func ExamplePolicy_Minus() {
	s := sanitize.MustCompile(sanitize.Article().Minus("img").With("span", sanitize.Attrs{"class": sanitize.AttrClasses("note")}))
	fmt.Println(s.HTML(`<img src="/a.png"><span class="note modal">x</span>`))
	// Output:
	// <span class="note">x</span>
}

func ExampleText() {
	fmt.Println(sanitize.Text(`<p>one<p>two &amp; <b>three</b><br>four<script>x</script>`))
	// Output:
	// one
	// two & three
	// four
}
