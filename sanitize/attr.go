package sanitize

import (
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Attr is the kind of value that an attribute may have. It is a short text, the same in Go and in JSON: "text", "url",
// "srcset", "int:1000", "enum:left|center|right", "classes:note warning", "regexp:[0-9]{4}". A value that does not fit removes
// the attribute, never the element.
type Attr string

const (
	// AttrText is any text. It is refused for attributes whose value does something: URLs, class, target.
	AttrText Attr = "text"
	// AttrURL is one URL within the policy's [URLRules].
	AttrURL Attr = "url"
	// AttrSrcSet is a list of image candidates, each URL within the policy's [URLRules].
	AttrSrcSet Attr = "srcset"
)

// AttrEnum is one of the given values, compared without regard to ASCII case and written as given here. The empty string
// stands for an attribute without a value. Values hold letters, digits, '-', '_', '.', '/' and '#'.
func AttrEnum(values ...string) Attr { return Attr("enum:" + strings.Join(values, "|")) }

// AttrInt is a decimal number from 0 to max.
func AttrInt(max int) Attr { return Attr("int:" + strconv.Itoa(max)) }

// AttrClasses keeps those of the given class names that the value holds. They are compared exactly.
func AttrClasses(names ...string) Attr { return Attr("classes:" + strings.Join(names, " ")) }

// AttrRegexp is a text that matches the whole of a pattern of package regexp: it is always anchored at both ends.
func AttrRegexp(pattern string) Attr { return Attr("regexp:" + pattern) }

type attrKind uint8

const (
	kindText attrKind = iota
	kindURL
	kindSrcSet
	kindEnum
	kindInt
	kindClasses
	kindRegexp
)

// attrRule is an Attr made ready.
type attrRule struct {
	kind    attrKind
	values  []string
	max     int
	pattern *regexp.Regexp
}

func (a Attr) compile() (*attrRule, error) {
	kind, arg, hasArg := strings.Cut(string(a), ":")
	switch {
	case a == AttrText:
		return &attrRule{kind: kindText}, nil
	case a == AttrURL:
		return &attrRule{kind: kindURL}, nil
	case a == AttrSrcSet:
		return &attrRule{kind: kindSrcSet}, nil
	case !hasArg:
	case kind == "int":
		n, err := strconv.Atoi(arg)
		if err != nil || n < 1 {
			return nil, errors.New("sanitize: int takes a positive maximum")
		}
		return &attrRule{kind: kindInt, max: n}, nil
	case kind == "enum":
		return compileEnum(arg)
	case kind == "classes":
		names := strings.Fields(arg)
		if len(names) == 0 || slices.ContainsFunc(names, func(s string) bool { return !isToken(s) }) {
			return nil, errors.New("sanitize: classes takes class names")
		}
		return &attrRule{kind: kindClasses, values: names}, nil
	case kind == "regexp":
		// The pattern by itself first: "a)|(b" would compile within the anchors and escape them.
		if _, err := regexp.Compile(arg); err != nil {
			return nil, errors.New("sanitize: regexp does not compile")
		}
		re, err := regexp.Compile(`\A(?:` + arg + `)\z`)
		if err != nil {
			return nil, errors.New("sanitize: regexp does not compile")
		}
		return &attrRule{kind: kindRegexp, pattern: re}, nil
	}
	return nil, errors.New("sanitize: unknown attribute kind")
}

func compileEnum(arg string) (*attrRule, error) {
	values := strings.Split(arg, "|")
	if slices.ContainsFunc(values, func(s string) bool { return s != "" && !isToken(s) }) {
		return nil, errors.New("sanitize: a value of enum has a character that is not allowed there")
	}
	return &attrRule{kind: kindEnum, values: values}, nil
}

// isToken reports whether s is made of characters that need no escaping and separate nothing.
func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("-_./#", r))
	})
}

// value returns v as it may be written. URLs are the caller's business.
func (a *attrRule) value(v string) (string, bool) {
	switch a.kind {
	case kindText:
		return v, true
	case kindEnum:
		v = lowerASCII(strings.Trim(v, asciiSpace))
		for _, allowed := range a.values {
			if v == lowerASCII(allowed) {
				return allowed, true
			}
		}
	case kindInt:
		n, err := strconv.ParseUint(strings.Trim(v, asciiSpace), 10, 31)
		return strconv.FormatUint(n, 10), err == nil && n <= uint64(a.max)
	case kindClasses:
		var keep []string
		for name := range strings.FieldsSeq(v) {
			if slices.Contains(a.values, name) && !slices.Contains(keep, name) {
				keep = append(keep, name)
			}
		}
		return strings.Join(keep, " "), len(keep) > 0
	case kindRegexp:
		return v, a.pattern.MatchString(v)
	}
	return "", false
}
