package main

import (
	"cmp"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pavise/pavise/crypto/password"
)

const hostile = `<h2>Plan</h2><img src=x onerror=alert(1)><script>alert(2)</script><table><tr><td onclick=alert(3)>cell</td></tr></table><a href="https://example.com/">out</a><a href="javascript:alert(4)">in</a></div></main>`

func TestNotebook(t *testing.T) { testNotebook(t, start(t)) }

// The same on Postgres, where PAVISE_POSTGRES names one.
func TestNotebookOnPostgres(t *testing.T) {
	dsn := os.Getenv("PAVISE_POSTGRES")
	if dsn == "" {
		t.Skip("PAVISE_POSTGRES is not set")
	}
	testNotebook(t, startIn(t, t.TempDir(), ownSchema(t, dsn)))
}

func testNotebook(t *testing.T, s *service) {
	anna := s.signUp("anna")
	if !regexp.MustCompile(`^anna-[a-z2-7]{4}$`).MatchString(anna.name) {
		t.Errorf("log-in name %q", anna.name)
	}
	path := anna.write("First & last", hostile)

	page := anna.get(path)
	page.want(t, 200, "<h1>First &amp; last</h1>")
	shown := prose(page)
	for _, good := range []string{"<h2>Plan</h2>", "<td>cell</td>", `href="https://example.com/"`, "noopener"} {
		if !strings.Contains(shown, good) {
			t.Errorf("no %q in %s", good, shown)
		}
	}
	for _, bad := range []string{"onerror", "alert", "<img", "<script", "onclick", "javascript:"} {
		if strings.Contains(shown, bad) {
			t.Errorf("%q in %s", bad, shown)
		}
	}
	if !strings.Contains(page.body, "</footer>") || strings.Count(page.body, "</main>") != 1 {
		t.Error("the note has left its container")
	}
	if typed(page) != hostile {
		t.Errorf("the form has %q", typed(page))
	}

	plain := anna.get(anna.write("Plain", "a & b\r\nnext line\r\n\r\nnext paragraph"))
	plain.want(t, 200, "<p>a &amp; b<br>next line</p><p>next paragraph</p>")

	again := s.logIn(anna)
	again.get("/notes").want(t, 200, "First &amp; last")
	bert := s.signUp("bert")
	bert.get(path).want(t, 404, "There is nothing here")
	bert.get("/nowhere").want(t, 404, "Logged in as <strong>"+bert.name)
	bert.get("/api/v1"+path).want(t, 404, `"status":404`)
	bert.post(path, "title", "mine", "text", "mine", "version", "1").want(t, 404)
	bert.post(path+"/delete", "version", "1").want(t, 404)
	if strings.Contains(bert.get("/notes").body, "First") {
		t.Error("bert's list shows anna's note")
	}

	anna.post(path, "title", "Second", "text", "<p>new</p>", "version", "1").want(t, 200, "<p>new</p>")
	anna.post(path+"/delete", "version", "2").want(t, 200, "Notebook", "Plain")
	anna.get(path).want(t, 404)
}

func TestAPI(t *testing.T) {
	s := start(t)
	anna := s.signUp("anna")
	var n, read apiNote
	anna.json("POST", "/api/v1/notes", `{"title":"One","text":"<b onclick=x>hi</b>\n"}`, &n).want(t, 201)
	anna.json("GET", "/api/v1/notes/"+n.ID, "", &read).want(t, 200)
	if read != n || read.HTML != "<b>hi</b>\n" || read.Text != "<b onclick=x>hi</b>\n" || read.Version != 1 {
		t.Errorf("wrote %+v, read %+v", n, read)
	}
	anna.json("PUT", "/api/v1/notes/"+n.ID, `{"title":"Two","text":"t","version":1}`, &n).want(t, 200)
	anna.json("PUT", "/api/v1/notes/"+n.ID, `{"title":"Three","text":"t","version":1}`, nil).want(t, 409, `"status":409`)
	var list struct{ Notes []apiNote }
	anna.json("GET", "/api/v1/notes", "", &list).want(t, 200)
	if len(list.Notes) != 1 || list.Notes[0].Title != "Two" || list.Notes[0].Version != 2 {
		t.Errorf("list: %+v", list.Notes)
	}
	anna.do("DELETE", "/api/v1/notes/"+n.ID+"?version=2", "", "").want(t, 204)
	anna.do("GET", "/api/v1/notes/"+n.ID, "", "").want(t, 404)
	s.browser().get("/api/v1/notes").want(t, 401, `"status":401`)
}

