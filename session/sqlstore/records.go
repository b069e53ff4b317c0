package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/pavise/pavise/session"
)

// errUnmatched: an UPDATE found no row. Why is a question of its own, answered by
// differs.
var errUnmatched = errors.New("sqlstore: no row matched")

// Create implements [session.Store]. r.Version must be 1.
func (s *Store) Create(ctx context.Context, r session.Record, epoch uint64) error {
	if r.Version != 1 {
		return errVersion
	}
	return named("create", s.put(ctx, r, epoch, func(q querier) error {
		_, err := q.ExecContext(ctx, s.q.insert, values(r)...)
		return err
	}))
}

// Load implements [session.Store].
func (s *Store) Load(ctx context.Context, k session.Key) (session.Record, error) {
	var data []byte
	var r session.Record
	err := s.retry(ctx, func() (err error) {
		r, err = scan(s.db.QueryRowContext(ctx, s.q.load, keyBytes(k)), &data)
		return err
	})
	if errors.Is(err, sql.ErrNoRows) {
		err = session.ErrNotFound
	}
	r.Data = data
	return r, named("load", err)
}

// Save implements [session.Store].
func (s *Store) Save(ctx context.Context, k session.Key, version uint64, data []byte, idle time.Duration) (uint64, error) {
	if len(data) > maxData {
		return 0, errData
	}
	err := s.compareAndSet(ctx, k, version, func() error {
		return s.retry(ctx, func() error {
			return s.update(ctx, s.db, s.q.save, notNil(data), idle.Microseconds(), keyBytes(k), int64(version))
		})
	})
	if err != nil {
		return 0, named("save", err)
	}
	return version + 1, nil
}

// Rotate implements [session.Store].
func (s *Store) Rotate(ctx context.Context, old session.Key, version uint64, r session.Record, epoch uint64) error {
	args := append([]any{owner(r.User)}, values(r)...)
	args = append(args, keyBytes(old), int64(version))
	return named("rotate", s.compareAndSet(ctx, old, version, func() error {
		return s.put(ctx, r, epoch, func(q querier) error { return s.update(ctx, q, s.q.rotate, args...) })
	}))
}

// Touch implements [session.Store].
func (s *Store) Touch(ctx context.Context, k session.Key, idle time.Duration) error {
	err := s.retry(ctx, func() error {
		return s.update(ctx, s.db, s.q.touch, idle.Microseconds(), keyBytes(k))
	})
	if err == errUnmatched {
		return session.ErrNotFound
	}
	return named("touch", err)
}

// Delete implements [session.Store]. If the key is not there, it was never there or is
// gone for good, so that what a rotation made of it can be looked for afterwards. One
// statement with OR could look for that first, and MySQL might read the whole table.
func (s *Store) Delete(ctx context.Context, k session.Key) error {
	for _, query := range []string{s.q.deleteKey, s.q.deletePrevious} {
		res, err := s.exec(ctx, s.db, query, keyBytes(k))
		if err != nil {
			return named("delete", err)
		}
		if n, err := res.RowsAffected(); err == nil && n > 0 {
			return nil
		}
	}
	return nil
}

// update runs an UPDATE of one row; errUnmatched if there was none.
func (s *Store) update(ctx context.Context, q querier, query string, args ...any) error {
	res, err := q.ExecContext(ctx, query, args...)
	if err != nil {
		return err
	}
	matched := res.RowsAffected
	if s.dialect == MySQL {
		matched = res.LastInsertId // see words
	}
	n, err := matched()
	if err == nil && n == 0 {
		err = errUnmatched
	}
	return err
}

// compareAndSet turns errUnmatched into the reason. If the record was brought to
// that version in between, nothing has been answered yet, and try is repeated.
func (s *Store) compareAndSet(ctx context.Context, k session.Key, version uint64, try func() error) error {
	for {
		if err := try(); err != errUnmatched {
			return err
		}
		if err := s.differs(ctx, k, version); err != nil {
			return err
		}
	}
}

// differs returns ErrNotFound, ErrConflict, or nil for a live record of that version.
func (s *Store) differs(ctx context.Context, k session.Key, version uint64) error {
	var got int64
	err := s.retry(ctx, func() error {
		return s.db.QueryRowContext(ctx, s.q.version, keyBytes(k)).Scan(&got)
	})
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return session.ErrNotFound
	case err == nil && got != int64(version):
		return session.ErrConflict
	}
	return err
}

// put writes r while the user's epoch is locked. Only a live record is in its way:
// a dead one with its key or handle is removed first.
func (s *Store) put(ctx context.Context, r session.Record, epoch uint64, write func(querier) error) error {
	if err := check(r); err != nil {
		return err
	}
	for {
		err := s.inEpoch(ctx, r.User, epoch, write)
		if classify(s.dialect, err) != duplicate {
			return err
		}
		res, err := s.exec(ctx, s.db, s.q.deleteDeadDuplicate, keyBytes(r.Key), owner(r.User), string(r.Handle))
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return session.ErrConflict
		}
	}
}
