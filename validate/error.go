package validate

import (
	"fmt"
	"log/slog"
	"net/http"
	"strings"
)

const (
	maxViolations = 100
	maxLogged     = 10
)

// Error says everything that is wrong with a request. It never holds what the client sent, except the names of map
// members in pointers, which are escaped and cut.
type Error struct {
	// Status is 400 (not readable), 413 (too large), 415 (wrong media type) or 422 (readable, but against a rule).
	Status int
	// Violations are in the order in which they were found, at most 100.
	Violations []Violation
	// Truncated reports that there were more.
	Truncated bool
}

// Violation is one thing that is wrong.
type Violation struct {
	// In is where the value came from: "body", "path", "query" or "header".
	In string `json:"in"`
	// Pointer is an RFC 6901 JSON Pointer to the value; "" is the whole source. Form fields, path values, query
	// parameters and headers have one segment, their name. An unknown name is reported at its parent.
	Pointer string `json:"pointer"`
	// Code is the rule's name in the tag, or one of the codes of decoding: syntax, encoding, limit, size,
	// media_type, unknown, duplicate, null, type, range, precision, length, format, present.
	Code string `json:"code"`
	// Params are the rule's parameters as the program's source has them, never a value from the request.
	// Fields tagged `secret:"true"` have none.
	Params map[string]string `json:"params,omitempty"`
	// Detail is a sentence for people.
	Detail string `json:"detail"`
}

// Error gives the status and the number of violations. It is safe to log and to show.
func (e *Error) Error() string {
	more := ""
	if e.Truncated {
		more = " or more"
	}
	return fmt.Sprintf("validate: %s: %d violation(s)%s", strings.ToLower(http.StatusText(e.Status)), len(e.Violations), more)
}

// LogValue gives the status and the first codes with their pointers.
func (e *Error) LogValue() slog.Value {
	first := make([]string, 0, maxLogged)
	for _, v := range e.Violations[:min(len(e.Violations), maxLogged)] {
		first = append(first, v.Code+" "+v.In+":"+v.Pointer)
	}
	return slog.GroupValue(
		slog.Int("status", e.Status),
		slog.Int("count", len(e.Violations)),
		slog.Bool("truncated", e.Truncated),
		slog.Any("first", first),
	)
}

// report collects violations. One value gets one violation: once a value is known to be wrong, what follows from it
// would only be noise.
type report struct {
	status    int
	list      []Violation
	truncated bool
	partial   bool    // decoding stopped half way for a reason that leaves the rest unknown
	form      bool    // the body is a form: fields have the names that they have there
	room      [8]step // for the trail of the scan, then of the walk
}

func (r *report) add(status int, v Violation) {
	r.status = strongest(r.status, status)
	if r.covers(v) {
		return
	}
	if len(r.list) == maxViolations {
		r.truncated = true
		return
	}
	r.list = append(r.list, v)
}

// strongest picks the status that stands for the whole request: what could not be read outranks what could.
func strongest(a, b int) int {
	if a == 0 || a == http.StatusUnprocessableEntity {
		return b
	}
	if b == http.StatusUnprocessableEntity {
		return a
	}
	return max(a, b)
}

func (r *report) covers(v Violation) bool {
	for i := range r.list {
		old := &r.list[i]
		if old.In != v.In {
			continue
		}
		if old.Pointer == v.Pointer && (old.Code == v.Code || old.Code != codeUnknown) {
			return true
		}
		if old.Code != codeUnknown && old.Pointer != "" && isBelow(v.Pointer, old.Pointer) {
			return true
		}
	}
	return false
}

func isBelow(pointer, parent string) bool {
	return len(pointer) > len(parent) && pointer[len(parent)] == '/' && strings.HasPrefix(pointer, parent)
}

// unreadable reports whether decoding failed in a way that leaves nothing to check.
func (r *report) unreadable() bool {
	return r.status != 0 && r.status != http.StatusUnprocessableEntity
}

func (r *report) err(say func(Violation) string) error {
	if r.status == 0 {
		return nil
	}
	for i := range r.list {
		r.list[i].Detail = say(r.list[i])
	}
	return &Error{Status: r.status, Violations: r.list, Truncated: r.truncated}
}
