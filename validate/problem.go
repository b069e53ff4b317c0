package validate

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
)

// maxProblem bounds the whole answer, whatever was wrong.
const maxProblem = 64 << 10

type problem struct {
	Title     string            `json:"title"`
	Status    int               `json:"status"`
	Errors    []json.RawMessage `json:"errors,omitempty"`
	Truncated bool              `json:"truncated,omitempty"`
}

// WriteProblem answers the request with an RFC 9457 problem document for err, of at most 64 KiB.
//
// An *Error gives its status and violations. Another error gives the status of its method StatusCode() int, if it
// has one that returns 400 to 599, and otherwise 500; nothing of its text is sent. Nothing must have been written
// to w before.
func WriteProblem(w http.ResponseWriter, _ *http.Request, err error) {
	p := problem{Status: statusOf(err)}
	p.Title = http.StatusText(p.Status)
	if e, ok := errors.AsType[*Error](err); ok && e != nil {
		p.Errors, p.Truncated = encodeViolations(e)
	}
	body, _ := json.Marshal(p) // strings, numbers and what Marshal made: cannot fail

	h := w.Header()
	for _, stale := range []string{"Content-Encoding", "Etag", "Last-Modified"} {
		h.Del(stale)
	}
	h.Set("Content-Type", "application/problem+json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(p.Status)
	_, _ = w.Write(body) // the client has gone: nobody is left to tell
}

func statusOf(err error) int {
	if e, ok := errors.AsType[*Error](err); ok && e != nil && validStatus(e.Status) {
		return e.Status
	}
	if e, ok := errors.AsType[interface {
		error
		StatusCode() int
	}](err); ok && validStatus(e.StatusCode()) {
		return e.StatusCode()
	}
	return http.StatusInternalServerError
}

func validStatus(s int) bool { return s >= 400 && s <= 599 }

// encodeViolations keeps as many violations as fit.
func encodeViolations(e *Error) (list []json.RawMessage, truncated bool) {
	size := 256 // title, status and brackets
	for _, v := range e.Violations {
		b, err := json.Marshal(v)
		if size += len(b) + 1; err != nil || size > maxProblem || len(list) == maxViolations {
			return list, true
		}
		list = append(list, b)
	}
	return list, e.Truncated
}