func TestListGoesOn(t *testing.T) {
	s := start(t)
	anna := s.signUp("anna")
	for i := range pageSize + 3 {
		anna.json("POST", "/api/v1/notes", `{"title":"note `+strconv.Itoa(i)+`.","text":"t"}`, nil).want(t, 201)
	}
	newest := anna.get("/notes")
	newest.want(t, 200, "note 52.", "note 3.", "Older notes")
	link := regexp.MustCompile(`/notes\?before=\w+`).FindString(newest.body)
	older := anna.get(link)
	older.want(t, 200, "note 2.", "note 0.")
	if strings.Contains(older.body, "note 3.") || strings.Contains(older.body, "Older notes") {
		t.Error("the second page repeats the first or goes on")
	}
}

func TestDevices(t *testing.T) {
	s := start(t)
	one := s.signUp("anna")
	two, three := s.logIn(one), s.logIn(one)
	page := one.get("/devices")
	page.want(t, 200, "This device", "Another device", "Log out everywhere else")
	handles := regexp.MustCompile(`/devices/[^/]+/revoke`).FindAllString(page.body, -1)
	if len(handles) != 2 {
		t.Fatalf("other devices: %q", handles)
	}
	one.post(handles[0]).want(t, 200, "Devices")
	if two.loggedIn() == three.loggedIn() {
		t.Error("one of two other devices should be logged out")
	}
	s.signUp("bert").post(handles[1])
	if !two.loggedIn() && !three.loggedIn() {
		t.Error("a stranger has logged out a device")
	}
	one.post("/devices/revoke-others").want(t, 200, "No other device is logged in")
	if two.loggedIn() || three.loggedIn() || !one.loggedIn() {
		t.Error("log out everywhere else: this device stays, no other does")
	}
	one.post("/logout").want(t, 200, "A private notebook")
	if one.loggedIn() {
		t.Error("still logged in after log-out")
	}
}

func TestChangePassword(t *testing.T) {
	s := start(t)
	one := s.signUp("anna")
	two := s.logIn(one)
	const next = "orange bicycles sleep at noon"
	one.post("/account/password", "name", one.name, "current", "not my password at all", "new", next).want(t, 403, "This is not your current password.")
	one.post("/account/password", "name", one.name, "current", goodPassword, "new", "too short").want(t, 422, "fewer than 15 characters")
	one.post("/account/password", "name", one.name, "current", goodPassword, "new", next).want(t, 200, "One other device was logged out")
	if two.loggedIn() || !one.loggedIn() {
		t.Error("this device stays, no other does")
	}
	b := s.browser()
	b.post("/login", "name", one.name, "password", goodPassword).want(t, 401)
	if a := b.post("/login", "name", one.name, "password", next); a.path != "/notes" {
		t.Errorf("the new password ended at %s with %d", a.path, a.status)
	}
}

// A hash with older parameters is replaced on the way, and does not get into the way of the new password.
func TestChangePasswordWithOldHash(t *testing.T) {
	s := start(t)
	anna := s.signUp("anna")
	old, err := password.New(password.InsecureParams(password.Params{Memory: 8192, Time: 1, Parallelism: 1}))
	if err != nil {
		t.Fatal(err)
	}
	hash, err := old.Hash(t.Context(), secretOf(goodPassword))
	if err != nil {
		t.Fatal(err)
	}
	s.storeHash(anna.name, hash)
	anna.post("/account/password", "name", anna.name, "current", goodPassword, "new", "orange bicycles sleep at noon").want(t, 200, "Your password is changed")
}

// storeHash replaces a user's hash behind the service's back.
func (s *service) storeHash(name, hash string) {
	s.t.Helper()
	u, err := s.store.userByName(s.t.Context(), name)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.store.setPassword(s.t.Context(), u, hash); err != nil {
		s.t.Fatal(err)
	}
}

