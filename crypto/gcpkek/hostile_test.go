package gcpkek

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/auth"
	kms "cloud.google.com/go/kms/apiv1"
	"google.golang.org/api/option"
)

// The client of a KEK holds credentials: nothing but the ID shows when it is printed.
func TestPrintedValues(t *testing.T) {
	var out bytes.Buffer
	k := &KEK{id: "the id", key: "canary"}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d"} {
		if got := fmt.Sprintf(verb, k); got != "the id" {
			t.Errorf("%s: %s", verb, got)
		}
	}
	slog.New(slog.NewTextHandler(&out, nil)).Info("printed", "value", k)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("printed", "value", k)
	if bytes.Contains(out.Bytes(), []byte("canary")) {
		t.Error(out.String())
	}
}

// tokens is where the client gets its tokens.
type tokens struct{ err error }

func (s tokens) Token(context.Context) (*auth.Token, error) { return nil, s.err }

// A credential that its own server refuses is no outage of Cloud KMS: it is not sent
// again and again, and does not open the breaker.
func TestTokens(t *testing.T) {
	f := NewFakeKMS()
	server := httptest.NewServer(f)
	defer server.Close()
	answered := func(code int) error {
		return fmt.Errorf("canary: %w", &auth.Error{Response: &http.Response{StatusCode: code}, Body: []byte("canary")})
	}
	for name, c := range map[string]struct {
		err  error
		want error
	}{
		"refused":     {answered(http.StatusBadRequest), ErrDenied}, // invalid_grant
		"forbidden":   {answered(http.StatusForbidden), ErrDenied},
		"overloaded":  {answered(http.StatusServiceUnavailable), ErrUnavailable},
		"proxy":       {answered(http.StatusBadGateway), ErrUnavailable},
		"rate limit":  {answered(http.StatusTooManyRequests), ErrUnavailable},
		"unreachable": {&net.OpError{Op: "dial", Net: "tcp", Err: errors.New("refused")}, ErrUnavailable},
		"anything":    {errors.New("canary"), ErrUnavailable},
	} {
		credentials := auth.NewCredentials(&auth.CredentialsOptions{TokenProvider: tokens{c.err}})
		client, err := kms.NewKeyManagementRESTClient(t.Context(), option.WithEndpoint(server.URL), option.WithAuthCredentials(credentials))
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		k, err := New(client, testKey, WithTimeout(300*time.Millisecond))
		if err != nil {
			t.Fatal(err)
		}
		k.breaker.failures = breakerFailures - 1
		for range 2 * breakerFailures {
			_, err := k.Wrap(t.Context(), dek, "test")
			if !errors.Is(err, c.want) || strings.Contains(err.Error(), "canary") {
				t.Errorf("%s: %v, want %v", name, err, c.want)
			}
			if c.want == ErrDenied && k.breaker.failures != breakerFailures-1 {
				t.Errorf("%s: the breaker takes it for a word of Cloud KMS", name)
			}
			if c.want != ErrDenied {
				break
			}
		}
	}
	if f.count() != 0 {
		t.Errorf("%d requests without a token", f.count())
	}
}
