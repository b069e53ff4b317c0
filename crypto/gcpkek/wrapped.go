package gcpkek

import (
	"encoding/binary"
	"strconv"
	"strings"
)

// A wrapped key is
//
//	01 | number of the CryptoKeyVersion, big-endian (4) | ciphertext of Cloud KMS
//
// The number serves [KEK.NeedsRewrap] alone: Cloud KMS finds the version in its own
// ciphertext, and the header of an envelope authenticates all of it.
const (
	formatVersion = 1
	prefixLen     = 5
	maxWrapped    = 8 << 10 // of the header of an envelope
)

func encodeWrapped(version uint32, ciphertext []byte) []byte {
	out := make([]byte, 0, prefixLen+len(ciphertext))
	out = binary.BigEndian.AppendUint32(append(out, formatVersion), version)
	return append(out, ciphertext...)
}

func parseWrapped(wrapped []byte) (version uint32, ciphertext []byte, ok bool) {
	if len(wrapped) <= prefixLen || len(wrapped) > maxWrapped || wrapped[0] != formatVersion {
		return 0, nil, false
	}
	version = binary.BigEndian.Uint32(wrapped[1:])
	return version, wrapped[prefixLen:], version > 0
}

// parseVersion returns the number at the end of the name of a version of key.
func parseVersion(name, key string) (uint32, bool) {
	digits, ok := strings.CutPrefix(name, key+"/cryptoKeyVersions/")
	n, err := strconv.ParseUint(digits, 10, 32)
	return uint32(n), ok && err == nil && n > 0
}
