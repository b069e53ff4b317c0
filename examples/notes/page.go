package main

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"html/template"
	"net/http"
	"strconv"
	"time"

	"github.com/pavise/pavise/sanitize/headers"
)

//go:embed web
var webFiles embed.FS

// pages are the templates of the service. A page is a named template that becomes the middle of the layout.
type pages struct {
	templates   *template.Template
	style, icon []byte
	styleURL    string // changes with its content, so that browsers may keep it for ever
}

func newPages() (*pages, error) {
	p := &pages{}
	var err error
	funcs := template.FuncMap{"words": timeTag, "until": until}
	if p.templates, err = template.New("").Funcs(funcs).ParseFS(webFiles, "web/*.html"); err != nil {
		return nil, err
	}
	if p.style, err = webFiles.ReadFile("web/style.css"); err != nil {
		return nil, err
	}
	if p.icon, err = webFiles.ReadFile("web/icon.svg"); err != nil {
		return nil, err
	}
	sum := sha256.Sum256(p.style)
	p.styleURL = "/style.css?v=" + base64.RawURLEncoding.EncodeToString(sum[:9])
	return p, nil
}

// page is what the layout shows around the middle.
type page struct {
	Title string
	Here  string // which link of the navigation this is
	User  string // the log-in name, if somebody is logged in
	Bare  bool   // without navigation

	Name string // of the template in the middle
	Data any

	Style string
	Nonce template.HTMLAttr
	Main  template.HTML
}

// show answers with a page. Everything is rendered before the first byte is sent: half a page is never an answer.
func (a *app) show(w http.ResponseWriter, r *http.Request, status int, p page) error {
	var main, whole bytes.Buffer
	if err := a.pages.templates.ExecuteTemplate(&main, p.Name, p.Data); err != nil {
		return err
	}
	p.Main = template.HTML(main.String()) // html/template made it
	p.Style, p.Nonce = a.pages.styleURL, headers.Nonce(r.Context())
	if err := a.pages.templates.ExecuteTemplate(&whole, "layout", p); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store") // it may show what somebody typed, and its nonce is for one answer
	if status == http.StatusUnauthorized && w.Header().Get("WWW-Authenticate") == "" {
		w.Header().Set("WWW-Authenticate", "Bearer") // RFC 9110 wants a scheme; at this one browsers show no dialog
	}
	w.WriteHeader(status)
	_, _ = w.Write(whole.Bytes()) // the client has gone: nobody is left to tell
	return nil
}

// form is one HTML form: its fields with what was typed and what is wrong with it.
type form struct {
	Action  string
	Submit  string
	Danger  bool // it cannot be undone
	Cancel  string
	Problem string // about the form as a whole
	Hidden  map[string]string
	Fields  []field
}

type field struct {
	Name, Label, Hint string
	Type              string // of the input; text
	Autocomplete      string
	Rows              int  // more than 0: a textarea
	Verbatim          bool // a name or a code: no capitals, no spelling
	ReadOnly          bool
	Optional          bool

	Value string // never that of a password
	Error string
	Focus bool
}

// Described lists the elements that describe the field, for aria-describedby.
func (f field) Described() string {
	switch {
	case f.Hint != "" && f.Error != "":
		return f.Name + "-error " + f.Name + "-hint"
	case f.Error != "":
		return f.Name + "-error"
	case f.Hint != "":
		return f.Name + "-hint"
	}
	return ""
}

// with puts the errors beside their fields; what belongs to no field goes above the form. The first wrong field gets the
// focus, or the first one that can be filled in.
func (f form) with(errs map[string]string) form {
	focus := -1
	for i := range f.Fields {
		one := &f.Fields[i]
		if one.Error = errs[one.Name]; one.Error != "" && (focus < 0 || f.Fields[focus].Error == "") {
			focus = i
		}
		if focus < 0 && !one.ReadOnly && one.Value == "" {
			focus = i
		}
	}
	if focus >= 0 {
		f.Fields[focus].Focus = true
	}
	f.Problem = cmp.Or(f.Problem, errs[""])
	return f
}

// timeTag is a moment in words for people, and exact for programs and for those who point at it.
func timeTag(t time.Time) template.HTML {
	exact := t.UTC().Format("2 January 2006, 15:04 UTC")
	return template.HTML(`<time datetime="` + t.UTC().Format(time.RFC3339) + `" title="` + exact + `">` + ago(time.Since(t), t) + `</time>`)
}

func ago(d time.Duration, t time.Time) string {
	switch {
	case d < time.Minute:
		return "just now"
	case d < 24*time.Hour:
		return amount(d) + " ago"
	case d < 48*time.Hour:
		return "yesterday"
	}
	return "on " + t.UTC().Format("2 January 2006")
}

// until says how long something that ends by itself still lasts.
func until(t time.Time) string {
	if d := time.Until(t); d > time.Minute {
		return "in " + amount(d)
	}
	return "within a minute"
}

// amount is a duration as people say it, rounded up: "12 seconds", "one minute", "3 hours".
func amount(d time.Duration) string {
	switch {
	case d <= 90*time.Second:
		return count(d, time.Second, "second")
	case d <= 90*time.Minute:
		return count(d, time.Minute, "minute")
	case d <= 36*time.Hour:
		return count(d, time.Hour, "hour")
	}
	return count(d, 24*time.Hour, "day")
}

// count rounds up: "one minute", "12 seconds".
func count(d, unit time.Duration, name string) string {
	switch n := max(1, (d+unit-1)/unit); n {
	case 1:
		return "one " + name
	default:
		return strconv.FormatInt(int64(n), 10) + " " + name + "s"
	}
}
