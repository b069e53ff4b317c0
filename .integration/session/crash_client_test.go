package session

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
)

// What a drill can find.
const (
	revived     = "a session that had ended lives"
	loginLost   = "an acknowledged session is gone"
	updateLost  = "an acknowledged update is missing"
	servedBlind = "200 from a handler that could not read its session"
	staticDown  = "a route without a session failed"
)

// client is one browser of one user. It makes one request at a time, except around
// its logout, and knows what it was told.
type client struct {
	d         *drill
	user      string
	token     string
	certain   bool // the session lives: nothing that failed could have ended it
	low, high int  // what the session has counted
	ended     []string
}

// reply is what came back: status 0 for no answer.
type reply struct {
	status int
	body   string
	token  string
}

func (c *client) send(path, token string) reply {
	before := c.d.phase.Load()
	r, err := http.NewRequest("POST", c.d.url+path+"?user="+c.user, nil)
	if err != nil {
		return reply{}
	}
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	if token != "" {
		r.Header.Set("Cookie", cookieName+"="+token)
	}
	res, err := c.d.http.Do(r)
	if err != nil {
		c.d.failed.Add(1)
		return reply{}
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body)
	a := reply{status: res.StatusCode, body: string(body)}
	for _, cookie := range res.Cookies() {
		if cookie.Name == cookieName {
			a.token = cookie.Value
		}
	}
	c.d.count(path, a, before)
	return a
}

// step makes the next request of a life between login and logout.
func (c *client) step() {
	if c.token == "" && rand.N(4) > 0 {
		c.login()
		return
	}
	if c.token == "" {
		c.tryEnded()
		return
	}
	switch n := rand.N(100); {
	case n < 45:
		c.read()
	case n < 70:
		c.added(c.send("/add", c.token))
	case n < 80:
		c.steppedUp(c.send("/step-up", c.token))
	case n < 88:
		c.logout()
	case n < 92:
		c.revoke()
	case n < 96:
		c.tryEnded()
	default:
		if a := c.send("/static", c.token); a.status != 200 {
			c.d.find(staticDown, "status %d", a.status)
		}
	}
}

func (c *client) login() {
	if a := c.send("/login", ""); a.status == 200 && a.token != "" {
		c.token, c.certain, c.low, c.high = a.token, true, 0, 0
	}
}

// read compares the session with what was acknowledged.
func (c *client) read() {
	a := c.send("/read", c.token)
	var user string
	var n int
	switch _, err := fmt.Sscanf(a.body, "%s %d", &user, &n); {
	case a.status != 200:
	case a.body == "anonymous":
		c.dead()
	case err != nil || user != c.user || n < c.low || n > c.high:
		c.d.find(updateLost, "session of %s says %q, want %d to %d", c.user, a.body, c.low, c.high)
	}
}

// dead is what the service said of the session.
func (c *client) dead() {
	if c.certain {
		c.d.find(loginLost, "session of %s", c.user)
	}
	c.end(c.token)
	c.token = ""
}

// end takes down a token that nothing may bring back.
func (c *client) end(token string) { c.ended = append(c.ended, token) }

func (c *client) added(a reply) {
	switch a.status {
	case 200:
		c.low++
		c.high++
	case http.StatusGone:
		c.dead()
	default:
		c.high++
	}
}

func (c *client) steppedUp(a reply) {
	switch {
	case a.status == 200 && a.token != "":
		c.end(c.token)
		c.token, c.certain = a.token, true
	case a.status == http.StatusGone:
		c.dead()
	default:
		c.certain = false
	}
}

// logout runs beside a slower request of the same session, which must not save it.
func (c *client) logout() {
	old, beside, other := c.token, "/add", reply{}
	if rand.N(2) == 0 {
		beside = "/step-up"
	}
	var slow sync.WaitGroup
	slow.Go(func() { other = c.send(beside, old) })
	a := c.send("/logout", old)
	slow.Wait()
	if a.status == 200 {
		c.end(old)
		if other.token != "" {
			c.end(other.token)
		}
		c.token = ""
		return
	}
	c.certain = false
	if beside == "/add" {
		c.added(other)
		return
	}
	c.steppedUp(other)
	c.certain = false
}

func (c *client) revoke() {
	c.certain = false
	if a := c.send("/revoke", c.token); a.status == 200 {
		c.end(c.token)
		c.token = ""
	}
}

// tryEnded presents a token whose session has ended.
func (c *client) tryEnded() {
	if len(c.ended) > 0 {
		c.mustBeDead(c.ended[rand.N(len(c.ended))])
	}
}

func (c *client) mustBeDead(token string) {
	if a := c.send("/read", token); a.status == 200 && !strings.HasPrefix(a.body, "anonymous") {
		c.d.find(revived, "session of %s says %q", c.user, a.body)
	}
}
