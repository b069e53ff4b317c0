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

	mu       sync.Mutex // guards the header map against the Manager's own changes, too
	sent     bool       // the final header is gone
	upgraded bool       // hijacked or 101: no cache will see what follows
	touched  bool       // depends on the session
	failed   bool       // the store failed
	refused  bool       // failed, and answered by us
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
	w.forbidCaching()
	if w.failed && code < 500 {
		w.refused = true
		refuse(w.inner)
	}
	return !w.refused
}

// end is called when the handler has returned.
func (w *writer) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.sent {
		return
	}
	w.forbidCaching() // net/http is about to send the header
	if w.failed {
		refuse(w.inner)
	}
}

// forbidCaching overrides what a handler said about a response that depends on
// the session. ASVS 5.0 14.3.2.
func (w *writer) forbidCaching() {
	if w.touched {
		w.noStore[0] = "no-store"
		w.inner.Header()["Cache-Control"] = w.noStore[:]
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
	if w.touched {
		return nil
	}
	if w.sent && !w.upgraded {
		return ErrHeadersSent // it may be in a cache already
	}
	w.touched = true
	w.forbidCaching()
	return nil
}

func (w *writer) fail() {
	w.mu.Lock()
	w.failed = true
	w.mu.Unlock()
}

// edit changes the header, if that can still be of use.
func (w *writer) edit(f func(http.Header)) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.sent {
		return ErrHeadersSent
	}
	if f != nil {
		f(w.inner.Header())
	}
	return nil
}

func (w *writer) flush() error {
	if !w.begin(http.StatusOK) {
		return ErrUnavailable
	}
	if f, ok := w.inner.(interface{ FlushError() error }); ok {
		return f.FlushError()
	}
	w.inner.(http.Flusher).Flush()
	return nil
}

func (w *writer) hijack() (net.Conn, *bufio.ReadWriter, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.failed {
		return nil, nil, ErrUnavailable
	}
	c, rw, err := w.inner.(http.Hijacker).Hijack()
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
