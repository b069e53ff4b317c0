package text

import (
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

var (
	// ErrFilename says that nothing of the name could be kept. Give the file a name of your own.
	ErrFilename = errors.New("text: nothing usable in the file name")
	// ErrExtension says that the extension is not in the list of [WithExtensions].
	ErrExtension = errors.New("text: file name extension is not allowed")
)

const (
	// maxFilename is what ext4, APFS and NTFS all accept; NTFS counts UTF-16 units, of which there are never more than bytes.
	maxFilename = 255
	// minFilename leaves room for a stem beside the longest extension that is kept.
	minFilename = 32
	// maxExtension bounds, with its dot, what counts as an extension when a name has to be shortened.
	maxExtension = 16
)

// FilenameOption narrows what [Filename] returns.
type FilenameOption func(*filenameRules) error

type filenameRules struct {
	maxBytes   int
	extensions []string
}

// WithMaxBytes lowers the limit of 255 bytes, for a store that prefixes or encrypts its names. n is between 32 and 255.
func WithMaxBytes(n int) FilenameOption {
	return func(r *filenameRules) error {
		if n < minFilename || n > maxFilename {
			return errors.New("text: WithMaxBytes takes 32 to 255")
		}
		r.maxBytes = n
		return nil
	}
}

// WithExtensions refuses every name whose last extension is not listed, with [ErrExtension]. Entries look like ".png" and
// are compared without regard to ASCII case. An extension says nothing about the content: check that by itself.
func WithExtensions(extensions ...string) FilenameOption {
	return func(r *filenameRules) error {
		if len(extensions) == 0 {
			return errors.New("text: WithExtensions takes at least one extension")
		}
		for _, e := range extensions {
			if len(e) < 2 || len(e) > maxExtension || e[0] != '.' || strings.LastIndexByte(e, '.') != 0 {
				return errors.New(`text: WithExtensions takes entries such as ".png"`)
			}
		}
		r.extensions = extensions
		return nil
	}
}

// Filename returns the part of name after its last slash or backslash as a name that is valid, visible and harmless on
// Windows, macOS and Linux: NFC, at most 255 bytes (the extension is kept), no control, bidirectional or zero-width
// character, none of <>:"|?*, no leading dot, hyphen or space, no trailing dot or space. A device name such as CON or
// lpt1.txt gets an underscore in front.
//
// What is left is a name for display or storage below a directory opened with [os.OpenRoot]. Two uploads may have the same
// name, and file systems may fold case: it is no key.
func Filename(name string, opts ...FilenameOption) (string, error) {
	rules := filenameRules{maxBytes: maxFilename}
	for _, o := range opts {
		if err := o(&rules); err != nil {
			return "", err
		}
	}
	name = name[strings.LastIndexAny(name, `/\`)+1:]
	// Dropping an invisible character can bring a letter and its accent together, hence NFC after the mapping; a singleton
	// may decompose to something that the mapping must see, hence NFC before it.
	name = norm.NFC.String(name)
	name = norm.NFC.String(limitMarks(strings.Map(filenameRune, name)))
	name = shorten(trimFilename(name), rules.maxBytes)
	if name == "" {
		return "", ErrFilename
	}
	if isDevice(name) {
		name = shorten("_"+name, rules.maxBytes)
	}
	if rules.extensions != nil && !rules.allows(name) {
		return "", ErrExtension
	}
	return name, nil
}

func (r *filenameRules) allows(name string) bool {
	dot := strings.LastIndexByte(name, '.')
	if dot < 0 {
		return false
	}
	for _, e := range r.extensions {
		if equalFoldASCII(name[dot:], e) {
			return true
		}
	}
	return false
}

// equalFoldASCII is strings.EqualFold without its other letters: to that, U+017F is an s.
func equalFoldASCII(a, b string) bool { return len(a) == len(b) && strings.EqualFold(a, b) }

// filenameRune drops what cannot be seen and replaces what a platform forbids. Invalid UTF-8 arrives here as U+FFFD.
func filenameRune(r rune) rune {
	switch {
	case strings.ContainsRune(`<>:"|?*`, r), r == utf8.RuneError:
		return '_'
	case unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp,
		unicode.Other_Default_Ignorable_Code_Point, unicode.Noncharacter_Code_Point):
		return -1
	}
	return r
}

// limitMarks drops the combining marks after the eighth on one character. No writing system stacks that many, and beyond 30
// normalisation itself inserts an invisible joiner (UAX 15, Stream-Safe Text Format).
func limitMarks(s string) string {
	run := 0
	return strings.Map(func(r rune) rune {
		if !unicode.Is(unicode.M, r) {
			run = 0
			return r
		}
		if run++; run > 8 {
			return -1
		}
		return r
	}, s)
}

// trimFilename removes what hides a file (leading dot), what a command line reads as an option (leading hyphen) and what
// Windows strips behind one's back (trailing dot or space).
func trimFilename(s string) string {
	s = strings.TrimLeftFunc(s, func(r rune) bool { return r == '.' || r == '-' || unicode.IsSpace(r) })
	return strings.TrimRightFunc(s, func(r rune) bool { return r == '.' || unicode.IsSpace(r) })
}

// shorten cuts the stem, never the extension, between two runes.
func shorten(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	ext := ""
	if dot := strings.LastIndexByte(s, '.'); dot > 0 && len(s)-dot <= maxExtension {
		ext = s[dot:]
	}
	n := limit - len(ext)
	for !utf8.RuneStart(s[n]) {
		n--
	}
	return trimFilename(s[:n]) + ext
}

// isDevice reports whether Windows would open a device. It looks at the part before the first dot and ignores spaces
// before it: "nul .txt" is NUL.
func isDevice(name string) bool {
	stem, _, _ := strings.Cut(name, ".")
	stem = strings.ToUpper(strings.TrimRight(stem, " "))
	switch stem {
	case "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$":
		return true
	}
	port, ok := strings.CutPrefix(stem, "COM")
	if !ok {
		port, ok = strings.CutPrefix(stem, "LPT")
	}
	return ok && utf8.RuneCountInString(port) == 1 && strings.Contains("0123456789¹²³", port)
}
