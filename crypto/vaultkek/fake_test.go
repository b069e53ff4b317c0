package vaultkek

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/fips140"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pavise/pavise/secrets"
)

// Canaries that must not come out in any error or event.
const (
	canarySecretID = "canary-secret-id"
	canaryJWT      = "canary-jwt"
	canaryToken    = "canary-token-"
)

// FakeVault answers as Vault does, with real encryption, on the clock of its tests.
type FakeVault struct {
	TTL, MaxTTL time.Duration

	mu       sync.Mutex
	keys     []cipher.AEAD // by version, from 1
	keyType  string
	ignores  bool // associated data, as Vault before 1.13
	tokens   map[string]*fakeToken
	issued   int
	counts   map[string]int // requests by the first words of the path
	faults   []fault
	lastSeen *http.Request
}

type fakeToken struct{ began, end time.Time }

// fault is what the next request gets instead of an answer. It reports whether it has
// dealt with the request; one that did not is asked again the next time.
type fault func(w http.ResponseWriter, r *http.Request) bool

// NewFakeVault has one version of the key "notes".
func NewFakeVault() *FakeVault {
	v := &FakeVault{TTL: time.Hour, MaxTTL: 4 * time.Hour, keyType: "aes256-gcm96", tokens: map[string]*fakeToken{}, counts: map[string]int{}}
	v.Rotate()
	return v
}

// Rotate adds a version of the key.
func (v *FakeVault) Rotate() {
	v.mu.Lock()
	defer v.mu.Unlock()
	key := make([]byte, 32)
	rand.Read(key)
	block, _ := aes.NewCipher(key)
	var aead cipher.AEAD
	fips140.WithoutEnforcement(func() { aead, _ = cipher.NewGCM(block) }) // of Vault, not of this process
	v.keys = append(v.keys, aead)
}

// Revoke ends all tokens.
func (v *FakeVault) Revoke() {
	v.mu.Lock()
	defer v.mu.Unlock()
	clear(v.tokens)
}

func (v *FakeVault) inject(f ...fault) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.faults = append(v.faults, f...)
}

func (v *FakeVault) count(path string) int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.counts[path]
}

func (v *FakeVault) issue() string {
	v.issued++
	token, now := fmt.Sprint(canaryToken, v.issued), time.Now()
	v.tokens[token] = &fakeToken{now, now.Add(min(v.TTL, v.MaxTTL))}
	return token
}

func (v *FakeVault) live(token string) *fakeToken {
	if t := v.tokens[token]; t != nil && time.Now().Before(t.end) {
		return t
	}
	return nil
}

func (v *FakeVault) nextFault() fault {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.faults) == 0 {
		return nil
	}
	f := v.faults[0]
	v.faults = v.faults[1:]
	return f
}

func (v *FakeVault) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimPrefix(r.URL.Path, "/v1/")
	v.mu.Lock()
	v.counts[path]++
	v.counts["all"]++
	v.lastSeen = r
	v.mu.Unlock()
	if f := v.nextFault(); f != nil && f(w, r) {
		return
	}
	var in map[string]string
	if r.Method == http.MethodPost && r.ContentLength > 0 && json.NewDecoder(r.Body).Decode(&in) != nil {
		fail(w, http.StatusBadRequest, "failed to parse JSON input")
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.ignores {
		delete(in, "associated_data")
	}
	status, out := v.answer(r.Method+" "+path, r.Header.Get("X-Vault-Token"), in)
	if status != http.StatusOK {
		fail(w, status, fmt.Sprint(out, in)) // an answer that repeats its request
		return
	}
	json.NewEncoder(w).Encode(out)
}

func fail(w http.ResponseWriter, status int, text string) {
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]any{"errors": []string{text}})
}

