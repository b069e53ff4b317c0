package pkcs11kek

import (
	"bytes"
	"crypto/rand"
	"slices"
)

// findKeys is run for each session, since handles need not be the same in the next, and
// since the token may be another one by then.
func (k *KEK) findKeys(s *session) error {
	names := make([]keyID, 0, len(k.keys))
	for i, want := range k.keys {
		found, err := s.find(want)
		if err != nil {
			return newError("check", err)
		}
		o, err := k.checkObjects(found, i == 0)
		if err != nil {
			return err
		}
		name := keyIDOf(o)
		if slices.Contains(names, name) {
			return &Error{Op: "check", Kind: ErrRefused, Cause: errSameKey}
		}
		names = append(names, name)
		s.keys = append(s.keys, key{name, o.handle})
	}
	if !k.names.CompareAndSwap(nil, &names) && !slices.Equal(*k.names.Load(), names) {
		return &Error{Op: "check", Kind: ErrRefused, Cause: errKeyMoved}
	}
	return nil
}

// checkObjects returns the only one of found. A key that New has seen and that is gone
// is a token that is being removed: some say so by an empty search.
func (k *KEK) checkObjects(found []object, newest bool) (object, error) {
	switch {
	case len(found) == 0 && k.names.Load() != nil:
		return object{}, &Error{Op: "check", Kind: ErrUnavailable, Cause: errNoKey}
	case len(found) == 0:
		return object{}, &Error{Op: "check", Kind: ErrRefused, Cause: errNoKey}
	case len(found) > 1:
		return object{}, &Error{Op: "check", Kind: ErrRefused, Cause: errKeys}
	}
	o := found[0]
	switch {
	case !o.aes256:
		return o, &Error{Op: "check", Kind: ErrRefused, Cause: errKeyType}
	case !o.decrypt || newest && !o.encrypt:
		return o, &Error{Op: "check", Kind: ErrRefused, Cause: errKeyUsage}
	case (!o.sensitive || o.extractable || !o.private) && !k.insecure:
		return o, &Error{Op: "check", Kind: ErrRefused, Cause: errKeyOpen}
	}
	return o, nil
}

// probe is a random text under the newest key, which tells a token that fails from a
// ciphertext that is wrong: many have one code for both.
type probe struct {
	wrapped wrappedKey
	text    []byte
}

func newProbe() probe {
	text := make([]byte, dekSize)
	rand.Read(text)
	return probe{text: text}
}

// open returns nil if s decrypts the probe.
func (p probe) open(s *session) error {
	newest := s.keys[0]
	got, err := s.decrypt(newest.handle, p.wrapped.iv, newest.name.aad(""), p.wrapped.sealed)
	code, _ := err.(Code)
	if err == nil && !bytes.Equal(got, p.text) || code.notAuthentic() {
		return errProbe
	}
	return err
}
