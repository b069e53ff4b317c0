package awskek

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/service/kms"
)

// The KEK of package crypto, which this module does not import.
var _ interface {
	ID() string
	Wrap(ctx context.Context, dek []byte, label string) ([]byte, error)
	Unwrap(ctx context.Context, wrapped []byte, label string) ([]byte, error)
} = (*KEK)(nil)

var (
	_   Client = (*kms.Client)(nil)
	dek        = bytes.Repeat([]byte("canary-dek-byte!"), 2)
)

func wrap(t testing.TB, k *KEK) []byte {
	t.Helper()
	wrapped, err := k.Wrap(t.Context(), dek, "test")
	if err != nil {
		t.Fatal(err)
	}
	return wrapped
}

func TestWrapAndUnwrap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := NewFakeKMS()
		k := connect(t, f)
		if err := k.Check(t.Context(), "test"); err != nil {
			t.Fatal(err)
		}
		wrapped := wrap(t, k)
		if got, err := k.Unwrap(t.Context(), wrapped, "test"); err != nil || !bytes.Equal(got, dek) {
			t.Errorf("%v", err)
		}
		if _, err := k.Unwrap(t.Context(), wrapped, "other"); err != ErrUnwrap {
			t.Errorf("another label: %v", err)
		}
		altered := bytes.Clone(wrapped)
		altered[20] ^= 1
		for _, bad := range [][]byte{altered, wrapped[1:], wrapped[:1], append(bytes.Clone(wrapped), 0)} {
			if _, err := k.Unwrap(t.Context(), bad, "test"); err != ErrUnwrap {
				t.Errorf("altered: %v", err)
			}
		}
	})
}

func TestBadInputAsksNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := NewFakeKMS()
		k := connect(t, f)
		for _, n := range []int{0, 31, 33} {
			if _, err := k.Wrap(t.Context(), make([]byte, n), "test"); err != errDEK {
				t.Errorf("%d bytes: %v", n, err)
			}
		}
		for _, label := range []string{"", "\xff", strings.Repeat("l", 256)} {
			_, wrapErr := k.Wrap(t.Context(), dek, label)
			_, unwrapErr := k.Unwrap(t.Context(), []byte("x"), label)
			if wrapErr != errLabel || unwrapErr != errLabel {
				t.Errorf("label of %d bytes: %v, %v", len(label), wrapErr, unwrapErr)
			}
		}
		for _, n := range []int{0, maxWrapped + 1} {
			if _, err := k.Unwrap(t.Context(), make([]byte, n), "test"); err != ErrUnwrap {
				t.Errorf("%d bytes: %v", n, err)
			}
		}
		if f.count() != 0 {
			t.Errorf("%d requests", f.count())
		}
		if _, err := k.Unwrap(t.Context(), make([]byte, maxWrapped), "test"); err != ErrUnwrap || f.count() != 1 {
			t.Errorf("the longest: %v", err) // the test would notice a request
		}
	})
}

// A replica unwraps what the primary key of another region wrapped, and the Envelope
// finds it by the ID that they share.
func TestMultiRegionKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := NewFakeKMS()
		primary, err := New(serve(t, f, inRegion("us-east-1")), primaryKey)
		if err != nil {
			t.Fatal(err)
		}
		replica, err := New(serve(t, f), multiKey, WithID(primaryKey))
		if err != nil || replica.ID() != primary.ID() {
			t.Fatalf("%v", err)
		}
		f.inject(healthy)
		wrapped := wrap(t, replica)
		primary.client = replica.client // the fake of one region
		if got, err := primary.Unwrap(t.Context(), wrapped, "test"); err != nil || !bytes.Equal(got, dek) {
			t.Errorf("%v", err)
		}
	})
}

func inRegion(name string) func(*kms.Options) { return func(o *kms.Options) { o.Region = name } }

func TestNewRefuses(t *testing.T) {
	client := NewFakeKMS().Client("http://kms.example")
	for name, c := range map[string]struct {
		client Client
		key    string
		opts   []Option
		want   error
	}{
		"no client":      {nil, testKey, nil, errClient},
		"nil client":     {(*kms.Client)(nil), testKey, nil, errClient},
		"no key":         {client, "", nil, errARN},
		"alias":          {client, "alias/notes", nil, errARN},
		"ARN of alias":   {client, "arn:aws:kms:eu-central-1:111122223333:alias/notes", nil, errARN},
		"bare id":        {client, "1234abcd-12ab-34cd-56ef-1234567890ab", nil, errARN},
		"no account":     {client, "arn:aws:kms:eu-central-1::key/1234abcd", nil, errARN},
		"ARN with more":  {client, testKey + "/x", nil, errARN},
		"line end":       {client, testKey + "\n", nil, errARN},
		"another region": {client, primaryKey, nil, errRegion},
		"no id":          {client, testKey, []Option{WithID("")}, errID},
		"long id":        {client, testKey, []Option{WithID(strings.Repeat("i", 256))}, errID},
		"no time":        {client, testKey, []Option{WithTimeout(0)}, errTimeout},
	} {
		if k, err := New(c.client, c.key, c.opts...); err != c.want || k != nil {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	for _, key := range []string{testKey, multiKey, strings.Replace(testKey, "arn:aws:", "arn:aws-iso-b:", 1)} {
		if k, err := New(client, key); err != nil || k.ID() != key {
			t.Errorf("%s: %v", key, err)
		}
	}
}

// Over sockets and TLS, as in production.
func TestTLS(t *testing.T) {
	f := NewFakeKMS()
	server := httptest.NewTLSServer(f)
	defer server.Close()
	server.Config.ErrorLog = discard
	k, err := New(f.Client(server.URL, func(o *kms.Options) { o.HTTPClient = server.Client() }), testKey)
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Check(t.Context(), "test"); err != nil {
		t.Error(err)
	}
	stranger, err := New(f.Client(server.URL, func(o *kms.Options) { o.HTTPClient = http.DefaultClient }), testKey)
	if err != nil {
		t.Fatal(err)
	}
	err = stranger.Check(t.Context(), "test")
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); !ok || !errors.Is(err, ErrUnavailable) {
		t.Errorf("an unknown certificate: %v", err)
	}
}
