package validate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"reflect"
	"slices"
)

// plan is a Schema without its type parameter.
type plan struct {
	shape    *shape
	kinds    []Kind
	limits   Limits
	engine   *engine
	messages Messages
	logger   *slog.Logger

	hasBody, hasQuery bool
}

func newPlan(t reflect.Type, cfg Config) (*plan, error) {
	limits, err := cfg.Limits.withDefaults()
	if err != nil {
		return nil, err
	}
	kinds := slices.Clone(cfg.Kinds)
	if len(kinds) == 0 {
		kinds = []Kind{JSON}
	}
	for i, k := range kinds {
		if k != JSON && k != Form || slices.Contains(kinds[:i], k) {
			return nil, errors.New("validate: Config.Kinds holds an unknown kind, or one twice")
		}
	}
	e, err := newEngine(cfg.Rules)
	if err != nil {
		return nil, err
	}
	c := &compiler{root: t, engine: e, kinds: kinds, shapes: make(map[reflect.Type]*shape)}
	s, err := c.compile(t)
	if err != nil {
		return nil, err
	}
	p := &plan{shape: s, kinds: kinds, limits: limits, engine: e, messages: cfg.Messages, logger: cfg.Logger}
	for _, f := range s.fields {
		p.hasBody = p.hasBody || f.in == inBody
		p.hasQuery = p.hasQuery || f.in == inQuery
	}
	if cfg.Logger != nil {
		warnRequired(cfg.Logger, c.shapes)
	}
	return p, nil
}

// warnRequired tells of `required` on a bool or number, which refuses false and 0; `present` is usually meant.
func warnRequired(log *slog.Logger, shapes map[reflect.Type]*shape) {
	for _, s := range shapes {
		for _, f := range s.fields {
			k := f.shape.kind
			if f.rules == nil || k != kindBool && k != kindInt && k != kindUint && k != kindFloat {
				continue
			}
			for _, r := range f.rules.list {
				if r.code == "required" {
					log.Warn("validate: required refuses the zero value of this field; present asks only that it is sent",
						"field", fmt.Sprintf("%s.%s", s.typ, f.wire()))
				}
			}
		}
	}
}

func (p *plan) say(ctx context.Context, v Violation) string {
	if p.messages != nil {
		if m := p.messages(ctx, v); m != "" {
			return m
		}
	}
	return englishFor(v)
}

// log tells of a refused request: what was wrong and where, never what was sent.
func (p *plan) log(r *http.Request, err error) {
	if p.logger == nil {
		return
	}
	reason := "error"
	e, ok := errors.AsType[*Error](err)
	if ok && len(e.Violations) > 0 {
		reason = e.Violations[0].Code
	}
	host, _, splitErr := net.SplitHostPort(r.RemoteAddr)
	if splitErr != nil {
		host = r.RemoteAddr
	}
	attrs := []slog.Attr{
		slog.String("event.action", "input-validation"),
		slog.String("event.outcome", "failure"),
		slog.String("event.reason", reason),
		slog.String("source.ip", host),
	}
	if ok {
		attrs = append(attrs, slog.Any("validate", e))
	}
	p.logger.LogAttrs(r.Context(), slog.LevelWarn, "validate: request refused", attrs...)
}
