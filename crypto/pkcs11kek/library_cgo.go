//go:build cgo

package pkcs11kek

import (
	"bytes"
	"errors"
	"unsafe"

	"github.com/miekg/pkcs11"
)

var errLoad = errors.New("pkcs11kek: module is missing or not a PKCS #11 library")

func loadLibrary(path string) (library, error) {
	ctx := pkcs11.New(path)
	if ctx == nil {
		return nil, errLoad
	}
	return &cryptoki{ctx}, nil
}

// cryptoki is a library in C. It is never unloaded: threads of its own may outlive
// C_Finalize.
type cryptoki struct{ ctx *pkcs11.Ctx }

func (l *cryptoki) initialize() error { return coded(l.ctx.Initialize()) }

func (l *cryptoki) finalize() { _ = l.ctx.Finalize() }

func (l *cryptoki) tokens() ([]token, error) {
	slots, err := l.ctx.GetSlotList(true)
	if err != nil {
		return nil, coded(err)
	}
	var found []token
	for _, slot := range slots {
		info, err := l.ctx.GetTokenInfo(slot)
		if err != nil || info.Flags&pkcs11.CKF_TOKEN_INITIALIZED == 0 {
			continue // removed since, or of nobody
		}
		found = append(found, token{
			slot: slot, label: info.Label, serial: info.SerialNumber,
			finalTry: info.Flags&pkcs11.CKF_USER_PIN_FINAL_TRY != 0,
			locked:   info.Flags&pkcs11.CKF_USER_PIN_LOCKED != 0,
		})
	}
	return found, nil
}

func (l *cryptoki) open(slot uint) (device, error) {
	handle, err := l.ctx.OpenSession(slot, pkcs11.CKF_SERIAL_SESSION)
	if err != nil {
		return nil, coded(err)
	}
	return &cryptokiSession{l.ctx, handle}, nil
}

type cryptokiSession struct {
	ctx    *pkcs11.Ctx
	handle pkcs11.SessionHandle
}

func (s *cryptokiSession) close() { _ = s.ctx.CloseSession(s.handle) }

func (s *cryptokiSession) loggedIn() (bool, error) {
	info, err := s.ctx.GetSessionInfo(s.handle)
	return info.State == pkcs11.CKS_RO_USER_FUNCTIONS, coded(err)
}

// login lends the PIN without a copy in Go's memory, which could not be wiped. Login
// keeps nothing of it.
func (s *cryptokiSession) login(pin []byte) error {
	return coded(s.ctx.Login(s.handle, pkcs11.CKU_USER, unsafe.String(unsafe.SliceData(pin), len(pin))))
}

// find asks for more than one, so that an ambiguous name shows.
func (s *cryptokiSession) find(k Key) ([]object, error) {
	template := []*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_SECRET_KEY),
		pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true),
	}
	if k.Label != "" {
		template = append(template, pkcs11.NewAttribute(pkcs11.CKA_LABEL, k.Label))
	}
	if len(k.ID) > 0 {
		template = append(template, pkcs11.NewAttribute(pkcs11.CKA_ID, k.ID))
	}
	if err := s.ctx.FindObjectsInit(s.handle, template); err != nil {
		return nil, coded(err)
	}
	handles, _, err := s.ctx.FindObjects(s.handle, 2)
	if finalErr := s.ctx.FindObjectsFinal(s.handle); err == nil {
		err = finalErr
	}
	if err != nil {
		return nil, coded(err)
	}
	objects := make([]object, len(handles))
	for i, handle := range handles {
		if objects[i], err = s.describe(handle); err != nil {
			return nil, err
		}
	}
	return objects, nil
}

func (s *cryptokiSession) describe(handle pkcs11.ObjectHandle) (object, error) {
	o := object{handle: uint(handle)}
	kind, err := s.attributes(handle, pkcs11.CKA_KEY_TYPE)
	if err != nil || !bytes.Equal(kind[0], ulong(pkcs11.CKK_AES)) {
		return o, err // a key of another type need not have a length
	}
	v, err := s.attributes(handle, pkcs11.CKA_LABEL, pkcs11.CKA_ID, pkcs11.CKA_VALUE_LEN,
		pkcs11.CKA_SENSITIVE, pkcs11.CKA_EXTRACTABLE, pkcs11.CKA_PRIVATE, pkcs11.CKA_ENCRYPT, pkcs11.CKA_DECRYPT)
	if err != nil {
		return o, err
	}
	o.label, o.id = v[0], v[1]
	o.aes256 = bytes.Equal(v[2], ulong(32))
	o.sensitive, o.extractable, o.private = isTrue(v[3]), !isFalse(v[4]), isTrue(v[5])
	o.encrypt, o.decrypt = isTrue(v[6]), isTrue(v[7])
	return o, nil
}

func (s *cryptokiSession) attributes(handle pkcs11.ObjectHandle, types ...uint) ([][]byte, error) {
	asked := make([]*pkcs11.Attribute, len(types))
	for i, t := range types {
		asked[i] = pkcs11.NewAttribute(t, nil)
	}
	got, err := s.ctx.GetAttributeValue(s.handle, handle, asked)
	if err != nil {
		return nil, coded(err)
	}
	values := make([][]byte, len(types))
	for i, a := range got {
		values[i] = a.Value
	}
	return values, nil
}

func ulong(n uint) []byte { return bytes.Clone(pkcs11.NewAttribute(0, n).Value) }

func isTrue(b []byte) bool  { return len(b) == 1 && b[0] != 0 }
func isFalse(b []byte) bool { return len(b) == 1 && b[0] == 0 }

func (s *cryptokiSession) encrypt(handle uint, iv, aad, plaintext []byte) (used, sealed []byte, err error) {
	params := pkcs11.NewGCMParams(iv, aad, 8*tagLen)
	defer params.Free()
	if err := s.ctx.EncryptInit(s.handle, gcm(params), pkcs11.ObjectHandle(handle)); err != nil {
		return nil, nil, coded(err)
	}
	sealed, err = s.ctx.Encrypt(s.handle, plaintext)
	return params.IV(), sealed, coded(err)
}

func (s *cryptokiSession) decrypt(handle uint, iv, aad, sealed []byte) ([]byte, error) {
	params := pkcs11.NewGCMParams(iv, aad, 8*tagLen)
	defer params.Free()
	if err := s.ctx.DecryptInit(s.handle, gcm(params), pkcs11.ObjectHandle(handle)); err != nil {
		return nil, coded(err)
	}
	plaintext, err := s.ctx.Decrypt(s.handle, sealed)
	return plaintext, coded(err)
}

func gcm(params *pkcs11.GCMParams) []*pkcs11.Mechanism {
	return []*pkcs11.Mechanism{pkcs11.NewMechanism(pkcs11.CKM_AES_GCM, params)}
}

// coded returns err as a Code, or nil.
func coded(err error) error {
	switch err := err.(type) {
	case nil:
		return nil
	case pkcs11.Error:
		return Code(err)
	default:
		return codeGeneralError
	}
}
