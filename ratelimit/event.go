package ratelimit

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"
)

// eventGap keeps a flood of denials from becoming a flood of log lines.
const eventGap = int64(time.Second / 10)

// events writes at most one line each eventGap and says how many it left out.
type events struct {
	log     *slog.Logger
	next    atomic.Int64
	skipped atomic.Int64
}

func (e *events) denied(elapsed int64, d *Decision) {
	e.emit(elapsed, "rate-limit-exceeded", d.Limit)
}

func (e *events) emit(elapsed int64, action, reason string, more ...slog.Attr) {
	if e.log == nil {
		return
	}
	next := e.next.Load()
	if elapsed < next || !e.next.CompareAndSwap(next, elapsed+eventGap) {
		e.skipped.Add(1)
		return
	}
	attrs := append([]slog.Attr{
		slog.String("event.action", action),
		slog.String("event.outcome", "failure"),
		slog.String("event.reason", reason),
		slog.Int64("event.skipped", e.skipped.Swap(0)),
	}, more...)
	e.log.LogAttrs(context.Background(), slog.LevelWarn, "rate limit exceeded", attrs...)
}
