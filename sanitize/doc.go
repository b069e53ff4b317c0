// Package sanitize turns untrusted HTML into HTML that is safe to put into a page.
//
// Most services want [Comment] or [Article], compiled once into a package variable, and [Sanitizer.HTML]:
//
//	var comments = sanitize.MustCompile(sanitize.Comment())
//
// The promise is checked, not hoped for: a verifier that shares no code with what wrote the output accepts each output before
// it leaves the package, and refuses anything outside a small closed language. [Sanitizer.Verify] is the same check for HTML
// that was stored: run it when reading.
//
// # Security
//
// The engine works in three steps. A builder reads the input as a browser does and writes the allowed tokens anew: names from
// the policy's lists, values double-quoted and escaped, URLs as the WHATWG URL Standard reads them, ids prefixed, elements
// nested as tree construction would nest them. Bluemonday filters the result by the same lists. The verifier accepts it or
// nothing is put out.
//
// Why that is safe: no name that can be written changes the state of a tokenizer (there is no raw text, template, select or
// foreign element among them), so any HTML parser reads back exactly these tokens, wherever in a page's data they stand; and
// tree construction can move or drop elements but never adds attributes. What stays in its container, too: end tags that
// nobody opened, and items and cells outside their list or table, are dropped (OWASP ASVS 5.0, V1.3.1).
//
// The place for the output is the flow content of a UTF-8 page, through html/template; the output of [Inline] may also stand
// in phrasing content, such as a paragraph, a heading or a link. Elsewhere, as in the host's own table, select or svg, the
// promise is that nothing runs, not that everything stays in place. The type [html/template.HTML] closes attributes, scripts
// and style sheets: html/template escapes it anew there.
//
// Text is not lost: a '<' that begins no markup is text, and of what is removed only the elements of Policy.Drop take their
// content along.
//
// # Errors
//
// [Compile] and [Bluemonday] say which part of a policy is unsafe and why. [ErrTooLarge] and [ErrUnverified] are what callers
// of a [Sanitizer] branch on. No error holds a piece of the input.
//
// # Events
//
// To the logger of [WithLogger], with event.action:
//
//   - sanitize.truncated: an input or an output outgrew its limit and was cut.
//   - sanitize.unverified: the verifier refused an output, and nothing or only the text was put out. It means a defect here;
//     [Sanitizer.Unverified] counts it.
//
// # Performance
//
// Time is linear in the input, output at most six times as long and a few KiB. Text that needs no change is returned as it is, without
// an allocation. Verify allocates nothing.
package sanitize
