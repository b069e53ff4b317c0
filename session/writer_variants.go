package session

import (
	"bufio"
	"io"
	"net"
	"net/http"
)

// variant returns w with those of http.Flusher, http.Hijacker and io.ReaderFrom
// that the inner writer has, and no other: handlers ask by type assertion. A
// Hijacker counts also if only [http.ResponseController] would find it, because it
// must not find it behind our back; the rest it finds through Unwrap. Each variant
// is one pointer wide, so that making one costs no allocation.
func (w *writer) variant() http.ResponseWriter {
	_, f := w.inner.(http.Flusher)
	h := reaches[http.Hijacker](w.inner)
	_, r := w.inner.(io.ReaderFrom)
	switch {
	case f && h && r:
		return writerFHR{w}
	case f && h:
		return writerFH{w}
	case f && r:
		return writerFR{w}
	case h && r:
		return writerHR{w}
	case f:
		return writerF{w}
	case h:
		return writerH{w}
	case r:
		return writerR{w}
	}
	return w
}

type (
	writerF   struct{ *writer }
	writerH   struct{ *writer }
	writerR   struct{ *writer }
	writerFH  struct{ *writer }
	writerFR  struct{ *writer }
	writerHR  struct{ *writer }
	writerFHR struct{ *writer }
)

func (w writerF) Flush()   { _ = w.FlushError() }
func (w writerFH) Flush()  { _ = w.FlushError() }
func (w writerFR) Flush()  { _ = w.FlushError() }
func (w writerFHR) Flush() { _ = w.FlushError() }

func (w writerH) Hijack() (net.Conn, *bufio.ReadWriter, error)   { return w.hijack() }
func (w writerFH) Hijack() (net.Conn, *bufio.ReadWriter, error)  { return w.hijack() }
func (w writerHR) Hijack() (net.Conn, *bufio.ReadWriter, error)  { return w.hijack() }
func (w writerFHR) Hijack() (net.Conn, *bufio.ReadWriter, error) { return w.hijack() }

func (w writerR) ReadFrom(r io.Reader) (int64, error)   { return w.readFrom(r) }
func (w writerFR) ReadFrom(r io.Reader) (int64, error)  { return w.readFrom(r) }
func (w writerHR) ReadFrom(r io.Reader) (int64, error)  { return w.readFrom(r) }
func (w writerFHR) ReadFrom(r io.Reader) (int64, error) { return w.readFrom(r) }

func canFlush(w http.ResponseWriter) bool {
	return reaches[http.Flusher](w) || reaches[interface{ FlushError() error }](w)
}

// reaches reports whether w, or a writer that it unwraps to, is an I.
func reaches[I any](w http.ResponseWriter) bool {
	for {
		if _, ok := w.(I); ok {
			return true
		}
		u, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return false
		}
		w = u.Unwrap()
	}
}
