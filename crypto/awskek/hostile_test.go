package awskek

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
)

// A client that somebody wrapped may lose the answer on its way.
type silent struct{}

func (silent) Encrypt(context.Context, *kms.EncryptInput, ...func(*kms.Options)) (*kms.EncryptOutput, error) {
	return nil, nil
}

func (silent) Decrypt(context.Context, *kms.DecryptInput, ...func(*kms.Options)) (*kms.DecryptOutput, error) {
	return nil, nil
}

func TestNoAnswerAndNoError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, err := New(silent{}, testKey)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := k.Wrap(t.Context(), dek, "test"); !errors.Is(err, ErrAnswer) {
			t.Error(err)
		}
		if _, err := k.Unwrap(t.Context(), dek, "test"); !errors.Is(err, ErrAnswer) {
			t.Error(err)
		}
	})
}

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

// stranger answers with another key once, then as it should.
type stranger struct {
	silent
	given [][]byte
}

func (s *stranger) Decrypt(_ context.Context, in *kms.DecryptInput, _ ...func(*kms.Options)) (*kms.DecryptOutput, error) {
	key := aws.ToString(in.KeyId)
	if len(s.given) == 0 {
		key = primaryKey
	}
	s.given = append(s.given, bytes.Clone(dek))
	return &kms.DecryptOutput{KeyId: &key, Plaintext: s.given[len(s.given)-1]}, nil
}

func TestRefusedDataKeyIsWiped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := &stranger{}
		k, err := New(client, testKey)
		if err != nil {
			t.Fatal(err)
		}
		got, err := k.Unwrap(t.Context(), []byte("x"), "test")
		if err != nil || !bytes.Equal(got, dek) || len(client.given) != 2 {
			t.Fatalf("%d calls, %v", len(client.given), err)
		}
		if !bytes.Equal(client.given[0], make([]byte, dekSize)) {
			t.Error("the data key of a refused answer is left")
		}
	})
}
