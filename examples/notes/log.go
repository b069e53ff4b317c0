package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/pavise/pavise/sanitize/text"
)

// newLogger writes JSON lines with the names of the Elastic Common Schema. No value that somebody sends can begin a line of
// its own or reach the terminal of whoever reads it.
func newLogger(w io.Writer) *slog.Logger {
	handler := slog.NewJSONHandler(w, &slog.HandlerOptions{ReplaceAttr: ecsName})
	return slog.New(text.LogHandler(handler)).With("ecs.version", "9.2.0", "service.name", "notes")
}

func ecsName(groups []string, a slog.Attr) slog.Attr {
	if len(groups) > 0 {
		return a
	}
	switch a.Key {
	case slog.TimeKey:
		a.Key = "@timestamp"
	case slog.LevelKey:
		a.Key = "log.level"
	case slog.MessageKey:
		a.Key = "message"
	}
	return a
}

// event writes one security event about an account. The user is empty when nobody is known: what was typed into the name
// field is never written, it may be a password in the wrong field.
func (a *app) event(r *http.Request, action, outcome, reason, user string) {
	level := slog.LevelInfo
	if outcome != "success" {
		level = slog.LevelWarn
	}
	attrs := []slog.Attr{
		slog.String("event.kind", "event"),
		slog.Any("event.category", []string{"iam"}),
		slog.String("event.action", action),
		slog.String("event.outcome", outcome),
		slog.String("http.request.id", requestID(r.Context())),
	}
	if reason != "" {
		attrs = append(attrs, slog.String("event.reason", reason))
	}
	if user != "" {
		attrs = append(attrs, slog.String("user.id", user))
	}
	if ip, err := a.clientIP.Resolve(r); err == nil {
		attrs = append(attrs, slog.String("source.ip", ip.String()))
	}
	a.log.LogAttrs(r.Context(), level, action, attrs...)
}

type requestIDKey struct{}

func requestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

// answered remembers what was answered, for the access log. http.ResponseController finds the writer below by Unwrap.
type answered struct {
	http.ResponseWriter
	status int
}

func (w *answered) WriteHeader(status int) {
	if w.status == 0 && status >= 200 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *answered) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(b)
}

func (w *answered) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// requestTime bounds what one request may wait for: a database that hangs gives an answer, too.
const requestTime = 10 * time.Second

// logged gives each request a number and a deadline, writes the access log, and turns a panic
// into a page.
func (a *app) logged(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		ctx, cancel := context.WithTimeout(context.WithValue(r.Context(), requestIDKey{}, rand.Text()), requestTime)
		defer cancel()
		r = r.WithContext(ctx)
		out := &answered{ResponseWriter: w}
		defer func() { a.logRequest(r, out, time.Since(start)) }()
		defer a.recovered(out, r)
		next.ServeHTTP(out, r)
	})
}

func (a *app) recovered(w *answered, r *http.Request) {
	switch cause := recover(); cause {
	case nil:
	case http.ErrAbortHandler:
		panic(cause)
	default:
		a.log.ErrorContext(r.Context(), "panic", "http.request.id", requestID(r.Context()), "error.stack_trace", string(debug.Stack()))
		if w.status == 0 {
			a.fail(w, r, errInternal)
		}
	}
}

func (a *app) logRequest(r *http.Request, w *answered, took time.Duration) {
	attrs := []slog.Attr{
		slog.String("http.request.id", requestID(r.Context())),
		slog.String("http.request.method", r.Method),
		slog.String("url.path", r.URL.Path), // never the query
		slog.Int("http.response.status_code", cmp.Or(w.status, http.StatusOK)),
		slog.Int64("event.duration", took.Nanoseconds()),
	}
	if ip, err := a.clientIP.Resolve(r); err == nil {
		attrs = append(attrs, slog.String("source.ip", ip.String()))
	}
	a.log.LogAttrs(r.Context(), slog.LevelInfo, "request", attrs...)
}
