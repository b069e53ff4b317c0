package authz_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"

	"github.com/pavise/pavise/session/authz"
)

// newLog writes lines without the time.
func newLog(w io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
}

func TestDecisionLog(t *testing.T) {
	var out bytes.Buffer
	c := config()
	c.Logger = newLog(&out)
	c.Conditions[remove] = []authz.Condition{broken}
	p := newPolicy(t, c)
	secret := note("acme", "owner", "ann", "locked", false, "body", "the secret text")
	secret.ID, secret.Value = "note-4711", "the secret text"
	ann := subject("ann", "acme", "admin")
	for _, check := range []struct {
		who  authz.Subject
		perm authz.Perm
	}{
		{ann, write},
		{authz.Subject{}, read},
		{subject("eve", "zeta", "admin"), read},
		{subject("sam", "ops", "support"), audit},
		{subject("bob", "acme", "editor"), write},
		{ann, remove},
		{ann, "note.raed"},
	} {
		p.Check(t.Context(), check.who, check.perm, secret)
	}
	const want = `level=INFO msg=authorization event.action=note.write event.outcome=success event.reason=granted user.id=ann organization.id=acme rule.name=admin
level=WARN msg=authorization event.action=note.read event.outcome=failure event.reason=anonymous organization.id=acme
level=WARN msg=authorization event.action=note.read event.outcome=failure event.reason=other-tenant user.id=eve organization.id=acme
level=INFO msg=authorization event.action=note.read-any-tenant event.outcome=success event.reason=cross-tenant user.id=sam organization.id=acme rule.name=support
level=WARN msg=authorization event.action=note.write event.outcome=failure event.reason=condition-failed user.id=bob organization.id=acme rule.name=owner
level=ERROR msg=authorization event.action=note.delete event.outcome=failure event.reason=condition-panicked user.id=ann organization.id=acme rule.name=broken error.type=runtime.boundsError
level=ERROR msg=authorization event.action=note.raed event.outcome=failure event.reason=unknown-permission user.id=ann organization.id=acme
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
	for _, bad := range []string{"secret", "4711"} {
		if strings.Contains(out.String(), bad) {
			t.Errorf("%q is in the log", bad)
		}
	}
}

// An engine's error may repeat what it was asked.
func TestEngineErrorStaysOutOfTheLog(t *testing.T) {
	var out bytes.Buffer
	fail := engine(func(authz.Subject, authz.Perm, authz.Resource) (bool, error) {
		return false, errors.New("no rule for the secret text")
	})
	p := newPolicy(t, authz.Config{Permissions: []authz.Perm{read}, SingleTenant: true, Engine: fail, Logger: newLog(&out)})
	p.Check(t.Context(), subject("ann", ""), read, authz.Resource{})
	gone, leave := context.WithCancel(t.Context())
	leave()
	p.Check(gone, subject("ann", ""), read, authz.Resource{})
	const want = "level=ERROR msg=authorization event.action=note.read event.outcome=failure event.reason=engine-failed user.id=ann error.type=*errors.errorString\n"
	if out.String() != want+strings.Replace(want, "ERROR", "WARN", 1) {
		t.Errorf("got %s, want %s", out.String(), want)
	}
}

// A handler finds in the context what the caller put there, such as the request's number.
func TestLoggerGetsTheContext(t *testing.T) {
	type key struct{}
	h := &seen{Handler: slog.DiscardHandler}
	c := config()
	c.Logger = slog.New(h)
	newPolicy(t, c).Check(context.WithValue(t.Context(), key{}, 1), subject("ann", "acme", "reader"), read, note("acme"))
	if h.ctx == nil || h.ctx.Value(key{}) != 1 {
		t.Error("the context is lost")
	}
}

type seen struct {
	slog.Handler
	ctx context.Context
}

func (s *seen) Enabled(context.Context, slog.Level) bool { return true }
func (s *seen) Handle(ctx context.Context, _ slog.Record) error {
	s.ctx = ctx
	return nil
}
