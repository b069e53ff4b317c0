package session

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"time"
)

// Option changes a default of [New]. An option with a bad argument makes New
// return an error.
type Option func(*options) error

type options struct {
	normal, persist limits
	cookieName      string
	domain          string
	schema          uint32
	codec           any // codec[T]
	migrate         func(from uint32, data []byte) ([]byte, error)
	origins         []string
	bypass          []string
	redirect        func(*http.Request, Challenge) string
	refused         func(w http.ResponseWriter, r *http.Request, status int)
	log             *slog.Logger
	clientIP        func(*http.Request) (netip.Addr, error)
	development     bool
}

// limits is a pair of timeouts.
type limits struct{ idle, absolute time.Duration }

const (
	day          = 24 * time.Hour
	maxAbsolute  = 30 * day  // NIST SP 800-63B-4, AAL1
	maxPersist   = 400 * day // browsers keep no cookie longer (RFC 6265bis)
	minIdle      = time.Second
	maxCookieLen = 4096 // name, value and attributes: ASVS 5.0 3.3.5
)

func defaults() options {
	return options{
		normal:  limits{30 * time.Minute, 12 * time.Hour},
		persist: limits{14 * day, 30 * day},
	}
}

// Timeouts sets after how long without a request, and how long after it was
// created, a session ends. Default 30 minutes and 12 hours; 1 second to 30
// days. ASVS 5.0 7.3.1, 7.3.2.
func Timeouts(idle, absolute time.Duration) Option {
	return func(o *options) error {
		o.normal = limits{idle, absolute}
		return o.normal.check(maxAbsolute)
	}
}

// PersistTimeouts sets the same for a login with Auth.Persist. Default 14 and 30
// days; at most 400 days.
func PersistTimeouts(idle, absolute time.Duration) Option {
	return func(o *options) error {
		o.persist = limits{idle, absolute}
		return o.persist.check(maxPersist)
	}
}

func (l limits) check(longest time.Duration) error {
	if l.idle < minIdle || l.absolute < l.idle || l.absolute > longest {
		return fmt.Errorf("session: timeouts must satisfy %v <= idle <= absolute <= %v", minIdle, longest)
	}
	return nil
}

// CookieName sets the name of the cookie, default "__Host-session" (with
// CookieDomain "__Secure-session"). It must keep that prefix, by which the browser
// itself refuses a cookie that another host or plain http tries to set.
func CookieName(name string) Option {
	return func(o *options) error {
		if name == "" || len(name) > 64 || strings.Trim(name, tokenChars) != "" {
			return errors.New("session: cookie name must be 1 to 64 token characters (RFC 9110 section 5.6.2)")
		}
		o.cookieName = name
		return nil
	}
}

const tokenChars = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

// CookieDomain sends the cookie to every host under the domain, such as
// "example.com". Each of them can then read it, and can set one of its own.
func CookieDomain(domain string) Option {
	return func(o *options) error {
		if !validDomain(domain) {
			return errors.New("session: cookie domain must be a lower-case ASCII host name with a dot")
		}
		o.domain = domain
		return nil
	}
}

func validDomain(d string) bool {
	if _, err := netip.ParseAddr(d); err == nil || len(d) > 253 || !strings.Contains(d, ".") {
		return false
	}
	for label := range strings.SplitSeq(d, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' ||
			strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return false
		}
	}
	return true
}

// Codec writes the data by functions of its own in the place of JSON: decoding JSON is
// most of the time that a read costs. append adds the form of v to b; parse fills a zero
// T from a whole form, whose memory it must not keep, and its error makes the session
// anonymous. T has to be that of the Manager. To change from JSON, raise the [Schema].
func Codec[T any](append func(b []byte, v *T) ([]byte, error), parse func(b []byte, v *T) error) Option {
	return func(o *options) error {
		if append == nil || parse == nil {
			return errors.New("session: Codec needs both functions")
		}
		o.codec = codec[T]{append: append, parse: parse}
		return nil
	}
}

// Schema sets the version of the data type, default 0. A record of an older one is
// given to migrate, which returns the JSON (or the form of the [Codec]) of the present
// version; it is written back by the next Update or Set. Without migrate, or when it
// fails, and for a newer version, the session is anonymous.
func Schema(version uint32, migrate func(from uint32, data []byte) ([]byte, error)) Option {
	return func(o *options) error {
		o.schema, o.migrate = version, migrate
		return nil
	}
}

// TrustedOrigins lets pages of these origins ("https://app.example.com") send
// unsafe requests and open WebSockets.
func TrustedOrigins(origins ...string) Option {
	return func(o *options) error {
		o.origins = append(o.origins, origins...)
		return nil
	}
}

// InsecureCSRFBypass lets any page send requests that match the [http.ServeMux]
// pattern: the form_post callback of an identity provider, or a webhook. Its
// handler has to authenticate the request by something else than the session.
func InsecureCSRFBypass(pattern string) Option {
	return func(o *options) error {
		o.bypass = append(o.bypass, pattern)
		return nil
	}
}

// Redirect makes [Manager.Require] answer a GET or HEAD navigation with 303 See
// Other to the path that f returns, which begins with one slash. For "", and for
// everything that could lead to another host, the answer is 401.
func Redirect(f func(*http.Request, Challenge) string) Option {
	return func(o *options) error {
		o.redirect = f
		return nil
	}
}

// Logger receives the events that the package comment lists. Default: none.
func Logger(l *slog.Logger) Option {
	return func(o *options) error {
		o.log = l
		return nil
	}
}

// ClientIP sets how the address in events (source.ip) is found behind a proxy, for
// which the method Resolve of ratelimit's ClientIP is made. Default, and after an error
// of f: the peer of the connection.
func ClientIP(f func(*http.Request) (netip.Addr, error)) Option {
	return func(o *options) error {
		o.clientIP = f
		return nil
	}
}

// InsecureDevelopment is for plain http on this machine: the cookie has neither
// the prefix nor Secure, and a request for any host but localhost, 127.0.0.1 or
// [::1] is refused with 421 Misdirected Request. A proxy in front that puts one of
// these names into Host hides from that check who is asking.
func InsecureDevelopment() Option {
	return func(o *options) error {
		o.development = true
		return nil
	}
}

// finish fills in the name of the cookie and checks what only the whole shows.
func (o *options) finish() error {
	prefix := "__Host-"
	switch {
	case o.development && o.domain != "":
		return errors.New("session: InsecureDevelopment and CookieDomain exclude each other")
	case o.development:
		prefix = ""
	case o.domain != "":
		prefix = "__Secure-"
	}
	if o.cookieName == "" {
		o.cookieName = prefix + "session"
	}
	if o.development { // a browser would refuse the prefix without Secure
		o.cookieName = strings.TrimPrefix(strings.TrimPrefix(o.cookieName, "__Host-"), "__Secure-")
	}
	if rest, ok := strings.CutPrefix(o.cookieName, prefix); !ok || rest == "" {
		return fmt.Errorf("session: cookie name must begin with %q and go on", prefix)
	}
	return nil
}
