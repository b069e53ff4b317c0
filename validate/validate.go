package validate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"reflect"
	"slices"

	"github.com/go-playground/validator/v10"
)

// Kind is a kind of request body.
type Kind uint8

const (
	// JSON is application/json (RFC 8259, with the restrictions of RFC 7493).
	JSON Kind = iota + 1
	// Form is application/x-www-form-urlencoded, as an HTML form sends it.
	Form
)

// Config is how a Schema reads and judges. Its zero value is the strict one.
type Config struct {
	// Limits bound the cost of a request.
	Limits Limits
	// Kinds are the kinds of body that are accepted, by their Content-Type. Default: JSON only. Name two only when a
	// route serves both: each kind is one more way to every field.
	Kinds []Kind
	// Rules are further rules for tags, by name. A rule must not panic for any value of the types it is used on.
	Rules map[string]validator.Func
	// Messages translates the details of violations. Default: English.
	Messages Messages
	// Logger receives the security events. Default: none.
	Logger *slog.Logger
}

// Schema reads requests into values of T. It is compiled once, by For, and safe for concurrent use.
type Schema[T any] struct {
	plan   *plan
	checks []Check[T]
}

// For compiles the type graph below T, its tags and the checks. The error lists every mistake in them: a bad tag is
// a failure to start, not of a request.
//
// T is a struct. Each exported field says where it is read from: json (and form, where the names differ), path,
// query or header; or json:"-" for a field that no request may set.
func For[T any](cfg Config, checks ...Check[T]) (*Schema[T], error) {
	p, err := newPlan(reflect.TypeFor[T](), cfg)
	if err != nil {
		return nil, err
	}
	s := &Schema[T]{plan: p}
	for _, c := range checks {
		if err := c.place(p.shape); err != nil {
			return nil, err
		}
		s.checks = append(s.checks, c)
	}
	return s, nil
}

// Must returns the schema, or panics: for package-level variables, where a mistake in a tag must stop the program.
func Must[T any](s *Schema[T], err error) *Schema[T] {
	if err != nil {
		panic(err)
	}
	return s
}

// Request reads T from the request. The error is an *Error when the client is at fault; the value is then zero.
//
// The body is consumed. When it is a form, r.PostForm is set to what was sent, so that a page can show the form
// again with the errors beside its fields.
func (s *Schema[T]) Request(w http.ResponseWriter, r *http.Request) (T, error) {
	var in T
	rep := &report{}
	v := reflect.ValueOf(&in).Elem()
	s.plan.bindRequest(w, r, v, rep)
	if err := s.judge(r.Context(), &in, rep, true); err != nil {
		s.plan.log(r, err)
		return *new(T), err
	}
	return in, nil
}

// Handler calls fn with each request that is good, and answers the others by [WriteProblem]; so does it with an
// error of fn, which must not have written anything then.
func (s *Schema[T]) Handler(fn func(w http.ResponseWriter, r *http.Request, in T) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		in, err := s.Request(w, r)
		if err == nil {
			err = fn(w, r, in)
		}
		if err != nil {
			WriteProblem(w, r, err)
		}
	})
}

// JSON reads T from a JSON text, as if it were the body of a request. Fields of other sources stay zero and are not
// checked. Limits.Body and Config.Kinds hold here too.
func (s *Schema[T]) JSON(data []byte) (T, error) {
	var in T
	rep := &report{}
	switch {
	case !slices.Contains(s.plan.kinds, JSON):
		rep.add(http.StatusUnsupportedMediaType, Violation{In: inBody, Code: codeMedia})
	case int64(len(data)) > s.plan.limits.Body:
		rep.add(http.StatusRequestEntityTooLarge, Violation{In: inBody, Code: codeSize})
	default:
		s.plan.bindJSON(data, reflect.ValueOf(&in).Elem(), rep)
	}
	if err := s.judge(context.Background(), &in, rep, false); err != nil {
		return *new(T), err
	}
	return in, nil
}

// Struct checks a value that came from elsewhere: rules and checks, without `present` and `notnull`, which are about
// what was sent. A value that nests more than 1000 deep, or holds itself, is an error.
func (s *Schema[T]) Struct(ctx context.Context, in *T) error {
	if in == nil {
		return errors.New("validate: Struct of nil")
	}
	return s.judge(ctx, in, &report{}, true)
}

// judge runs the rules on what was decoded, then the checks, and sums up.
func (s *Schema[T]) judge(ctx context.Context, in *T, rep *report, allSources bool) error {
	if !rep.unreadable() && !rep.partial {
		if err := s.plan.walk(ctx, reflect.ValueOf(in).Elem(), rep, allSources); err != nil {
			return err
		}
		for i := range s.checks {
			if err := s.checks[i].run(ctx, in, rep); err != nil {
				return fmt.Errorf("validate: check %q: %w", s.checks[i].code, err)
			}
		}
	}
	return rep.err(func(v Violation) string { return s.plan.say(ctx, v) })
}
