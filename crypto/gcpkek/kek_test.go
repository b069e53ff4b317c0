package gcpkek

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

	kms "cloud.google.com/go/kms/apiv1"
)

// The KEK of package crypto, which this module does not import.
var _ interface {
	ID() string
	Wrap(ctx context.Context, dek []byte, label string) ([]byte, error)
	Unwrap(ctx context.Context, wrapped []byte, label string) ([]byte, error)
} = (*KEK)(nil)

var (
	_   Client = (*kms.KeyManagementClient)(nil)
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
		if !bytes.HasPrefix(wrapped, []byte{1, 0, 0, 0, 1}) || len(wrapped) != prefixLen+16+dekSize+16 {
			t.Errorf("%x", wrapped)
		}
		if got, err := k.Unwrap(t.Context(), wrapped, "test"); err != nil || !bytes.Equal(got, dek) {
			t.Errorf("%v", err)
		}
		if _, err := k.Unwrap(t.Context(), wrapped, "other"); err != ErrUnwrap {
			t.Errorf("another label: %v", err)
		}
		altered := bytes.Clone(wrapped)
		altered[30] ^= 1
		for _, bad := range [][]byte{altered, wrapped[:prefixLen+1], append(bytes.Clone(wrapped), 0)} {
			if _, err := k.Unwrap(t.Context(), bad, "test"); err != ErrUnwrap {
				t.Errorf("altered: %v", err)
			}
		}
	})
}

func TestNeedsRewrap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := NewFakeKMS()
		k := connect(t, f)
		old := wrap(t, k)
		f.Rotate()
		if k.NeedsRewrap(old) {
			t.Error("knows of a version that it has not seen")
		}
		if err := k.Check(t.Context(), "test"); err != nil {
			t.Fatal(err)
		}
		if !k.NeedsRewrap(old) || k.NeedsRewrap(wrap(t, k)) {
			t.Error("version 1 of 2")
		}
		if got, err := k.Unwrap(t.Context(), old, "test"); err != nil || !bytes.Equal(got, dek) {
			t.Errorf("after a rotation: %v", err)
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
			_, unwrapErr := k.Unwrap(t.Context(), []byte{1, 0, 0, 0, 1, 9}, label)
			if wrapErr != errLabel || unwrapErr != errLabel {
				t.Errorf("label of %d bytes: %v, %v", len(label), wrapErr, unwrapErr)
			}
		}
		for _, bad := range [][]byte{nil, {1}, {1, 0, 0, 0, 1}, {1, 0, 0, 0, 0, 9}, {2, 0, 0, 0, 1, 9}, append([]byte{1, 0, 0, 0, 1}, make([]byte, maxWrapped)...)} {
			if _, err := k.Unwrap(t.Context(), bad, "test"); err != ErrUnwrap {
				t.Errorf("%d bytes: %v", len(bad), err)
			}
			if !k.NeedsRewrap(bad) {
				t.Errorf("%d bytes need no rewrap", len(bad))
			}
		}
		if f.count() != 0 {
			t.Errorf("%d requests", f.count())
		}
		if _, err := k.Unwrap(t.Context(), append([]byte{1, 0, 0, 0, 1}, make([]byte, maxWrapped-prefixLen)...), "test"); err != ErrUnwrap || f.count() != 1 {
			t.Errorf("the longest: %v", err) // the test would notice a request
		}
	})
}

func TestNewRefuses(t *testing.T) {
	client := NewFakeKMS().Client("http://kms.example", http.DefaultClient)
	for name, c := range map[string]struct {
		client Client
		key    string
		opts   []Option
		want   error
	}{
		"no client":  {nil, testKey, nil, errClient},
		"nil client": {(*kms.KeyManagementClient)(nil), testKey, nil, errClient},
		"no key":     {client, "", nil, errName},
		"version":    {client, testKey + "/cryptoKeyVersions/1", nil, errName},
		"climbing":   {client, strings.Replace(testKey, "notes", "..", 1), nil, errName},
		"query":      {client, testKey + "?x=1", nil, errName},
		"line end":   {client, testKey + "\n", nil, errName},
		"no id":      {client, testKey, []Option{WithID("")}, errID},
		"long id":    {client, testKey, []Option{WithID(strings.Repeat("i", 256))}, errID},
		"no time":    {client, testKey, []Option{WithTimeout(0)}, errTimeout},
	} {
		if k, err := New(c.client, c.key, c.opts...); err != c.want || k != nil {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if k, err := New(client, testKey, WithID("mine")); err != nil || k.ID() != "mine" {
		t.Error(err)
	}
}

// Over sockets and TLS, as in production.
func TestTLS(t *testing.T) {
	f := NewFakeKMS()
	server := httptest.NewTLSServer(f)
	defer server.Close()
	server.Config.ErrorLog = discard
	k, err := New(f.Client(server.URL, server.Client()), testKey)
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Check(t.Context(), "test"); err != nil {
		t.Error(err)
	}
	stranger, err := New(f.Client(server.URL, http.DefaultClient), testKey)
	if err != nil {
		t.Fatal(err)
	}
	err = stranger.Check(t.Context(), "test")
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); !ok {
		t.Errorf("an unknown certificate: %v", err)
	}
}

func FuzzParseWrapped(f *testing.F) {
	f.Add([]byte{1, 0, 0, 0, 1, 9})
	f.Add([]byte{1, 0, 0, 0, 0, 9})
	f.Add([]byte{2, 0, 0, 0, 1, 9, 9})
	f.Fuzz(func(t *testing.T, wrapped []byte) {
		version, ciphertext, ok := parseWrapped(wrapped)
		if ok && (version == 0 || !bytes.Equal(encodeWrapped(version, ciphertext), wrapped)) {
			t.Errorf("%x is not what is written for version %d", wrapped, version)
		}
	})
}

func FuzzParseVersion(f *testing.F) {
	for _, seed := range []string{"/cryptoKeyVersions/1", "/cryptoKeyVersions/4294967296", "/cryptoKeyVersions/+1", "/cryptoKeyVersions/"} {
		f.Add(testKey + seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		version, ok := parseVersion(name, testKey)
		if ok && (version == 0 || !strings.HasPrefix(name, testKey+"/cryptoKeyVersions/") || strings.ContainsAny(name[len(testKey)+19:], "+-_ /")) {
			t.Errorf("%q is version %d", name, version)
		}
	})
}
