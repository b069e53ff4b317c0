// Package secrets_test continues the leak matrix of package secrets with the
// dumpers, loggers and encoders that are not in the standard library.
package secrets_test

import (
	"bytes"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
	"github.com/davecgh/go-spew/spew"
	"github.com/google/go-cmp/cmp"
	"github.com/pavise/pavise/secrets"
	"github.com/rs/zerolog"
	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/assert"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"gopkg.in/yaml.v3"
	_ "modernc.org/sqlite"
)

const canary = "hunter2SECRET"

// leaked reports whether out shows the canary as text, in hexadecimal, as a list of
// bytes or in base64.
func leaked(out string) bool {
	var dec, hexa []string
	for _, c := range []byte(canary) {
		dec = append(dec, fmt.Sprint(c))
		hexa = append(hexa, fmt.Sprintf("%02x", c))
	}
	squeeze := strings.NewReplacer(" ", "", ",", "", "\n", "", "\t", "", "0x", "", "-", "").Replace(out)
	return strings.Contains(out, canary) ||
		strings.Contains(out, base64.RawStdEncoding.EncodeToString([]byte(canary))[:16]) ||
		strings.Contains(squeeze, strings.Join(dec, "")) ||
		strings.Contains(strings.ToLower(squeeze), strings.Join(hexa, "")) ||
		strings.Contains(strings.ToLower(out), hex.EncodeToString([]byte(canary)))
}

type (
	exported[T any]   struct{ Pw T }
	unexported[T any] struct{ pw T }
)

type sink struct {
	name string
	show func() string
}

// recorder takes the place of a test that fails.
type recorder struct{ bytes.Buffer }

func (r *recorder) Errorf(format string, args ...any) { fmt.Fprintf(r, format, args...) }

func sinks[T any](t *testing.T, v, other T) []sink {
	all := dumpers(v, other)
	for name, arg := range map[string]any{"value": v, "pointer": &v, "exported": exported[T]{v}, "unexported": unexported[T]{v}} {
		all = append(all, loggers(name, arg)...)
	}
	return append(all, encoders(t, v)...)
}

func dumpers[T any](v, other T) []sink {
	everything := cmp.Exporter(func(reflect.Type) bool { return true })
	noMethods := spew.ConfigState{DisableMethods: true, Indent: " "}
	return []sink{
		{"spew value", func() string { return spew.Sdump(v) }},
		{"spew unexported", func() string { return spew.Sdump(unexported[T]{v}) }},
		{"spew pointer", func() string { return spew.Sdump(&unexported[T]{v}) }},
		{"spew without methods", func() string { return noMethods.Sdump(v, unexported[T]{v}) }},
		{"spew format", func() string { return spew.Sprintf("%+v %#v", unexported[T]{v}, &v) }},
		{"testify Equal", func() string {
			var r recorder
			assert.Equal(&r, exported[T]{v}, exported[T]{other})
			return r.String()
		}},
		{"testify Equal unexported", func() string {
			var r recorder
			assert.Equal(&r, unexported[T]{v}, unexported[T]{other})
			return r.String()
		}},
		{"testify Empty", func() string {
			var r recorder
			assert.Empty(&r, unexported[T]{v})
			return r.String()
		}},
		{"cmp.Diff", func() string { return cmp.Diff(exported[T]{v}, exported[T]{other}) }},
		{"cmp.Diff unexported", func() string { return cmp.Diff(unexported[T]{v}, unexported[T]{other}, everything) }},
		{"cmp.Diff slice", func() string { return cmp.Diff([]T{v}, []T{v, other}, everything) }},
	}
}

