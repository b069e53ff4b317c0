// Package browser tests package session in Chromium, over https on this machine.
package browser

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/pavise/pavise/.integration/internal/chrome"
	"github.com/pavise/pavise/session"
)

// The host names of the tests. Each leads to this machine; app and sub are one site to a
// browser, evil is another.
const (
	app  = "app.test"
	sub  = "sub.app.test"
	evil = "evil.test"
)

// site is a server that all host names lead to.
type site struct {
	port string
	spki string // of its certificate, as Chromium's command line wants it
}

// serve starts a server for h. Over TLS its certificate is one that the browser trusts: on
// a page with a warning caches behave differently.
func serve(t *testing.T, h http.Handler) site {
	t.Helper()
	cert := newCertificate(t)
	s := httptest.NewUnstartedServer(h)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	s.StartTLS()
	t.Cleanup(s.Close)
	_, port, err := net.SplitHostPort(s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(cert.Leaf.RawSubjectPublicKeyInfo)
	return site{port, base64.StdEncoding.EncodeToString(sum[:])}
}

func newCertificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"localhost", app, sub, evil},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

func (s site) url(host, path string) string {
	return "https://" + net.JoinHostPort(host, s.port) + path
}

// open starts a browser that trusts the site.
func (s site) open(t *testing.T) *tab {
	t.Helper()
	return &tab{t: t, site: s, ctx: chrome.Open(t,
		chromedp.UserDataDir(profile(t)),
		chromedp.Flag("host-resolver-rules", "MAP *.test 127.0.0.1, MAP localhost 127.0.0.1"),
		chromedp.Flag("ignore-certificate-errors-spki-list", s.spki))}
}

// profile makes a profile that sends third-party cookies: browsers that are built to block
// them all would hide what SameSite does.
func profile(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "Default"), 0o700); err != nil {
		t.Fatal(err)
	}
	preferences := []byte(`{"profile": {"block_third_party_cookies": false, "cookie_controls_mode": 0}}`)
	if err := os.WriteFile(filepath.Join(dir, "Default", "Preferences"), preferences, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

type data struct {
	N int `json:"n"`
}

func newManager(t *testing.T, opts ...session.Option) *session.Manager[data] {
	t.Helper()
	m, err := session.New[data](session.NewMemoryStore(0), opts...)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

var ann = session.Auth{User: "ann", Methods: []string{"pwd"}}

// routes are those that most tests need.
func routes(m *session.Manager[data]) *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { html(w, "") })
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) { answer(w, m.Login(r.Context(), ann, nil)) })
	mux.HandleFunc("POST /remember", func(w http.ResponseWriter, r *http.Request) {
		remembered := ann
		remembered.Persist = true
		answer(w, m.Login(r.Context(), remembered, nil))
	})
	mux.HandleFunc("POST /logout", func(w http.ResponseWriter, r *http.Request) { answer(w, m.Logout(r.Context())) })
	mux.HandleFunc("GET /who", who(m))
	mux.HandleFunc("GET /deep/who", who(m))
	return mux
}

func who(m *session.Manager[data]) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s, err := m.Get(r.Context())
		if err != nil {
			answer(w, err)
			return
		}
		html(w, s.User)
	}
}

func html(w http.ResponseWriter, body string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write([]byte("<!doctype html><title>test</title><main>" + body + "</main>"))
}

func answer(w http.ResponseWriter, err error) {
	if err != nil {
		http.Error(w, err.Error(), http.StatusConflict)
	}
}
