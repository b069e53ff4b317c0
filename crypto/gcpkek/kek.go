package gcpkek

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"regexp"
	"sync/atomic"
	"time"
	"unicode/utf8"

	kms "cloud.google.com/go/kms/apiv1"
	"cloud.google.com/go/kms/apiv1/kmspb"
	"github.com/googleapis/gax-go/v2"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// Client is what a KEK uses of *kms.KeyManagementClient of cloud.google.com/go/kms,
// over gRPC or REST. Credentials and endpoint stay with it.
type Client interface {
	// Encrypt calls the method of this name.
	Encrypt(ctx context.Context, in *kmspb.EncryptRequest, opts ...gax.CallOption) (*kmspb.EncryptResponse, error)

	// Decrypt calls the method of this name.
	Decrypt(ctx context.Context, in *kmspb.DecryptRequest, opts ...gax.CallOption) (*kmspb.DecryptResponse, error)
}

// KEK wraps data keys with one key of Cloud KMS. It is made by [New], has the methods of
// the KEK of package crypto, and is safe for concurrent use.
type KEK struct {
	client  Client
	key, id string
	timeout time.Duration
	log     *slog.Logger // nil is none

	breaker breaker
	latest  atomic.Uint32 // number of a CryptoKeyVersion
}

const dekSize = 32

var (
	errClient   = errors.New("gcpkek: client is nil")
	errName     = errors.New("gcpkek: key is not projects/PROJECT/locations/LOCATION/keyRings/RING/cryptoKeys/KEY, without a version")
	errDEK      = errors.New("gcpkek: data key is not 32 bytes long")
	errLabel    = errors.New("gcpkek: label is not 1 to 255 bytes of UTF-8")
	errKeyName  = errors.New("gcpkek: answer is of another key")
	errSize     = errors.New("gcpkek: answer is not of the size that was asked for")
	errChecksum = errors.New("gcpkek: checksum of the request or the answer does not hold")
	errEcho     = errors.New("gcpkek: what was wrapped did not unwrap to the same")
)

var keyName = regexp.MustCompile(`^projects/[a-z0-9.:-]{1,100}/locations/[a-z0-9-]{1,32}/keyRings/[A-Za-z0-9_-]{1,63}/cryptoKeys/[A-Za-z0-9_-]{1,63}$`)

// New returns a KEK that uses the symmetric key with this resource name. It asks Cloud
// KMS nothing yet: see [KEK.Check].
func New(client Client, key string, opts ...Option) (*KEK, error) {
	c := config{id: key, timeout: 10 * time.Second}
	for _, opt := range opts {
		opt(&c)
	}
	switch {
	case isNil(client):
		return nil, errClient
	case !keyName.MatchString(key):
		return nil, errName
	case !isText(c.id):
		return nil, errID
	case c.timeout <= 0:
		return nil, errTimeout
	}
	return &KEK{client: client, key: key, id: c.id, timeout: c.timeout, log: c.log}, nil
}

// isNil also knows the typed nil that a failed construction may have left.
func isNil(client Client) bool {
	c, ok := client.(*kms.KeyManagementClient)
	return client == nil || ok && c == nil
}

func isText(s string) bool { return len(s) > 0 && len(s) <= 255 && utf8.ValidString(s) }

// ID returns the name that is stored beside each wrapped key: the resource name of the
// key, unless [WithID] set another.
func (k *KEK) ID() string { return k.id }

// Format writes the ID, whatever the verb: what a KEK holds is not for logs.
func (k *KEK) Format(f fmt.State, _ rune) { io.WriteString(f, k.id) }

// Wrap encrypts a data key of 32 bytes under the primary version of the key and binds it
// to the label. The result, about 120 bytes, is
//
//	01 | number of the CryptoKeyVersion, big-endian (4) | ciphertext of Cloud KMS
//
// It returns an [*Error].
func (k *KEK) Wrap(ctx context.Context, dek []byte, label string) ([]byte, error) {
	if len(dek) != dekSize {
		return nil, errDEK
	}
	if !isText(label) {
		return nil, errLabel
	}
	in := &kmspb.EncryptRequest{
		Name: k.key, Plaintext: dek, PlaintextCrc32C: checksum(dek),
		AdditionalAuthenticatedData: []byte(label), AdditionalAuthenticatedDataCrc32C: checksum([]byte(label)),
	}
	var wrapped []byte
	err := k.call(ctx, "wrap", func(ctx context.Context) error {
		out, err := k.client.Encrypt(ctx, in, once)
		if err != nil {
			return err
		}
		wrapped, err = k.checkWrapped(out)
		return err
	})
	if err != nil {
		return nil, err
	}
	return wrapped, nil
}

