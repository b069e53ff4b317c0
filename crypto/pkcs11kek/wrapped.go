package pkcs11kek

import "crypto/sha256"

// A wrapped data key is 65 bytes long:
//
//	01 | key id (4) | AES-256-GCM: IV (12), encrypted data key (32), tag (16)
//
// The additional data is the five bytes before the IV, then the label, which has no
// length of its own since nothing follows it.
const (
	version    = 1
	keyIDLen   = 4
	headerLen  = 1 + keyIDLen
	ivLen      = 12
	tagLen     = 16
	dekSize    = 32
	sealedLen  = dekSize + tagLen
	wrappedLen = headerLen + ivLen + sealedLen
)

// keyID names a key of the token in what it has wrapped. It is made of what the token
// calls the key, not of the key: a check value made by AES would give away bits of the
// hash key of GCM.
type keyID [keyIDLen]byte

// keyIDOf prefers CKA_ID, which PKCS #11 means to identify a key, to CKA_LABEL, which
// people change.
func keyIDOf(o object) keyID {
	text := append([]byte("github.com/pavise/pavise/crypto/pkcs11kek/keyid/v1"), 0)
	if len(o.id) > 0 {
		text = append(append(text, 1), o.id...)
	} else {
		text = append(append(text, 2), o.label...)
	}
	sum := sha256.Sum256(text)
	return keyID(sum[:])
}

type wrappedKey struct {
	key        keyID
	iv, sealed []byte
}

func parseWrapped(b []byte) (w wrappedKey, ok bool) {
	if len(b) != wrappedLen || b[0] != version {
		return w, false
	}
	return wrappedKey{keyID(b[1:]), b[headerLen:][:ivLen], b[headerLen+ivLen:]}, true
}

func (w wrappedKey) bytes() []byte {
	return append(append(w.key.header(wrappedLen), w.iv...), w.sealed...)
}

// aad binds a data key to its label. The label of a [probe] is empty, that of a data
// key never is.
func (id keyID) aad(label string) []byte {
	return append(id.header(headerLen+len(label)), label...)
}

func (id keyID) header(room int) []byte {
	return append(append(make([]byte, 0, room), version), id[:]...)
}
