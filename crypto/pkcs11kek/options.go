package pkcs11kek

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"path/filepath"
	"time"
	"unicode/utf8"
)

// Token names a token and its PIN.
type Token struct {
	// Label is the CK_TOKEN_INFO label, without the blanks that pad it.
	Label string

	// Serial is its serial number. Either it or the Label may be left out; together
	// with all others that are present, what is given must fit one token only.
	Serial string

	// PIN returns the PIN of the normal user (CKU_USER), 1 to 255 bytes, in a slice of
	// its own that is wiped after the login. It is called for each login: the first,
	// and those after the token was removed or has ended the login. Its error is
	// wrapped in an [*Error] and must not hold the PIN.
	PIN func(ctx context.Context) ([]byte, error)
}

// Key names a secret key of the token.
type Key struct {
	Label string // CKA_LABEL; may be left out beside an ID
	ID    []byte // CKA_ID; may be left out beside a Label
}

// Option is an option of [New].
type Option func(*config)

type config struct {
	id       string
	sessions int
	timeout  time.Duration
	tokenIV  bool
	insecure bool
	log      *slog.Logger
}

// WithID sets the ID that is stored with each wrapped key, 1 to 255 bytes. The default
// is "pkcs11:token=" and the label of the Token, or "pkcs11:serial=" and its serial
// number: enough unless an Envelope uses two sets of keys of one token.
func WithID(id string) Option { return func(c *config) { c.id = id } }

// WithSessions bounds the sessions that are open at once, 1 to 1,024; the default is
// 8. A call that finds all in use waits. Count all processes against the limit that
// the token has.
func WithSessions(n int) Option { return func(c *config) { c.sessions = n } }

// WithTimeout bounds each call of the KEK, with all its attempts and a login; the
// default is 10 seconds. The context of a call can only shorten it.
func WithTimeout(d time.Duration) Option { return func(c *config) { c.timeout = d } }

// WithTokenIV has the token make the IV of AES-GCM, as some demand, such as AWS
// CloudHSM or those in a FIPS mode: it is handed an IV of zeros, in whose place it
// writes its own. New returns an error if the token takes the zeros instead.
func WithTokenIV() Option { return func(c *config) { c.tokenIV = true } }

// WithLogger sends the events that the package comment lists to l; nil drops them,
// as is the default.
func WithLogger(l *slog.Logger) Option { return func(c *config) { c.log = l } }

// InsecureKeyAttributes accepts keys that can be read out of the token (CKA_SENSITIVE
// false or CKA_EXTRACTABLE true) or used without a PIN (CKA_PRIVATE false).
func InsecureKeyAttributes() Option { return func(c *config) { c.insecure = true } }

var (
	errModule   = errors.New("pkcs11kek: module is not an absolute path: a search path would decide what is loaded")
	errToken    = errors.New("pkcs11kek: token has neither a label nor a serial number, or no PIN function")
	errNoKeys   = errors.New("pkcs11kek: 1 to 64 keys are needed, each with a label or an ID")
	errID       = errors.New("pkcs11kek: ID is not 1 to 255 bytes of UTF-8: see WithID")
	errSessions = errors.New("pkcs11kek: number of sessions is not 1 to 1,024")
	errDEK      = errors.New("pkcs11kek: data key is not 32 bytes long")
	errLabel    = errors.New("pkcs11kek: label is not 1 to 255 bytes of UTF-8")
	errTimeout  = errors.New("pkcs11kek: timeout is not positive")
)

func (c *config) check(module string, token Token, keys []Key) error {
	switch {
	case !filepath.IsAbs(module):
		return errModule
	case token.Label == "" && token.Serial == "" || token.PIN == nil:
		return errToken
	case len(keys) == 0 || len(keys) > maxKeys:
		return errNoKeys
	case !isText(c.id):
		return errID
	case c.sessions < 1 || c.sessions > 1024:
		return errSessions
	case c.timeout <= 0:
		return errTimeout
	}
	for _, k := range keys {
		if k.Label == "" && len(k.ID) == 0 {
			return errNoKeys
		}
	}
	return nil
}

const maxKeys = 64

func isText(s string) bool { return len(s) > 0 && len(s) <= 255 && utf8.ValidString(s) }

// defaultID follows the URIs of RFC 7512.
func defaultID(t Token) string {
	if t.Label != "" {
		return "pkcs11:token=" + url.PathEscape(t.Label)
	}
	return "pkcs11:serial=" + url.PathEscape(t.Serial)
}
