package password

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

const (
	argon2id = "argon2id"
	argon2i  = "argon2i"

	maxStored        = 512
	minSalt, maxSalt = 8, 48 // PHC string format, section "Argon2 Encoding"
	minTag, maxTag   = 16, 64
	maxPepperID      = 32
	argon2Version    = "v=19"
	pepperParam      = "pepper" // not "keyid", which means argon2's own secret input
)

// b64 is the base64 of PHC strings: standard alphabet, no padding.
var b64 = base64.RawStdEncoding

// String returns the PHC string
//
//	$argon2id$v=19$m=<KiB>,t=<passes>,p=<lanes>[,pepper=<id>]$<salt>$<tag>
func (a *argon2Hash) String() string {
	pepper := ""
	if a.pepper.ID != "" {
		pepper = "," + pepperParam + "=" + a.pepper.ID
	}
	return fmt.Sprintf("$%s$%s$m=%d,t=%d,p=%d%s$%s$%s", a.kind, argon2Version,
		a.params.Memory, a.params.Time, a.params.Parallelism, pepper,
		b64.EncodeToString(a.salt), b64.EncodeToString(a.tag))
}

// parse reads a stored hash and checks it against the ceiling and the budget.
func (c *config) parse(stored string) (s scheme, err error) {
	if len(stored) > maxStored {
		return nil, ErrFormat
	}
	id, _, _ := strings.Cut(strings.TrimPrefix(stored, "$"), "$")
	switch {
	case id == argon2id, id == argon2i && c.accepts(Argon2i):
		s, err = c.parseArgon2(stored)
	case c.accepts(Bcrypt) && (id == "2a" || id == "2b" || id == "2y"):
		s, err = parseBcrypt(stored)
	case c.accepts(Scrypt) && id == "scrypt":
		s, err = c.parseScrypt(stored)
	case c.accepts(PBKDF2) && strings.HasPrefix(id, "pbkdf2-"):
		s, err = parsePBKDF2(stored)
	default:
		return nil, ErrFormat
	}
	if err == nil && s.charge() > c.memory {
		return nil, ErrCeiling
	}
	return s, err
}

func (c *config) accepts(l Legacy) bool { return slices.Contains(c.legacy, l) }

func (c *config) parseArgon2(stored string) (scheme, error) {
	f := strings.Split(stored, "$")
	if len(f) != 6 || f[2] != argon2Version {
		return nil, ErrFormat
	}
	a := &argon2Hash{kind: f[1]}
	pepperID, err := a.parseParams(f[3])
	if err != nil {
		return nil, err
	}
	if a.salt, err = decode(f[4], minSalt, maxSalt); err != nil {
		return nil, err
	}
	if a.tag, err = decode(f[5], minTag, maxTag); err != nil {
		return nil, err
	}
	if !a.params.valid() {
		return nil, ErrFormat
	}
	if !a.params.within(c.ceiling) {
		return nil, ErrCeiling
	}
	if a.pepper, err = c.pepperOf(pepperID); err != nil {
		return nil, err
	}
	// One hash has one string: whatever the steps above were lenient about.
	if a.String() != stored {
		return nil, ErrFormat
	}
	return a, nil
}

// parseParams reads m, t, p and pepper, in that order.
func (a *argon2Hash) parseParams(s string) (pepperID string, err error) {
	f := strings.Split(s, ",")
	if len(f) != 3 && len(f) != 4 {
		return "", ErrFormat
	}
	m, err1 := number(f[0], "m", 32)
	t, err2 := number(f[1], "t", 32)
	p, err3 := number(f[2], "p", 8)
	if err1 != nil || err2 != nil || err3 != nil {
		return "", ErrFormat
	}
	a.params = Params{Memory: uint32(m), Time: uint32(t), Parallelism: uint8(p)}
	if len(f) == 4 {
		id, ok := strings.CutPrefix(f[3], pepperParam+"=")
		if !ok || !validPepperID(id) {
			return "", ErrFormat
		}
		return id, nil
	}
	return "", nil
}

// number reads name=value with a decimal value that has no leading zero.
func number(s, name string, bits int) (uint64, error) {
	digits, ok := strings.CutPrefix(s, name+"=")
	n, err := strconv.ParseUint(digits, 10, bits)
	if !ok || err != nil || digits != strconv.FormatUint(n, 10) {
		return 0, ErrFormat
	}
	return n, nil
}

// decode reads base64 in its one canonical form.
func decode(s string, shortest, longest int) ([]byte, error) {
	b, err := b64.DecodeString(s)
	if err != nil || len(b) < shortest || len(b) > longest || b64.EncodeToString(b) != s {
		return nil, ErrFormat
	}
	return b, nil
}

func validPepperID(id string) bool {
	return len(id) >= 1 && len(id) <= maxPepperID && !strings.ContainsFunc(id, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '.'
	})
}
