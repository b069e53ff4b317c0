package session

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// cookie knows everything about the session cookie but its value.
type cookie struct {
	name  string
	attrs string // "; Path=/; ..."
}

// newCookie checks that a cookie with the longest attributes fits into 4096 bytes.
func newCookie(o *options) (cookie, error) {
	c := cookie{name: o.cookieName, attrs: "; Path=/"}
	if o.domain != "" {
		c.attrs += "; Domain=" + o.domain
	}
	c.attrs += "; HttpOnly; SameSite=Lax"
	if !o.development {
		c.attrs += "; Secure"
	}
	if len(c.set(strings.Repeat("x", tokenLen), maxPersist)) > maxCookieLen {
		return cookie{}, ErrTooLarge
	}
	return c, nil
}

// set is the header line for a value; without a maxAge the browser forgets it
// when it is closed.
func (c *cookie) set(value string, maxAge time.Duration) string {
	line := c.name + "=" + value + c.attrs
	if maxAge > 0 {
		line += "; Max-Age=" + strconv.FormatInt(int64(maxAge/time.Second), 10)
	}
	return line
}

func (c *cookie) unset() string {
	return c.name + "=" + c.attrs + "; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT"
}

// replaceCookie puts line into h in the place of every other cookie of its name.
func replaceCookie(h http.Header, line string) {
	name := line[:strings.IndexByte(line, '=')+1]
	var lines []string
	for _, l := range h["Set-Cookie"] {
		if !strings.HasPrefix(l, name) {
			lines = append(lines, l)
		}
	}
	h["Set-Cookie"] = append(lines, line)
}
