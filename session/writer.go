package session

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
)

// writer passes a response on and knows three things about it: whether the
// headers are gone, whether it depends on the session, and whether the store
// failed. [writer.variant] adds the optional interfaces that inner has.
type writer struct {
	inner http.ResponseWriter

	mu       sync.Mutex
	sent     bool   // the final header is gone
	upgraded bool   // hijacked or 101: no cache will see what follows
	touched  bool   // depends on the session
	failed   bool   // the store failed
	refused  bool   // failed, and answered by us
	clear    bool   // the browser is to drop what it keeps
	cookie   string // Set-Cookie line, or ""
	noStore  [1]string
}

func (w *writer) Header() http.Header         { return w.inner.Header() }
func (w *writer) Unwrap() http.ResponseWriter { return w.inner }

func (w *writer) WriteHeader(code int) {
	if code < 200 && code != http.StatusSwitchingProtocols {
		w.inner.WriteHeader(code) // informational: the final header is still to come
		return
	}
	if w.begin(code) {
		w.inner.WriteHeader(code)
	}
}

func (w *writer) Write(b []byte) (int, error) {
	if !w.begin(http.StatusOK) {
		return 0, ErrUnavailable
	}
	return w.inner.Write(b)
}

func (w *writer) WriteString(s string) (int, error) {
	if !w.begin(http.StatusOK) {
		return 0, ErrUnavailable
	}
	return io.WriteString(w.inner, s)
}

// begin is called before anything that sends the final header. It reports whether
// the response is the handler's to give: after a failure of the store it is only
// if the handler itself answers with a server error.
func (w *writer) begin(code int) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.sent {
		return !w.refused
	}
	w.sent = true
	w.upgraded = code == http.StatusSwitchingProtocols
	w.settle()
	if w.failed && code < 500 {
		w.refused = true
		refuse(w.inner)
	}
	return !w.refused
}

// end is called when the handler has returned or panicked. Nothing may touch the
// header afterwards: it belongs to net/http, and to a recovery around us.
func (w *writer) end(returned bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.sent {
		return
	}
	w.sent = true
	w.settle()
	if w.failed && returned {
		w.refused = true
		refuse(w.inner)
	}
}

// settle puts what the Manager decided into the header. Only the goroutine that
// sends the header does so, and only then: a handler may change the map while
// others of its goroutines use the session, and what a handler in between, such as
// [http.TimeoutHandler], copied over it does not count.
func (w *writer) settle() {
	if w.touched || w.failed {
		h := w.inner.Header()
		w.noStore[0] = "no-store" // ASVS 5.0 14.3.2
		h["Cache-Control"] = w.noStore[:]
		delete(h, "Cdn-Cache-Control") // would outrank it (RFC 9213)
		delete(h, "Surrogate-Control")
	}
	if w.cookie != "" {
		replaceCookie(w.inner.Header(), w.cookie)
	}
	if w.clear { // "cookies" would reach the sibling hosts
		w.inner.Header().Set("Clear-Site-Data", `"cache", "storage"`)
	}
}

// refuse answers 503 in the place of the handler, without what it said about the
// body that is not sent.
func refuse(w http.ResponseWriter) {
	const body = "Service Unavailable\n"
	h := w.Header()
	for _, name := range []string{"Content-Encoding", "Content-Disposition", "Content-Range", "Etag", "Last-Modified", "Location", "Trailer", "Transfer-Encoding"} {
		h.Del(name)
	}
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(http.StatusServiceUnavailable)
	io.WriteString(w, body)
}

// touch notes that the response depends on the session.
func (w *writer) touch() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.sent && !w.touched && !w.upgraded {
		return ErrHeadersSent // it may be in a cache already
	}
	w.touched = true
	return nil
}

// fail notes that the store failed.
func (w *writer) fail() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.failed = true
}

// open reports whether a cookie can still be set.
func (w *writer) open() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.sent {
		return ErrHeadersSent
	}
	return nil
}

// setCookie decides about the session cookie, and whether the browser is to drop
// what it keeps for this origin. The last decision counts.
func (w *writer) setCookie(line string, clear bool) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.sent {
		return ErrHeadersSent
	}
	w.cookie, w.clear = line, w.clear || clear
	return nil
}

// FlushError is what [http.ResponseController] calls. Without it the controller
// would flush a writer further inside, behind our back.
func (w *writer) FlushError() error {
	if !canFlush(w.inner) {
		return http.ErrNotSupported
	}
	if !w.begin(http.StatusOK) {
		return ErrUnavailable
	}
	return http.NewResponseController(w.inner).Flush()
}

func (w *writer) hijack() (net.Conn, *bufio.ReadWriter, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.failed {
		return nil, nil, ErrUnavailable
	}
	if !w.sent {
		w.settle() // who hijacks may send the header itself
	}
	c, rw, err := http.NewResponseController(w.inner).Hijack()
	if err == nil {
		w.sent, w.upgraded = true, true
	}
	return c, rw, err
}

func (w *writer) readFrom(r io.Reader) (int64, error) {
	if !w.begin(http.StatusOK) {
		return 0, ErrUnavailable
	}
	return w.inner.(io.ReaderFrom).ReadFrom(r)
}
