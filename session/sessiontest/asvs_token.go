package sessiontest

import (
	"math"
	"math/bits"
	"slices"
	"strings"
)

// checkVerified presents tokens that are almost right.
func checkVerified(a *audit) {
	b := a.user()
	name, token := a.token(b)
	wrong := map[string]string{"without its last character": token[:len(token)-1], "cut in half": token[:len(token)/2], "with a character more": token + "A"}
	step := max(1, len(token)/16)
	for i := 0; i < len(token); i += step {
		wrong["with another character at "+ordinal(i, len(token))] = token[:i] + string(other(token[i])) + token[i+1:]
	}
	for how, value := range wrong {
		if a.in(b.with(name, value)) {
			a.Errorf("a session token %s is accepted", how)
		}
	}
	a.wantIn(b, "after other tokens were tried")
}

func ordinal(i, n int) string {
	switch {
	case i < n/3:
		return "its beginning"
	case i < 2*n/3:
		return "its middle"
	}
	return "its end"
}

const base64url = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// other returns a character that differs in the highest of six bits: the lowest ones
// of the last character mean nothing in base64.
func other(c byte) byte {
	if i := strings.IndexByte(base64url, c); i >= 0 {
		return base64url[i^32]
	}
	return 'A'
}

// checkDynamic: what was issued for one session is not issued for another one.
func checkDynamic(a *audit) {
	first := a.user()
	name, token := a.token(first)
	if a.user().cookies[name] == token {
		a.Errorf("two logins in two browsers got the same token")
	}
	if a.Logout == nil {
		return
	}
	first.Do(a.Logout)
	if a.user().cookies[name] == token {
		a.Errorf("a login got the token of a session that has ended")
	}
}

// samples is how many tokens are compared: enough that a random character out of 16
// shows more than four values, but for one time in 10^11.
const samples = 24

const wantBits = 128

// checkEntropy computes how much the tokens can hold at most, from the characters
// that change and the alphabet that they are from.
func checkEntropy(a *audit) {
	var tokens []string
	first := a.user()
	name, _ := a.token(first)
	for b := first; len(tokens) < samples; b = a.user() {
		if slices.Contains(tokens, b.cookies[name]) {
			a.Errorf("two of %d sessions have the same token", len(tokens)+1)
			return
		}
		tokens = append(tokens, b.cookies[name])
	}
	if most := maxBits(tokens); most < wantBits {
		a.Errorf("the tokens of %d sessions differ so little that they hold at most %.0f bits, less than %d", samples, most, wantBits)
	}
}

// maxBits is an upper bound: a position at which more than a few characters were seen
// counts as any of the alphabet, the others by what was seen, rounded up.
func maxBits(tokens []string) (sum float64) {
	length := 0
	for _, t := range tokens {
		length = max(length, len(t))
	}
	var counts []int
	all := map[byte]bool{}
	for i := range length {
		here := map[byte]bool{}
		for _, t := range tokens {
			if i < len(t) {
				here[t[i]] = true
			}
		}
		counts = append(counts, len(here))
		for c := range here {
			all[c] = all[c] || len(here) > 1
		}
	}
	whole := math.Log2(float64(alphabet(all)))
	for _, n := range counts {
		if n > 4 {
			sum += whole
		} else {
			sum += float64(bits.Len(uint(n - 1)))
		}
	}
	return sum
}

// alphabet returns the size of the smallest usual alphabet that has the characters.
func alphabet(chars map[byte]bool) int {
	var digit, hex, lower, upper, more bool
	for c, changing := range chars {
		switch {
		case !changing:
		case '0' <= c && c <= '9':
			digit = true
		case 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F':
			hex = true
			lower, upper = lower || c >= 'a', upper || c < 'a'
		case 'a' <= c && c <= 'z':
			lower, more = true, true
		case 'A' <= c && c <= 'Z':
			upper, more = true, true
		default:
			return 64
		}
	}
	switch {
	case lower && upper:
		return 62
	case more:
		return 36
	case hex:
		return 16
	case digit:
		return 10
	}
	return 1
}

// checkRenewed: neither a token that somebody else has planted before the login nor
// the one before giving the credentials again is that of the session afterwards.
func checkRenewed(a *audit) {
	name, token := a.token(a.user())
	invented := strings.Map(func(r rune) rune { return rune(other(byte(r))) }, token)
	planted := a.browser().with(name, invented)
	planted.Do(a.Login)
	if a.in(a.browser().with(name, invented)) {
		a.Errorf("App.Login adopts a token that somebody has made up")
	}

	visitor := a.browser()
	visitor.Get("/")
	visitor.Get(a.Page)
	a.wantRenewed(visitor, name, "App.Login", a.Login)

	again, what := a.Reauthenticate, "App.Reauthenticate"
	if again == nil {
		again, what = a.Login, "a second App.Login"
	}
	b := a.user()
	a.wantRenewed(b, name, what, again)
	a.wantIn(b, "after "+what)
}

func (a *audit) wantRenewed(b *Browser, name, what string, s Step) {
	a.Helper()
	before := b.stolen()
	b.Do(s)
	switch {
	case before.cookies[name] == "": // no session yet
	case b.cookies[name] == before.cookies[name]:
		a.Errorf("%s does not renew the token", what)
	case a.in(before):
		a.Errorf("the token from before %s is still accepted", what)
	}
}