// A wrong password, an unknown name and a stored hash that nothing can be checked against get the same answer, the first two
// after about the same time.
func TestLogInTellsNothing(t *testing.T) {
	s := start(t)
	anna, damaged := s.signUp("anna"), s.signUp("damaged")
	s.storeHash(damaged.name, "$argon2id$v=19$m=1$cut off")
	ask := func(name string) (string, time.Duration) {
		begin := time.Now()
		a := s.browser().post("/login", "name", name, "password", "wrong but long enough")
		took := time.Since(begin)
		a.want(t, 401, "The name or the password is not right")
		nonce := regexp.MustCompile(`nonce="[^"]*"`).ReplaceAllString(a.body, "")
		return strings.ReplaceAll(nonce, name, "NAME"), took
	}
	want, _ := ask(damaged.name)
	var known, unknown []time.Duration
	for range 4 {
		page1, t1 := ask(anna.name)
		page2, t2 := ask("nobody-xxxx")
		if page1 != want || page2 != want {
			t.Fatalf("the pages differ:\n%s\n%s\n%s", want, page1, page2)
		}
		known, unknown = append(known, t1), append(unknown, t2)
	}
	k, u := slices.Min(known), slices.Min(unknown)
	if ratio := float64(u) / float64(k); ratio < 0.5 || ratio > 2 {
		t.Errorf("known %v, unknown %v", k, u)
	}
	if strings.Contains(s.log.String(), "nobody-xxxx") {
		t.Error("the log holds what was typed into the name field")
	}
	if !strings.Contains(s.log.String(), "stored password cannot be checked") {
		t.Error("the operator does not hear of the damaged hash")
	}
}

func TestLogInThrottle(t *testing.T) {
	s := start(t)
	anna := s.signUp("anna")
	known := s.logIn(anna) // has a device cookie
	known.post("/logout")
	var a answer
	stranger, failures := s.browser(), 0
	for failures = 0; failures < 6; failures++ {
		if a = stranger.post("/login", "name", anna.name, "password", "wrong but long enough"); a.status != 401 {
			break
		}
	}
	a.want(t, 429, "Please try again in ", " minutes", `value="`+anna.name+`"`)
	if seconds, err := strconv.Atoi(a.header.Get("Retry-After")); err != nil || seconds < 60 || seconds > 15*60 {
		t.Errorf("Retry-After: %q", a.header.Get("Retry-After"))
	}
	if failures > 5 {
		t.Errorf("%d failures before the first 429", failures)
	}
	stranger.post("/login", "name", anna.name, "password", goodPassword).want(t, 429)
	if a := known.post("/login", "name", anna.name, "password", goodPassword); a.path != "/notes" {
		t.Errorf("the owner is locked out of a browser that was used before: %d", a.status)
	}
}

// Nobody loses a text: not to a mistake, a second device, an ended session or a database that is away.
func TestTextSurvives(t *testing.T) {
	s := start(t)
	anna := s.signUp("anna")
	const text = "<p>kept & dear</p>\nline two"
	path := anna.write("One", "first")

	long := anna.post("/notes", "title", strings.Repeat("x", 201), "text", text)
	long.want(t, 422, `aria-invalid="true"`, `role="alert"`, `aria-describedby="title-error"`, "autofocus", "200 characters")
	if typed(long) != text {
		t.Errorf("after a mistake the form has %q", typed(long))
	}

	anna.post(path, "title", "Two", "text", "second", "version", "1").want(t, 200)
	stale := anna.post(path, "title", "Mine", "text", text, "version", "1")
	stale.want(t, 409, "changed elsewhere", `name="version" value="2"`)
	if typed(stale) != text {
		t.Errorf("after a conflict the form has %q", typed(stale))
	}

	anna.post(path+"/delete", "version", "2").want(t, 200)
	deleted := anna.post(path, "title", "Mine", "text", text, "version", "2")
	deleted.want(t, 404, "save it as a new note", `action="/notes"`)
	if typed(deleted) != text {
		t.Errorf("after a deletion elsewhere the form has %q", typed(deleted))
	}

	s.logIn(anna).post("/devices/revoke-others")
	gone := anna.post("/notes", "title", "Mine", "text", text)
	gone.want(t, 401, "not logged in any more")
	if typed(gone) != text {
		t.Errorf("after the end of the session the form has %q", typed(gone))
	}

	back := s.logIn(anna)
	s.store.Close()
	away := back.post("/notes", "title", "Mine", "text", text)
	away.want(t, 503, "Your text is still here")
	if typed(away) != text {
		t.Errorf("without a database the form has %q", typed(away))
	}
}

