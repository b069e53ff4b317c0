package pkcs11kek

// library is what is used of a loaded PKCS #11 module. Errors are of type [Code].
type library interface {
	initialize() error
	finalize()
	tokens() ([]token, error)
	open(slot uint) (device, error)
}

// device is a session with a token.
type device interface {
	loggedIn() (bool, error)
	login(pin []byte) error
	find(Key) ([]object, error)
	encrypt(handle uint, iv, aad, plaintext []byte) (used, sealed []byte, err error) // used is the IV
	decrypt(handle uint, iv, aad, sealed []byte) ([]byte, error)
	close()
}

// token is a token that is present.
type token struct {
	slot             uint
	label, serial    string
	finalTry, locked bool // of the user's PIN
}

// object is a secret key of a token.
type object struct {
	handle                          uint
	label, id                       []byte
	aes256                          bool
	sensitive, extractable, private bool
	encrypt, decrypt                bool
}
