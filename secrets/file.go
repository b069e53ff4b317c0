package secrets

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"runtime"
	"unicode/utf8"
)

// maxFile is the limit of Kubernetes and systemd for one secret; docker's is lower.
const maxFile = 1 << 20

const openFlags = os.O_RDONLY | nonblock

var (
	errEmpty    = errors.New("secrets: is empty")
	errTooLarge = errors.New("secrets: is larger than 1 MiB")
	errKind     = errors.New("secrets: is not a regular file")
	errMode     = errors.New("secrets: is writable by every user of the system")
	errChanged  = errors.New("secrets: changed while it was read")
)

// readFile reads a secret from f and closes f.
//
// Being readable by others is accepted: docker and Kubernetes mount secrets so, and
// the container is the boundary. Being writable by others is not: whoever can
// choose a key does not have to read it.
func readFile(f fs.File) (Secret, error) {
	defer f.Close()
	before, err := f.Stat()
	if err != nil {
		return Secret{}, withoutPath(err)
	}
	switch {
	case !before.Mode().IsRegular():
		return Secret{}, errKind
	case before.Mode().Perm()&0o002 != 0 && runtime.GOOS != "windows": // where the bits are made up
		return Secret{}, errMode
	case before.Size() > maxFile:
		return Secret{}, errTooLarge
	}
	buf := make([]byte, before.Size()+1) // the extra byte notices a file that grows
	defer clear(buf)
	n, err := io.ReadFull(f, buf)
	if err != io.EOF && err != io.ErrUnexpectedEOF {
		if err == nil {
			err = errChanged
		}
		return Secret{}, withoutPath(err)
	}
	after, err := f.Stat()
	if err != nil {
		return Secret{}, withoutPath(err)
	}
	if int64(n) != after.Size() || !before.ModTime().Equal(after.ModTime()) {
		return Secret{}, errChanged
	}
	value := trimNewline(buf[:n])
	if len(value) == 0 {
		return Secret{}, errEmpty
	}
	return New(value), nil
}

// trimNewline removes the one line ending that editors and echo put at the end of
// a text. Bytes that are not text are a raw key, whose last byte may well be 0x0A.
func trimNewline(b []byte) []byte {
	if !utf8.Valid(b) {
		return b
	}
	if line, ok := bytes.CutSuffix(b, []byte("\n")); ok {
		return bytes.TrimSuffix(line, []byte("\r"))
	}
	return b
}

// withoutPath drops the path from an error of package os. A secret that was given
// where its path belongs would be printed with it.
func withoutPath(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}
