package session

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"strings"
	"time"

	"github.com/pavise/pavise/crypto"
)

// The value of a sealed cookie is the base64url of what a [crypto.Keyring] made of: format
// (1 byte, 01) | AAL | persist | schema version (uint32) | epoch (uint64) | Created,
// AuthTime, Expires, Seen (int64, microseconds since 1970) | handle | user | number of
// methods (1 byte) | methods | data. Numbers are big-endian, strings begin with their
// length in a byte. It is bound to the name of the cookie.
const sealedFormat = 1

var (
	sealedEncoding = base64.RawURLEncoding.Strict()
	errSealed      = errors.New("session: sealed cookie has no such form")
)

// box turns sessions into values of the cookie of this name.
type box struct {
	keys *crypto.Keyring
	name string
}

func (b box) binding() crypto.Binding { return crypto.Bind("pavise/session/sealed/v1", b.name) }

func (b box) seal(o *opened) (string, error) {
	sealed, err := b.keys.Seal(nil, appendSealed(nil, o), b.binding())
	if err != nil {
		return "", err
	}
	return sealedEncoding.EncodeToString(sealed), nil
}

// open returns crypto.ErrOpen or errSealed for a value that is no session; other errors
// are the Keyring's, which may have no key at present.
func (b box) open(value string) (opened, error) {
	if len(value) > maxCookieLen || strings.ContainsAny(value, "\r\n") { // which decoding skips
		return opened{}, errSealed
	}
	sealed, err := sealedEncoding.DecodeString(value)
	if err != nil {
		return opened{}, errSealed
	}
	plain, err := b.keys.Open(nil, sealed, b.binding())
	if err != nil {
		return opened{}, err
	}
	return parseSealed(plain)
}

func appendSealed(b []byte, o *opened) []byte {
	r := &o.rec
	b = append(b, sealedFormat, byte(r.AAL), bit(r.Persist))
	b = binary.BigEndian.AppendUint32(b, o.schema)
	b = binary.BigEndian.AppendUint64(b, o.epoch)
	for _, t := range [...]time.Time{r.Created, r.AuthTime, r.Expires, r.Seen} {
		b = binary.BigEndian.AppendUint64(b, uint64(t.UnixMicro()))
	}
	b = appendShort(b, string(r.Handle))
	b = appendShort(b, r.User)
	b = append(b, byte(len(r.Methods)))
	for _, m := range r.Methods {
		b = appendShort(b, m)
	}
	return append(b, o.plain...)
}

// appendShort appends a string of at most 255 bytes.
func appendShort(b []byte, s string) []byte { return append(append(b, byte(len(s))), s...) }

func parseSealed(b []byte) (o opened, err error) {
	p := parser{b: b, ok: true}
	format := p.byte()
	r := &o.rec
	r.AAL = AAL(p.byte())
	persist := p.byte()
	r.Persist = persist == 1
	o.schema = uint32(p.uint(4))
	o.epoch = p.uint(8)
	for _, t := range [...]*time.Time{&r.Created, &r.AuthTime, &r.Expires, &r.Seen} {
		*t = time.UnixMicro(int64(p.uint(8))).UTC()
	}
	r.Handle = Handle(p.short())
	r.User = p.short()
	for range p.byte() {
		r.Methods = append(r.Methods, p.short())
	}
	o.plain = p.b
	if !p.ok || format != sealedFormat || persist > 1 {
		return opened{}, errSealed
	}
	o.status = live
	return o, nil
}

// parser takes from the front of b. Once something was missing all that follows is zero.
type parser struct {
	b  []byte
	ok bool
}

func (p *parser) take(n int) []byte {
	if len(p.b) < n {
		p.ok, p.b = false, nil
		return make([]byte, n)
	}
	taken := p.b[:n]
	p.b = p.b[n:]
	return taken
}

func (p *parser) byte() byte    { return p.take(1)[0] }
func (p *parser) short() string { return string(p.take(int(p.byte()))) }

func (p *parser) uint(n int) (v uint64) {
	for _, c := range p.take(n) {
		v = v<<8 | uint64(c)
	}
	return v
}
