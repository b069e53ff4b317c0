package gcpkek

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	kms "cloud.google.com/go/kms/apiv1"
	"cloud.google.com/go/kms/apiv1/kmspb"
	"google.golang.org/api/option"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

const testKey = "projects/acme/locations/europe-west3/keyRings/services/cryptoKeys/notes"

// FakeKMS answers as the REST API of Cloud KMS does, with real encryption.
type FakeKMS struct {
	mu     sync.Mutex
	keys   []cipher.AEAD // by version, from 1
	asked  int
	faults []fault
}

// fault is what the next request gets instead of an answer. It reports whether it has
// dealt with the request; one that did not is asked again the next time.
type fault func(w http.ResponseWriter, r *http.Request) bool

// NewFakeKMS has one version of the key "notes".
func NewFakeKMS() *FakeKMS {
	f := &FakeKMS{}
	f.Rotate()
	return f
}

// Rotate adds a version of the key and makes it the primary one.
func (f *FakeKMS) Rotate() {
	key := make([]byte, 32)
	rand.Read(key)
	block, _ := aes.NewCipher(key)
	aead, _ := cipher.NewGCM(block)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.keys = append(f.keys, aead)
}

// Client is the one of the official SDK, over REST, at this endpoint.
func (f *FakeKMS) Client(endpoint string, over *http.Client) *kms.KeyManagementClient {
	c, err := kms.NewKeyManagementRESTClient(context.Background(), option.WithEndpoint(endpoint), option.WithHTTPClient(over))
	if err != nil {
		panic(err)
	}
	return c
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

func (f *FakeKMS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if next := f.nextFault(); next != nil && next(w, r) {
		return
	}
	text, _ := io.ReadAll(r.Body)
	key, op, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/v1/"), ":")
	f.mu.Lock()
	defer f.mu.Unlock()
	var out proto.Message
	switch {
	case key != testKey || r.Method != http.MethodPost:
		fail(w, 404, "NOT_FOUND", key)
		return
	case op == "encrypt":
		out = f.encrypt(text)
	case op == "decrypt":
		out = f.decrypt(text)
	}
	if out == nil {
		fail(w, 400, "INVALID_ARGUMENT", string(text))
		return
	}
	answer(w, out)
}

func (f *FakeKMS) encrypt(text []byte) proto.Message {
	var in kmspb.EncryptRequest
	if protojson.Unmarshal(text, &in) != nil || !matches(in.PlaintextCrc32C, in.Plaintext) || !matches(in.AdditionalAuthenticatedDataCrc32C, in.AdditionalAuthenticatedData) {
		return nil
	}
	version := len(f.keys)
	sealed := make([]byte, 16, 256)
	binary.BigEndian.PutUint32(sealed, uint32(version))
	rand.Read(sealed[4:])
	sealed = f.keys[version-1].Seal(sealed, sealed[4:], in.Plaintext, in.AdditionalAuthenticatedData)
	return &kmspb.EncryptResponse{
		Name: fmt.Sprintf("%s/cryptoKeyVersions/%d", testKey, version), Ciphertext: sealed, CiphertextCrc32C: checksum(sealed),
		VerifiedPlaintextCrc32C: true, VerifiedAdditionalAuthenticatedDataCrc32C: true,
	}
}

func (f *FakeKMS) decrypt(text []byte) proto.Message {
	var in kmspb.DecryptRequest
	if protojson.Unmarshal(text, &in) != nil || !matches(in.CiphertextCrc32C, in.Ciphertext) || !matches(in.AdditionalAuthenticatedDataCrc32C, in.AdditionalAuthenticatedData) || len(in.Ciphertext) < 16 {
		return nil
	}
	version := int(binary.BigEndian.Uint32(in.Ciphertext))
	if version < 1 || version > len(f.keys) {
		return nil
	}
	plaintext, err := f.keys[version-1].Open(nil, in.Ciphertext[4:16], in.Ciphertext[16:], in.AdditionalAuthenticatedData)
	if err != nil {
		return nil
	}
	return &kmspb.DecryptResponse{Plaintext: plaintext, PlaintextCrc32C: checksum(plaintext)}
}

func answer(w http.ResponseWriter, m proto.Message) {
	text, _ := protojson.Marshal(m)
	w.Header().Set("Content-Type", "application/json")
	w.Write(text)
}

func fail(w http.ResponseWriter, code int, name, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	fmt.Fprintf(w, `{"error":{"code":%d,"status":%q,"message":%q}}`, code, name, text)
}

// httpStatus is a fault that repeats what it was asked, as an answer may.
func httpStatus(code int, name string) fault {
	return func(w http.ResponseWriter, r *http.Request) bool {
		var body bytes.Buffer
		body.ReadFrom(r.Body)
		fail(w, code, name, body.String())
		return true
	}
}

// altered is a fault that answers well but for what change does to the answer.
func altered(f *FakeKMS, change func(e *kmspb.EncryptResponse, d *kmspb.DecryptResponse)) fault {
	return func(w http.ResponseWriter, r *http.Request) bool {
		text, _ := io.ReadAll(r.Body)
		f.mu.Lock()
		defer f.mu.Unlock()
		if strings.HasSuffix(r.URL.Path, ":encrypt") {
			e := f.encrypt(text).(*kmspb.EncryptResponse)
			change(e, &kmspb.DecryptResponse{})
			answer(w, e)
		} else {
			d := f.decrypt(text).(*kmspb.DecryptResponse)
			change(&kmspb.EncryptResponse{}, d)
			answer(w, d)
		}
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
		w.Header().Set("Content-Type", "application/json")
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

func connect(t testing.TB, f *FakeKMS, opts ...Option) *KEK {
	t.Helper()
	p := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
	transport := &http.Transport{DialContext: p.dial}
	server := &http.Server{Handler: f}
	go server.Serve(p)
	client := f.Client("http://kms.example", &http.Client{Transport: transport})
	t.Cleanup(func() {
		client.Close()
		transport.CloseIdleConnections()
		server.Close()
	})
	k, err := New(client, testKey, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return k
}
