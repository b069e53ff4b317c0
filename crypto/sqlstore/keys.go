package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// Limits of crypto.SubjectKeys. They are checked here because a database that is not
// strict would cut a value short and make two subjects one.
const (
	maxSubject = 1024
	idLen      = 16
	maxWrapped = 65_639
)

var (
	errSubject = errors.New("sqlstore: subject is not 1 to 1,024 bytes long")
	errID      = errors.New("sqlstore: id of a key is not 16 bytes long")
	errWrapped = errors.New("sqlstore: wrapped key is not 1 to 65,639 bytes long")
	errSecure  = errors.New("sqlstore: this SQLite has no PRAGMA secure_delete: deleted keys would stay in its file")
	errGone    = errors.New("sqlstore: create: the key was deleted by others each time")
)

// createTries bounds how often others may delete a key while it is created.
const createTries = 8

func check(subject string, id []byte, wrapped ...[]byte) error {
	switch {
	case len(subject) == 0 || len(subject) > maxSubject:
		return errSubject
	case len(id) != idLen:
		return errID
	}
	for _, w := range wrapped {
		if len(w) == 0 || len(w) > maxWrapped {
			return errWrapped
		}
	}
	return nil
}

// Create implements crypto.SubjectKeys.
func (s *SubjectKeys) Create(ctx context.Context, subject string, id, wrapped []byte) (heldID, heldWrapped []byte, err error) {
	if err := check(subject, id, wrapped); err != nil {
		return nil, nil, err
	}
	for range createTries {
		if err := s.write(ctx, "create", s.q.insert, []byte(subject), id, wrapped); err != nil {
			return nil, nil, err
		}
		heldID, heldWrapped, err = s.Load(ctx, subject)
		if err != nil || len(heldWrapped) > 0 {
			return heldID, heldWrapped, err
		}
	}
	return nil, nil, errGone
}

// Load implements crypto.SubjectKeys.
func (s *SubjectKeys) Load(ctx context.Context, subject string) (id, wrapped []byte, err error) {
	return s.read(ctx, "load", s.q.load, []byte(subject))
}

// Find implements crypto.SubjectKeys.
func (s *SubjectKeys) Find(ctx context.Context, id []byte) (subject string, wrapped []byte, err error) {
	owner, wrapped, err := s.read(ctx, "find", s.q.find, id)
	return string(owner), wrapped, err
}

// Replace implements crypto.SubjectKeys.
func (s *SubjectKeys) Replace(ctx context.Context, id, old, wrapped []byte) error {
	if err := check("-", id, old, wrapped); err != nil {
		return err
	}
	return s.write(ctx, "replace", s.q.replace, wrapped, id, old)
}

// Delete implements crypto.SubjectKeys. The package comment says what the database
// itself may keep.
func (s *SubjectKeys) Delete(ctx context.Context, subject string) error {
	return s.write(ctx, "delete", s.q.remove, []byte(subject))
}

// Subjects returns at most limit subjects that have a key, in the order of their
// bytes and after the given one, so that a rotation can call
// crypto.Envelope.RewrapSubject for each: begin with "", go on with the last.
func (s *SubjectKeys) Subjects(ctx context.Context, after string, limit int) ([]string, error) {
	if limit < 1 {
		return nil, nil
	}
	var subjects []string
	err := s.retry(ctx, func() (err error) {
		subjects, err = s.list(ctx, after, limit)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("sqlstore: subjects: %w", err)
	}
	return subjects, nil
}

func (s *SubjectKeys) list(ctx context.Context, after string, limit int) ([]string, error) {
	rows, err := s.db.QueryContext(ctx, s.q.list, []byte(after), limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var subjects []string
	for rows.Next() {
		var subject []byte
		if err := rows.Scan(&subject); err != nil {
			return nil, err
		}
		subjects = append(subjects, string(subject))
	}
	return subjects, rows.Err()
}

// read returns the two columns of the one row, or nothing.
func (s *SubjectKeys) read(ctx context.Context, method, query string, key []byte) (first, wrapped []byte, err error) {
	err = s.retry(ctx, func() error {
		return s.db.QueryRowContext(ctx, query, key).Scan(&first, &wrapped)
	})
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, nil, nil
	case err != nil:
		return nil, nil, fmt.Errorf("sqlstore: %s: %w", method, err)
	}
	return first, wrapped, nil
}

func (s *SubjectKeys) write(ctx context.Context, method, query string, args ...any) error {
	once := s.exec
	if s.dialect == SQLite {
		once = s.execSecurely
	}
	if err := s.retry(ctx, func() error { return once(ctx, query, args) }); err != nil {
		return fmt.Errorf("sqlstore: %s: %w", method, err)
	}
	return nil
}

func (s *SubjectKeys) exec(ctx context.Context, query string, args []any) error {
	_, err := s.db.ExecContext(ctx, query, args...)
	return err
}

// execSecurely leaves no copy of a deleted key in the file of SQLite. Inserting needs
// the pragma too: it moves other keys when a page is full, out of the reach of a later
// DELETE. The checkpoint is not part of the promise: whoever reads at that moment
// keeps the log, and the next checkpoint takes its place.
func (s *SubjectKeys) execSecurely(ctx context.Context, query string, args []any) error {
	conn, err := s.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	var on int
	if err := conn.QueryRowContext(ctx, "PRAGMA secure_delete = ON").Scan(&on); err != nil {
		return err
	}
	if on != 1 {
		return errSecure
	}
	if _, err := conn.ExecContext(ctx, query, args...); err != nil || query != s.q.remove {
		return err
	}
	var busy, frames, copied int
	_ = conn.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &frames, &copied)
	return nil
}
