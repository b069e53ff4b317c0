package validate

import (
	"bytes"
	"encoding/json"
	"errors"
	"mime"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
)

// bindRequest fills v from every source and reports what does not fit.
func (p *plan) bindRequest(w http.ResponseWriter, r *http.Request, v reflect.Value, rep *report) {
	p.bindParams(r, v, rep)
	kind, ok := p.bodyKind(r, rep)
	if !ok {
		return
	}
	data, ok := p.read(w, r, rep)
	switch {
	case !ok:
	case kind == JSON:
		p.bindJSON(data, v, rep)
	case kind == Form:
		p.bindForm(string(data), r, v, rep)
	}
}

// bodyKind finds how to read the body; 0 when the type has no field there.
func (p *plan) bodyKind(r *http.Request, rep *report) (Kind, bool) {
	if !p.hasBody {
		return 0, true
	}
	k := mediaKind(r.Header)
	if !slices.Contains(p.kinds, k) {
		rep.add(http.StatusUnsupportedMediaType, Violation{In: inBody, Code: codeMedia})
		return 0, false
	}
	return k, true
}

// mediaKind reads a Content-Type that is there exactly once and says nothing else than UTF-8; 0 for any other.
func mediaKind(h http.Header) Kind {
	types := h.Values("Content-Type")
	if len(types) != 1 || len(h.Values("Content-Encoding")) > 0 {
		return 0
	}
	media, params, err := mime.ParseMediaType(types[0])
	if err != nil {
		return 0
	}
	for name, value := range params {
		if name != "charset" || !strings.EqualFold(value, "utf-8") {
			return 0
		}
	}
	switch media {
	case "application/json":
		return JSON
	case "application/x-www-form-urlencoded":
		return Form
	}
	return 0
}

// firstRead is how much room is made before any of the body has come, whatever Content-Length claims.
const firstRead = 64 << 10

func (p *plan) read(w http.ResponseWriter, r *http.Request, rep *report) ([]byte, bool) {
	if r.Body == nil {
		return nil, true
	}
	limit, status, code := p.limits.Body, http.StatusRequestEntityTooLarge, codeSize
	if !p.hasBody {
		limit, status, code = 0, http.StatusUnsupportedMediaType, codeMedia
	}
	if r.ContentLength > limit {
		rep.add(status, Violation{In: inBody, Code: code})
		return nil, false
	}
	var buf bytes.Buffer
	if n := min(r.ContentLength, firstRead); n > 0 {
		buf.Grow(int(n) + bytes.MinRead)
	}
	_, err := buf.ReadFrom(http.MaxBytesReader(w, r.Body, limit))
	if err == nil {
		return buf.Bytes(), true
	}
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); !tooLarge { // the connection broke
		status, code = http.StatusBadRequest, codeSyntax
	}
	rep.add(status, Violation{In: inBody, Code: code})
	return nil, false
}

// bindJSON scans, and decodes what the scanner could read. Values that do not fit are known by then: the errors of
// encoding/json say nothing new, and the rules still see the rest.
func (p *plan) bindJSON(data []byte, v reflect.Value, rep *report) {
	p.scan(data, rep)
	if rep.unreadable() || rep.partial {
		return
	}
	known := rep.status != 0
	if err := json.Unmarshal(data, v.Addr().Interface()); err != nil && !known {
		rep.add(http.StatusUnprocessableEntity, Violation{In: inBody, Code: codeFormat})
		rep.partial = true
	}
}

// bindForm reads a form and leaves what was sent in r.PostForm.
func (p *plan) bindForm(body string, r *http.Request, v reflect.Value, rep *report) {
	values, code, param := parsePairs(body, &p.limits)
	if code != "" {
		rep.add(http.StatusBadRequest, withParam(Violation{In: inBody, Code: code}, param))
		return
	}
	r.PostForm, rep.form = values, true
	b := binder{values: values, limits: &p.limits, rep: rep, in: inBody, form: true}
	b.bind(p.shape.fields, v)
	b.unknown()
}

// bindParams reads path, query and headers.
func (p *plan) bindParams(r *http.Request, v reflect.Value, rep *report) {
	values, code, param := parsePairs(r.URL.RawQuery, &p.limits)
	if code != "" {
		rep.add(http.StatusBadRequest, withParam(Violation{In: inQuery, Code: code}, param))
	} else if p.hasQuery || len(values) > 0 {
		b := binder{values: values, limits: &p.limits, rep: rep, in: inQuery}
		b.bind(p.shape.fields, v)
		b.unknown()
	}
	path := binder{values: url.Values{}, limits: &p.limits, rep: rep, in: inPath}
	for _, f := range p.shape.fields {
		if f.in == inPath {
			if s := r.PathValue(f.name); s != "" {
				path.values[f.name] = []string{s}
			}
		}
	}
	path.bind(p.shape.fields, v)
	header := binder{values: url.Values(r.Header), limits: &p.limits, rep: rep, in: inHeader}
	header.bind(p.shape.fields, v)
}

func withParam(v Violation, param string) Violation {
	if param != "" {
		v.Params = map[string]string{v.Code: param}
	}
	return v
}
