package browser

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// tab is a browser with one page open.
type tab struct {
	t    *testing.T
	ctx  context.Context
	site site
}

func (b *tab) open(host, path string) {
	b.t.Helper()
	b.visit(b.site.url(host, path))
}

func (b *tab) visit(url string) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, chromedp.Navigate(url)); err != nil {
		b.t.Fatalf("%s: %v", url, err)
	}
}

// eval runs a script in the page, and waits for the promise that it may return.
func eval[T any](b *tab, format string, args ...any) T {
	b.t.Helper()
	script := fmt.Sprintf(format, args...)
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("%s: %v", script, err)
	}
	return v
}

// text is what the page shows.
func (b *tab) text() string {
	b.t.Helper()
	return strings.TrimSpace(eval[string](b, `document.querySelector("main")?.innerText ?? document.body.innerText`))
}

// post sends a request of the page's own and returns the status.
func (b *tab) post(path string) int {
	b.t.Helper()
	return eval[int](b, `fetch(%q, {method: "POST"}).then(r => r.status)`, path)
}

// must is post with a good end.
func (b *tab) must(path string) {
	b.t.Helper()
	if status := b.post(path); status != 200 {
		b.t.Fatalf("POST %s: %d", path, status)
	}
}

// user is who the server takes the page for.
func (b *tab) user() string {
	b.t.Helper()
	return eval[string](b, `fetch("/who").then(r => r.text()).then(s => s.match(/<main>(.*)<\/main>/)[1])`)
}

// cookie returns the cookie of a name that the browser would send to the host.
func (b *tab) cookie(host, path, name string) (found *network.Cookie) {
	b.t.Helper()
	res, err := chromedp.Call(b.ctx, network.GetCookies, network.GetCookiesParams{URLs: []string{b.site.url(host, path)}})
	if err != nil {
		b.t.Fatal(err)
	}
	for _, c := range res.Cookies {
		if c.Name != name {
			continue
		}
		if found != nil {
			b.t.Fatalf("the browser has two cookies %q", name)
		}
		found = c
	}
	return found
}

func (b *tab) clearCookies() {
	b.t.Helper()
	if _, err := chromedp.Call(b.ctx, network.ClearBrowserCookies, cdp.Empty{}); err != nil {
		b.t.Fatal(err)
	}
}

// click presses a button that leads to another page.
func (b *tab) click(selector string) {
	b.t.Helper()
	if _, err := chromedp.RunResponse(b.ctx, chromedp.Click(chromedp.CSS(selector))); err != nil {
		b.t.Fatalf("click %s: %v", selector, err)
	}
}

// back presses the back button and waits for the page, which may come from a cache without
// being loaded.
func (b *tab) back(path string) {
	b.t.Helper()
	eval[bool](b, `(setTimeout(() => history.back()), true)`)
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		at, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](`location.pathname + " " + document.readyState`))
		if err == nil && at == path+" complete" { // an error: the page is just changing
			return
		}
	}
	b.t.Fatalf("the back button does not lead to %s", path)
}