func TestOutage(t *testing.T) {
	s := start(t)
	anna := s.signUp("anna")
	s.get("/healthz").want(t, 200, "ok")
	s.store.Close()
	for _, path := range []string{"/healthz", "/notes", "/devices"} {
		a := anna.get(path)
		a.want(t, 503, "Nothing is lost")
		if a.header.Get("Retry-After") == "" {
			t.Errorf("%s: no Retry-After", path)
		}
	}
	anna.post("/login", "name", anna.name, "password", goodPassword).want(t, 503)
	anna.get("/api/v1/notes").want(t, 503, `"status":503`)
	anna.get("/login").want(t, 200)
}

func (s *service) get(path string) answer { return s.browser().get(path) }

func TestHeaders(t *testing.T) {
	s := start(t)
	a := s.get("/")
	csp := a.header.Get("Content-Security-Policy")
	nonce := regexp.MustCompile(`'nonce-([^']+)'`).FindStringSubmatch(csp)
	if nonce == nil || !strings.Contains(a.body, `nonce="`+nonce[1]+`"`) || strings.Contains(csp, "unsafe") {
		t.Errorf("Content-Security-Policy: %s", csp)
	}
	for _, name := range []string{"X-Content-Type-Options", "Referrer-Policy", "Cross-Origin-Opener-Policy"} {
		if a.header.Get(name) == "" {
			t.Errorf("no %s", name)
		}
	}
	if other := s.get("/").header.Get("Content-Security-Policy"); other == csp {
		t.Error("the nonce is not new")
	}
	anna := s.signUp("anna")
	for what, a := range map[string]answer{
		"a notebook": anna.get("/notes"), "a form": anna.get("/login"), "health": anna.get("/healthz"),
		"what was typed": anna.post("/login", "name", "anna", "password", "wrong but long enough"),
	} {
		if got := a.header.Get("Cache-Control"); got != "no-store" {
			t.Errorf("Cache-Control of %s: %q", what, got)
		}
	}
}

// Events and the access log are JSON lines of the Elastic Common Schema that hold nothing secret.
func TestLog(t *testing.T) {
	s := start(t)
	anna := s.signUp("anna")
	anna.write("a title of mine", "a text of mine")
	s.browser().post("/login", "name", anna.name, "password", "a wrong one that is long")
	anna.get("/%0A%7B%22forged%22:1%7D\u202e")
	log := s.log.String()
	for _, want := range []string{`"event.action":"user-created"`, `"event.action":"session-login"`, `"event.action":"user-login"`, `"event.outcome":"failure"`, `"http.response.status_code":401`, `"source.ip":"127.0.0.1"`} {
		if !strings.Contains(log, want) {
			t.Errorf("no %s", want)
		}
	}
	token := anna.cookie("session")
	for _, bad := range []string{"mine", goodPassword, "a wrong one", token, "\u202e", "\n{\"forged"} {
		if strings.Contains(log, bad) {
			t.Errorf("%q is in the log", bad)
		}
	}
	for line := range strings.Lines(log) {
		if !strings.HasPrefix(line, `{"@timestamp":"`) {
			t.Errorf("line: %s", line)
		}
	}
}

func (b *browser) cookie(name string) string {
	req, _ := http.NewRequest("GET", b.url, nil)
	for _, c := range b.client.Jar.Cookies(req.URL) {
		if c.Name == name {
			return c.Value
		}
	}
	b.t.Fatalf("no cookie %q", name)
	return ""
}

func TestWords(t *testing.T) {
	for d, want := range map[time.Duration]string{
		time.Second: "one second", 12 * time.Second: "12 seconds", 5 * time.Minute: "5 minutes", 14*time.Minute + 1: "15 minutes",
		time.Hour: "60 minutes", 3 * time.Hour: "3 hours", 72 * time.Hour: "3 days",
	} {
		if got := amount(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}

func TestPasswordAdvice(t *testing.T) {
	for pass, want := range map[string]error{
		goodPassword: nil, "zwölf Boxkämpfer": nil, "fourteen chars": errShort, strings.Repeat("ä", 14): errShort,
		strings.Repeat("a", 20): errObvious, "abcabcabcabcabcabc": errObvious, "123456789012345": errObvious, "abcdefghijklmnop": errObvious,
		"anna-abcdpassword123": errObvious, "PasswordPassword": errObvious,
	} {
		if got := checkPassword(secretOf(pass), "anna-abcd"); got != want {
			t.Errorf("%q: %v, want %v", pass, got, cmp.Or(want, error(nil)))
		}
	}
}
