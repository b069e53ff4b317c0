package authz

import (
	"context"
	"net/http"

	"github.com/pavise/pavise/session"
)

// Sessions is what [FromSession] uses of a [session.Manager].
type Sessions[T any] interface {
	// Get returns the session of a request, see [session.Manager.Get].
	Get(ctx context.Context) (session.Session[T], error)
}

// FromSession makes the subject function of [NewMux] from a session manager. A request
// without a user is anonymous, and load is not asked. Otherwise load returns tenant,
// roles and attributes of s.User, from where they are kept: not from the session,
// which would go on granting what was taken away. The ID is always s.User.
func FromSession[T any](m Sessions[T], load func(ctx context.Context, s session.Session[T]) (Subject, error)) func(*http.Request) (Subject, error) {
	return func(r *http.Request) (Subject, error) {
		s, err := m.Get(r.Context())
		if err != nil || !s.LoggedIn() {
			return Subject{}, err
		}
		subject, err := load(r.Context(), s)
		subject.ID = s.User
		return subject, err
	}
}
