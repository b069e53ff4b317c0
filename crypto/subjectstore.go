package crypto

import (
	"bytes"
	"context"
	"errors"
	"fmt"
)

var (
	errSubjectID    = errors.New("crypto: store of subject keys returned an id that is not 16 bytes long")
	errSubjectPanic = errors.New("crypto: store of subject keys panicked")
)

// subjectStore calls a SubjectKeys, which is most often somebody else's code: one that
// panics, writes to its arguments or returns a wrong id harms no more than its call.
type subjectStore struct{ keys SubjectKeys }

func (s subjectStore) call(doing string, f func() error) error {
	if err := sheltered(errSubjectPanic, f); err != nil {
		return fmt.Errorf("crypto: %s the key of a subject: %w", doing, err)
	}
	return nil
}

func (s subjectStore) create(ctx context.Context, subject string, id, wrapped []byte) (heldID, held []byte, err error) {
	err = s.call("creating", func() (err error) {
		heldID, held, err = s.keys.Create(ctx, subject, bytes.Clone(id), wrapped)
		return err
	})
	if err == nil && len(heldID) != subjectIDLen {
		err = errSubjectID
	}
	return heldID, held, err
}

func (s subjectStore) load(ctx context.Context, subject string) (id, wrapped []byte, err error) {
	err = s.call("loading", func() (err error) {
		id, wrapped, err = s.keys.Load(ctx, subject)
		return err
	})
	if err == nil && len(wrapped) > 0 && len(id) != subjectIDLen {
		err = errSubjectID
	}
	return id, wrapped, err
}

func (s subjectStore) find(ctx context.Context, id []byte) (subject string, wrapped []byte, err error) {
	err = s.call("finding", func() (err error) {
		subject, wrapped, err = s.keys.Find(ctx, bytes.Clone(id)) // id is a part of the caller's message
		return err
	})
	return subject, wrapped, err
}

func (s subjectStore) replace(ctx context.Context, id, old, wrapped []byte) error {
	return s.call("replacing", func() error { return s.keys.Replace(ctx, id, old, wrapped) })
}

func (s subjectStore) delete(ctx context.Context, subject string) error {
	return s.call("deleting", func() error { return s.keys.Delete(ctx, subject) })
}
