package text

import (
	"context"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// LogHandler returns a handler that passes every record to next with its message, keys, group names and values in the form of
// [LogValue]. It is meant to stand around slog.JSONHandler, which writes U+202E, U+009B and DEL as they are; around
// slog.TextHandler, which quotes them, it changes nothing that can be seen but the escapes.
//
// Numbers, booleans, times and durations pass unchanged. Other values (errors, structs, maps) are marshalled when next
// writes them, as next would have done, and then escaped; next and its ReplaceAttr see them behind a wrapper.
func LogHandler(next slog.Handler) slog.Handler { return &logHandler{next} }

type logHandler struct{ next slog.Handler }

func (h *logHandler) Enabled(ctx context.Context, l slog.Level) bool { return h.next.Enabled(ctx, l) }

func (h *logHandler) Handle(ctx context.Context, r slog.Record) error {
	clean := slog.NewRecord(r.Time, r.Level, LogValue(r.Message), r.PC)
	r.Attrs(func(a slog.Attr) bool {
		clean.AddAttrs(logAttr(a))
		return true
	})
	return h.next.Handle(ctx, clean)
}

func (h *logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &logHandler{h.next.WithAttrs(logAttrs(attrs))}
}

func (h *logHandler) WithGroup(name string) slog.Handler {
	return &logHandler{h.next.WithGroup(LogValue(name))}
}

func logAttrs(attrs []slog.Attr) []slog.Attr {
	clean := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		clean[i] = logAttr(a)
	}
	return clean
}

func logAttr(a slog.Attr) slog.Attr {
	a.Key = LogValue(a.Key)
	switch v := a.Value.Resolve(); v.Kind() {
	case slog.KindString:
		a.Value = slog.StringValue(LogValue(v.String()))
	case slog.KindGroup:
		a.Value = slog.GroupValue(logAttrs(v.Group())...)
	case slog.KindAny:
		if v.Any() == nil { // of the empty attribute, which handlers leave out
			a.Value = v
			break
		}
		a.Value = slog.AnyValue(logAny{v.Any()})
	default:
		a.Value = v
	}
	return a
}

// logAny defers the formatting of a value to the handler that writes it, and escapes the outcome.
type logAny struct{ value any }

// String is what handlers that know neither of the marshallers write.
func (a logAny) String() string { return LogValue(a.plain()) }

// MarshalText serves slog.TextHandler.
func (a logAny) MarshalText() ([]byte, error) {
	if m, ok := a.value.(encoding.TextMarshaler); ok {
		b, err := m.MarshalText()
		if err != nil {
			return nil, errors.New(LogValue(err.Error()))
		}
		return []byte(LogValue(string(b))), nil
	}
	return []byte(a.String()), nil
}

// MarshalJSON serves slog.JSONHandler. Outside its strings JSON has no character that needs an escape, so escaping the
// marshalled text as a whole is right for values of any shape.
func (a logAny) MarshalJSON() ([]byte, error) {
	_, marshals := a.value.(json.Marshaler)
	if err, ok := a.value.(error); ok && !marshals {
		return json.Marshal(LogValue(err.Error()))
	}
	b, err := json.Marshal(a.value)
	if err != nil {
		return nil, errors.New(LogValue(err.Error())) // next writes the error instead
	}
	return []byte(escapeJSON(string(b))), nil
}

func (a logAny) plain() string {
	switch v := a.value.(type) {
	case []byte:
		return string(v)
	case error:
		return v.Error()
	}
	return fmt.Sprintf("%+v", a.value)
}

func escapeJSON(s string) string {
	var b strings.Builder
	for {
		i := firstUnsafe(s)
		b.WriteString(s[:i])
		if i == len(s) {
			return b.String()
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		s = s[i+size:]
		if hi, lo := utf16.EncodeRune(r); r >= 0x10000 {
			writeHex(&b, 'u', uint32(hi), 4)
			writeHex(&b, 'u', uint32(lo), 4)
		} else {
			writeHex(&b, 'u', uint32(r), 4)
		}
	}
}