func loggers(name string, arg any) []sink {
	zapped := func(enc zapcore.Encoder, log func(*zap.Logger)) func() string {
		return func() string {
			var b bytes.Buffer
			log(zap.New(zapcore.NewCore(enc, zapcore.AddSync(&b), zap.DebugLevel)))
			return b.String()
		}
	}
	logrused := func(f logrus.Formatter) func() string {
		return func() string {
			var b bytes.Buffer
			l := logrus.New()
			l.SetOutput(&b)
			l.SetFormatter(f)
			l.WithField("k", arg).Info(arg)
			return b.String()
		}
	}
	cfg := zap.NewProductionEncoderConfig()
	return []sink{
		{"zap json " + name, zapped(zapcore.NewJSONEncoder(cfg), func(l *zap.Logger) { l.Info("m", zap.Any("k", arg)) })},
		{"zap console " + name, zapped(zapcore.NewConsoleEncoder(cfg), func(l *zap.Logger) { l.Info("m", zap.Any("k", arg)) })},
		{"zap sugar " + name, zapped(zapcore.NewJSONEncoder(cfg), func(l *zap.Logger) { l.Sugar().Infof("%v %+v", arg, arg) })},
		{"zerolog " + name, func() string {
			var b bytes.Buffer
			l := zerolog.New(&b)
			l.Info().Any("k", arg).Interface("i", arg).Msgf("%+v", arg)
			return b.String()
		}},
		{"logrus text " + name, logrused(&logrus.TextFormatter{})},
		{"logrus json " + name, logrused(&logrus.JSONFormatter{})},
	}
}

func encoders[T any](t *testing.T, v T) []sink {
	result := func(b []byte, err error) string { return fmt.Sprint(string(b), err) }
	return []sink{
		{"yaml field", func() string { return result(yaml.Marshal(exported[T]{v})) }},
		{"yaml map", func() string { return result(yaml.Marshal(map[string]*T{"k": &v})) }},
		{"toml field", func() string { return result(toml.Marshal(exported[T]{v})) }},
		{"database parameter", func() string { return stored(t, v) }},
	}
}

// stored writes v into a database and returns what it finds there.
func stored(t *testing.T, v any) string {
	db, err := sql.Open("sqlite", filepath.Join(t.TempDir(), "db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	_, err1 := db.Exec("CREATE TABLE t (v TEXT)")
	_, err2 := db.Exec("INSERT INTO t VALUES (?)", v)
	var out sql.NullString
	err3 := db.QueryRow("SELECT v FROM t").Scan(&out)
	return fmt.Sprint(out.String, errors.Join(err1, err2, err3))
}

func leaks(all []sink) (leaking []string) {
	for _, s := range all {
		func() {
			defer func() {
				if r := recover(); r != nil && leaked(fmt.Sprint(r)) {
					leaking = append(leaking, s.name+" (panic)")
				}
			}()
			if leaked(s.show()) {
				leaking = append(leaking, s.name)
			}
		}()
	}
	return leaking
}

type stringerIdiom string

func (stringerIdiom) String() string { return "[REDACTED]" }

func TestNoSinkLeaks(t *testing.T) {
	const wantTotal = 39
	all := sinks(t, secrets.New(canary), secrets.New("other"))
	leaking := leaks(all)
	for _, name := range leaking {
		t.Errorf("leak: %s", name)
	}
	if len(all) != wantTotal {
		t.Errorf("%d sinks, want %d", len(all), wantTotal)
	}
	t.Logf("Secret: %d of %d sinks leak", len(leaking), len(all))

	plain := leaks(sinks(t, canary, "other"))
	idiom := leaks(sinks(t, stringerIdiom(canary), "other"))
	t.Logf("plain string: %d leak; type S string + String(): %d leak", len(plain), len(idiom))
	if len(plain) < 30 || len(idiom) < 15 {
		t.Error("the controls hardly leak: the matrix is blind")
	}
}

// TestYAMLRoundTripIsRefused: a dump of a configuration must not load as one.
func TestYAMLRoundTripIsRefused(t *testing.T) {
	out := exported[secrets.Secret]{secrets.New("old")}
	b, err := yaml.Marshal(exported[secrets.Secret]{secrets.New(canary)})
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(b, &out); err == nil || out.Pw.Reveal() != "old" {
		t.Errorf("loaded %q, %v", out.Pw.Reveal(), err)
	}
	if err := yaml.Unmarshal([]byte("pw: "+canary), &out); err != nil || out.Pw.Reveal() != canary {
		t.Errorf("a real value: %q, %v", out.Pw.Reveal(), err)
	}
}

// TestCmpUsesEqual: two configurations with the same secrets are the same.
func TestCmpUsesEqual(t *testing.T) {
	a, b := exported[secrets.Secret]{secrets.New(canary)}, exported[secrets.Secret]{secrets.New(canary)}
	if !cmp.Equal(a, b) || cmp.Equal(a, exported[secrets.Secret]{secrets.New("other")}) {
		t.Error("cmp.Equal does not ask Secret.Equal")
	}
}
