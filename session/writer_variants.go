package session

import (
	"bufio"
	"io"
	"net"
	"net/http"
)

// variant returns w with those of http.Flusher, http.Hijacker and io.ReaderFrom
// that the inner writer has, and no other: handlers ask by type assertion.
// http.ResponseController finds everything else through Unwrap. Each variant is
// one pointer wide, so that making one costs no allocation.
func (w *writer) variant() http.ResponseWriter {
	_, f := w.inner.(http.Flusher)
	_, h := w.inner.(http.Hijacker)
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

func (w writerF) Flush()   { _ = w.flush() }
func (w writerFH) Flush()  { _ = w.flush() }
func (w writerFR) Flush()  { _ = w.flush() }
func (w writerFHR) Flush() { _ = w.flush() }

func (w writerF) FlushError() error   { return w.flush() }
func (w writerFH) FlushError() error  { return w.flush() }
func (w writerFR) FlushError() error  { return w.flush() }
func (w writerFHR) FlushError() error { return w.flush() }

func (w writerH) Hijack() (net.Conn, *bufio.ReadWriter, error)   { return w.hijack() }
func (w writerFH) Hijack() (net.Conn, *bufio.ReadWriter, error)  { return w.hijack() }
func (w writerHR) Hijack() (net.Conn, *bufio.ReadWriter, error)  { return w.hijack() }
func (w writerFHR) Hijack() (net.Conn, *bufio.ReadWriter, error) { return w.hijack() }

func (w writerR) ReadFrom(r io.Reader) (int64, error)   { return w.readFrom(r) }
func (w writerFR) ReadFrom(r io.Reader) (int64, error)  { return w.readFrom(r) }
func (w writerHR) ReadFrom(r io.Reader) (int64, error)  { return w.readFrom(r) }
func (w writerFHR) ReadFrom(r io.Reader) (int64, error) { return w.readFrom(r) }