func (v *FakeVault) answer(call, token string, in map[string]string) (status int, out any) {
	switch call {
	case "POST auth/approle/login":
		if in["role_id"] != "app" || in["secret_id"] != canarySecretID {
			return 400, "invalid role or secret ID"
		}
		return 200, v.authOf(v.issue())
	case "POST auth/kubernetes/login":
		if in["role"] != "app" || in["jwt"] != canaryJWT {
			return 403, "permission denied"
		}
		return 200, v.authOf(v.issue())
	}
	t := v.live(token)
	if t == nil {
		return 403, "permission denied"
	}
	switch call {
	case "POST auth/token/renew-self":
		t.end = time.Now().Add(v.TTL)
		if most := t.began.Add(v.MaxTTL); t.end.After(most) {
			t.end = most
		}
		return 200, v.authOf(token)
	case "GET auth/token/lookup-self":
		return 200, map[string]any{"data": map[string]any{"ttl": int(time.Until(t.end).Seconds()), "renewable": true}}
	case "GET transit/keys/notes":
		return 200, map[string]any{"data": map[string]any{"type": v.keyType, "latest_version": len(v.keys)}}
	case "POST transit/encrypt/notes":
		return v.encrypt(in)
	case "POST transit/decrypt/notes":
		return v.decrypt(in)
	}
	return 404, "no handler for route"
}

func (v *FakeVault) authOf(token string) any {
	ttl := int(time.Until(v.tokens[token].end).Seconds())
	return map[string]any{"auth": map[string]any{"client_token": token, "lease_duration": ttl, "renewable": true}}
}

func (v *FakeVault) encrypt(in map[string]string) (int, any) {
	plaintext, err := base64.StdEncoding.DecodeString(in["plaintext"])
	if err != nil {
		return 400, "illegal base64"
	}
	nonce := make([]byte, 12)
	rand.Read(nonce)
	sealed := v.keys[len(v.keys)-1].Seal(nonce, nonce, plaintext, unbase64(in["associated_data"]))
	text := fmt.Sprintf("vault:v%d:%s", len(v.keys), base64.StdEncoding.EncodeToString(sealed))
	return 200, map[string]any{"data": map[string]any{"ciphertext": text, "key_version": len(v.keys)}}
}

func (v *FakeVault) decrypt(in map[string]string) (int, any) {
	version, ok := parseWrapped([]byte(in["ciphertext"]))
	sealed := unbase64(in["ciphertext"][strings.LastIndexByte(in["ciphertext"], ':')+1:])
	if !ok || version > len(v.keys) || len(sealed) < 12 {
		return 400, "invalid ciphertext"
	}
	plaintext, err := v.keys[version-1].Open(nil, sealed[:12], sealed[12:], unbase64(in["associated_data"]))
	if err != nil {
		return 400, "cipher: message authentication failed"
	}
	return 200, map[string]any{"data": map[string]any{"plaintext": plaintext}}
}

func unbase64(s string) []byte {
	b, _ := base64.StdEncoding.DecodeString(s)
	return b
}

// status is a fault that repeats what it was asked, as an answer may.
func status(code int, header ...string) fault {
	return func(w http.ResponseWriter, r *http.Request) bool {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		var body bytes.Buffer
		body.ReadFrom(r.Body)
		fail(w, code, r.Header.Get("X-Vault-Token")+body.String())
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

// appRole is the usual way in.
func appRole() Auth {
	return AppRole("app", secrets.Static(map[string]string{"id": canarySecretID}), "id")
}

// connect returns a KEK of v within the bubble of a test.
func connect(t testing.TB, v *FakeVault, auth Auth, opts ...Option) *KEK {
	t.Helper()
	k, err := New("http://127.0.0.1:8200", "notes", auth, append([]Option{InsecurePlainHTTP()}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	p := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
	k.client.Transport.(*http.Transport).DialContext = p.dial
	server := &http.Server{Handler: v}
	go server.Serve(p)
	t.Cleanup(func() {
		k.Close()
		server.Close()
	})
	return k
}

func base64Of(s string) string { return base64.StdEncoding.EncodeToString([]byte(s))[:len(s)/3*4] }
