package ratelimit

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"slices"
	"time"
)

// A device cookie is base64url(nonce ‖ expiry ‖ tag): 16 random bytes, the Unix time in seconds as 8 bytes big-endian,
// and HMAC-SHA-256 over a domain, both of them and the account.
const (
	nonceSize     = 16
	deviceSize    = nonceSize + 8 + sha256.Size
	deviceTTL     = 180 * 24 * time.Hour
	deviceDomain  = "pavise/ratelimit device cookie v1\x00"
	deviceKeySize = 32
)

// WithDeviceKey sets the secret that authenticates device cookies: 32 random bytes or more. The
// default is made at random by NewLogin. It is an option of [NewLogin] alone.
func WithDeviceKey(key []byte) Option {
	return func(c *config) { c.deviceKey = append([]byte{}, key...) }
}

type deviceCookies struct{ key []byte }

func newDeviceCookies(key []byte) (deviceCookies, error) {
	if key == nil {
		key = make([]byte, deviceKeySize)
		rand.Read(key) // never fails
	}
	if len(key) < deviceKeySize {
		return deviceCookies{}, errors.New("ratelimit: device key is shorter than 32 bytes")
	}
	return deviceCookies{key}, nil
}

func (c deviceCookies) seal(account string, now time.Time) string {
	b := make([]byte, nonceSize, deviceSize)
	rand.Read(b)
	b = binary.BigEndian.AppendUint64(b, uint64(now.Add(deviceTTL).Unix()))
	return base64.RawURLEncoding.EncodeToString(append(b, c.tag(b, account)...))
}

// open returns the device's identity if the cookie is ours, for this account and not expired.
func (c deviceCookies) open(cookie, account string, now time.Time) (id string, ok bool) {
	if len(cookie) != base64.RawURLEncoding.EncodedLen(deviceSize) {
		return "", false
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(cookie)
	if err != nil || len(b) != deviceSize { // the decoder skips line ends
		return "", false
	}
	body, tag := b[:nonceSize+8], b[nonceSize+8:]
	if !hmac.Equal(tag, c.tag(body, account)) {
		return "", false
	}
	expiry := int64(binary.BigEndian.Uint64(body[nonceSize:]))
	return string(body[:nonceSize]), now.Unix() < expiry
}

func (c deviceCookies) tag(body []byte, account string) []byte {
	m := hmac.New(sha256.New, c.key)
	m.Write(slices.Concat([]byte(deviceDomain), body, []byte(account))) // body has a fixed length
	return m.Sum(nil)
}
