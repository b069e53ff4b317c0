package secrets

import (
	"context"
	"errors"
	"reflect"
	"strings"
)

var (
	errTarget     = errors.New("secrets: Load needs a pointer to a struct of secrets")
	errUnexported = errors.New("secrets: Load cannot set an unexported field")
	errNoTag      = errors.New(`secrets: a Secret without a secret tag stays empty; tag it "-" to mean that`)
	errOutOfReach = errors.New(`secrets: Load does not look for secrets behind pointers, slices, arrays and maps; tag the field "-" to mean that`)
	errTag        = errors.New(`secrets: the secret tag has the form "NAME" or "NAME,required"`)
	errType       = errors.New("secrets: a field is a Secret or has a Decoder for its type")
	errDecode     = errors.New("secrets: cannot be decoded")
)

var secretType = reflect.TypeFor[Secret]()

// Load fills the fields of the struct that dst points to from src:
//
//	type Config struct {
//		Password secrets.Secret `secret:"DB_PASSWORD,required"`
//		Pepper   secrets.Secret `secret:"PEPPER"`
//		Key      crypto.Key     `secret:"COLUMN_KEY,required"` // needs Decoder(crypto.ParseKey)
//	}
//
// A tagged field is a [Secret] or of a type that a [Decoder] is given for; a plain
// string is refused, because it would leak. Structs without a tag are filled in
// turn. A field without the option required keeps what it holds if src does not
// have its name. An exported Secret without a tag would stay empty and so is an
// error, and so are secrets behind a pointer, a slice, an array or a map; tag the
// field "-" to fill it elsewhere.
//
// Load takes the newest version that is not Pending and refuses an empty value and
// the redaction placeholder. If anything fails, dst is left as it was and the error
// joins all failures, each with its name and wrapping its cause: [ErrNotFound],
// [ErrDenied], or what the source says. What a decoder says is left out, because
// parsers quote their input.
func Load(ctx context.Context, src Source, dst any, decoders ...LoadOption) error {
	target := reflect.ValueOf(dst)
	if target.Kind() != reflect.Pointer || target.IsNil() || target.Elem().Kind() != reflect.Struct ||
		target.Elem().Type() == secretType {
		return errTarget
	}
	l := loader{decoders: map[reflect.Type]decodeFunc{
		secretType: func(s Secret) (reflect.Value, error) { return reflect.ValueOf(s), nil },
	}}
	for _, d := range decoders {
		l.decoders[d.typ] = d.decode
	}
	l.collect(target.Elem())
	return l.load(ctx, src)
}

// LoadOption is a [Decoder].
type LoadOption struct {
	typ    reflect.Type
	decode decodeFunc
}

type decodeFunc func(Secret) (reflect.Value, error)

// Decoder has [Load] fill fields of type T with what decode makes of the secret.
func Decoder[T any](decode func(Secret) (T, error)) LoadOption {
	return LoadOption{reflect.TypeFor[T](), func(s Secret) (reflect.Value, error) {
		v, err := decode(s)
		return reflect.ValueOf(&v).Elem(), err // not ValueOf(v): T may be an interface
	}}
}

type loader struct {
	decoders map[reflect.Type]decodeFunc
	fields   []field
	errs     []error
}

// field is a struct field to be loaded.
type field struct {
	name     string
	required bool
	target   reflect.Value
	decode   decodeFunc
}

// collect finds the fields to be loaded in the struct v and those within it.
func (l *loader) collect(v reflect.Value) {
	for sf, fv := range v.Fields() {
		tag, tagged := sf.Tag.Lookup("secret")
		switch {
		case tag == "-":
		case tagged:
			l.add(sf, fv, tag)
		case sf.Type == secretType:
			if fv.CanSet() {
				l.fail(sf, errNoTag)
			}
		case sf.Type.Kind() == reflect.Struct:
			l.collect(fv)
		case fv.CanSet() && holdsSecrets(sf.Type, map[reflect.Type]bool{}):
			l.fail(sf, errOutOfReach)
		}
	}
}

// holdsSecrets reports whether a value of type t can lead to a field that collect
// would take or refuse. Types in seen are being looked at already.
func holdsSecrets(t reflect.Type, seen map[reflect.Type]bool) bool {
	if t == secretType || seen[t] {
		return t == secretType
	}
	seen[t] = true
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		return holdsSecrets(t.Elem(), seen)
	case reflect.Struct:
		for sf := range t.Fields() {
			tag, tagged := sf.Tag.Lookup("secret")
			reachable := sf.IsExported() || sf.Anonymous
			if tag != "-" && (tagged || reachable && holdsSecrets(sf.Type, seen)) {
				return true
			}
		}
	}
	return false
}

func (l *loader) add(sf reflect.StructField, fv reflect.Value, tag string) {
	name, option, _ := strings.Cut(tag, ",")
	decode := l.decoders[sf.Type]
	switch {
	case name == "" || name != strings.TrimSpace(name) || option != "" && option != "required":
		l.fail(sf, errTag)
	case !fv.CanSet():
		l.fail(sf, errUnexported)
	case decode == nil:
		l.fail(sf, errType)
	default:
		l.fields = append(l.fields, field{name, option == "required", fv, decode})
	}
}

func (l *loader) fail(sf reflect.StructField, err error) {
	l.errs = append(l.errs, named(sf.Name, err))
}

// load fetches and decodes every field and sets them only if nothing failed.
func (l *loader) load(ctx context.Context, src Source) error {
	names := make([]string, len(l.fields))
	for i, f := range l.fields {
		names[i] = f.name
	}
	values := make([]reflect.Value, len(l.fields))
	for i, a := range fetchAll(ctx, src, names) {
		v, err := l.fields[i].value(a)
		if err != nil {
			l.errs = append(l.errs, err)
		}
		values[i] = v
	}
	if len(l.errs) > 0 {
		return errors.Join(l.errs...)
	}
	for i, v := range values {
		if v.IsValid() {
			l.fields[i].target.Set(v)
		}
	}
	return nil
}

// value returns what a gives for the field: the zero Value if it stays as it is.
func (f field) value(a answer) (reflect.Value, error) {
	s, err := a.inUse()
	switch {
	case errors.Is(err, ErrNotFound) && !f.required:
		return reflect.Value{}, nil
	case err != nil:
		return reflect.Value{}, naming(f.name, err)
	}
	if err := usable(s); err != nil {
		return reflect.Value{}, naming(f.name, err)
	}
	v, err := f.decode(s)
	if err != nil {
		return reflect.Value{}, naming(f.name, errDecode)
	}
	return v, nil
}

// inUse returns the newest version that is not Pending.
func (a answer) inUse() (Secret, error) {
	if a.err != nil {
		return Secret{}, a.err
	}
	for _, v := range a.versions {
		if !v.Pending {
			return v.Secret, nil
		}
	}
	return Secret{}, ErrNotFound
}

// usable refuses what no program means as a value: nothing, and a dump of a value.
func usable(s Secret) error {
	b, ok := s.copyTo(nil)
	defer clear(b)
	if !ok {
		return errEmpty
	}
	if string(b) == placeholder {
		return errPlaceholder
	}
	return nil
}
