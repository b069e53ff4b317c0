package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pavise/pavise/session/sqlstore"
)

// store keeps accounts and sealed notes. It never sees a title, a text or a password: what it is given has been sealed or
// hashed before. Its queries are the same for SQLite and Postgres.
type store struct {
	db       *sql.DB
	dialect  sqlstore.Dialect
	sessions *sqlstore.Store
}

type user struct {
	ID       string
	Name     string // what the user logs in with
	Password string // PHC string of argon2id
}

type sealedNote struct {
	ID, Owner        string
	Title, Body      []byte // sealed, bound to Owner and ID
	Version          int64  // 1 when written, one more with every change
	Created, Updated time.Time
}

var (
	errNotFound  = errors.New("notes: not found")
	errConflict  = errors.New("notes: changed by somebody else in the meantime")
	errNameTaken = errors.New("notes: name taken")
)

// storeError is a failure of the database itself: the answer is 503, not 500.
type storeError struct{ cause error }

func (e *storeError) Error() string { return "notes: database: " + e.cause.Error() }
func (e *storeError) Unwrap() error { return e.cause }

// failed sorts an error of database/sql: no row is an answer, everything else is a failure. A value that no text of Postgres
// can hold (NUL, or what is not UTF-8) is in no row.
func failed(err error) error {
	if err == nil {
		return nil
	}
	refused, ok := errors.AsType[*pgconn.PgError](err)
	if errors.Is(err, sql.ErrNoRows) || ok && refused.Code == "22021" {
		return errNotFound
	}
	return &storeError{err}
}

func (s *store) Close() error { return s.db.Close() }

// Ping reads from the database: to be connected is not enough.
func (s *store) Ping(ctx context.Context) error {
	_, err := s.keyCheck(ctx)
	return err
}

// exec runs one statement and returns how many rows it changed.
func (s *store) exec(ctx context.Context, query string, args ...any) (int64, error) {
	result, err := s.db.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, failed(err)
	}
	n, err := result.RowsAffected()
	return n, failed(err)
}

// Users

func (s *store) addUser(ctx context.Context, u user) error {
	n, err := s.exec(ctx, `INSERT INTO users (id, name, password, created) VALUES ($1, $2, $3, $4) ON CONFLICT (name) DO NOTHING`,
		u.ID, u.Name, u.Password, time.Now().UnixMicro())
	if err == nil && n == 0 {
		return errNameTaken
	}
	return err
}

func (s *store) userByName(ctx context.Context, name string) (user, error) {
	return s.user(ctx, `SELECT id, name, password FROM users WHERE name = $1`, name)
}

func (s *store) userByID(ctx context.Context, id string) (user, error) {
	return s.user(ctx, `SELECT id, name, password FROM users WHERE id = $1`, id)
}

func (s *store) user(ctx context.Context, query, arg string) (user, error) {
	var u user
	err := s.db.QueryRowContext(ctx, query, arg).Scan(&u.ID, &u.Name, &u.Password)
	return u, failed(err)
}

// setPassword replaces the hash that the caller has verified. If it is not that one any more, a change that ran at the same
// time was faster: errConflict.
func (s *store) setPassword(ctx context.Context, u user, hash string) error {
	n, err := s.exec(ctx, `UPDATE users SET password = $1 WHERE id = $2 AND password = $3`, hash, u.ID, u.Password)
	if err == nil && n == 0 {
		return errConflict
	}
	return err
}

// deleteUser deletes the account and, since they refer to it, its notes, if the hash still is the one that the caller has
// verified: errConflict otherwise.
func (s *store) deleteUser(ctx context.Context, u user) error {
	n, err := s.exec(ctx, `DELETE FROM users WHERE id = $1 AND password = $2`, u.ID, u.Password)
	if err == nil && n == 0 {
		return errConflict
	}
	return err
}

// Notes. Every statement names the owner: there is no way to reach a note by its id alone.

func (s *store) addNote(ctx context.Context, n sealedNote) error {
	_, err := s.exec(ctx, `INSERT INTO notes (id, owner, title, body, version, created, updated) VALUES ($1, $2, $3, $4, 1, $5, $5)`,
		n.ID, n.Owner, n.Title, n.Body, n.Created.UnixMicro())
	return err
}

