package notes

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/pavise/pavise/.integration/internal/chrome"
)

const (
	passphrase = "correct horse battery staple"
	hostile    = `<p>Dear diary</p><img src=x onerror=alert(1)><script>alert(2)</script>` +
		`<table><tr><td>cell</td></tr></table><a href="https://example.org/">a link</a></div></div><p>last</p>`
)

func TestNotebookInABrowser(t *testing.T) {
	notes := startNotes(t, buildNotes(t), "-data", filepath.Join(t.TempDir(), "data"))
	defer notes.stop(t)
	first, second := newBrowser(t, notes.site), newBrowser(t, notes.site)

	first.shoot("home", "/")
	first.shoot("signup", "/signup")
	first.open("/signup")
	first.fill(map[string]string{"name": "ann", "password": passphrase})
	first.submit()
	first.shoot("empty", "")
	name := first.text("main .name strong")

	first.open("/notes/new")
	first.fill(map[string]string{"title": "A hostile note", "text": hostile})
	first.submit()
	first.wantTrue("the table is shown", `document.querySelector(".prose td").innerText == "cell"`)
	first.wantTrue("the link is shown", `document.querySelector(".prose a").href == "https://example.org/"`)
	first.wantTrue("the last paragraph stays inside", `document.querySelector(".prose > p:last-child").innerText == "last"`)
	first.wantTrue("no script and no handler", `document.querySelector(".prose script, .prose [onerror]") == null`)
	first.shoot("note", "")
	first.shoot("notebook", "/notes")

	second.open("/login")
	second.fill(map[string]string{"name": name, "password": passphrase})
	second.submit()
	second.wantTrue("the second device sees the note", `document.querySelector("main").innerText.includes("A hostile note")`)

	first.open("/devices")
	first.wantTrue("two devices", `document.querySelectorAll("main li").length == 2`)
	first.shoot("devices", "")
	first.shoot("confirm", "/devices/confirm")
	first.shoot("delete", "/account/delete")
	first.open("/devices")
	first.click(`main li form button`)
	first.open("/devices")
	first.wantTrue("one device is left", `document.querySelectorAll("main li").length == 1`)
	second.open("/notes")
	second.wantTrue("the other was logged out", `location.pathname == "/login"`)

	for range 6 {
		second.open("/login")
		second.fill(map[string]string{"name": name, "password": "not the right password"})
		second.submit()
	}
	second.shoot("throttled", "")
	if said := second.text("main"); !strings.Contains(said, "minute") {
		t.Errorf("after six wrong passwords the page does not say when to try again: %q", said)
	}
	if n := first.dialogs.Load() + second.dialogs.Load(); n != 0 {
		t.Errorf("%d scripts ran", n)
	}

	// The control: this harness does see a script that runs.
	first.do(chromedp.Navigate("data:text/html,<img src=x onerror=alert(1)>"), chromedp.Sleep(time.Second))
	if first.dialogs.Load() == 0 {
		t.Error("a planted handler was not seen: the harness is blind")
	}
}

// browser is one browser with a profile of its own.
type browser struct {
	t       *testing.T
	ctx     context.Context
	site    string
	dialogs atomic.Int64 // scripts that called alert
}

func newBrowser(t *testing.T, site string) *browser {
	t.Helper()
	ctx := chrome.Open(t)
	b := &browser{t: t, ctx: ctx, site: site}
	b.do(chromedp.EmulateViewport(1280, 900))
	err := chromedp.Listen(ctx, func(event any) {
		if _, ok := event.(*page.EventJavascriptDialogOpening); ok {
			b.dialogs.Add(1)
			go chromedp.Call(ctx, page.HandleJavaScriptDialog, page.HandleJavaScriptDialogParams{Accept: true})
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *browser) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.t.Fatal(err)
	}
}

func (b *browser) open(path string) {
	b.t.Helper()
	b.do(chromedp.Navigate(b.site + path))
}

// fill types into the empty fields of the form, as a person does.
func (b *browser) fill(values map[string]string) {
	b.t.Helper()
	for field, value := range values {
		at := chromedp.CSS(`main form [name="` + field + `"]`)
		b.do(chromedp.WaitVisible(at), chromedp.SendKeys(at, value))
	}
}

func (b *browser) submit() {
	b.t.Helper()
	b.click("main form button.primary")
}

// click presses a button that leads to another page and waits for that page.
func (b *browser) click(at chromedp.CSS) {
	b.t.Helper()
	if _, err := chromedp.RunResponse(b.ctx, chromedp.Click(at)); err != nil {
		b.t.Fatal(err)
	}
}

func (b *browser) text(at chromedp.CSS) string {
	b.t.Helper()
	text, err := chromedp.Run(b.ctx, chromedp.Text(at, chromedp.NodeVisible))
	if err != nil {
		b.t.Fatal(err)
	}
	return text
}

func (b *browser) wantTrue(what, expression string) {
	b.t.Helper()
	b.do(chromedp.WaitReady(chromedp.CSS("main")))
	ok, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool](expression))
	if err != nil {
		b.t.Fatalf("%s: %v", what, err)
	}
	if !ok {
		b.t.Errorf("not so: %s (%s)", what, expression)
	}
}

// shoot opens a page, or stays where it is, and checks that no page is wider
// than the window of a desktop or a phone. PAVISE_SCREENSHOTS names a folder
// for pictures to look at.
func (b *browser) shoot(name, path string) {
	b.t.Helper()
	if path != "" {
		b.open(path)
	}
	b.do(chromedp.EmulateViewport(390, 844, chromedp.EmulateMobile))
	b.fits(name + "-390")
	b.do(chromedp.EmulateViewport(1280, 900))
	b.fits(name + "-1280")
}

func (b *browser) fits(name string) {
	b.t.Helper()
	b.wantTrue(name+" fits the window", `document.documentElement.scrollWidth <= innerWidth`)
	dir := os.Getenv("PAVISE_SCREENSHOTS")
	if dir == "" {
		return
	}
	png, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	if err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644); err != nil {
		b.t.Fatal(err)
	}
}
