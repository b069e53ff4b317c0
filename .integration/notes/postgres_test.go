package notes

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib"
)

// The same service on Postgres: what was written is there after a restart, a
// start with another key is refused, and no row holds a word of a note.
func TestNotebookOnPostgres(t *testing.T) {
	db, dsn := postgres(t)
	binary, data := buildNotes(t), filepath.Join(t.TempDir(), "data")
	notes := startNotes(t, binary, "-data", data, "-db", dsn)
	ann := newVisitor(t, notes.site)
	ann.post("/signup", url.Values{"name": {"ann"}, "password": {passphrase}})
	page := ann.post("/notes", url.Values{"title": {"Plans for the summer"}, "text": {"<p>a very private plan</p>"}})
	if !strings.Contains(page, "a very private plan") {
		t.Fatalf("the note is not shown:\n%s", page)
	}
	notes.stop(t)

	notes = startNotes(t, binary, "-data", data, "-db", dsn)
	ann.site = notes.site // cookies do not know ports: she is still logged in
	if page := ann.get("/notes"); !strings.Contains(page, "Plans for the summer") {
		t.Errorf("the note is gone after a restart:\n%s", page)
	}
	notes.stop(t)

	const planted = "planted on purpose"
	execute(t, db, "CREATE TABLE planted AS SELECT '"+planted+"'::bytea AS value")
	dump := dumpOf(t, db)
	for _, secret := range []string{"a very private plan", "Plans for the summer", passphrase, ann.token()} {
		if form := formIn(dump, secret); form != "" {
			t.Errorf("the database holds %q as %s", secret, form)
		}
	}
	if formIn(dump, planted) == "" || !regexp.MustCompile(`ann-[a-z2-7]{4}`).Match(dump) {
		t.Error("the dump does not hold the planted bytes or the log-in name: the search is blind")
	}

	if err := os.Remove(filepath.Join(data, "notes.key")); err != nil {
		t.Fatal(err)
	}
	if err := runUntilExit(t, binary, "-data", data, "-db", dsn); err == nil {
		t.Error("notes started with a database and without its key")
	}
}

// postgres returns a database of its own, or skips the test.
func postgres(t *testing.T) (*sql.DB, string) {
	t.Helper()
	server := os.Getenv("PAVISE_POSTGRES")
	switch {
	case server != "":
	case os.Getenv("CI") == "true":
		t.Fatal("no Postgres: PAVISE_POSTGRES is not set")
	default:
		t.Skip("no Postgres: PAVISE_POSTGRES is not set")
	}
	admin := open(t, server)
	const name = "pavise_notes"
	execute(t, admin, "DROP DATABASE IF EXISTS "+name)
	execute(t, admin, "CREATE DATABASE "+name)
	at, err := url.Parse(server)
	if err != nil {
		t.Fatal("PAVISE_POSTGRES is not a URL")
	}
	at.Path = "/" + name
	return open(t, at.String()), at.String()
}

func open(t *testing.T, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func execute(t *testing.T, db *sql.DB, query string) {
	t.Helper()
	if _, err := db.ExecContext(context.Background(), query); err != nil {
		t.Fatal(err)
	}
}

// dumpOf returns every row of every table as text, bytes in lower-case hex. (Base64,
// the default, would break its lines in the middle of what is searched.)
func dumpOf(t *testing.T, db *sql.DB) []byte {
	t.Helper()
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.ExecContext(t.Context(), "SET xmlbinary = hex"); err != nil {
		t.Fatal(err)
	}
	var dump []byte
	err = conn.QueryRowContext(t.Context(), `SELECT convert_to(database_to_xml(true, false, '')::text, 'UTF8')`).Scan(&dump)
	if err != nil {
		t.Fatal(err)
	}
	return slices.Concat(dump, bytes.ToLower(dump))
}

// formIn names the form in which a dump holds a secret, or returns "". A form may
// itself be stored as bytes. Base64 is cut to what its neighbours do not change.
func formIn(dump []byte, secret string) string {
	all := map[string]string{"text": secret, "hex": hex.EncodeToString([]byte(secret))}
	for shift := range 3 {
		encoded := base64.RawStdEncoding.EncodeToString([]byte(strings.Repeat("x", shift) + secret))
		all["base64"+strings.Repeat("+", shift)] = encoded[shift+1 : len(encoded)-1]
	}
	for form, text := range all {
		if bytes.Contains(dump, []byte(text)) || bytes.Contains(dump, []byte(hex.EncodeToString([]byte(text)))) {
			return form
		}
	}
	return ""
}

// visitor is a browser without eyes.
type visitor struct {
	t      *testing.T
	site   string
	client *http.Client
}

func newVisitor(t *testing.T, site string) *visitor {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &visitor{t, site, &http.Client{Jar: jar}}
}

func (v *visitor) get(path string) string {
	v.t.Helper()
	r, err := http.NewRequest("GET", v.site+path, nil)
	if err != nil {
		v.t.Fatal(err)
	}
	return v.do(r)
}

func (v *visitor) post(path string, form url.Values) string {
	v.t.Helper()
	r, err := http.NewRequest("POST", v.site+path, strings.NewReader(form.Encode()))
	if err != nil {
		v.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return v.do(r)
}

func (v *visitor) do(r *http.Request) string {
	v.t.Helper()
	res, err := v.client.Do(r)
	if err != nil {
		v.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		v.t.Fatalf("%s %s: %s, %v\n%s", r.Method, r.URL.Path, res.Status, err, body)
	}
	return string(body)
}

// token returns the value of the session cookie.
func (v *visitor) token() string {
	v.t.Helper()
	at, err := url.Parse(v.site)
	if err != nil {
		v.t.Fatal(err)
	}
	for _, c := range v.client.Jar.Cookies(at) {
		if strings.Contains(c.Name, "session") {
			return c.Value
		}
	}
	v.t.Fatal("no session cookie")
	return ""
}
