package secrets

import (
	"context"
	"errors"
	"log/slog"
	"slices"
)

// reportRefresh logs a failure when it begins or changes, not each time it is met, its
// end, and the moment when the value becomes stale.
func (l *Live[T]) reportRefresh(ctx context.Context, err error) {
	switch reason := reasonOf(err); {
	case reason == l.reported:
	case err != nil:
		l.event(ctx, slog.LevelWarn, "secret refresh failed", "secret-refresh", reason)
		l.reported = reason
	default:
		l.event(ctx, slog.LevelInfo, "secret refreshed again", "secret-refresh", "")
		l.reported = ""
	}
	stale := l.isStale()
	if stale && !l.warned {
		l.event(ctx, slog.LevelError, "secret is stale", "secret-stale", "not confirmed within MaxStale")
	}
	l.warned = stale
}

// reportChange logs what publish changed.
func (l *Live[T]) reportChange(ctx context.Context, was shape, cur, sig revision[T]) {
	if was.current != cur.mark {
		l.event(ctx, slog.LevelInfo, "secret rotated", "secret-rotation", "", slog.String("secret.version", printable(cur.id)))
	}
	if was.signing != sig.mark {
		l.event(ctx, slog.LevelInfo, "secret signs", "secret-activation", "", slog.String("secret.version", printable(sig.id)))
	}
	for _, r := range l.history {
		if !slices.Contains(was.verifying, r.mark) && r.mark != cur.mark {
			l.event(ctx, slog.LevelInfo, "secret version accepted", "secret-version", "", slog.String("secret.version", printable(r.id)))
		}
	}
	if slices.ContainsFunc(was.verifying, func(m mark) bool {
		return !slices.ContainsFunc(l.history, func(r revision[T]) bool { return r.mark == m })
	}) {
		l.event(ctx, slog.LevelInfo, "secret version dropped", "secret-version", "")
	}
}

func (l *Live[T]) event(ctx context.Context, level slog.Level, text, action, failure string, more ...slog.Attr) {
	if l.o.Logger == nil {
		return
	}
	outcome := "success"
	if failure != "" {
		outcome = "failure"
	}
	attrs := append([]slog.Attr{
		slog.String("event.action", action),
		slog.String("event.outcome", outcome),
		slog.String("secret.name", printable(l.name)),
	}, more...)
	if failure != "" {
		attrs = append(attrs, slog.String("event.reason", failure))
	}
	l.o.Logger.LogAttrs(ctx, level, text, attrs...)
}

// reasonOf returns fixed words: a source that breaks its contract may have put a value
// into its error.
func reasonOf(err error) string {
	for _, r := range []struct {
		err  error
		text string
	}{
		{nil, ""},
		{ErrDenied, "access denied"},
		{ErrNotFound, "not found"},
		{errVetoed, "change vetoed"},
		{errDecode, "cannot be decoded"},
		{errEmpty, "empty value"},
		{errPlaceholder, "redaction placeholder"},
		{errPanicked, "panic"},
		{errUnstable, "changed while it was read"},
		{errChanged, "changed while it was read"},
	} {
		if errors.Is(err, r.err) {
			return r.text
		}
	}
	return "source failed"
}
