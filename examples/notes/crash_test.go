package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// The program is killed (SIGKILL) in the middle of 1,000 writes by eight clients, several times on one database. Every note
// that was acknowledged is there afterwards, and no note is half there.
func TestKilled(t *testing.T) {
	program := filepath.Join(t.TempDir(), "notes")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	data := t.TempDir()
	var writers []*writer
	for round, killAfter := range []int64{350, 500, 120} {
		p := launch(t, program, data)
		for i := range 8 {
			if round == 0 {
				writers = append(writers, newWriter(t, p.url, i))
			}
			writers[i].url, writers[i].unknown = p.url, 0
		}
		acknowledged := writeUntil(p, writers, 125, killAfter)
		if acknowledged < killAfter || acknowledged >= 1000 {
			t.Fatalf("round %d: killed after %d of 1,000 writes", round, acknowledged)
		}
		p = launch(t, program, data)
		var total atomic.Int64
		var all sync.WaitGroup
		for _, w := range writers {
			w.url = p.url
			all.Go(func() { total.Add(int64(w.verify(t))) })
		}
		all.Wait()
		p.kill()
		t.Logf("round %d: killed after %d acknowledged writes, %d notes whole", round, acknowledged, total.Load())
	}
}

// process is the running program, behind what it takes for a proxy that speaks TLS.
type process struct {
	cmd *exec.Cmd
	url string
}

func launch(t *testing.T, program, data string) *process {
	t.Helper()
	greeting := &lines{}
	cmd := exec.Command(program, "-addr", "127.0.0.1:0", "-data", data, "-trusted-proxy", "127.0.0.1/32")
	cmd.Stderr, cmd.Stdout = greeting, io.Discard
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{cmd: cmd}
	t.Cleanup(p.kill)
	p.url = waitFor(t, greeting, `http://127\.0\.0\.1:\d+`)
	return p
}

// kill ends the process as a power cut ends it, as far as the process can tell.
func (p *process) kill() {
	if err := p.cmd.Process.Kill(); err == nil || !errors.Is(err, os.ErrProcessDone) {
		_ = p.cmd.Wait()
	}
}

// writer is a user who writes notes of which every word follows from the title.
type writer struct {
	url, cookie     string
	name            string
	index, requests int
	acknowledged    []string // ids
	unknown         int      // writes without an answer
	written         int
}

func newWriter(t *testing.T, to string, i int) *writer {
	t.Helper()
	w := &writer{url: to, index: i, name: fmt.Sprintf("writer %d", i+1)}
	form := url.Values{"name": {"writer"}, "password": {goodPassword}}
	res, err := w.send("POST", "/signup", "application/x-www-form-urlencoded", form.Encode())
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	for _, c := range res.Cookies() {
		if c.Name == "__Host-session" && c.Secure && c.HttpOnly {
			w.cookie = c.Name + "=" + c.Value
		}
	}
	if w.cookie == "" {
		t.Fatalf("sign-up: %s, no __Host-session cookie", res.Status)
	}
	return w
}

func (w *writer) send(method, path, contentType, body string) (*http.Response, error) {
	req, err := http.NewRequest(method, w.url+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	w.requests++
	req.Header.Set("X-Forwarded-For", fmt.Sprintf("2001:db8:%x:%x::1", w.index, w.requests/100)) // the service counts requests per address
	if w.cookie != "" {
		req.Header.Set("Cookie", w.cookie)
	}
	return http.DefaultTransport.RoundTrip(req)
}

// read decodes an answer if it came whole and with the status.
func (w *writer) read(method, path, body string, status int, into any) error {
	kind := ""
	if body != "" {
		kind = "application/json"
	}
	res, err := w.send(method, path, kind, body)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != status {
		return errors.New(res.Status)
	}
	return json.NewDecoder(res.Body).Decode(into)
}

func textOf(title string) string { return strings.Repeat("<p>"+title+" & more</p>\n", 40) }

// writeUntil lets each writer write n notes, and kills the process once so many were acknowledged in all.
func writeUntil(p *process, writers []*writer, n int, killAfter int64) int64 {
	var acknowledged atomic.Int64
	var all sync.WaitGroup
	for _, w := range writers {
		all.Go(func() {
			for range n {
				if w.write() != nil {
					w.unknown++
					return
				}
				if acknowledged.Add(1) == killAfter {
					go p.kill()
				}
			}
		})
	}
	all.Wait()
	return acknowledged.Load()
}

func (w *writer) write() error {
	w.written++
	title := fmt.Sprintf("note %d of %s", w.written, w.name)
	body, _ := json.Marshal(map[string]string{"title": title, "text": textOf(title)})
	var n apiNote
	if err := w.read("POST", "/api/v1/notes", string(body), http.StatusCreated, &n); err != nil {
		return err
	}
	w.acknowledged = append(w.acknowledged, n.ID)
	return nil
}

// verify reads all notes of the user and returns how many there are.
func (w *writer) verify(t *testing.T) int {
	t.Helper()
	there := make(map[string]bool)
	for next := "?before="; next != ""; {
		var list struct {
			Notes []apiNote
			Older string
		}
		if err := w.read("GET", "/api/v1/notes"+next, "", http.StatusOK, &list); err != nil {
			t.Errorf("list of %s: %v", w.name, err)
			return 0
		}
		for _, n := range list.Notes {
			there[n.ID] = true
		}
		if next = ""; list.Older != "" {
			next = "?before=" + list.Older
		}
	}
	for _, id := range w.acknowledged {
		if !there[id] {
			t.Errorf("an acknowledged note of %s is lost", w.name)
		}
	}
	if extra := len(there) - len(w.acknowledged); extra < 0 || extra > w.unknown {
		t.Errorf("%d notes were never acknowledged, after %d writes without an answer", extra, w.unknown)
	}
	title := regexp.MustCompile(`^note \d+ of ` + regexp.QuoteMeta(w.name) + `$`)
	for id := range there {
		var n apiNote
		if err := w.read("GET", "/api/v1/notes/"+id, "", http.StatusOK, &n); err != nil {
			t.Errorf("note %s: %v", id, err)
		} else if !title.MatchString(n.Title) || n.Text != textOf(n.Title) {
			t.Errorf("note %s is not whole", id)
		}
	}
	w.acknowledged = w.acknowledged[:0]
	for id := range there {
		w.acknowledged = append(w.acknowledged, id)
	}
	return len(there)
}
