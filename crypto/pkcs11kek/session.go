package pkcs11kek

import (
	"context"
	"sync"
	"time"
)

// session is a device with the keys of a KEK, logged in.
type session struct {
	device
	generation int64
	keys       []key // newest first
}

// key is a key of the token in one session.
type key struct {
	name   keyID
	handle uint
}

// keyNamed returns the zero key if there is none.
func (s *session) keyNamed(name keyID) (key, bool) {
	for _, k := range s.keys {
		if k.name == name {
			return k, true
		}
	}
	return key{}, false
}

// pool bounds the sessions of a KEK. The tickets are for those that may be in use.
type pool struct {
	tickets chan struct{}

	mu   sync.Mutex
	idle []*session
}

func (p *pool) get() *session {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.idle) == 0 {
		return nil
	}
	s := p.idle[len(p.idle)-1] // the last used, so that no more are opened than needed
	p.idle = p.idle[:len(p.idle)-1]
	return s
}

func (p *pool) put(s *session) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.idle = append(p.idle, s)
}

// drain closes all sessions, when the calls that use them have returned.
func (p *pool) drain(limit time.Duration) bool {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for range cap(p.tickets) {
		select {
		case p.tickets <- struct{}{}:
		case <-timer.C:
			return false
		}
	}
	for s := p.get(); s != nil; s = p.get() {
		s.close()
	}
	return true
}

// session returns an idle session, or a new one.
func (k *KEK) session(ctx context.Context) (*session, error) {
	for {
		s := k.pool.get()
		if s == nil {
			return k.open(ctx)
		}
		if s.generation == k.module.generation.Load() {
			return s, nil
		}
		s.close()
	}
}

// open makes a session: it finds the token, whose slot may have changed, logs in unless
// the process is, and finds and checks the keys.
func (k *KEK) open(ctx context.Context) (*session, error) {
	s := &session{generation: k.module.generation.Load()}
	t, err := k.findToken()
	if err != nil {
		return nil, err
	}
	if s.device, err = k.module.lib.open(t.slot); err != nil {
		return nil, newError("open", err)
	}
	if err = k.login(ctx, s); err == nil {
		err = k.findKeys(s)
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (k *KEK) findToken() (token, error) {
	present, err := k.module.lib.tokens()
	if err != nil {
		return token{}, newError("open", err)
	}
	var found []token
	for _, t := range present {
		if (k.token.Label == "" || t.label == k.token.Label) && (k.token.Serial == "" || t.serial == k.token.Serial) {
			found = append(found, t)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return token{}, &Error{Op: "open", Kind: ErrUnavailable, Cause: errNoToken}
	default:
		return token{}, &Error{Op: "open", Kind: ErrRefused, Cause: errTokens}
	}
}
