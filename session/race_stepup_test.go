package session_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/pavise/pavise/session"
)

// A logout that arrives with the token that a step-up has just replaced ends the
// session: it would live on under the new token, although the user was told otherwise.
func TestLogoutWithTokenJustReplaced(t *testing.T) {
	m := newManager(t, session.NewMemoryStore(0))
	b := newBrowser(t, m)
	b.login("ann")
	old := b.clone()
	if err := b.stepUp(); err != nil {
		t.Fatal(err)
	}
	if old.get().LoggedIn() || !b.get().LoggedIn() {
		t.Fatal("control: the step-up did not replace the token")
	}
	old.logout()
	if b.get().LoggedIn() {
		t.Error("the session lives on under the new token")
	}
	if infos, _ := m.Devices(t.Context(), "ann"); len(infos) != 0 {
		t.Errorf("%d sessions left", len(infos))
	}
}

// The replaced token does nothing else.
func TestTokenJustReplacedOnlyLogsOut(t *testing.T) {
	m := newManager(t, session.NewMemoryStore(0))
	b := newBrowser(t, m)
	b.login("ann")
	old := b.clone()
	if err := b.stepUp(); err != nil {
		t.Fatal(err)
	}
	if err := old.clone().stepUp(); !errors.Is(err, session.ErrGone) {
		t.Errorf("step-up: got %v, want ErrGone", err)
	}
	err := old.try(func(ctx context.Context) error { return m.Update(ctx, func(d *data) error { d.N = 9; return nil }) })
	if !errors.Is(err, session.ErrGone) {
		t.Errorf("update: got %v, want ErrGone", err)
	}
	if s := b.get(); s.User != "ann" || s.AAL != 2 || s.Data.N != 0 {
		t.Errorf("the session became %+v", s)
	}
}

// A login ends what its request came with, under whatever token that lives now.
func TestLoginWithTokenJustReplaced(t *testing.T) {
	m := newManager(t, session.NewMemoryStore(0))
	b := newBrowser(t, m)
	b.login("ann")
	old := b.clone()
	if err := b.stepUp(); err != nil {
		t.Fatal(err)
	}
	old.login("bob")
	if b.get().LoggedIn() || old.get().User != "bob" {
		t.Error("the session lives on beside the login that replaced it")
	}
}

// A token from before the login is not the user's: somebody else may hold it.
func TestTokenFromBeforeLoginDoesNotLogOut(t *testing.T) {
	m := newManager(t, session.NewMemoryStore(0))
	b := newBrowser(t, m)
	b.add(1)
	old := b.clone()
	b.login("ann")
	old.logout()
	if !b.get().LoggedIn() {
		t.Error("a token from before the login ended the session")
	}
}

// Whatever the scheduler does, nothing of the user's is left.
func TestLogoutBesideStepUp(t *testing.T) {
	m := newManager(t, session.NewMemoryStore(0))
	for range 300 {
		b := newBrowser(t, m)
		b.login("ann")
		c := b.clone()
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := c.stepUp(); err != nil && !errors.Is(err, session.ErrGone) {
				t.Error(err)
			}
		})
		wg.Go(b.logout)
		wg.Wait()
		if infos, _ := m.Devices(t.Context(), "ann"); len(infos) != 0 {
			t.Fatal("a session outlived the logout")
		}
	}
}
