package session_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pavise/pavise/session"
)

// serve runs h behind a Manager on a real server and gets / from it.
func serve(t *testing.T, m *session.Manager[data], h http.HandlerFunc, ctx context.Context) *http.Response {
	t.Helper()
	s := httptest.NewServer(m.Handler(h))
	t.Cleanup(s.Close)
	r, err := http.NewRequestWithContext(ctx, "GET", s.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := s.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.Body.Close() })
	return res
}

func hasCookie(res *http.Response) bool {
	for _, c := range res.Cookies() {
		if c.Name == cookieName && c.Value != "" {
			return true
		}
	}
	return false
}

func TestStreaming(t *testing.T) {
	m := newManager(t, session.NewMemoryStore(0))
	release := make(chan struct{})
	res := serve(t, m, func(w http.ResponseWriter, r *http.Request) {
		if err := m.Login(r.Context(), session.Auth{User: "ann"}, nil); err != nil {
			t.Error(err)
		}
		io.WriteString(w, "first\n")
		w.(http.Flusher).Flush()
		<-release
		if err := m.Reauthenticate(r.Context(), session.Auth{}); !errors.Is(err, session.ErrHeadersSent) {
			t.Errorf("reauthenticate: %v", err)
		}
		if err := m.Update(r.Context(), func(d *data) error { d.N = 1; return nil }); err != nil {
			t.Errorf("an update needs no header: %v", err)
		}
		if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Error(err)
		}
		io.WriteString(w, "second\n")
	}, t.Context())
	body := bufio.NewReader(res.Body)
	if line, _ := body.ReadString('\n'); line != "first\n" || !hasCookie(res) {
		t.Errorf("before the end: %q, cookie %v", line, hasCookie(res))
	}
	close(release)
	if line, _ := body.ReadString('\n'); line != "second\n" {
		t.Errorf("got %q", line)
	}
}

func TestFirstUseAfterHeaders(t *testing.T) {
	m := newManager(t, session.NewMemoryStore(0))
	res := serve(t, m, func(w http.ResponseWriter, r *http.Request) {
		http.NewResponseController(w).Flush()
		_, err := m.Get(r.Context())
		for _, err := range []error{
			err,
			m.Update(r.Context(), func(*data) error { return nil }),
			m.Login(r.Context(), session.Auth{User: "ann"}, nil),
			m.Logout(r.Context()),
		} {
			if !errors.Is(err, session.ErrHeadersSent) {
				t.Errorf("got %v", err)
			}
		}
	}, t.Context())
	if hasCookie(res) {
		t.Error("a cookie was sent")
	}
}

func TestEarlyHints(t *testing.T) {
	m := newManager(t, session.NewMemoryStore(0))
	var hints []int
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
		Got1xxResponse: func(code int, _ textproto.MIMEHeader) error { hints = append(hints, code); return nil },
	})
	res := serve(t, m, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Link", "</a.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		if err := m.Login(r.Context(), session.Auth{User: "ann"}, nil); err != nil {
			t.Error(err)
		}
		w.WriteHeader(http.StatusAccepted)
	}, ctx)
	if len(hints) != 1 || hints[0] != 103 || res.StatusCode != 202 || !hasCookie(res) {
		t.Errorf("hints %v, status %d, cookie %v", hints, res.StatusCode, hasCookie(res))
	}
}

func TestHijack(t *testing.T) {
	m := newManager(t, session.NewMemoryStore(0))
	res := serve(t, m, func(w http.ResponseWriter, r *http.Request) {
		c, rw, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		if _, err := m.Get(r.Context()); err != nil { // no cache sees what follows
			t.Error(err)
		}
		rw.WriteString("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
		rw.Flush()
	}, t.Context())
	if b := body(t, res); b != "hi" {
		t.Errorf("got %q", b)
	}
}

func TestSendfile(t *testing.T) {
	m := newManager(t, session.NewMemoryStore(0))
	name := filepath.Join(t.TempDir(), "f.txt")
	if err := os.WriteFile(name, []byte(strings.Repeat("x", 1<<20)), 0o600); err != nil {
		t.Fatal(err)
	}
	res := serve(t, m, func(w http.ResponseWriter, r *http.Request) {
		m.Get(r.Context())
		w.Header().Set("Cache-Control", "public, max-age=600")
		if _, ok := w.(io.ReaderFrom); !ok {
			t.Error("no io.ReaderFrom: io.Copy cannot use sendfile")
		}
		http.ServeFile(w, r, name)
	}, t.Context())
	if n := len(body(t, res)); n != 1<<20 || res.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%d bytes, Cache-Control %q", n, res.Header.Get("Cache-Control"))
	}
}

