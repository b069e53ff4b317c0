package sanitize_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/pavise/pavise/sanitize"
)

// refused holds what no preset may ever be made to accept.
var refused = []string{
	"<", ">", `"`, "'", "&", "&lt", "&copy;", "&#x3c;", "&#60;", "&apos;", "&quot;", "a\rb", "a\x00b", "\x1b", "\xff", "\xed\xa0\x80",
	"<p", "<p ", "<p>", "</p>", "<p></b>", "<b><i></b></i>", "<p></p></div>", "<P></P>", "<p ></p>", "<p></p >", "<p/></p>", "<br/>", "</br>",
	"<script></script>", "<svg></svg>", "<x></x>", "<!---->", "<!DOCTYPE html>", "<?x>", "<p onclick=\"x\"></p>", "<p style=\"x\"></p>",
	`<p title='x'></p>`, `<p title=x></p>`, `<p title></p>`, `<p title="x"id="user-content-a"></p>`, `<p  title="x"></p>`, "<p\ntitle=\"x\"></p>",
	`<p title="x" title="y"></p>`, `<p title="<"></p>`, `<p title="&"></p>`, `<p title="x></p>`, `<p Title="x"></p>`, `<p title = "x"></p>`,
	`<p id="cookie"></p>`, `<p id="User-content-x"></p>`, `<td width="x"></td>`, `<td colspan="x"></td>`, `<td align="middle"></td>`,
	`<a href="javascript:x"></a>`, `<a href="Javascript:x"></a>`, `<a href="HTTPS://a.example"></a>`, `<a href=" https://a.example"></a>`,
	"<a href=\"java\tscript:x\"></a>", `<a href="data:image/png;base64,AA"></a>`, `<a href="https:a"></a>`, `<a href="https:/a"></a>`,
	`<a href="https:///a"></a>`, `<a href="///a"></a>`, `<a href="//"></a>`, `<a href="/\a"></a>`, `<a href="https:\\a"></a>`, `<a href=""></a>`,
	`<a href="https://u@a.example"></a>`, `<a href="https://u:p@a.example"></a>`, `<a href="https://a.example:x/"></a>`, `<a href="/" rel="opener"></a>`,
	`<a href="https://a&#39;b"></a>`, `<a href="https://%61"></a>`, `<a href="https://[::1]"></a>`, `<a href="/" target="_top"></a>`,
	`<img src="data:image/svg+xml;base64,AA">`, `<img src="data:image/png;base64,A&lt;">`, `<img srcset="javascript:x 1x">`, `<img srcset="/a 1x,/b">`,
	`<img srcset="">`, `<img srcset="/a 1y">`, `<img srcset=", /a">`, `<img srcset="/a, ">`, `<img srcset="/a x">`, `<img longdesc="/">`,
	strings.Repeat("<b>", 101) + strings.Repeat("</b>", 101),
	// What a browser would nest in another way, or what would end an element of the page.
	"<li></li>", "<dd></dd>", "<rt></rt>", "<div><li></li></div>", "<ul><li><div><li></li></div></li></ul>", "<ul><dd></dd></ul>",
	"<p><p></p></p>", "<p><b><div></div></b></p>", "<p><hr></p>", "<p><table></table></p>", "<p><ul></ul></p>", "<a><b><a></a></b></a>",
	"<h1><h2></h2></h1>", "<ruby><rt><rp></rp></rt></ruby>", "<ruby><p><rt></rt></p></ruby>", "<dl><dd><dt></dt></dd></dl>",
	"<td></td>", "<tr></tr>", "<tbody></tbody>", "<caption></caption>", "<col>", "<table><tr></tr></table>", "<table><tbody><td></td></tbody></table>",
	"<table>x</table>", "<table><tbody>&lt;</tbody></table>", "<table><b></b></table>", "<table><br></table>", "<table><col></table>",
	"<table><table></table></table>", "<table><tbody><tr><td><li></li></td></tr></tbody></table>", "<table><caption><caption></caption></caption></table>",
	"<table><tbody><tr><td><td></td></td></tr></tbody></table>", "<pre>\nx</pre>",
}

func TestVerifyRefuses(t *testing.T) {
	p := sanitize.Article()
	p.URL.DataImages = []string{"png"}
	s := sanitize.MustCompile(p)
	for _, html := range refused {
		if err := s.Verify(html); !errors.Is(err, sanitize.ErrUnverified) {
			t.Errorf("Verify(%q) = %v", html, err)
		}
	}
	for _, html := range []string{
		"", "a \t\n&lt;&gt;&amp;&#34;&#39;é\u2028\x7f", "<p></p>", "<br>", `<p title="" id="user-content-"><b>x</b></p>`,
		`<a href="https://a.example/?a&amp;b#c" rel="nofollow ugc" target="_blank"></a>`, `<img src="data:image/png;base64,AA==">`,
		`<img srcset="/a,b 1.5x, //c.example/d">`, strings.Repeat("<b>", 100) + strings.Repeat("</b>", 100),
		"<ul> <li><blockquote><li><p></p></li></blockquote></li></ul>", "<ul><li></li><li><ul><li></li></ul></li></ul>", "<dl><div><dt></dt><dd></dd></div></dl>",
		"<a><table> <caption><a></a></caption><colgroup><col></colgroup><tbody>\n<tr><td><p></p></td></tr></tbody></table></a>",
		"<h1><b><h2></h2></b></h1><pre><b>\n</b></pre><ruby><b><rt></rt></b><rp></rp></ruby><p><b></b></p><p></p>",
	} {
		if err := s.Verify(html); err != nil {
			t.Errorf("Verify(%q) = %v", html, err)
		}
	}
}

// TestVerifyMutations changes each byte of good outputs: what is still accepted must be its own sanitized form, because the
// verifier and the engine were written apart and must agree on the language.
func TestVerifyMutations(t *testing.T) {
	s := presets["article"]
	refusals := 0
	for in := range benign {
		good := string(s.HTML(in))
		for i := range len(good) {
			for _, c := range []byte("<>\"'&/= :a\x00\\#") {
				bad := good[:i] + string(c) + good[i+1:]
				if s.Verify(bad) != nil {
					refusals++
				} else if doc := fragment(bad); doc == nil || dangerous(doc) {
					t.Errorf("accepted %q", bad)
				}
			}
		}
	}
	if refusals < 10000 {
		t.Errorf("only %d mutations were refused", refusals)
	}
}

func FuzzVerify(f *testing.F) {
	for _, html := range refused {
		f.Add(html)
	}
	for in := range benign {
		f.Add(string(presets["article"].HTML(in)))
	}
	f.Fuzz(func(t *testing.T, html string) {
		for name, s := range presets {
			if s.Verify(html) != nil {
				continue
			}
			doc := fragment(html)
			if doc == nil {
				t.Fatalf("%s accepts %q, which does not parse", name, html)
			}
			if dangerous(doc) {
				t.Errorf("%s accepts %q", name, html)
			}
			for _, c := range containers {
				if why := staysIn(t, c[0], html, c[1]); why != "" {
					t.Errorf("%s accepts %q, which in %s is %s", name, html, c[0], why)
				}
			}
		}
	})
}
