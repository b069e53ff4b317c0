package ratelimit

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"
)

// ErrAttempt is returned by Succeed and Fail on an attempt that was already ended.
var ErrAttempt = errors.New("ratelimit: login attempt has already ended")

// Login slows the guessing of passwords: by address, for one client that tries many accounts, and by
// account, for many clients that try one. See OWASP ASVS 5.0 v5.0.0-6.3.1.
//
// Failed attempts are limited to 20 in any minute from one address, and for one account to 5 in any 15 minutes
// (the first 4 at once) and 20 in any hour. An attempt that succeeds is not counted.
//
// So that nobody can lock the owner of an account out, a browser that has logged in to it before and
// presents its device cookie has a count of its own (OWASP, "Slow Down Online Guessing Attacks with Device Cookies").
//
// Accounts are treated alike whether they exist or not.
type Login struct {
	address *Limiter
	account *Limiter
	device  *Limiter
	cookies deviceCookies
	events  events
}

// NewLogin returns a Login. Without options device cookies are lost with the process: give
// [WithDeviceKey] to keep them and to share them between processes. [EvictLeastDebt] is refused: a
// flood of names would make a Login forget the account under attack.
//
// A flood of failed attempts at ever new names fills the table of accounts, until clients without a device
// cookie are refused. In simulation the default [WithMaxKeys] refused none in four hours at 400 new names a second,
// which takes 1,200 addresses, and half of them at 1,000.
func NewLogin(opts ...Option) (*Login, error) {
	c, err := newConfig(opts)
	if err != nil {
		return nil, err
	}
	if c.overflow != Inherit {
		return nil, errors.New("ratelimit: a login must not forget debts: its overflow policy is Inherit")
	}
	l := &Login{events: events{log: c.logger}}
	c.logger = nil // Login has an event of its own
	perAddress := []Limit{AtMost(20, time.Minute, 10)}
	perAccount := []Limit{AtMost(5, 15*time.Minute, 4), AtMost(20, time.Hour, 15)}
	if l.address, err = newLimiter(perAddress, c); err != nil {
		return nil, err
	}
	if l.account, err = newLimiter(perAccount, c); err != nil {
		return nil, err
	}
	if l.device, err = newLimiter(perAccount, c); err != nil {
		return nil, err
	}
	l.cookies, err = newDeviceCookies(c.deviceKey)
	return l, err
}

// Begin asks whether a password of account may be checked for a client at ip. It charges the
// attempt before the check, so that parallel guesses are counted too; an attempt that the account's limit
// denies still counts for the address. device is the client's device cookie, or "".
//
// account is the name as the system resolves it: spellings that lead to one account (Unicode forms, aliases)
// must arrive as one, or each would be a count of its own. Case and surrounding space make no difference to the
// count, but a device cookie is for one spelling.
//
// If the decision does not allow it, the attempt is nil: answer with status 429 and RetryAfter. Do not
// add RateLimit fields, which would tell a stranger what others do with the account. Clients
// without a valid ip are counted together as one.
func (l *Login) Begin(ctx context.Context, account string, ip netip.Addr, device string) (*Attempt, Decision, error) {
	a := &Attempt{login: l, account: account}
	a.charges = l.plan(account, ip, device)
	var tightest Decision
	for i, c := range a.charges {
		d, err := c.limiter.Allow(ctx, c.key)
		if err != nil {
			return nil, Decision{}, err
		}
		if !d.Allowed {
			l.denied(&d, ip)
			return nil, d, nil
		}
		if i == 0 || d.tighter(&tightest) {
			tightest = d
		}
	}
	return a, tightest, nil
}

// plan returns what an attempt is charged to. The address comes first: a client that is out of attempts
// cannot fill the table of accounts. A known device is charged to nothing but its own count, which
// neither a flood of addresses nor one of accounts can use up.
func (l *Login) plan(account string, ip netip.Addr, device string) []charge {
	if id, ok := l.cookies.open(device, account, l.account.wall()); ok {
		return []charge{{l.device, NewKey(account, id)}}
	}
	address := IPKey(ip)
	if address.kind == keyNone {
		address = Key{kind: keyUnidentified}
	}
	return []charge{{l.address, address}, {l.account, NewKey(foldName(account))}}
}

// foldName errs on the side of one count too few. Upper case goes first: ſ and S have one lower case then.
func foldName(s string) string { return strings.ToLower(strings.ToUpper(strings.TrimSpace(s))) }

// denied leaves the account out of the event: people type passwords into the field for the name.
func (l *Login) denied(d *Decision, ip netip.Addr) {
	var more []slog.Attr
	if ip.IsValid() { // an index of addresses refuses any other text
		more = append(more, slog.String("source.ip", plain(ip).String()))
	}
	l.events.emit(l.account.elapsed(), "login-rate-limit-exceeded", d.Limit, more...)
}

// Attempt is a login attempt that was admitted and charged. It ends with one call of Succeed or
// Fail. If neither is called it counts as failed.
type Attempt struct {
	login   *Login
	account string
	charges []charge
	ended   atomic.Bool
	cookie  string
}

type charge struct {
	limiter *Limiter
	key     Key
}

// Succeed ends an attempt whose password was right, and takes it off the counts.
func (a *Attempt) Succeed(ctx context.Context) error {
	if !a.ended.CompareAndSwap(false, true) {
		return ErrAttempt
	}
	a.cookie = a.login.cookies.seal(a.account, a.login.account.wall())
	for _, c := range a.charges {
		if err := c.limiter.Refund(ctx, c.key, 1); err != nil {
			return err
		}
	}
	return nil
}

// Fail ends an attempt whose password was wrong. What it was charged stays.
func (a *Attempt) Fail(context.Context) error {
	if !a.ended.CompareAndSwap(false, true) {
		return ErrAttempt
	}
	return nil
}

// DeviceCookie returns, after Succeed, a new device cookie for this client and account, and "" before or
// after Fail. It is valid for 180 days. Set it Secure, HttpOnly and SameSite=Lax.
func (a *Attempt) DeviceCookie() string { return a.cookie }
