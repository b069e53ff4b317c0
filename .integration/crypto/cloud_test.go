package crypto_test

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/json"
	"errors"
	"hash/crc32"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	gcpkms "cloud.google.com/go/kms/apiv1"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"google.golang.org/api/option"

	"github.com/pavise/pavise/crypto"
	"github.com/pavise/pavise/crypto/awskek"
	"github.com/pavise/pavise/crypto/gcpkek"
)

const (
	awsKey = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
	gcpKey = "projects/acme/locations/europe-west3/keyRings/services/cryptoKeys/notes"
)

// cloud stands for AWS KMS and Cloud KMS, with real encryption.
type cloud struct {
	aead  cipher.AEAD
	asked atomic.Int64
	down  atomic.Bool
}

func newCloud(t *testing.T) (*cloud, *httptest.Server) {
	key := make([]byte, 32)
	rand.Read(key)
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	c := &cloud{}
	if c.aead, err = cipher.NewGCMWithRandomNonce(block); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	return c, server
}

func (c *cloud) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.asked.Add(1)
	var in struct {
		Plaintext, CiphertextBlob, Ciphertext, AdditionalAuthenticatedData []byte
		EncryptionContext                                                  map[string]string
	}
	if c.down.Load() || json.NewDecoder(r.Body).Decode(&in) != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	isAWS := r.URL.Path == "/"
	bound := append(in.AdditionalAuthenticatedData, in.EncryptionContext[awskek.LabelKey]...)
	out := map[string]any{"KeyId": awsKey}
	if op := r.Header.Get("X-Amz-Target") + r.URL.Path; strings.HasSuffix(op, "Encrypt/") || strings.HasSuffix(op, ":encrypt") {
		sealed := c.aead.Seal(nil, nil, in.Plaintext, bound)
		if isAWS {
			out["CiphertextBlob"] = sealed
		} else {
			out = map[string]any{
				"name": gcpKey + "/cryptoKeyVersions/1", "ciphertext": sealed, "ciphertextCrc32c": sum(sealed),
				"verifiedPlaintextCrc32c": true, "verifiedAdditionalAuthenticatedDataCrc32c": true,
			}
		}
	} else {
		plaintext, err := c.aead.Open(nil, nil, append(in.CiphertextBlob, in.Ciphertext...), bound)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			w.Write([]byte(`{"__type":"InvalidCiphertextException","error":{"code":400,"status":"INVALID_ARGUMENT"}}`))
			return
		}
		if out["Plaintext"] = plaintext; !isAWS {
			out = map[string]any{"plaintext": plaintext, "plaintextCrc32c": sum(plaintext)}
		}
	}
	json.NewEncoder(w).Encode(out)
}

func sum(data []byte) uint32 { return crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli)) }

func inAWS(t *testing.T, server *httptest.Server) crypto.KEK {
	client := kms.New(kms.Options{
		Region: "eu-central-1", BaseEndpoint: &server.URL, HTTPClient: server.Client(),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "secret"}, nil
		}),
	})
	kek, err := awskek.New(client, awsKey)
	if err != nil {
		t.Fatal(err)
	}
	return kek
}

func inGCP(t *testing.T, server *httptest.Server) crypto.KEK {
	client, err := gcpkms.NewKeyManagementRESTClient(t.Context(), option.WithEndpoint(server.URL), option.WithHTTPClient(server.Client()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	kek, err := gcpkek.New(client, gcpKey)
	if err != nil {
		t.Fatal(err)
	}
	return kek
}

// An envelope moves from a local key file to a cloud and back without its payload
// being touched, and one call of the KMS serves all messages under one data key.
func TestCloudKEKs(t *testing.T) {
	for name, connect := range map[string]func(*testing.T, *httptest.Server) crypto.KEK{"aws": inAWS, "gcp": inGCP} {
		t.Run(name, func(t *testing.T) {
			c, server := newCloud(t)
			inCloud := envelopeOf(t, "notes", connect(t, server))
			keyring, err := crypto.NewKeyring(crypto.GenerateKey())
			if err != nil {
				t.Fatal(err)
			}
			local := crypto.KeyringKEK(keyring)
			onDisk := envelopeOf(t, "notes", local)
			both := envelopeOf(t, "notes", local, connect(t, server))
			bound := crypto.Bind("note", "1")

			sealed := seal(t, inCloud, bound)
			for range 100 {
				seal(t, inCloud, bound)
				opens(t, inCloud, sealed, bound)
			}
			if n := c.asked.Load(); n < 1 || n > 2 { // one to wrap; one to unwrap unless the cache knows what it sealed
				t.Errorf("%d calls for 201 messages", n)
			}

			moved := seal(t, onDisk, bound)
			header := moveHeader(t, both, moved, connect(t, server))
			payload := moved[len(moved)-payloadLen(t, moved):]
			there := append(bytes.Clone(header), payload...)
			opens(t, envelopeOf(t, "notes", connect(t, server)), there, bound)
			if onDisk.NeedsRewrap(there) == inCloud.NeedsRewrap(there) {
				t.Error("NeedsRewrap is the same for the old and the new KEK")
			}
			back := append(moveHeader(t, both, there, local), payload...)
			opens(t, onDisk, back, bound)

			_, err = envelopeOf(t, "invoices", connect(t, server)).Open(t.Context(), nil, there, bound)
			if !errors.Is(err, awskek.ErrUnwrap) && !errors.Is(err, gcpkek.ErrUnwrap) {
				t.Errorf("another label: %v", err)
			}
			c.down.Store(true)
			opens(t, inCloud, sealed, bound) // from the cache
			_, err = envelopeOf(t, "notes", connect(t, server)).Open(t.Context(), nil, there, bound)
			if !errors.Is(err, awskek.ErrUnavailable) && !errors.Is(err, gcpkek.ErrUnavailable) {
				t.Errorf("an outage: %v", err)
			}
		})
	}
}

func envelopeOf(t *testing.T, label string, to ...crypto.KEK) *crypto.Envelope {
	t.Helper()
	e, err := crypto.NewEnvelope(label, to)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

func seal(t *testing.T, e *crypto.Envelope, b crypto.Binding) []byte {
	t.Helper()
	sealed, err := e.Seal(t.Context(), nil, []byte("my diary"), b)
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

func opens(t *testing.T, e *crypto.Envelope, sealed []byte, b crypto.Binding) {
	t.Helper()
	if got, err := e.Open(t.Context(), nil, sealed, b); err != nil || string(got) != "my diary" {
		t.Errorf("%q, %v", got, err)
	}
}

func moveHeader(t *testing.T, e *crypto.Envelope, sealed []byte, to crypto.KEK) []byte {
	t.Helper()
	header, err := e.RewrapHeader(t.Context(), bytes.NewReader(sealed), to)
	if err != nil {
		t.Fatal(err)
	}
	return header
}

// payloadLen is what RewrapHeader leaves unread.
func payloadLen(t *testing.T, sealed []byte) int {
	t.Helper()
	r := bytes.NewReader(sealed)
	keyring, err := crypto.NewKeyring(crypto.GenerateKey())
	if err != nil {
		t.Fatal(err)
	}
	envelopeOf(t, "notes", crypto.KeyringKEK(keyring)).RewrapHeader(t.Context(), r) // reads the header, and cannot open it
	return r.Len()
}
