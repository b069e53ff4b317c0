package validate

import (
	"strconv"
	"strings"
	"unicode"
)

// maxSegment is how much of a client's map key a pointer shows, in bytes.
const maxSegment = 64

// step is one segment of a pointer: a member's name, or an index when the name is empty and index is not negative.
type step struct {
	name   string
	index  int
	secret bool // nothing below this step is shown
}

// trail is where in the value a scan or a walk stands. A pointer is built only when something is wrong.
type trail []step

func (t *trail) push(s step) { *t = append(*t, s) }
func (t *trail) pop()        { *t = (*t)[:len(*t)-1] }

// at moves the last step to another index of the same array.
func (t trail) at(i int) { t[len(t)-1].index = i }

// pointer gives the RFC 6901 pointer, cut at the first secret step, and whether there was one.
func (t trail) pointer() (p string, secret bool) {
	var b strings.Builder
	for _, s := range t {
		b.WriteByte('/')
		if s.index >= 0 {
			b.WriteString(strconv.Itoa(s.index))
		} else {
			b.WriteString(escapeSegment(s.name))
		}
		if s.secret {
			return b.String(), true
		}
	}
	return b.String(), false
}

var segmentEscaper = strings.NewReplacer("~", "~0", "/", "~1")

// escapeSegment makes a name safe to show: cut to maxSegment, unprintable characters replaced, escaped by RFC 6901.
func escapeSegment(name string) string {
	if len(name) > maxSegment {
		name = strings.ToValidUTF8(name[:maxSegment], "") + "…"
	}
	name = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, name)
	return segmentEscaper.Replace(name)
}
