package column_test

import (
	"bytes"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"

	"github.com/pavise/pavise/crypto"
	"github.com/pavise/pavise/crypto/column"
	"github.com/pavise/pavise/secrets"
)

func newKeyring(t testing.TB, keys ...crypto.Key) *crypto.Keyring {
	t.Helper()
	if keys == nil {
		keys = []crypto.Key{crypto.GenerateKey()}
	}
	k, err := crypto.NewKeyring(keys[0], keys[1:]...)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func newColumn[T any](t testing.TB, opts ...column.Option) *column.Column[T] {
	t.Helper()
	return columnOf[T](t, newKeyring(t), "users", "email", opts...)
}

func columnOf[T any](t testing.TB, k *crypto.Keyring, table, name string, opts ...column.Option) *column.Column[T] {
	t.Helper()
	c, err := column.New[T](k, table, name, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func seal[T any](t testing.TB, c *column.Column[T], v T, row string) driver.Value {
	t.Helper()
	sealed, err := c.Value(v, row).Value()
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

func open[T any](c *column.Column[T], sealed any, row string) (v T, err error) {
	err = c.Scan(&v, &row).Scan(sealed)
	return v, err
}

// A value opens in its own table, column and row, and nowhere else.
func TestBoundToItsPlace(t *testing.T) {
	k := newKeyring(t)
	sealed := seal(t, columnOf[string](t, k, "users", "email"), "value", "17")
	for name, place := range map[string]struct{ table, column, row string }{
		"row":                {"users", "email", "18"},
		"column":             {"users", "phone", "17"},
		"table":              {"admins", "email", "17"},
		"boundary":           {"user", "semail", "17"},
		"boundary of row":    {"users", "email1", "7"},
		"row with a space":   {"users", "email", "17 "},
		"row in other case":  {"Users", "email", "17"},
		"table as a column":  {"email", "users", "17"},
		"row as a column":    {"users", "17", "email"},
		"column of no table": {".", "users.email", "17"},
	} {
		got, err := open(columnOf[string](t, k, place.table, place.column), sealed, place.row)
		if !errors.Is(err, crypto.ErrOpen) || got != "" {
			t.Errorf("another %s: %q, %v", name, got, err)
		}
	}
	if got, err := open(columnOf[string](t, k, "users", "email"), sealed, "17"); err != nil || got != "value" {
		t.Errorf("its own place: %q, %v", got, err)
	}
	if _, err := open(newColumn[string](t), sealed, "17"); !errors.Is(err, crypto.ErrOpen) {
		t.Errorf("another key: %v", err)
	}
}

func TestEveryBitCounts(t *testing.T) {
	c := newColumn[string](t)
	sealed := seal(t, c, "value", "1").([]byte)
	for i := range sealed {
		damaged := bytes.Clone(sealed)
		damaged[i] ^= 1
		if got, err := open(c, damaged, "1"); !errors.Is(err, crypto.ErrOpen) || got != "" {
			t.Errorf("byte %d altered: %q, %v", i, got, err)
		}
		if _, err := open(c, sealed[:i], "1"); !errors.Is(err, crypto.ErrOpen) {
			t.Errorf("cut to %d bytes: %v", i, err)
		}
	}
}

func TestEqualValuesSealDifferently(t *testing.T) {
	c := newColumn[string](t)
	if bytes.Equal(seal(t, c, "value", "1").([]byte), seal(t, c, "value", "1").([]byte)) {
		t.Error("two ciphertexts of one value are equal")
	}
}

// Whatever is wrong with a Scan, dst stays and the error tells no value.
func TestScanRefuses(t *testing.T) {
	const secret = "correct horse battery staple"
	c := newColumn[string](t)
	sealed, row, empty := seal(t, c, secret, "1"), "1", ""
	for name, test := range map[string]struct {
		row  *string
		src  any
		want string
	}{
		"no row":        {nil, sealed, "row id is empty"},
		"empty row":     {&empty, sealed, "row id is empty"},
		"NULL":          {&row, nil, "value is NULL"},
		"nil bytes":     {&row, []byte(nil), "value is NULL"},
		"empty bytes":   {&row, []byte{}, crypto.ErrOpen.Error()},
		"garbage":       {&row, []byte(secret), crypto.ErrOpen.Error()},
		"a string":      {&row, secret, "a string and not a []byte"},
		"an integer":    {&row, int64(1234567), "an int64 and not a []byte"},
		"typed garbage": {&row, struct{ s string }{secret}, "not a []byte"},
	} {
		got := "before"
		err := c.Scan(&got, test.row).Scan(test.src)
		if err == nil || !strings.Contains(err.Error(), strings.TrimPrefix(test.want, "an ")) && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
			continue
		}
		if got != "before" || strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), "1234567") {
			t.Errorf("%s: dst is %q after %v", name, got, err)
		}
	}
	if err := c.Scan(nil, &row).Scan(sealed); err == nil || !strings.Contains(err.Error(), "destination is nil") {
		t.Errorf("nil dst: %v", err)
	}
}

func TestValueRefuses(t *testing.T) {
	c := newColumn[*string](t)
	if _, err := c.Value(nil, "").Value(); err == nil || !strings.Contains(err.Error(), "row id is empty") {
		t.Errorf("empty row: %v", err)
	}
	value := "value"
	if sealed, err := c.Value(&value, strings.Repeat("x", 4096)).Value(); err == nil || sealed != nil {
		t.Errorf("overlong row: %v, %v", sealed, err)
	}
}

func TestZeroColumn(t *testing.T) {
	var c column.Column[string]
	var e column.EnvelopeColumn[string]
	v, row, ctx := "", "1", t.Context()
	_, errIndex := c.Index("v")
	_, errToken := c.Token("v").Value()
	_, errValue := c.Value("v", "1").Value()
	_, errSeal := e.Seal(ctx, "v", "1")
	_, errOpen := e.Open(ctx, []byte("x"), "1")
	_, errIndex2 := e.Index("v")
	_, errToken2 := e.Token("v").Value()
	for name, err := range map[string]error{
		"Index": errIndex, "Token": errToken, "Value": errValue, "Scan": c.Scan(&v, &row).Scan([]byte("x")), "Scan of NULL": c.Scan(&v, &row).Scan(nil),
		"Seal": errSeal, "Open": errOpen, "Index of an envelope": errIndex2, "Token of an envelope": errToken2, "Scan of an envelope": e.Scan(ctx, &v, &row).Scan([]byte("x")),
	} {
		if err == nil || !strings.Contains(err.Error(), "column is empty") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if c.Match("v", "v") || e.Match("v", "v") || c.NeedsReseal([]byte("x")) {
		t.Error("a zero column matches or needs a reseal")
	}
}

// What a query logger does with the arguments of a statement shows no value.
func TestArgumentsDoNotPrint(t *testing.T) {
	const secret = "correct horse battery staple"
	c := newColumn[string](t, column.WithIndex(8))
	dst, row := secret, "1"
	for name, arg := range map[string]any{"Value": c.Value(secret, "1"), "Token": c.Token(secret), "Scan": c.Scan(&dst, &row)} {
		var log bytes.Buffer
		slog.New(slog.NewJSONHandler(&log, nil)).Info("query", "arg", arg)
		slog.New(slog.NewTextHandler(&log, nil)).Info("query", "arg", arg)
		encoded, _ := json.Marshal(arg)
		for _, text := range []string{fmt.Sprintf("%v %+v %#v %s %x", arg, arg, arg, arg, arg), log.String(), string(encoded)} {
			if strings.Contains(text, secret) || strings.Contains(text, fmt.Sprintf("%x", secret)) {
				t.Errorf("%s prints its value", name)
			}
		}
		if walked := walk(reflect.ValueOf(arg), secret); walked {
			t.Errorf("%s holds its value where reflection finds it", name)
		}
	}
	type plain struct{ V *string }
	if v := secret; !walk(reflect.ValueOf(plain{&v}), secret) {
		t.Error("the walk finds nothing")
	}
}

func walk(v reflect.Value, secret string) bool {
	switch v.Kind() {
	case reflect.String:
		return strings.Contains(v.String(), secret)
	case reflect.Pointer, reflect.Interface:
		return !v.IsNil() && walk(v.Elem(), secret)
	case reflect.Struct:
		for _, f := range v.Fields() {
			if walk(f, secret) {
				return true
			}
		}
	}
	return false
}

type credentials struct {
	User  string
	Store map[string][]*secrets.Secret
}

type tree struct {
	Name string
	Left *tree
	_    struct{ _ crypto.Key }
}

func refused[T any](opts ...column.Option) error {
	_, err := column.New[T](keysOfRefused, "t", "c", opts...)
	return err
}

var keysOfRefused = func() *crypto.Keyring {
	k, err := crypto.NewKeyring(crypto.GenerateKey())
	if err != nil {
		panic(err)
	}
	return k
}()

func TestConstructorRefuses(t *testing.T) {
	k := newKeyring(t)
	envelope, err := crypto.NewEnvelope("users", []crypto.KEK{crypto.KeyringKEK(k)})
	if err != nil {
		t.Fatal(err)
	}
	of := func(_ any, err error) error { return err }
	lower := column.WithNormalizer(strings.ToLower)
	long := strings.Repeat("x", 4096)
	for name, test := range map[string]struct {
		err  error
		want string
	}{
		"a Secret":             {refused[secrets.Secret](), "secrets.Secret"},
		"a pointer to one":     {refused[*secrets.Secret](), "secrets.Secret"},
		"a nullable one":       {refused[sql.Null[secrets.Secret]](), "secrets.Secret"},
		"a Secret deep inside": {refused[credentials](), "secrets.Secret"},
		"a Key":                {refused[tree](), "secrets.Secret"},
		"a Secret as a key":    {refused[map[*secrets.Secret]int](), "secrets.Secret"},
		"a channel":            {refused[chan int](), "JSON does not carry"},
		"a function":           {refused[*func()](), "JSON does not carry"},
		"a complex number":     {refused[complex128](), "JSON does not carry"},
		"an error":             {refused[error](), "JSON does not carry"},
		"a closed struct":      {refused[struct{ v int }](), "JSON does not carry"},
		"sql.NullString":       {refused[sql.NullString](), "use sql.Null"},
		"index of a bool":      {refused[bool](column.WithIndex(8)), "index is for"},
		"index of a float":     {refused[sql.Null[float32]](column.WithIndex(8)), "index is for"},
		"index of JSON":        {refused[map[string]int](column.WithIndex(8)), "index is for"},
		"0 bits":               {refused[string](column.WithIndex(0)), "1 to 32 bits"},
		"33 bits":              {refused[string](column.WithIndex(33)), "1 to 32 bits"},
		"another normalizer":   {refused[int](column.WithIndex(8), lower), "normalizer is for string and not for int"},
		"normalizer, no index": {refused[string](lower), "normalizer is nil or stands without"},
		"nil normalizer":       {refused[string](column.WithIndex(8), column.WithNormalizer[string](nil)), "normalizer is nil"},
		"nil keyring":          {of(column.New[string](nil, "t", "c")), "is missing"},
		"zero keyring":         {of(column.New[string](&crypto.Keyring{}, "t", "c")), "key is empty"},
		"no table":             {of(column.New[string](k, "", "c")), "no name"},
		"no column":            {of(column.New[string](k, "t", "")), "no name"},
		"long table":           {of(column.New[string](k, long, "c")), "longer than 4 KiB"},
		"nil envelope":         {of(column.NewEnvelope[string](nil, nil, "t", "c")), "is missing"},
		"index without keys":   {of(column.NewEnvelope[string](envelope, nil, "t", "c", column.WithIndex(8))), "go together"},
		"keys without index":   {of(column.NewEnvelope[string](envelope, k, "t", "c")), "go together"},
		"zero index keyring":   {of(column.NewEnvelope[string](envelope, &crypto.Keyring{}, "t", "c", column.WithIndex(8))), "key is empty"},
	} {
		if test.err == nil || !strings.Contains(test.err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, test.err, test.want)
		}
	}
}

// An Envelope that holds the keys does what a Keyring does.
func TestEnvelopeColumn(t *testing.T) {
	ctx, keys := t.Context(), newKeyring(t)
	e, err := crypto.NewEnvelope("users", []crypto.KEK{crypto.KeyringKEK(newKeyring(t))}, crypto.SkipFIPSNonceEnforcement())
	if err != nil {
		t.Fatal(err)
	}
	c, err := column.NewEnvelope[*string](e, keys, "users", "email", column.WithIndex(16), column.WithNormalizer(strings.ToLower))
	if err != nil {
		t.Fatal(err)
	}
	v, other := "Value", "vALUE"
	sealed, err := c.Seal(ctx, &v, "1")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := c.Open(ctx, sealed.([]byte), "1"); err != nil || *got != v {
		t.Errorf("Open: %v", err)
	}
	var got *string
	row := "1"
	if err := c.Scan(ctx, &got, &row).Scan(sealed); err != nil || *got != v {
		t.Errorf("Scan: %v", err)
	}
	if got, err := c.Open(ctx, sealed.([]byte), "2"); err != crypto.ErrOpen || got != nil {
		t.Errorf("another row: %v", err)
	}
	if sealed, err := c.Seal(ctx, nil, "1"); err != nil || sealed != nil {
		t.Errorf("NULL is sealed as %v, %v", sealed, err)
	}
	if got, err := c.Open(ctx, nil, "1"); err != nil || got != nil {
		t.Errorf("NULL opens as %v, %v", got, err)
	}
	if _, err := c.Open(ctx, sealed.([]byte), ""); err == nil || !strings.Contains(err.Error(), "row id is empty") {
		t.Errorf("empty row: %v", err)
	}
	tokens, err := c.Index(&other)
	token, errToken := c.Token(&v).Value()
	if err != nil || errToken != nil || len(tokens) != 1 || !bytes.Equal(tokens[0], token.([]byte)) || !c.Match(&v, &other) {
		t.Errorf("index: %x, %v, %x, %v", tokens, err, token, errToken)
	}
}
