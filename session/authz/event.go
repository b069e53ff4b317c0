package authz

import (
	"context"
	"fmt"
	"log/slog"
)

// record writes one decision.
func (p *Policy) record(ctx context.Context, s Subject, perm Perm, r Resource, d Decision) {
	switch {
	case d.Allow:
		p.log(ctx, slog.LevelInfo, s, perm, r.Tenant, d)
	case d.cause != nil, d.Reason == UnknownPermission:
		p.log(ctx, slog.LevelError, s, perm, r.Tenant, d)
	default:
		p.log(ctx, slog.LevelWarn, s, perm, r.Tenant, d)
	}
}

// log uses the attribute names of the Elastic Common Schema. What a resource and its
// attributes hold never gets into a line, nor the text of an error, which may repeat
// them.
func (p *Policy) log(ctx context.Context, level slog.Level, s Subject, perm Perm, tenant string, d Decision) {
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
