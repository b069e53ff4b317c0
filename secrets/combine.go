package secrets

import (
	"context"
	"errors"
	"log/slog"
	"slices"
)

// Static returns a Source of fixed values, for tests. It copies m.
func Static(m map[string]string) Source {
	s := make(static, len(m))
	for name, v := range m {
		s[name] = New(v)
	}
	return s
}

type static map[string]Secret

func (s static) Fetch(_ context.Context, name string) ([]Version, error) {
	v, ok := s[name]
	if !ok {
		return nil, named(name, ErrNotFound)
	}
	if v.IsZero() {
		return nil, named(name, errEmpty)
	}
	copied := New(v.Reveal()) // the caller may destroy what it gets
	return []Version{{Secret: copied, ID: name}}, nil
}

// First returns a Source that asks each of sources in turn and takes the first
// answer. It passes over a source that does not have the name or may not read it;
// any other error ends the search, so that a broken store is never replaced by a
// weaker one in silence.
func First(sources ...Source) Source { return first(slices.Clone(sources)) }

type first []Source

func (f first) Fetch(ctx context.Context, name string) ([]Version, error) {
	return fetchOne(ctx, f, name)
}

func (f first) fetchAll(ctx context.Context, names []string) []answer {
	answers := failAll(names, ErrDenied) // stands for a name that every source denies
	open := make([]int, len(names))      // indices of the names still to be found
	for i := range open {
		open[i] = i
	}
	for _, src := range f {
		var still []int
		for i, got := range fetchAll(ctx, src, pick(names, open)) {
			denied := errors.Is(got.err, ErrDenied)
			if !denied {
				answers[open[i]] = got
			}
			if denied || errors.Is(got.err, ErrNotFound) {
				still = append(still, open[i])
			}
		}
		open = still
	}
	return answers
}

// pick returns the names at the given indices.
func pick(names []string, at []int) []string {
	picked := make([]string, len(at))
	for i, n := range at {
		picked[i] = names[n]
	}
	return picked
}

// Only returns a Source that reads the given names from src and nothing else:
// every other name is [ErrDenied], and an event if there is a logger. It makes the
// list of secrets that a program needs a fact and not a habit.
func Only(src Source, names ...string) *Allowlist {
	return &Allowlist{src: src, names: slices.Clone(names)}
}

// Allowlist is the [Source] that [Only] returns.
type Allowlist struct {
	src   Source
	names []string
	log   *slog.Logger
}

// WithLogger returns a copy of a that reports denied names to l.
func (a *Allowlist) WithLogger(l *slog.Logger) *Allowlist {
	b := *a
	b.log = l
	return &b
}

// Fetch implements [Source].
func (a *Allowlist) Fetch(ctx context.Context, name string) ([]Version, error) {
	return fetchOne(ctx, a, name)
}

func (a *Allowlist) fetchAll(ctx context.Context, names []string) []answer {
	answers := failAll(names, ErrDenied)
	var allowed []int
	for i, name := range names {
		if slices.Contains(a.names, name) {
			allowed = append(allowed, i)
		} else {
			a.reportDenied(ctx, name)
		}
	}
	for i, got := range fetchAll(ctx, a.src, pick(names, allowed)) {
		answers[allowed[i]] = got
	}
	return answers
}

func (a *Allowlist) reportDenied(ctx context.Context, name string) {
	if a.log == nil {
		return
	}
	a.log.LogAttrs(ctx, slog.LevelWarn, "secret access denied",
		slog.String("event.action", "secret-access"),
		slog.String("event.outcome", "failure"),
		slog.String("event.reason", "name not in the allowlist"),
		slog.String("secret.name", printable(name)))
}
