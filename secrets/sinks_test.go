package secrets

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"encoding/xml"
	"expvar"
	"flag"
	"fmt"
	htmltemplate "html/template"
	"log"
	"log/slog"
	"net/url"
	"os"
	"reflect"
	"strings"
	"text/tabwriter"
	texttemplate "text/template"
)

type (
	exported[T any]   struct{ Pw T }
	unexported[T any] struct{ pw T }
	deep[T any]       struct{ in unexported[T] }
	embedded[T any]   struct{ exported[T] }
	pointed[T any]    struct{ pw *T }
	boxed             struct{ pw any }
)

// sink is one way in which a program shows a value without meaning to.
type sink struct {
	name string
	show func() string
}

// sinks returns every sink of the standard library for a value v.
func sinks[T any](v T) []sink {
	var all []sink
	add := func(name string, show func() string) { all = append(all, sink{name, show}) }
	addFmt(add, v)
	addLogs(add, v)
	addEncoders(add, v)
	addTemplates(add, v)
	addWalkers(add, v)
	return all
}

func addFmt[T any](add func(string, func() string), v T) {
	shapes := []struct {
		name  string
		value any
	}{
		{"value", v},
		{"pointer", &v},
		{"exported field", exported[T]{v}},
		{"unexported field", unexported[T]{v}},
		{"deep unexported field", &deep[T]{unexported[T]{v}}},
		{"embedded", embedded[T]{exported[T]{v}}},
		{"pointer in unexported field", pointed[T]{&v}},
		{"interface in unexported field", boxed{v}},
		{"map of slices", map[string][]T{"k": {v}}},
		{"array", [1]T{v}},
		{"reflect.Value", reflect.ValueOf(v)},
		{"reflect.Value of unexported field", reflect.ValueOf(unexported[T]{v}).Field(0)},
	}
	for _, verb := range strings.Fields("v +v #v s q +q #q x X #x d t c U e z 30v -30s .20q 08x") {
		for _, shape := range shapes {
			add("fmt %"+verb+" "+shape.name, func() string { return fmt.Sprintf("%"+verb, shape.value) })
		}
	}
	add("fmt %T", func() string { return fmt.Sprintf("%T", v) })
	add("fmt %p", func() string { return fmt.Sprintf("%p", any(v)) })
	add("fmt.Sprintln", func() string { return fmt.Sprintln(v, unexported[T]{v}) })
	add("fmt.Errorf", func() string { return fmt.Errorf("%v: %w", v, os.ErrClosed).Error() })
	wrap, none := "x: %w", "x" // in variables: vet would reject them as the mistakes that they are
	add("fmt %w of no error", func() string { return fmt.Errorf(wrap, v).Error() })
	add("fmt extra argument", func() string { return fmt.Sprintf(none, v) })
	add("panic value", func() (out string) {
		defer func() { out = fmt.Sprint(recover()) }()
		panic(v)
	})
}

func addLogs[T any](add func(string, func() string), v T) {
	add("log", func() string {
		var b bytes.Buffer
		log.New(&b, "", 0).Print(v, unexported[T]{v})
		return b.String()
	})
	handlers := map[string]func(*bytes.Buffer) slog.Handler{
		"text": func(b *bytes.Buffer) slog.Handler { return slog.NewTextHandler(b, nil) },
		"json": func(b *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(b, nil) },
	}
	args := map[string]any{
		"value": v, "pointer": &v, "exported": exported[T]{v}, "unexported": unexported[T]{v},
		"pointer to unexported": &unexported[T]{v}, "slice": []T{v}, "map": map[string]T{"k": v},
		"group": slog.GroupValue(slog.Any("k", v)), "any": slog.AnyValue(v),
	}
	for h, handler := range handlers {
		for a, arg := range args {
			add("slog "+h+" "+a, func() string {
				var b bytes.Buffer
				slog.New(handler(&b)).With("with", arg).Info("m", "k", arg)
				return b.String()
			})
		}
	}
}

func addEncoders[T any](add func(string, func() string), v T) {
	result := func(b []byte, err error) string { return fmt.Sprint(string(b), err) }
	add("json field", func() string { return result(json.Marshal(exported[T]{v})) })
	add("json map of pointers", func() string { return result(json.Marshal(map[string]*T{"k": &v})) })
	add("json indent", func() string { return result(json.MarshalIndent([]T{v}, "", " ")) })
	add("xml field", func() string { return result(xml.Marshal(exported[T]{v})) })
	add("xml attribute", func() string {
		return result(xml.Marshal(struct {
			XMLName struct{} `xml:"x"`
			Pw      T        `xml:"pw,attr"`
		}{Pw: v}))
	})
	add("xml chardata", func() string {
		return result(xml.Marshal(struct {
			XMLName struct{} `xml:"x"`
			Pw      T        `xml:",chardata"`
		}{Pw: v}))
	})
	add("gob", func() string {
		var b bytes.Buffer
		err := gob.NewEncoder(&b).Encode(exported[T]{v})
		return result(b.Bytes(), err)
	})
	add("url.Values", func() string { return url.Values{"k": {fmt.Sprint(v)}}.Encode() })
	add("expvar", func() string { return expvar.Func(func() any { return v }).String() })
	add("tabwriter", func() string {
		var b bytes.Buffer
		w := tabwriter.NewWriter(&b, 0, 8, 1, ' ', 0)
		fmt.Fprintf(w, "k\t%v\n", v)
		w.Flush()
		return b.String()
	})
	add("flag default", func() string {
		var b bytes.Buffer
		fs := flag.NewFlagSet("x", flag.ContinueOnError)
		fs.SetOutput(&b)
		fs.String("pw", fmt.Sprint(v), "")
		fs.PrintDefaults()
		return b.String()
	})
}

func addTemplates[T any](add func(string, func() string), v T) {
	const text = `{{.Pw}} {{printf "%s %q %x" .Pw .Pw .Pw}} {{print .Pw}} {{html .Pw}} {{js .Pw}} {{urlquery .Pw}} {{. | printf "%+v"}}`
	add("text/template", func() string {
		var b bytes.Buffer
		err := texttemplate.Must(texttemplate.New("").Parse(text)).Execute(&b, exported[T]{v})
		return fmt.Sprint(b.String(), err)
	})
	const page = `{{.Pw}}<script>var a={{.Pw}}, b={{.}}</script><a href="/?q={{.Pw}}" title="{{.Pw}}">`
	add("html/template", func() string {
		var b bytes.Buffer
		err := htmltemplate.Must(htmltemplate.New("").Parse(page)).Execute(&b, exported[T]{v})
		return fmt.Sprint(b.String(), err)
	})
}

func addWalkers[T any](add func(string, func() string), v T) {
	add("reflect walk", func() string { return walk(reflect.ValueOf(unexported[T]{v})) })
	add("reflect walk of pointer", func() string { return walk(reflect.ValueOf(&deep[T]{unexported[T]{v}})) })
}

// walk prints all that reflection can read, as dumpers do that ignore methods.
func walk(v reflect.Value) string {
	var out strings.Builder
	switch v.Kind() {
	case reflect.Struct:
		for _, f := range v.Fields() {
			out.WriteString(walk(f))
		}
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			out.WriteString(walk(v.Elem()))
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			fmt.Fprint(&out, walk(v.Index(i)), " ")
		}
	case reflect.Uint8:
		fmt.Fprint(&out, v.Uint())
	case reflect.Func:
		fmt.Fprint(&out, v)
	default:
		out.WriteString(v.String())
	}
	return out.String()
}
