package awskek

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
)

// Client is what a KEK uses of *kms.Client of aws-sdk-go-v2. Credentials, region, and
// endpoint stay with it.
type Client interface {
	// Encrypt calls the operation of this name.
	Encrypt(ctx context.Context, in *kms.EncryptInput, opts ...func(*kms.Options)) (*kms.EncryptOutput, error)

	// Decrypt calls the operation of this name.
	Decrypt(ctx context.Context, in *kms.DecryptInput, opts ...func(*kms.Options)) (*kms.DecryptOutput, error)
}

// LabelKey is the key of the encryption context under which KMS authenticates the
// label, for the conditions of policies: kms:EncryptionContext:pavise-label.
const LabelKey = "pavise-label"

// KEK wraps data keys with one key of AWS KMS. It is made by [New], has the methods of
// the KEK of package crypto, and is safe for concurrent use.
type KEK struct {
	client  Client
	key, id string
	timeout time.Duration
	log     *slog.Logger // nil is none

	breaker breaker
}

const (
	dekSize    = 32
	maxWrapped = 6144 // of the Encrypt operation
)

var (
	errClient = errors.New("awskek: client is nil")
	errARN    = errors.New("awskek: key is not the ARN of a key, arn:aws:kms:REGION:ACCOUNT:key/ID: an alias or a bare id can come to mean another key")
	errRegion = errors.New("awskek: client is of another region than the key")
	errDEK    = errors.New("awskek: data key is not 32 bytes long")
	errLabel  = errors.New("awskek: label is not 1 to 255 bytes of UTF-8")
	errKeyID  = errors.New("awskek: answer is of another key")
	errSize   = errors.New("awskek: answer is not of the size that was asked for")
	errEcho   = errors.New("awskek: what was wrapped did not unwrap to the same")
)

// keyARN has the region as its group. Key ids are UUIDs, or mrk- and hex digits.
var keyARN = regexp.MustCompile(`^arn:aws[a-z-]{0,20}:kms:([a-z0-9-]{1,32}):[0-9]{12}:key/[A-Za-z0-9-]{1,64}$`)

// New returns a KEK that uses the symmetric key with this ARN. It asks KMS nothing
// yet: see [KEK.Check].
//
// The client has to be of the region of the key, which New checks for a *kms.Client. Of
// a multi-region key it takes the ARN of the replica in that region, see [WithID].
func New(client Client, key string, opts ...Option) (*KEK, error) {
	c := config{id: key, timeout: 10 * time.Second}
	for _, opt := range opts {
		opt(&c)
	}
	arn := keyARN.FindStringSubmatch(key)
	switch {
	case isNil(client):
		return nil, errClient
	case arn == nil:
		return nil, errARN
	case regionOf(client) != "" && regionOf(client) != arn[1]:
		return nil, errRegion
	case !isText(c.id):
		return nil, errID
	case c.timeout <= 0:
		return nil, errTimeout
	}
	return &KEK{client: client, key: key, id: c.id, timeout: c.timeout, log: c.log}, nil
}

// isNil also knows the typed nil that a failed construction may have left.
func isNil(client Client) bool {
	c, ok := client.(*kms.Client)
	return client == nil || ok && c == nil
}

func regionOf(client Client) string {
	if c, ok := client.(interface{ Options() kms.Options }); ok {
		return c.Options().Region
	}
	return ""
}

func isText(s string) bool { return len(s) > 0 && len(s) <= 255 && utf8.ValidString(s) }

// ID returns the name that is stored beside each wrapped key: the ARN of the key, which
// stays when KMS rotates it, unless [WithID] set another.
func (k *KEK) ID() string { return k.id }

// Format writes the ID, whatever the verb: what a KEK holds is not for logs.
func (k *KEK) Format(f fmt.State, _ rune) { io.WriteString(f, k.id) }

// Wrap encrypts a data key of 32 bytes and binds it to the label. The result is the
// CiphertextBlob of KMS as it is, about 180 bytes. It returns an [*Error].
func (k *KEK) Wrap(ctx context.Context, dek []byte, label string) ([]byte, error) {
	if len(dek) != dekSize {
		return nil, errDEK
	}
	if !isText(label) {
		return nil, errLabel
	}
	in := &kms.EncryptInput{KeyId: &k.key, Plaintext: dek, EncryptionContext: map[string]string{LabelKey: label}}
	var wrapped []byte
	err := k.call(ctx, "wrap", func(ctx context.Context) error {
		out, err := k.client.Encrypt(ctx, in, once)
		if err != nil {
			return err
		}
		if out == nil { // of a client around the one of the SDK
			return errSize
		}
		wrapped = out.CiphertextBlob
		return k.checkAnswer(out.KeyId, len(wrapped) > 0 && len(wrapped) <= maxWrapped)
	})
	if err != nil {
		return nil, err
	}
	return wrapped, nil
}

// Unwrap returns the data key that [KEK.Wrap] was given with an equal label. It returns
// [ErrUnwrap], without a call if wrapped is not 1 to 6,144 bytes long, or an [*Error].
// The caller wipes the result.
func (k *KEK) Unwrap(ctx context.Context, wrapped []byte, label string) ([]byte, error) {
	if len(wrapped) == 0 || len(wrapped) > maxWrapped {
		return nil, ErrUnwrap
	}
	if !isText(label) {
		return nil, errLabel
	}
	in := &kms.DecryptInput{KeyId: &k.key, CiphertextBlob: wrapped, EncryptionContext: map[string]string{LabelKey: label}}
	var dek []byte
	err := k.call(ctx, "unwrap", func(ctx context.Context) error {
		out, err := k.client.Decrypt(ctx, in, once)
		if err != nil {
			return err
		}
		if out == nil {
			return errSize
		}
		dek = out.Plaintext
		if err = k.checkAnswer(out.KeyId, len(dek) == dekSize); err != nil {
			clear(dek)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return dek, nil
}

// Check wraps and unwraps a random data key under this label: a service that calls it
// at its start finds wrong credentials, a wrong region, key, or policy before its first
// message does. It needs the permissions for both.
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

// checkAnswer refuses an answer of another key: what is wrapped by one that this KEK
// does not name would never be unwrapped again.
func (k *KEK) checkAnswer(key *string, sized bool) error {
	switch {
	case aws.ToString(key) != k.key:
		return errKeyID
	case !sized:
		return errSize
	}
	return nil
}

// once leaves repeating to the KEK, which has a deadline and a breaker to keep to: two
// loops around each other multiply their attempts.
func once(o *kms.Options) { o.Retryer = aws.NopRetryer{} }
