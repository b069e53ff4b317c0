package sanitize

// Report says what [Sanitizer.Clean] took out.
type Report struct {
	// Removed lists the first 100 removals in the order of the input.
	Removed []Removal
	// Total is the number of removals.
	Total int
	// Truncated says that the output was cut because it outgrew its limit of six times the input.
	Truncated bool
}

// Changed reports whether any markup was removed.
func (r Report) Changed() bool { return r.Total > 0 || r.Truncated }

// Removal is one tag, attribute or comment that did not survive. It holds names, never a value.
type Removal struct {
	// Offset is where in the input, in bytes, the tag or comment begins.
	Offset int
	// Element is the name of the element, "" for a comment.
	Element string
	// Attribute is the name of the attribute, "" if the whole tag went.
	Attribute string
	Reason    Reason
}

// Reason says why something was removed.
type Reason string

const (
	// NotAllowed is markup that the policy does not allow. Its text stays, except below an element of Policy.Drop.
	NotAllowed Reason = "not allowed"
	// Misplaced is a tag that a browser would ignore or move out of the container: a stray end tag, a table cell outside
	// a table, a list item outside a list.
	Misplaced Reason = "misplaced"
	// TooDeep is an element beyond Limits.Depth.
	TooDeep Reason = "too deep"
	// TooMany is what an element has beyond Limits.Attributes.
	TooMany Reason = "too many attributes"
	// Repeated is an attribute that the element has already.
	Repeated Reason = "repeated"
	// UnsafeURL is a URL outside the policy's URLRules.
	UnsafeURL Reason = "unsafe URL"
	// UnsafeValue is a value that its attribute's kind does not allow.
	UnsafeValue Reason = "unsafe value"
)

const maxRemovals = 100

func (r *Report) add(m Removal) {
	if r == nil {
		return
	}
	r.Total++
	if len(r.Removed) < maxRemovals {
		r.Removed = append(r.Removed, m)
	}
}
