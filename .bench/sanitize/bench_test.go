// Package sanitize compares sanitize with the sanitizer that Go services use now.
package sanitize

import (
	"strings"
	"testing"

	"github.com/microcosm-cc/bluemonday"
	"github.com/pavise/pavise/sanitize"
)

const paragraph = `<p>Thanks for the <em>detailed</em> write-up &mdash; I tried <code>go build ./...</code> and it "works".
See <a href="https://example.com/docs?page=2&amp;q=x">the docs</a> or <a href="/faq#install">our FAQ</a>.</p>
<ul><li>first <strong>point</strong></li><li>second, it's fine</li></ul>
`

const section = paragraph + `<h2 id="s">Section &amp; more</h2><blockquote>Quoted text, which goes on for a while to be like real text.</blockquote>
<figure><img src="/img/a.png" alt="Diagram of the thing" width="640" height="480"><figcaption>Figure</figcaption></figure>
<table><thead><tr><th scope="col">Name</th><th>Value</th></tr></thead><tbody><tr><td>a</td><td>1</td></tr></tbody></table>
<p>Plain prose follows the table. It has several sentences, none of which holds any markup at all, as most prose does.</p>
`

func fill(s string, n int) string { return strings.Repeat(s, n/len(s)+1)[:n/len(s)*len(s)+len(s)] }

// BenchmarkSanitize has one row for each size that services see; pavise verifies within the time measured.
func BenchmarkSanitize(b *testing.B) {
	ugc := bluemonday.UGCPolicy()
	article := sanitize.MustCompile(sanitize.Article())
	for _, row := range []struct{ name, in string }{
		{"comment-1KiB", fill(paragraph, 700)},
		{"article-20KiB", fill(section, 20<<10)},
		{"plain-1KiB", strings.Repeat("Plain text without any markup. ", 33)},
	} {
		b.Run(row.name, func(b *testing.B) {
			b.Run("pavise", func(b *testing.B) {
				b.SetBytes(int64(len(row.in)))
				b.ReportAllocs()
				for b.Loop() {
					article.HTML(row.in)
				}
			})
			b.Run("bluemonday", func(b *testing.B) {
				b.SetBytes(int64(len(row.in)))
				b.ReportAllocs()
				for b.Loop() {
					ugc.Sanitize(row.in)
				}
			})
		})
	}
}

// BenchmarkVerify is the check of stored HTML at read time, beside sanitizing it again.
func BenchmarkVerify(b *testing.B) {
	ugc := bluemonday.UGCPolicy()
	article := sanitize.MustCompile(sanitize.Article())
	stored := string(article.HTML(fill(section, 20<<10)))
	b.Run("pavise", func(b *testing.B) {
		b.SetBytes(int64(len(stored)))
		b.ReportAllocs()
		for b.Loop() {
			if err := article.Verify(stored); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("bluemonday", func(b *testing.B) {
		b.SetBytes(int64(len(stored)))
		b.ReportAllocs()
		for b.Loop() {
			ugc.Sanitize(stored)
		}
	})
}
