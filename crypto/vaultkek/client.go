package vaultkek

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/pavise/pavise/secrets"
)

const (
	maxAttempts = 4
	firstDelay  = 50 * time.Millisecond
	maxDelay    = 2 * time.Second
)

// request is one call of the API, which can be sent again: Transit keeps no state
// for encrypt and decrypt.
type request struct {
	op, method, path string
	token            secrets.Secret // empty in a login
	body             []byte
}

// do sends r until it is answered, for at most maxAttempts times and not beyond the
// deadline of ctx.
func (k *KEK) do(ctx context.Context, r request) (answer, error) {
	for attempt := 0; ; attempt++ {
		a, err := k.attempt(ctx, r)
		failed, ok := errors.AsType[*Error](err)
		if !ok || failed.Kind != ErrUnavailable || failed.Cause == errBreaker || attempt == maxAttempts-1 {
			return a, err
		}
		if !sleep(ctx, delay(attempt, failed.retryAfter)) {
			return a, err
		}
	}
}

// delay doubles with each attempt, and half of it is random so that the callers that
// failed together do not come back together. It is never less than Vault asked for.
func delay(attempt int, asked time.Duration) time.Duration {
	d := min(firstDelay<<attempt, maxDelay)
	return asked + d/2 + rand.N(d/2)
}

// sleep reports false, at once, if ctx would end before.
func sleep(ctx context.Context, d time.Duration) bool {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= d {
		return false
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// attempt sends r once, past the breaker, for a third of the time that a call has:
// one connection that hangs leaves time for others.
func (k *KEK) attempt(ctx context.Context, r request) (answer, error) {
	probe, ok := k.breaker.allow(time.Now())
	if !ok {
		return answer{}, &Error{Op: r.op, Kind: ErrUnavailable, Cause: errBreaker}
	}
	once, cancel := context.WithTimeout(ctx, k.timeout/3)
	defer cancel()
	a, err := k.send(once, r)
	v := alive
	if failed, ok := errors.AsType[*Error](err); ok && failed.Kind == ErrUnavailable {
		switch {
		case ctx.Err() != nil:
			v = unknown
		case failed.Status != http.StatusTooManyRequests:
			v = dead
		}
	}
	opened, closed := k.breaker.done(time.Now(), probe, v)
	if opened {
		k.event(ctx, "vault-breaker-open", err)
	}
	if closed {
		k.event(ctx, "vault-breaker-close", nil)
	}
	return a, err
}

func (k *KEK) send(ctx context.Context, r request) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, r.method, k.base+r.path, http.NoBody)
	if err != nil {
		return answer{}, &Error{Op: r.op, Kind: ErrRefused} // New checks all parts of the URL
	}
	if len(r.body) > 0 {
		req.Body = &wipedBody{rest: append(make([]byte, 0, len(r.body)), r.body...)}
		req.ContentLength = int64(len(r.body))
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("X-Vault-Request", "true") // asked for by agents, against request forgery
	if k.namespace != "" {
		req.Header.Set("X-Vault-Namespace", k.namespace)
	}
	if !r.token.IsZero() {
		req.Header.Set("X-Vault-Token", r.token.Reveal())
	}
	resp, err := k.client.Do(req)
	if err != nil {
		return answer{}, &Error{Op: r.op, Kind: ErrUnavailable, Cause: transportCause(err)}
	}
	defer resp.Body.Close()
	return receive(r.op, resp)
}

// receive reads the body of a failure too, so that the connection can be used again.
func receive(op string, resp *http.Response) (answer, error) {
	body, err := readAnswer(resp.Body)
	defer clear(body)
	switch {
	case resp.StatusCode != http.StatusOK:
		return answer{}, statusError(op, resp, body)
	case err == ErrAnswer:
		return answer{}, &Error{Op: op, Status: resp.StatusCode, Kind: ErrAnswer}
	case err != nil:
		return answer{}, &Error{Op: op, Status: resp.StatusCode, Kind: ErrUnavailable, Cause: transportCause(err)}
	}
	a, err := parseAnswer(body)
	if err != nil {
		return answer{}, &Error{Op: op, Status: resp.StatusCode, Kind: err}
	}
	return a, nil
}

// statusError takes only Vault's word for it that something does not unwrap: a proxy
// has a 400 of its own, and who is told so may give the data up.
func statusError(op string, resp *http.Response, body []byte) error {
	if op == "unwrap" && resp.StatusCode == http.StatusBadRequest && isVaultError(body) {
		return ErrUnwrap
	}
	return &Error{
		Op: op, Status: resp.StatusCode, Kind: kindOf(op, resp.StatusCode),
		retryAfter: parseRetryAfter(resp.Header.Get("Retry-After"), time.Now()),
	}
}

// kindOf follows https://developer.hashicorp.com/vault/api-docs#http-status-codes. 307 is
// a standby that cannot forward during an election, 412 a replica that has not seen
// the token yet, 472 and 473 a standby of a cluster.
func kindOf(op string, status int) error {
	switch {
	case status >= 500:
		return ErrUnavailable
	case status == 401, status == 403, status == 400 && op == "login":
		return ErrDenied
	}
	switch status {
	case 307, 408, 412, 429, 472, 473:
		return ErrUnavailable
	}
	return ErrRefused
}

// wipedBody is a request body that is wiped when the transport is done with it, which
// may be after the answer came.
type wipedBody struct {
	mu   sync.Mutex
	read int
	rest []byte
}

func (b *wipedBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.read == len(b.rest) {
		return 0, io.EOF
	}
	n := copy(p, b.rest[b.read:])
	b.read += n
	return n, nil
}

func (b *wipedBody) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	clear(b.rest)
	b.read = len(b.rest)
	return nil
}

// event emits one event, a failure unless err is nil.
func (k *KEK) event(ctx context.Context, action string, err error) {
	level, outcome := slog.LevelInfo, "success"
	if err != nil {
		level, outcome = slog.LevelWarn, "failure"
	}
	if k.log == nil || !k.log.Enabled(ctx, level) {
		return
	}
	attrs := []slog.Attr{slog.String("event.action", action), slog.String("event.outcome", outcome), slog.String("kek.id", k.id)}
	if err != nil {
		attrs = append(attrs, slog.String("event.reason", err.Error()))
	}
	k.log.LogAttrs(ctx, level, "vaultkek: "+action, attrs...)
}
