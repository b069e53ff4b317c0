package sessiontest

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// setCookies returns the cookies that an answer sets or deletes.
func setCookies(a Answer) (cookies []*http.Cookie) {
	for _, line := range a.Header["Set-Cookie"] {
		if c, err := http.ParseSetCookie(line); err == nil {
			cookies = append(cookies, c)
		}
	}
	return cookies
}

// deletes goes by the value of Expires itself, not by the clock: those who delete
// choose a time long ago.
func deletes(c *http.Cookie) bool {
	return c.MaxAge < 0 || c.MaxAge == 0 && !c.Expires.IsZero() && c.Expires.Before(time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC))
}

// eachCookie calls check for every cookie that is set or deleted. One complaint about
// each is enough.
func (a *audit) eachCookie(seen []Answer, check func(*http.Cookie) (complaint string)) {
	a.Helper()
	total, told := 0, map[string]bool{}
	for _, answer := range seen {
		for _, c := range setCookies(answer) {
			total++
			if complaint := check(c); complaint != "" && !told[c.Name] {
				told[c.Name] = true
				a.Errorf("%s sets the cookie %q %s", answer.Path, c.Name, complaint)
			}
		}
	}
	if total == 0 {
		a.Fatalf("no answer sets a cookie, not even that to App.Login")
	}
}

func checkSecure(a *audit) {
	a.eachCookie(a.tour(), func(c *http.Cookie) string {
		switch {
		case !c.Secure:
			return "without Secure"
		case !strings.HasPrefix(c.Name, "__Host-") && !strings.HasPrefix(c.Name, "__Secure-"):
			return "without one of the prefixes __Host- and __Secure-"
		}
		return ""
	})
}

func checkSameSite(a *audit) {
	session, _ := a.token(a.user())
	a.eachCookie(a.tour(), func(c *http.Cookie) string {
		switch {
		case deletes(c):
			return ""
		case c.SameSite < http.SameSiteLaxMode: // none, or one that no browser knows
			return "without SameSite"
		case c.Name == session && c.SameSite == http.SameSiteNoneMode:
			return "with SameSite=None, so that every site sends the session along"
		}
		return ""
	})
}

func checkHostOnly(a *audit) {
	a.eachCookie(a.tour(), func(c *http.Cookie) string {
		switch {
		case slices.Contains(a.SharedCookies, c.Name):
			return ""
		case !strings.HasPrefix(c.Name, "__Host-"):
			return "without the prefix __Host-, and it is not in App.SharedCookies"
		case c.Domain != "" || c.Path != "/":
			return "with a Domain or without Path=/, so that browsers refuse its prefix __Host-"
		}
		return ""
	})
}

// checkHTTPOnly: scripts cannot read it from the cookie, and no page tells them.
func checkHTTPOnly(a *audit) {
	seen, secret := a.tour(), map[string]string{}
	a.eachCookie(seen, func(c *http.Cookie) string {
		if deletes(c) || slices.Contains(a.ScriptCookies, c.Name) {
			return ""
		}
		if len(c.Value) >= 8 { // shorter ones are in a page by chance
			secret[c.Value] = c.Name
		}
		if !c.HttpOnly {
			return "without HttpOnly, and it is not in App.ScriptCookies"
		}
		return ""
	})
	for _, answer := range seen {
		for value, name := range secret {
			if answer.holds(value) {
				a.Errorf("%s tells the value of the cookie %q outside of Set-Cookie", answer.Path, name)
			}
		}
	}
}

// holds looks into the body and every header but Set-Cookie.
func (a Answer) holds(value string) bool {
	for name, lines := range a.Header {
		if name != "Set-Cookie" && strings.Contains(strings.Join(lines, "\n"), value) {
			return true
		}
	}
	return strings.Contains(a.Body, value)
}

func checkCookieSize(a *audit) {
	a.eachCookie(a.tour(), func(c *http.Cookie) string {
		if len(c.Name)+len(c.Value) > 4096 {
			return "with more than 4096 bytes of name and value, which browsers drop"
		}
		return ""
	})
}
