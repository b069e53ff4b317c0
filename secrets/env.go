package secrets

import (
	"context"
	"errors"
	"os"
	"slices"
)

var errBoth = errors.New("secrets: both the variable and its _FILE form are set")

// Env returns a Source of the allowed environment variables. The secret NAME is the
// value of the variable NAME or the content of the file whose path is in NAME_FILE;
// setting both is an error. [Dir] tells what is refused as a file, but symbolic links
// are followed, and files that are swapped together may be read apart. An empty
// variable counts as unset. A name that is not in allow is [ErrDenied]: with none given, nothing is
// readable.
//
// Prefer files: the environment is inherited by child processes, shows in
// /proc/PID/environ, and cannot be erased.
func Env(allow ...string) Source { return env(slices.Clone(allow)) }

type env []string

func (e env) Fetch(_ context.Context, name string) ([]Version, error) {
	if !slices.Contains(e, name) {
		return nil, named(name, ErrDenied)
	}
	value, path := os.Getenv(name), os.Getenv(name+"_FILE")
	switch {
	case value != "" && path != "":
		return nil, named(name, errBoth)
	case value != "":
		return []Version{{Secret: New(value), ID: name}}, nil
	case path != "":
		return fromFile(name, path)
	}
	return nil, named(name, ErrNotFound)
}

// fromFile does not answer ErrNotFound for a missing file: it was asked for.
func fromFile(name, path string) ([]Version, error) {
	name += "_FILE"
	f, err := os.OpenFile(path, openFlags, 0)
	if err != nil {
		return nil, named(name, withoutPath(err))
	}
	s, err := readFile(f)
	if err != nil {
		return nil, named(name, err)
	}
	return []Version{{Secret: s, ID: name}}, nil
}