func (s *store) note(ctx context.Context, owner, id string) (sealedNote, error) {
	n := sealedNote{ID: id, Owner: owner}
	var created, updated int64
	err := s.db.QueryRowContext(ctx, `SELECT title, body, version, created, updated FROM notes WHERE owner = $1 AND id = $2`, owner, id).
		Scan(&n.Title, &n.Body, &n.Version, &created, &updated)
	n.Created, n.Updated = time.UnixMicro(created), time.UnixMicro(updated)
	return n, failed(err)
}

const pageSize = 50

// notes returns up to pageSize notes without their bodies, the last changed first: the newest, or those that follow the note
// with the id before.
func (s *store) notes(ctx context.Context, owner, before string) ([]sealedNote, error) {
	query := `SELECT id, title, version, created, updated FROM notes WHERE owner = $1 `
	args := []any{owner}
	if before != "" {
		query += `AND (updated, id) < (SELECT updated, id FROM notes WHERE owner = $1 AND id = $2) `
		args = append(args, before)
	}
	rows, err := s.db.QueryContext(ctx, query+fmt.Sprintf(`ORDER BY updated DESC, id DESC LIMIT %d`, pageSize), args...)
	if err != nil {
		return nil, failed(err)
	}
	defer rows.Close()
	var notes []sealedNote
	for rows.Next() {
		n := sealedNote{Owner: owner}
		var created, updated int64
		if err := rows.Scan(&n.ID, &n.Title, &n.Version, &created, &updated); err != nil {
			return nil, failed(err)
		}
		n.Created, n.Updated = time.UnixMicro(created), time.UnixMicro(updated)
		notes = append(notes, n)
	}
	return notes, failed(rows.Err())
}

// updateNote replaces the note that has the version n.Version.
func (s *store) updateNote(ctx context.Context, n sealedNote) error {
	rows, err := s.exec(ctx, `UPDATE notes SET title = $1, body = $2, version = version + 1, updated = $3 WHERE owner = $4 AND id = $5 AND version = $6`,
		n.Title, n.Body, n.Updated.UnixMicro(), n.Owner, n.ID, n.Version)
	return s.changed(ctx, rows, err, n.Owner, n.ID)
}

// deleteNote deletes the note if it still has the version that the user has seen.
func (s *store) deleteNote(ctx context.Context, owner, id string, version int64) error {
	rows, err := s.exec(ctx, `DELETE FROM notes WHERE owner = $1 AND id = $2 AND version = $3`, owner, id, version)
	return s.changed(ctx, rows, err, owner, id)
}

// changed says why a conditional statement changed no row: another version, or no such note.
func (s *store) changed(ctx context.Context, rows int64, err error, owner, id string) error {
	if err != nil || rows > 0 {
		return err
	}
	var version int64
	err = s.db.QueryRowContext(ctx, `SELECT version FROM notes WHERE owner = $1 AND id = $2`, owner, id).Scan(&version)
	if err == nil {
		return errConflict
	}
	return failed(err)
}

// The key check

func (s *store) keyCheck(ctx context.Context) ([]byte, error) {
	var sealed []byte
	err := s.db.QueryRowContext(ctx, `SELECT sealed FROM key_check WHERE id = 1`).Scan(&sealed)
	return sealed, failed(err)
}

// addKeyCheck keeps the first value that was ever added: of two services that start on an empty database, one wins. It adds
// none where somebody has signed up.
func (s *store) addKeyCheck(ctx context.Context, sealed []byte) error {
	_, err := s.exec(ctx, `INSERT INTO key_check (id, sealed) SELECT 1, $1 WHERE NOT EXISTS (SELECT 1 FROM users) ON CONFLICT (id) DO NOTHING`, sealed)
	return err
}

func (s *store) setKeyCheck(ctx context.Context, sealed []byte) error {
	_, err := s.exec(ctx, `UPDATE key_check SET sealed = $1 WHERE id = 1`, sealed)
	return err
}

// neverUsed reports whether the database has no check value and nobody has ever signed up.
func (s *store) neverUsed(ctx context.Context) (bool, error) {
	var n int
	err := s.db.QueryRowContext(ctx, `SELECT (SELECT count(*) FROM key_check) + (SELECT count(*) FROM users)`).Scan(&n)
	return n == 0, failed(err)
}
