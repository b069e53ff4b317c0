package validate

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/pavise/pavise/sanitize/text"
)

// ownRules are the formats that this package defines. Those that sanitize/text has a safe form for ask whether the
// value is in it already.
var ownRules = map[string]func(string) bool{
	"email":         isEmail,
	"slug":          isSlug,
	"text":          isTextLine,
	"filename":      isFilename,
	"redirect_path": isRedirectPath,
}

// formats are rules of validator with an equivalent that does not run a regular expression.
var formats = map[string]func(string) bool{
	"alpha":    func(s string) bool { return s != "" && all(s, isAlpha) },
	"alphanum": func(s string) bool { return s != "" && all(s, isAlnum) },
	"number":   func(s string) bool { return s != "" && all(s, isDigit) },
	"e164":     isE164,
	"uuid4":    isUUID4,
	"uuid":     func(s string) bool { return isUUID(s, func(c byte) bool { return isHex(c | 0x20) }) },
}

func isDigit(c byte) bool { return c-'0' < 10 }
func isAlpha(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
func isAlnum(c byte) bool { return isDigit(c) || isAlpha(c) }
func isHex(c byte) bool   { return isDigit(c) || c >= 'a' && c <= 'f' }

func all(s string, in func(byte) bool) bool {
	for i := range len(s) {
		if !in(s[i]) {
			return false
		}
	}
	return true
}

func isE164(s string) bool {
	s = strings.TrimPrefix(s, "+")
	return len(s) >= 8 && len(s) <= 15 && s[0] != '0' && all(s, isDigit)
}

func isUUID4(s string) bool {
	return isUUID(s, isHex) && s[14] == '4' && strings.IndexByte("89ab", s[19]) >= 0
}

func isUUID(s string, hex func(byte) bool) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		if dash := i == 8 || i == 13 || i == 18 || i == 23; dash != (s[i] == '-') || !dash && !hex(s[i]) {
			return false
		}
	}
	return true
}

// isEmail is the WHATWG HTML grammar for a valid email address, with the lengths of RFC 5321 (64 and 254 bytes) and
// at least two labels in the domain.
func isEmail(s string) bool {
	local, domain, ok := strings.Cut(s, "@")
	if !ok || len(s) > 254 || local == "" || len(local) > 64 || !strings.Contains(domain, ".") {
		return false
	}
	if !all(local, func(c byte) bool { return isAlnum(c) || strings.IndexByte(".!#$%&'*+/=?^_`{|}~-", c) >= 0 }) {
		return false
	}
	for label := range strings.SplitSeq(domain, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		if !all(label, func(c byte) bool { return isAlnum(c) || c == '-' }) {
			return false
		}
	}
	return true
}

// isSlug accepts ASCII lower-case letters and digits with single hyphens between them.
func isSlug(s string) bool {
	prev := byte('-')
	for i := range len(s) {
		c := s[i]
		if c == '-' && prev == '-' || c != '-' && !isDigit(c) && (c < 'a' || c > 'z') {
			return false
		}
		prev = c
	}
	return prev != '-'
}

func isTextLine(s string) bool  { return isText(s, "") }
func isTextLines(s string) bool { return isText(s, "\t\n\r") }

// isText accepts UTF-8 in NFC without control characters (other than those listed), line separators, bidirectional
// controls (Unicode TR 36, CVE-2021-42574) and characters that show nothing, such as tags.
func isText(s, controls string) bool {
	ascii := true
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			ascii = false
			r, n := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && n == 1 || unicode.IsControl(r) || isInvisible(r) {
				return false
			}
			i += n
			continue
		}
		if (c < ' ' || c == 0x7f) && strings.IndexByte(controls, c) < 0 {
			return false
		}
		i++
	}
	return ascii || norm.NFC.IsNormalString(s)
}

// isInvisible lets pass the joiners that scripts and emoji need, and the signs of Arabic that Unicode counts as format
// characters although they show.
func isInvisible(r rune) bool {
	if r == '\u200c' || r == '\u200d' || unicode.Is(unicode.Prepended_Concatenation_Mark, r) {
		return false
	}
	return unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Other_Default_Ignorable_Code_Point)
}

func isFilename(s string) bool {
	safe, err := text.Filename(s)
	return err == nil && safe == s
}

func isRedirectPath(s string) bool {
	safe, err := text.RedirectTarget(s)
	return err == nil && safe == s
}
