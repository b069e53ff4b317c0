package main

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/pavise/pavise/secrets"
)

// service is the whole program without its flags, on a loopback port.
type service struct {
	*vault
	t   *testing.T
	dir string
	url string
	log *lines
}

func start(t *testing.T) *service { return startIn(t, t.TempDir(), "") }

func startIn(t *testing.T, dir, postgres string) *service {
	t.Helper()
	v, err := openVault(t.Context(), dir, postgres)
	if err != nil {
		t.Fatal(err)
	}
	s := &service{vault: v, t: t, dir: dir, log: &lines{}}
	o := options{log: newLogger(s.log), plain: true}
	a, err := newApp(v, o)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(a.build(o))
	s.url = server.URL
	t.Cleanup(func() {
		server.Close()
		v.Close()
	})
	return s
}

// lines is a log that several goroutines write.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// browser keeps cookies, follows redirects and says that its forms come from the service's own pages.
type browser struct {
	t      *testing.T
	url    string
	client *http.Client
	name   string // log-in name
}

func (s *service) browser() *browser {
	jar, _ := cookiejar.New(nil)
	return &browser{t: s.t, url: s.url, client: &http.Client{Jar: jar}}
}

// answer is what came back in the end.
type answer struct {
	status int
	header http.Header
	path   string
	body   string
}

func (b *browser) do(method, path, contentType, body string, change ...func(*http.Request)) answer {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), method, b.url+path, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	for _, c := range change {
		c(req)
	}
	res, err := b.client.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, res.Request.URL.Path, string(text)}
}

func (b *browser) get(path string) answer { b.t.Helper(); return b.do("GET", path, "", "") }

// post sends a form of name, value pairs.
func (b *browser) post(path string, pairs ...string) answer {
	b.t.Helper()
	form := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	return b.do("POST", path, "application/x-www-form-urlencoded", form.Encode())
}

func (b *browser) json(method, path, body string, into any) answer {
	b.t.Helper()
	a := b.do(method, path, "application/json", body)
	if into != nil {
		if err := json.Unmarshal([]byte(a.body), into); err != nil {
			b.t.Fatalf("%s %s: %d: %v", method, path, a.status, err)
		}
	}
	return a
}

const goodPassword = "tall glass of winter rain"

var loginName = regexp.MustCompile(`log-in name is <strong>([^<]+)</strong>`)

// signUp returns a browser that is logged in to a new account.
func (s *service) signUp(name string) *browser {
	s.t.Helper()
	b := s.browser()
	a := b.post("/signup", "name", name, "password", goodPassword)
	found := loginName.FindStringSubmatch(a.body)
	if a.path != "/notes" || found == nil {
		s.t.Fatalf("sign-up ended at %s with %d", a.path, a.status)
	}
	b.name = found[1]
	return b
}

// logIn returns another browser that is logged in to the account of b.
func (s *service) logIn(b *browser) *browser {
	s.t.Helper()
	other := s.browser()
	other.name = b.name
	if a := other.post("/login", "name", b.name, "password", goodPassword); a.path != "/notes" {
		s.t.Fatalf("log-in ended at %s with %d", a.path, a.status)
	}
	return other
}

func (b *browser) loggedIn() bool { return b.get("/notes").path == "/notes" }

// write saves a note and returns its path.
func (b *browser) write(title, text string) string {
	b.t.Helper()
	a := b.post("/notes", "title", title, "text", text)
	if a.status != 200 || !strings.HasPrefix(a.path, "/notes/") {
		b.t.Fatalf("writing ended at %s with %d", a.path, a.status)
	}
	return a.path
}

// prose is the part of a note's page that shows its text.
func prose(a answer) string {
	_, rest, _ := strings.Cut(a.body, `<div class="prose">`)
	text, _, _ := strings.Cut(rest, "</article>")
	return text
}

// typed is what the form of a page has in its text area.
func typed(a answer) string {
	_, rest, _ := strings.Cut(a.body, "<textarea")
	_, rest, _ = strings.Cut(rest, ">\n")
	text, _, _ := strings.Cut(rest, "</textarea>")
	return html.UnescapeString(text)
}

func (a answer) want(t *testing.T, status int, parts ...string) {
	t.Helper()
	if a.status != status {
		t.Errorf("%s: status %d, want %d", a.path, a.status, status)
	}
	for _, part := range parts {
		if !strings.Contains(a.body, part) {
			t.Errorf("%s: no %q in\n%s", a.path, part, a.body)
		}
	}
}

func secretOf(s string) secrets.Secret { return secrets.New(s) }

// ownSchema makes an empty schema in Postgres and returns the URL that leads into it.
func ownSchema(t *testing.T, dsn string) string {
	t.Helper()
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	name := "notes_" + newID()
	if _, err := db.ExecContext(t.Context(), "CREATE SCHEMA "+name); err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set("search_path", name)
	u.RawQuery = q.Encode()
	return u.String()
}
