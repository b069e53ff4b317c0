package awskek

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
)

const (
	region     = "eu-central-1"
	testKey    = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
	multiKey   = "arn:aws:kms:eu-central-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab"
	primaryKey = "arn:aws:kms:us-east-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab"

	canarySecret = "canary-secret-access-key"
)

// FakeKMS answers as the JSON 1.1 API of KMS does, with real encryption.
type FakeKMS struct {
	mu     sync.Mutex
	key    cipher.AEAD
	asked  int
	faults []fault
}

// fault is what the next request gets instead of an answer. It reports whether it has
// dealt with the request; one that did not is asked again the next time.
type fault func(w http.ResponseWriter, r *http.Request) bool

// NewFakeKMS has a key under any ARN of a key.
func NewFakeKMS() *FakeKMS {
	key := make([]byte, 32)
	rand.Read(key)
	block, _ := aes.NewCipher(key)
	aead, _ := cipher.NewGCM(block)
	return &FakeKMS{key: aead}
}

// Client is the one of the official SDK, at this endpoint.
func (f *FakeKMS) Client(endpoint string, opts ...func(*kms.Options)) *kms.Client {
	return kms.New(kms.Options{
		Region: region, BaseEndpoint: &endpoint,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: canarySecret}, nil
		}),
	}, opts...)
}

func (f *FakeKMS) inject(faults ...fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults = append(f.faults, faults...)
}

// recover drops the faults that nobody has met.
func (f *FakeKMS) recover() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults = nil
}

func (f *FakeKMS) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.asked
}

func (f *FakeKMS) nextFault() fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked++
	if len(f.faults) == 0 {
		return nil
	}
	next := f.faults[0]
	f.faults = f.faults[1:]
	return next
}

type message struct {
	KeyId             string
	Plaintext         []byte            `json:",omitempty"`
	CiphertextBlob    []byte            `json:",omitempty"`
	EncryptionContext map[string]string `json:",omitempty"`
}

func (f *FakeKMS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if next := f.nextFault(); next != nil && next(w, r) {
		return
	}
	var in message
	switch signature := r.Header.Get("Authorization"); {
	case !strings.HasPrefix(signature, "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/"), !strings.Contains(signature, "/"+region+"/kms/aws4_request, SignedHeaders="):
		fail(w, 400, "MissingAuthenticationTokenException", signature)
		return
	case r.Header.Get("Content-Type") != "application/x-amz-json-1.1" || json.NewDecoder(r.Body).Decode(&in) != nil:
		fail(w, 400, "SerializationException", "")
		return
	case !keyARN.MatchString(in.KeyId):
		fail(w, 400, "NotFoundException", in.KeyId)
		return
	}
	// A map is marshalled in the order of its keys. Replicas of a key have one id.
	bound, _ := json.Marshal([]any{in.KeyId[strings.LastIndexByte(in.KeyId, ':'):], in.EncryptionContext})
	switch r.Header.Get("X-Amz-Target") {
	case "TrentService.Encrypt":
		blob := make([]byte, 12, 256)
		rand.Read(blob)
		answer(w, message{KeyId: in.KeyId, CiphertextBlob: f.key.Seal(blob, blob, in.Plaintext, bound)})
	case "TrentService.Decrypt":
		blob := append(in.CiphertextBlob, make([]byte, 12)...)
		plaintext, err := f.key.Open(nil, blob[:12], in.CiphertextBlob[min(12, len(in.CiphertextBlob)):], bound)
		if err != nil {
			fail(w, 400, "InvalidCiphertextException", "")
			return
		}
		answer(w, message{KeyId: in.KeyId, Plaintext: plaintext})
	default:
		fail(w, 400, "UnknownOperationException", "")
	}
}

func answer(w http.ResponseWriter, m message) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	json.NewEncoder(w).Encode(m)
}

func fail(w http.ResponseWriter, status int, code, text string) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]string{"__type": code, "message": text})
}

// status is a fault that repeats what it was asked, as an answer may.
func status(code int, name string) fault {
	return func(w http.ResponseWriter, r *http.Request) bool {
		var body bytes.Buffer
		body.ReadFrom(r.Body)
		fail(w, code, name, body.String())
		return true
	}
}

func times(n int, f fault) (all []fault) {
	for range n {
		all = append(all, f)
	}
	return all
}

// body is a fault that answers 200 with anything.
func body(text string) fault {
	return func(w http.ResponseWriter, r *http.Request) bool {
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		w.Write([]byte(text))
		return true
	}
}

// raw is a fault that writes bytes past net/http and closes the connection.
func raw(text string) fault {
	return func(w http.ResponseWriter, r *http.Request) bool {
		io.Copy(io.Discard, r.Body) // or a broken write hides what was answered
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		conn.Write([]byte(text))
		conn.Close()
		return true
	}
}

// hang is a fault that answers nothing until the client goes.
func hang(w http.ResponseWriter, r *http.Request) bool {
	io.Copy(io.Discard, r.Body) // the server notices that a client is gone only then
	<-r.Context().Done()
	return true
}

func healthy(http.ResponseWriter, *http.Request) bool { return false }

// pipes is a network without sockets, so that the clock of a test can stand still.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.once.Do(func() { close(p.done) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case p.conns <- server:
		return client, nil
	case <-p.done:
		return nil, &net.OpError{Op: "dial", Net: "pipe", Err: net.ErrClosed}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// serve returns a client that reaches f within the bubble of a test.
func serve(t testing.TB, f *FakeKMS, opts ...func(*kms.Options)) *kms.Client {
	t.Helper()
	p := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
	transport := &http.Transport{DialContext: p.dial}
	server := &http.Server{Handler: f}
	go server.Serve(p)
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		server.Close()
	})
	overPipes := func(o *kms.Options) { o.HTTPClient = &http.Client{Transport: transport} }
	return f.Client("http://kms.example", append([]func(*kms.Options){overPipes}, opts...)...)
}

func connect(t testing.TB, f *FakeKMS, opts ...Option) *KEK {
	t.Helper()
	k, err := New(serve(t, f), testKey, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return k
}
