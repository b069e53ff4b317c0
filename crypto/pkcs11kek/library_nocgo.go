//go:build !cgo

package pkcs11kek

import "errors"

var errNoCgo = errors.New("pkcs11kek: a PKCS #11 module needs a build with CGO_ENABLED=1")

func loadLibrary(string) (library, error) { return nil, errNoCgo }