// checkWrapped refuses what was encrypted by another key, or damaged on either way:
// such a wrapped key would never be unwrapped again.
func (k *KEK) checkWrapped(out *kmspb.EncryptResponse) ([]byte, error) {
	version, ok := parseVersion(out.GetName(), k.key)
	switch {
	case !ok:
		return nil, errKeyName
	case len(out.GetCiphertext()) == 0 || prefixLen+len(out.GetCiphertext()) > maxWrapped:
		return nil, errSize
	case !out.GetVerifiedPlaintextCrc32C(), !out.GetVerifiedAdditionalAuthenticatedDataCrc32C(), !matches(out.GetCiphertextCrc32C(), out.GetCiphertext()):
		return nil, errChecksum
	}
	k.saw(version)
	return encodeWrapped(version, out.GetCiphertext()), nil
}

// Unwrap returns the data key that [KEK.Wrap] was given with an equal label. It returns
// [ErrUnwrap], without a call if wrapped is not of the form that Wrap returns, or an
// [*Error]. The caller wipes the result.
func (k *KEK) Unwrap(ctx context.Context, wrapped []byte, label string) ([]byte, error) {
	_, ciphertext, ok := parseWrapped(wrapped)
	if !ok {
		return nil, ErrUnwrap
	}
	if !isText(label) {
		return nil, errLabel
	}
	in := &kmspb.DecryptRequest{
		Name: k.key, Ciphertext: ciphertext, CiphertextCrc32C: checksum(ciphertext),
		AdditionalAuthenticatedData: []byte(label), AdditionalAuthenticatedDataCrc32C: checksum([]byte(label)),
	}
	var dek []byte
	err := k.call(ctx, "unwrap", func(ctx context.Context) error {
		out, err := k.client.Decrypt(ctx, in, once)
		if err != nil {
			return err
		}
		switch dek = out.GetPlaintext(); {
		case len(dek) != dekSize:
			err = errSize
		case !matches(out.GetPlaintextCrc32C(), dek):
			err = errChecksum
		}
		if err != nil {
			clear(dek)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return dek, nil
}

// NeedsRewrap reports whether wrapped is not under the latest version of the key that
// this KEK knows of, from its own calls of [KEK.Wrap] and [KEK.Check]: it asks nobody.
// A job that rewraps calls Check first. Latest is the highest number: a primary version
// that was set back to an earlier one makes nothing outdated.
func (k *KEK) NeedsRewrap(wrapped []byte) bool {
	version, _, ok := parseWrapped(wrapped)
	return !ok || version < k.latest.Load()
}

// Check wraps and unwraps a random data key under this label: a service that calls it
// at its start finds wrong credentials, a wrong key, or missing permissions before its
// first message does. It needs the permissions for both.
func (k *KEK) Check(ctx context.Context, label string) error {
	dek := make([]byte, dekSize)
	rand.Read(dek)
	defer clear(dek)
	wrapped, err := k.Wrap(ctx, dek, label)
	if err != nil {
		return err
	}
	got, err := k.Unwrap(ctx, wrapped, label)
	if err != nil {
		return err
	}
	defer clear(got)
	if subtle.ConstantTimeCompare(dek, got) != 1 {
		return &Error{Op: "unwrap", Kind: ErrAnswer, Cause: errEcho}
	}
	return nil
}

func (k *KEK) saw(version uint32) {
	for {
		latest := k.latest.Load()
		if version <= latest || k.latest.CompareAndSwap(latest, version) {
			return
		}
	}
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checksum is the CRC32C of Cloud KMS's guidelines for data integrity.
func checksum(data []byte) *wrapperspb.Int64Value {
	return wrapperspb.Int64(int64(crc32.Checksum(data, castagnoli)))
}

func matches(sum *wrapperspb.Int64Value, data []byte) bool {
	return sum != nil && sum.Value == checksum(data).Value
}

// once leaves repeating to the KEK, which has a deadline and a breaker to keep to: two
// loops around each other multiply their attempts.
var once = gax.WithRetry(func() gax.Retryer { return nil })
