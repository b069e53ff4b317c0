package vaultkek

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"
)

// Option is an option of [New].
type Option func(*config)

type config struct {
	mount, namespace, id string
	roots                *x509.CertPool
	minTLS               uint16
	plainHTTP            bool
	timeout              time.Duration
	log                  *slog.Logger
}

// WithMount names the path of the Transit engine; the default is "transit".
func WithMount(path string) Option { return func(c *config) { c.mount = path } }

// WithNamespace names the namespace of the auth method and the engine, as in "team/app".
func WithNamespace(path string) Option { return func(c *config) { c.namespace = path } }

// WithID sets the ID that is stored with each wrapped key, 1 to 255 bytes. The default
// is "vault:" and the namespace, mount and key, joined by slashes: enough unless an
// Envelope uses keys of one name in two Vaults, or a mount is renamed.
func WithID(id string) Option { return func(c *config) { c.id = id } }

// WithRootCAs trusts the certificates of pool and not those of the system; nil means
// those of the system.
func WithRootCAs(pool *x509.CertPool) Option { return func(c *config) { c.roots = pool } }

// WithTimeout bounds each call of the KEK, with all its attempts and a login; the
// default is 10 seconds. The context of a call can only shorten it.
func WithTimeout(d time.Duration) Option { return func(c *config) { c.timeout = d } }

// WithLogger sends the events that the package comment lists to l; nil drops them,
// as is the default.
func WithLogger(l *slog.Logger) Option { return func(c *config) { c.log = l } }

// InsecureTLS12 accepts a Vault that does not speak TLS 1.3.
func InsecureTLS12() Option { return func(c *config) { c.minTLS = tls.VersionTLS12 } }

// InsecurePlainHTTP accepts an http address on the loopback interface, for a Vault
// Agent or a development server on the same host: every process that can listen there
// could read tokens and data keys. No other host can be reached without TLS.
func InsecurePlainHTTP() Option { return func(c *config) { c.plainHTTP = true } }

var (
	errAddress   = errors.New("vaultkek: address is not https://host or https://host:port")
	errPlainHTTP = errors.New("vaultkek: plain http needs a loopback address and InsecurePlainHTTP")
	errNames     = errors.New("vaultkek: key, mount, namespace or mount of the auth method is not made of letters, digits, '_', '-' and '.'")
	errAuth      = errors.New("vaultkek: auth is not complete: a role, a source and the name of the credential")
	errID        = errors.New("vaultkek: ID is not 1 to 255 bytes of UTF-8: see WithID")
	errTimeout   = errors.New("vaultkek: timeout is not positive")
)

func (c *config) check(key string, auth Auth) error {
	switch {
	case !isPath(key), strings.Contains(key, "/"), !isPath(c.mount), c.namespace != "" && !isPath(c.namespace):
		return errNames
	case auth.kind != authNone && !isPath(auth.mount):
		return errNames
	case !auth.valid():
		return errAuth
	case !isText(c.id):
		return errID
	case c.timeout <= 0:
		return errTimeout
	}
	return nil
}

// isPath is narrower than what Vault takes, so that no name needs escaping and none
// climbs out of its path.
func isPath(path string) bool {
	for part := range strings.SplitSeq(path, "/") {
		if strings.Trim(part, ".") == "" || strings.Trim(part, pathLetters) != "" {
			return false
		}
	}
	return len(path) <= 255
}

const pathLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-."

func isText(s string) bool { return len(s) > 0 && len(s) <= 255 && utf8.ValidString(s) }

// baseOf returns the URL that paths of the API are appended to. What url.Parse says
// is dropped: it quotes the address, which may hold a password.
func baseOf(address string, plainHTTP bool) (string, error) {
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return "", errAddress
	}
	switch {
	case u.Scheme == "http" && (!plainHTTP || !isLoopback(u.Hostname())):
		return "", errPlainHTTP
	case u.Scheme != "http" && u.Scheme != "https":
		return "", errAddress
	}
	return u.Scheme + "://" + u.Host + "/v1/", nil
}

func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// dialer goes nowhere else for localhost, whatever a resolver says that name is.
func dialer(loopbackOnly bool) *net.Dialer {
	d := &net.Dialer{Timeout: 5 * time.Second}
	if loopbackOnly {
		d.Control = func(_, address string, _ syscall.RawConn) error {
			if to, err := netip.ParseAddrPort(address); err != nil || !to.Addr().Unmap().IsLoopback() {
				return errPlainHTTP
			}
			return nil
		}
	}
	return d
}

// httpClient follows no redirect: it would carry the token to wherever the answer says.
func (c *config) httpClient(base string) *http.Client {
	return &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			DialContext:            dialer(strings.HasPrefix(base, "http:")).DialContext,
			TLSClientConfig:        &tls.Config{MinVersion: c.minTLS, RootCAs: c.roots},
			TLSHandshakeTimeout:    5 * time.Second,
			ForceAttemptHTTP2:      true,
			DisableCompression:     true, // the size limit is then one of the wire too
			MaxResponseHeaderBytes: maxAnswer,
			MaxIdleConnsPerHost:    16,
			IdleConnTimeout:        90 * time.Second,
		},
	}
}
