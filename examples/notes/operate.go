package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
)

// endSessions is what an operator does about a stolen device, or somebody who has left: every session of the account ends, also
// one that is just being logged in to. It may run beside the service.
func (a *app) endSessions(ctx context.Context, name string, out io.Writer) error {
	u, err := a.store.userByName(ctx, strings.ToLower(strings.TrimSpace(name)))
	if errors.Is(err, errNotFound) {
		return errors.New("notes: nobody has this log-in name")
	}
	if err != nil {
		return err
	}
	n, err := a.sessions.RevokeUser(ctx, u.ID)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "Ended sessions: %d\n", n)
	return err
}
