package validate

import (
	"context"
	"strings"
)

// Messages writes the Detail of a violation in the caller's language; "" keeps the English one. The context is the
// request's: a middleware that negotiates the language puts it there, and golang.org/x/text/message prints it.
type Messages func(ctx context.Context, v Violation) string

// Codes of decoding. The others are the names of rules.
const (
	codeSyntax    = "syntax"
	codeEncoding  = "encoding"
	codeLimit     = "limit"
	codeSize      = "size"
	codeMedia     = "media_type"
	codeUnknown   = "unknown"
	codeDuplicate = "duplicate"
	codeNull      = "null"
	codeType      = "type"
	codeRange     = "range"
	codePrecision = "precision"
	codeLength    = "length"
	codeFormat    = "format"
	codePresent   = "present"
	codeNotNull   = "notnull"
)

// english is the catalogue that is shipped; {} stands for the rule's parameter. Package-level, never written to.
var english = map[string]string{
	codeSyntax:    "is not well-formed",
	codeEncoding:  "is not valid UTF-8",
	codeLimit:     "is beyond the limit on {}",
	codeSize:      "is too large",
	codeMedia:     "has a media type that is not accepted here",
	codeUnknown:   "has a member that is not known here",
	codeDuplicate: "is given more than once",
	codeNull:      "must not be null",
	codeType:      "must be of type {}",
	codeRange:     "is a number out of range",
	codePrecision: "is a number that cannot be kept exactly",
	codeLength:    "must have exactly {} elements",
	codeFormat:    "is not in the right format",
	codePresent:   "must be sent",
	codeNotNull:   "must not be null",

	"required":      "is required",
	"min":           "must be at least {}",
	"max":           "must be at most {}",
	"len":           "must have length {}",
	"eq":            "must be {}",
	"ne":            "must not be {}",
	"gt":            "must be more than {}",
	"gte":           "must be at least {}",
	"lt":            "must be less than {}",
	"lte":           "must be at most {}",
	"oneof":         "must be one of: {}",
	"unique":        "must not have the same element twice",
	"email":         "must be an email address",
	"url":           "must be a URL",
	"http_url":      "must be an http or https URL",
	"https_url":     "must be an https URL",
	"uuid":          "must be a UUID",
	"uuid4":         "must be a UUID of version 4",
	"e164":          "must be a phone number such as +14155552671",
	"eqfield":       "must be the same as {}",
	"alpha":         "must have letters only",
	"alphanum":      "must have letters and digits only",
	"numeric":       "must be a number",
	"slug":          "must be lower-case letters, digits and single hyphens",
	"text":          "must be plain text",
	"filename":      "must be a plain file name",
	"redirect_path": "must be a path on this site",
}

func englishFor(v Violation) string {
	m, ok := english[v.Code]
	if !ok {
		return "does not pass the rule " + v.Code
	}
	if !strings.Contains(m, "{}") {
		return m
	}
	for _, p := range v.Params { // a violation has one parameter
		return strings.Replace(m, "{}", p, 1)
	}
	return "does not pass the rule " + v.Code
}
