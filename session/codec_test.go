package session_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/pavise/pavise/secrets"
	"github.com/pavise/pavise/session"
)

// count is a T that JSON shows nothing of.
type count struct{ n uint64 }

func appendCount(b []byte, c *count) ([]byte, error) {
	if c.n == 13 {
		return nil, errors.New("unlucky")
	}
	return binary.AppendUvarint(b, c.n), nil
}

func parseCount(b []byte, c *count) error {
	n, size := binary.Uvarint(b)
	if size != len(b) {
		return io.ErrUnexpectedEOF
	}
	c.n = n
	return nil
}

func TestCodec(t *testing.T) {
	m, err := session.New[count](session.NewMemoryStore(0), session.Codec(appendCount, parseCount))
	if err != nil {
		t.Fatal(err)
	}
	within(m.Handler, func(ctx context.Context) {
		add := func(n uint64) error { return m.Update(ctx, func(c *count) error { c.n += n; return nil }) }
		if err := errors.Join(add(5), add(7)); err != nil {
			t.Fatal(err)
		}
		if err := add(1); err == nil || !strings.Contains(err.Error(), "unlucky") {
			t.Errorf("a codec that fails: %v", err)
		}
		if s, err := m.Get(ctx); err != nil || s.Data.n != 12 {
			t.Errorf("got %+v, %v", s, err)
		}
	})
}

func TestCodecRefused(t *testing.T) {
	none := func([]byte, *data) error { return errors.New("no") }
	some := func(b []byte, _ *data) ([]byte, error) { return b, nil }
	for name, err := range map[string]error{
		"of another type":            newError[data](session.Codec(appendCount, parseCount)),
		"without a function":         newError[data](session.Codec(some, nil)),
		"that cannot read its own":   newError[data](session.Codec(some, none)),
		"of a type that is a secret": newError[secrets.Secret](session.Codec(func(b []byte, _ *secrets.Secret) ([]byte, error) { return b, nil }, func([]byte, *secrets.Secret) error { return nil })),
	} {
		if err == nil || !strings.HasPrefix(err.Error(), "session: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func newError[T any](opts ...session.Option) error {
	_, err := session.New[T](session.NewMemoryStore(0), opts...)
	return err
}
