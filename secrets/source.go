package secrets

import (
	"context"
	"errors"
	"strings"
	"time"
)

var (
	// ErrNotFound is returned for a name that a [Source] does not have.
	ErrNotFound = errors.New("secrets: not found")

	// ErrDenied is returned for a name that the program did not declare to
	// [Env] or [Only].
	ErrDenied = errors.New("secrets: access denied")
)

// Source reads secrets by name from one kind of store.
type Source interface {
	// Fetch returns the versions of the named secret, newest first. It returns at
	// least one version that is not Pending, or an error: one that wraps
	// [ErrNotFound] if and only if the store works and does not have the name.
	// Errors never quote a value. Fetch is safe for concurrent use.
	Fetch(ctx context.Context, name string) ([]Version, error)
}

// Version is one value of a secret that changes over time.
type Version struct {
	Secret Secret

	// ID tells the version apart from the others of its name. It is safe to log.
	ID string

	// Pending marks a value that is announced but not in use yet: accept what was
	// made with it, make nothing with it.
	Pending bool

	// Since is a time by which the store had the version in this place, as early as
	// the store can vouch for it; zero if it cannot. A [Live] that starts goes by it:
	// too late a time only delays the use of a new version, too early a time has it
	// used before others know it.
	Since time.Time
}

// answer is what a Source says about one name.
type answer struct {
	versions []Version
	err      error
}

// batcher is a Source that can read several names from one state of its store, so
// that what belongs together (a certificate and its key) stays together.
type batcher interface {
	fetchAll(ctx context.Context, names []string) []answer
}

// fetchAll returns src's answer for each name, from one state of the store if src
// can do that.
func fetchAll(ctx context.Context, src Source, names []string) []answer {
	switch src.(type) {
	case dir, first, *Allowlist: // not "case batcher": a type that embeds one is asked through its own Fetch
		return src.(batcher).fetchAll(ctx, names)
	}
	answers := make([]answer, len(names))
	for i, name := range names {
		answers[i].versions, answers[i].err = src.Fetch(ctx, name)
	}
	return answers
}

// fetchOne is the Fetch of a batcher.
func fetchOne(ctx context.Context, b batcher, name string) ([]Version, error) {
	a := b.fetchAll(ctx, []string{name})[0]
	return a.versions, a.err
}

// failAll gives every name the same error.
func failAll(names []string, err error) []answer {
	answers := make([]answer, len(names))
	for i, name := range names {
		answers[i].err = named(name, err)
	}
	return answers
}

// nameError tells which secret an error is about.
type nameError struct {
	name string
	err  error
}

// named returns err as the error of one secret. The name is not secret.
func named(name string, err error) error { return &nameError{printable(name), err} }

// naming is named, unless the source has done it.
func naming(name string, err error) error {
	if _, ok := errors.AsType[*nameError](err); ok {
		return err
	}
	return named(name, err)
}

func (e *nameError) Error() string {
	return "secrets: " + e.name + ": " + strings.TrimPrefix(e.err.Error(), "secrets: ")
}

func (e *nameError) Unwrap() error { return e.err }

// printable returns name if it looks like one. What does not may be a value that
// was passed as a name by mistake, or an attempt to write into a log.
func printable(name string) string {
	if !validName(name) {
		return "(invalid name)"
	}
	return name
}

// maxName leaves room for ".next" in the 255 bytes of a file name.
const maxName = 250

// validName reports whether name is made of the characters that docker, Kubernetes
// and systemd allow in common, and hides nothing: no separator, no leading dot.
func validName(name string) bool {
	if name == "" || len(name) > maxName || name[0] == '.' {
		return false
	}
	for _, c := range []byte(name) {
		if !isAlnum(c) && c != '_' && c != '-' && c != '.' {
			return false
		}
	}
	return true
}

func isAlnum(c byte) bool {
	return '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
}
