package sanitize

import (
	"context"
	"errors"
	"html/template"
	"io"
	"log/slog"
	"strings"
	"sync/atomic"
	"unicode/utf8"

	"github.com/microcosm-cc/bluemonday"
	"github.com/pavise/pavise/sanitize/internal/verify"
)

var (
	// ErrTooLarge says that the input is larger than Limits.Input.
	ErrTooLarge = errors.New("sanitize: input is larger than the limit")
	// ErrUnverified says that HTML is not in the output language of the policy. From [Sanitizer.Verify] it means that the
	// stored HTML was not made by this policy; from any other method, that the engine is wrong and nothing was put out.
	ErrUnverified = errors.New("sanitize: not in the output language of the policy")
)

// Sanitizer turns untrusted HTML into HTML of one policy. It does not change and is safe for concurrent use.
type Sanitizer struct {
	rules  *rules
	first  *bluemonday.Policy // a policy of the user's own, which comes before the builder
	filter *bluemonday.Policy // what the builder wrote must pass it unchanged; nil after first
	lang   *verify.Language
	log    *slog.Logger
	failed atomic.Uint64
}

// HTML returns the sanitized form of in, which may stand in the flow content of a UTF-8 page. It never fails: an input over
// the limit is cut to fit, before a tag rather than within it, and an event says so.
func (s *Sanitizer) HTML(in string) template.HTML {
	if len(in) <= s.rules.policy.Limits.Input && s.isPlain(in) {
		return template.HTML(in)
	}
	in = s.fit(in)
	out, err := s.run(in, nil)
	if err != nil {
		return template.HTML(appendText(nil, Text(in)))
	}
	return template.HTML(out)
}

// Clean is [Sanitizer.HTML] with a report of what was removed, where and why. It returns [ErrTooLarge] for an input over the
// limit.
func (s *Sanitizer) Clean(in string) (template.HTML, Report, error) {
	var report Report
	if len(in) > s.rules.policy.Limits.Input {
		return "", report, ErrTooLarge
	}
	out, err := s.run(in, &report)
	return template.HTML(out), report, err
}

// Append appends the sanitized form of src to dst. On an error it returns dst as it was.
func (s *Sanitizer) Append(dst, src []byte) ([]byte, error) {
	if len(src) > s.rules.policy.Limits.Input {
		return dst, ErrTooLarge
	}
	out, err := s.run(string(src), nil)
	return append(dst, out...), err
}

// Copy sanitizes what r holds, up to the limit, and writes it to w once the whole is verified. On an error of r or of the
// input nothing is written.
func (s *Sanitizer) Copy(w io.Writer, r io.Reader) (Report, error) {
	var in strings.Builder
	n, err := io.Copy(&in, io.LimitReader(r, int64(s.rules.policy.Limits.Input)+1))
	switch {
	case err != nil:
		return Report{}, err
	case n > int64(s.rules.policy.Limits.Input):
		return Report{}, ErrTooLarge
	}
	var report Report
	out, err := s.run(in.String(), &report)
	if err != nil {
		return report, err
	}
	_, err = io.WriteString(w, out)
	return report, err
}

// Verify reports with [ErrUnverified] if html is outside the output language of the policy: its elements, nested so that they
// stay in their container, its attributes, URLs and ids. It does not match patterns of [AttrRegexp], compare numbers or ask
// whether a link has its rel. It shares no code with what writes HTML, allocates nothing and reads about half a gigabyte in a
// second, so that stored HTML can be checked each time it is read. The empty string verifies.
func (s *Sanitizer) Verify(html string) error {
	if !s.lang.Accepts(html) {
		return ErrUnverified
	}
	return nil
}

// Unverified returns how often the verifier refused what the engine had made. Anything but zero is a defect of this package:
// please report it.
func (s *Sanitizer) Unverified() uint64 { return s.failed.Load() }

// run returns the sanitized form of in. The report may be nil.
func (s *Sanitizer) run(in string, report *Report) (string, error) {
	if s.first != nil {
		in = s.first.Sanitize(escapeStray(in))
	}
	out, truncated := s.rules.build(in, report)
	if truncated {
		s.event("sanitize.truncated", "output limit")
	}
	if s.filter != nil && strings.IndexByte(out, '<') >= 0 {
		out = s.filter.Sanitize(out)
	}
	if !s.lang.Accepts(out) {
		s.failed.Add(1)
		s.event("sanitize.unverified", "output outside its language")
		return "", ErrUnverified
	}
	return out, nil
}

// fit cuts in to the limit.
func (s *Sanitizer) fit(in string) string {
	limit := s.rules.policy.Limits.Input
	if len(in) <= limit {
		return in
	}
	s.event("sanitize.truncated", "input limit")
	for limit > 0 && !utf8.RuneStart(in[limit]) {
		limit--
	}
	in = in[:limit]
	if tag := strings.LastIndexByte(in, '<'); tag > strings.LastIndexByte(in, '>') {
		in = in[:tag]
	}
	return in
}

func (s *Sanitizer) event(action, reason string) {
	if s.log == nil {
		return
	}
	s.log.LogAttrs(context.Background(), slog.LevelWarn, action,
		slog.String("event.action", action), slog.String("event.outcome", "failure"), slog.String("event.reason", reason))
}

// isPlain reports whether in is text that is its own sanitized form. Most short texts are.
func (s *Sanitizer) isPlain(in string) bool {
	return strings.IndexByte(in, '<') < 0 && strings.IndexByte(in, '&') < 0 && s.lang.Accepts(in)
}
