package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"math/rand/v2"
	"time"
)

// querier is what *sql.DB, *sql.Conn and *sql.Tx have in common.
type querier interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

const (
	attempts = 30
	maxPause = 100 * time.Millisecond
)

// retry repeats f while the database says that it did nothing.
func (s *Store) retry(ctx context.Context, f func() error) error {
	pause := time.Millisecond
	for n := 1; ; n++ {
		err := f()
		if classify(s.dialect, err) != retryable || n == attempts {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause/2 + rand.N(pause)):
		}
		pause = min(2*pause, maxPause)
	}
}

// exec runs one statement and returns how many rows it changed.
func (s *Store) exec(ctx context.Context, q querier, query string, args ...any) (sql.Result, error) {
	var res sql.Result
	err := s.retry(ctx, func() (err error) {
		res, err = q.ExecContext(ctx, query, args...)
		return err
	})
	return res, err
}

// tx runs f in a transaction, again if the database undid it.
func (s *Store) tx(ctx context.Context, f func(querier) error) error {
	once := s.txReadCommitted
	if s.dialect == SQLite {
		once = s.txImmediate
	}
	return s.retry(ctx, func() error { return once(ctx, f) })
}

// txReadCommitted is enough, because f first locks the row that decides.
// Repeatable read would show f the state from before it had to wait for the lock.
func (s *Store) txReadCommitted(ctx context.Context, f func(querier) error) error {
	tx, err := s.db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err != nil {
		return err
	}
	if err := f(tx); err != nil {
		_ = tx.Rollback() // the connection is dropped when this fails
		return err
	}
	if err := tx.Commit(); err != nil {
		return errCommit{err}
	}
	return nil
}

// txImmediate takes SQLite's write lock at once: a transaction that begins by
// reading can fail half-way, busy for good. It is spelled out because sql.Tx gives
// a connection whose COMMIT was refused back to the pool with the transaction
// still open, and later writes would vanish into it.
func (s *Store) txImmediate(ctx context.Context, f func(querier) error) error {
	conn, err := s.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = conn.ExecContext(ctx, "BEGIN IMMEDIATE")
	if classify(s.dialect, err) == retryable {
		return err // not begun
	}
	if err == nil {
		err = f(conn)
	}
	if err == nil {
		if _, err = conn.ExecContext(ctx, "COMMIT"); err == nil {
			return nil
		}
		err = errCommit{err}
	}
	if _, undo := conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK"); undo != nil {
		_ = conn.Raw(func(any) error { return driver.ErrBadConn }) // never back into the pool
	}
	return err
}