// The parts of a writer that a handler may ask for.
type (
	flushes   struct{}
	hijacks   struct{}
	readsFrom struct{}
)

func (flushes) Flush()                                       {}
func (hijacks) Hijack() (net.Conn, *bufio.ReadWriter, error) { return nil, nil, nil }
func (readsFrom) ReadFrom(r io.Reader) (int64, error)        { return io.Copy(io.Discard, r) }

func TestWriterExposesWhatTheInnerHas(t *testing.T) {
	m := newManager(t, session.NewMemoryStore(0))
	w := &nullWriter{h: http.Header{}}
	for _, inner := range []http.ResponseWriter{
		w,
		struct {
			http.ResponseWriter
			flushes
		}{w, flushes{}},
		struct {
			http.ResponseWriter
			hijacks
		}{w, hijacks{}},
		struct {
			http.ResponseWriter
			readsFrom
		}{w, readsFrom{}},
		struct {
			http.ResponseWriter
			flushes
			hijacks
		}{w, flushes{}, hijacks{}},
		struct {
			http.ResponseWriter
			flushes
			readsFrom
		}{w, flushes{}, readsFrom{}},
		struct {
			http.ResponseWriter
			hijacks
			readsFrom
		}{w, hijacks{}, readsFrom{}},
		struct {
			http.ResponseWriter
			flushes
			hijacks
			readsFrom
		}{w, flushes{}, hijacks{}, readsFrom{}},
	} {
		m.Handler(http.HandlerFunc(func(outer http.ResponseWriter, r *http.Request) {
			if got, want := abilities(outer), abilities(inner); got != want {
				t.Errorf("outer has %v, inner %v", got, want)
			}
			if u := outer.(interface{ Unwrap() http.ResponseWriter }).Unwrap(); u != inner {
				t.Error("Unwrap does not return the inner writer")
			}
		})).ServeHTTP(inner, httptest.NewRequest("GET", "/", nil))
	}
}

func abilities(w http.ResponseWriter) (a [3]bool) {
	_, a[0] = w.(http.Flusher)
	_, a[1] = w.(http.Hijacker)
	_, a[2] = w.(io.ReaderFrom)
	return a
}

func TestNoStoreIsForced(t *testing.T) {
	m := newManager(t, session.NewMemoryStore(0))
	for name, h := range map[string]http.HandlerFunc{
		"write":        func(w http.ResponseWriter, r *http.Request) { w.Write(nil) },
		"write header": func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(204) },
		"flush":        func(w http.ResponseWriter, r *http.Request) { w.(http.Flusher).Flush() },
		"nothing":      func(w http.ResponseWriter, r *http.Request) {},
	} {
		get := newBrowser(t, m).do(func(w http.ResponseWriter, r *http.Request) {
			m.Get(r.Context())
			w.Header().Set("Cache-Control", "public, max-age=600")
			w.Header().Set("CDN-Cache-Control", "public, max-age=600")
			w.Header().Set("Surrogate-Control", "max-age=600")
			h(w, r)
		})
		if h := get.Result().Header; h.Get("CDN-Cache-Control")+h.Get("Surrogate-Control") != "" {
			t.Errorf("%s: a CDN is told otherwise: %v", name, h)
		}
		if got := get.Result().Header["Cache-Control"]; len(got) != 1 || got[0] != "no-store" {
			t.Errorf("%s: %q", name, got)
		}
	}
	untouched := newBrowser(t, m).do(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "public, max-age=600")
	})
	if got := untouched.Header().Get("Cache-Control"); got != "public, max-age=600" {
		t.Errorf("untouched: %q", got)
	}
}
