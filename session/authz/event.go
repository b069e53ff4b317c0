package authz

import (
	"context"
	"fmt"
	"log/slog"
)

// record logs a decision with the attribute names of the Elastic Common Schema. What a
// resource and its attributes hold never gets into a line, nor the text of an error,
// which may repeat them.
func (p *Policy) record(ctx context.Context, s Subject, perm Perm, tenant string, d Decision) {
	level := d.level(ctx)
	if p.logger == nil || !p.logger.Enabled(ctx, level) {
		return
	}
	outcome := "failure"
	if d.Allow {
		outcome = "success"
	}
	attrs := append(make([]slog.Attr, 0, 7),
		slog.String("event.action", string(perm)),
		slog.String("event.outcome", outcome),
		slog.String("event.reason", string(d.Reason)))
	add := func(name, value string) {
		if value != "" {
			attrs = append(attrs, slog.String(name, value))
		}
	}
	add("user.id", s.ID)
	add("organization.id", tenant)
	add("rule.name", d.Rule)
	if d.cause != nil {
		add("error.type", fmt.Sprintf("%T", d.cause))
	}
	p.logger.LogAttrs(ctx, level, "authorization", attrs...)
}

// level wakes nobody up for a client that went away.
func (d Decision) level(ctx context.Context) slog.Level {
	switch {
	case d.Allow:
		return slog.LevelInfo
	case d.cause != nil && ctx.Err() != context.Canceled, d.Reason == UnknownPermission:
		return slog.LevelError
	}
	return slog.LevelWarn
}
