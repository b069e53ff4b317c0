package secrets

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"strconv"
	"time"
)

// Dir returns a Source of the files in a directory, one secret a file: docker and
// podman secrets (/run/secrets), a Kubernetes Secret volume, or the directory of
// systemd credentials. The secret's name is the file's name: letters, digits, '_',
// '-' and '.', not starting with a dot, at most 250 bytes. Nothing outside the
// directory can be reached, not by a symbolic link either.
//
// The versions of NAME are the files NAME.next, which is Pending, NAME, NAME.1, the
// previous one, and what is older: NAME.2 to NAME.9. Only NAME must exist. To rotate,
// put the new value into NAME.next; when every reader has seen it, copy NAME to NAME.1
// (and NAME.1 to NAME.2 before, if that is still in use) and rename NAME.next to NAME.
// Writing into an existing file is noticed only if it happens while the file is read:
// rename a complete file over it.
//
// The Since of a version is the later one of the times when its file and the directory
// that holds it were modified: renaming keeps the time of a file and changes that of
// its directory. A volume that was just mounted is as young as its mount.
//
// A Kubernetes volume is read from the one ..data directory that was current, so
// that values which were updated together are read together: the versions of one
// Fetch, and all fields of one [Load].
//
// A file that is empty, larger than 1 MiB, not a regular file or writable by every
// user is an error. One line ending at the end of a file is removed if the file is
// valid UTF-8, and nothing else: a byte order mark stays. The directory is opened on every Fetch: one that does not exist, as
// well as an empty path, has no secrets, which is [ErrNotFound].
func Dir(path string) Source { return dir(path) }

// Systemd returns [Dir] of $CREDENTIALS_DIRECTORY, where systemd puts what a unit
// asks for with LoadCredential= and SetCredentialEncrypted=. Outside of such a unit
// it has no secrets.
func Systemd() Source { return Dir(os.Getenv("CREDENTIALS_DIRECTORY")) }

type dir string

// dataLink is the symbolic link that the kubelet swaps to publish all files of a
// volume at once.
const dataLink = "..data"

// maxOlder is how many older versions a directory can have.
const maxOlder = 9

// maxSwaps bounds how often one Fetch starts over because the volume was swapped or
// a file was written under it.
const maxSwaps = 100

func (d dir) Fetch(ctx context.Context, name string) ([]Version, error) {
	return fetchOne(ctx, d, name)
}

func (d dir) fetchAll(ctx context.Context, names []string) []answer {
	for range maxSwaps {
		if err := ctx.Err(); err != nil {
			return failAll(names, err)
		}
		answers, err := d.readOnce(names)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return failAll(names, ErrNotFound)
		case err == nil:
			return answers
		case err != errChanged:
			return failAll(names, err)
		}
	}
	return failAll(names, errChanged)
}

// readOnce reads names from one state of the directory, or returns errChanged if it
// did not stay the same meanwhile.
func (d dir) readOnce(names []string) ([]answer, error) {
	m, err := openMount(string(d))
	if err != nil {
		return nil, withoutPath(err)
	}
	defer m.close()
	answers := make([]answer, len(names))
	for i, name := range names {
		answers[i] = m.versions(name)
		if errors.Is(answers[i].err, errChanged) {
			return nil, errChanged
		}
	}
	if !m.current() {
		return nil, errChanged
	}
	return answers, nil
}

// mount is an open directory of secrets.
type mount struct {
	root *os.Root // what the operator named
	data *os.Root // where the files are: the target of ..data at one instant, or root
}

func openMount(path string) (*mount, error) {
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	if _, err := root.Lstat(dataLink); errors.Is(err, fs.ErrNotExist) {
		return &mount{root: root, data: root}, nil
	}
	data, err := root.OpenRoot(dataLink)
	if err != nil {
		root.Close()
		if errors.Is(err, fs.ErrNotExist) { // swapped between its resolution and its opening
			err = errChanged
		}
		return nil, err
	}
	return &mount{root: root, data: data}, nil
}

func (m *mount) close() {
	m.data.Close()
	m.root.Close()
}

// current reports whether ..data still leads to m.data. If not, files may have been
// missing because the kubelet was deleting them.
func (m *mount) current() bool {
	if m.data == m.root {
		return true
	}
	was, err1 := m.data.Stat(".")
	is, err2 := m.root.Stat(dataLink)
	return err1 == nil && err2 == nil && os.SameFile(was, is)
}

// versions reads the files of name, newest first. A value moves from newer to older
// files only, so in this order a rotation can show one twice but hide none.
func (m *mount) versions(name string) answer {
	if !validName(name) {
		return answer{err: named(name, ErrNotFound)}
	}
	var found []Version
	for i := -1; i <= maxOlder; i++ {
		file := versionFile(name, i)
		s, err := m.read(file)
		if errors.Is(err, fs.ErrNotExist) {
			if file == name {
				return answer{err: named(name, ErrNotFound)}
			}
			continue
		}
		if err != nil {
			return answer{err: named(file, err)}
		}
		since, err := m.since(file)
		if err != nil {
			return answer{err: named(file, errChanged)}
		}
		found = append(found, Version{Secret: s, ID: file, Pending: i < 0, Since: since})
	}
	return answer{versions: found}
}

// versionFile returns the file of the i-th older version, the current one being 0 and
// the next one -1.
func versionFile(name string, i int) string {
	switch {
	case i < 0:
		return name + ".next"
	case i == 0:
		return name
	}
	return name + "." + strconv.Itoa(i)
}

// since is asked after the file was read, lest the answer belong to an older one.
func (m *mount) since(file string) (time.Time, error) {
	content, err := m.data.Stat(file)
	if err != nil {
		return time.Time{}, err
	}
	place, err := m.data.Stat(".")
	if err != nil {
		return time.Time{}, err
	}
	if place.ModTime().After(content.ModTime()) {
		content = place
	}
	return content.ModTime(), nil
}

func (m *mount) read(file string) (Secret, error) {
	f, err := m.data.OpenFile(file, openFlags, 0)
	if err != nil {
		return Secret{}, withoutPath(err)
	}
	return readFile(f)
}
