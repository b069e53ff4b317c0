package validate

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/go-playground/validator/v10"
)

var valuerType = reflect.TypeFor[validator.Valuer]()

// errEngine stands for a panic inside a rule. For refuses what it knows to panic; should a rule still do so, the
// request fails closed, as a fault of the server.
var errEngine = errors.New("validate: a rule failed to run")

// engine runs the rules that have no equivalent here in validator/v10, one piece of a tag at a time.
type engine struct {
	v      *validator.Validate
	custom map[string]validator.Func
}

func newEngine(custom map[string]validator.Func) (*engine, error) {
	e := &engine{v: validator.New(validator.WithRequiredStructEnabled()), custom: custom}
	for name, ok := range ownRules {
		rule := func(fl validator.FieldLevel) bool { return ok(fl.Field().String()) }
		if err := e.v.RegisterValidation(name, rule); err != nil {
			return nil, fmt.Errorf("validate: rule %q: %w", name, err)
		}
	}
	for name, fn := range custom {
		if fn == nil || strings.ContainsAny(name, ",|= ") || name == "" {
			return nil, fmt.Errorf("validate: Config.Rules: %q is not a rule", name)
		}
		if name == codePresent || name == codeNotNull || e.knows(name) {
			return nil, fmt.Errorf("validate: Config.Rules: %q exists already", name)
		}
		if err := register(e.v, name, fn); err != nil {
			return nil, err
		}
	}
	return e, nil
}

// register turns validator's panic on a reserved name into an error.
func register(v *validator.Validate, name string, fn validator.Func) (err error) {
	defer func() {
		if recover() != nil {
			err = fmt.Errorf("validate: Config.Rules: %q is reserved", name)
		}
	}()
	return v.RegisterValidation(name, fn)
}

// knows reports whether the rule exists, without running it: behind omitempty it is parsed only.
func (e *engine) knows(rule string) bool {
	_, err := e.run(context.Background(), reflect.ValueOf(""), reflect.ValueOf(""), "omitempty,"+rule)
	return err == nil
}

// run checks value against one piece of a tag. other is what cross-field rules look into.
func (e *engine) run(ctx context.Context, value, other reflect.Value, piece string) (ok bool, err error) {
	defer func() {
		if recover() != nil {
			ok, err = false, errEngine
		}
	}()
	return e.v.VarWithValueCtx(ctx, value.Interface(), other.Interface(), piece) == nil, nil
}
