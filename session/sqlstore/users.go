package sqlstore

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/pavise/pavise/session"
)

// inEpoch runs write in a transaction that holds the row of the user's epoch, so
// that it comes before or after a DeleteUser as a whole. The row is made at the
// first login: what does not exist cannot be locked.
func (s *Store) inEpoch(ctx context.Context, user string, epoch uint64, write func(querier) error) error {
	if user == "" {
		return s.retry(ctx, func() error { return write(s.db) })
	}
	return s.tx(ctx, func(q querier) error {
		if _, err := q.ExecContext(ctx, s.q.ensureEpoch, user); err != nil {
			return err
		}
		var current int64
		if err := q.QueryRowContext(ctx, s.q.lockEpoch, user).Scan(&current); err != nil {
			return err
		}
		if current != int64(epoch) {
			return session.ErrStaleEpoch
		}
		return write(q)
	})
}

// Epoch implements [session.Store].
func (s *Store) Epoch(ctx context.Context, user string) (uint64, time.Time, error) {
	if !validUser(user) {
		return 0, time.Time{}, errUser
	}
	var epoch, now int64
	err := s.retry(ctx, func() error {
		return s.db.QueryRowContext(ctx, s.q.epoch, user).Scan(&epoch, &now)
	})
	if err != nil {
		return 0, time.Time{}, named("epoch", err)
	}
	return uint64(epoch), micro(now), nil
}

// User implements [session.Store]. Data is nil.
func (s *Store) User(ctx context.Context, user string) ([]session.Record, error) {
	if !validUser(user) {
		return nil, errUser
	}
	var records []session.Record
	err := s.retry(ctx, func() (err error) {
		records, err = s.list(ctx, user)
		return err
	})
	return records, named("user", err)
}

func (s *Store) list(ctx context.Context, user string) ([]session.Record, error) {
	rows, err := s.db.QueryContext(ctx, s.q.user, user)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var records []session.Record
	for rows.Next() {
		r, err := scan(rows)
		if err != nil {
			return nil, err
		}
		records = append(records, r)
	}
	return records, rows.Err()
}

// DeleteHandle implements [session.Store].
//
// A DELETE in MySQL that waited for a rotation goes on behind the old index entry,
// and can miss the new one before it. So a DELETE that found nothing is believed
// only after a plain read, which sees one state.
func (s *Store) DeleteHandle(ctx context.Context, user string, h session.Handle) error {
	if !validUser(user) {
		return errUser
	}
	if !validHandle(h) {
		return nil // no record can have it
	}
	for {
		res, err := s.exec(ctx, s.db, s.q.deleteHandle, user, string(h))
		if err != nil {
			return named("delete handle", err)
		}
		if n, err := res.RowsAffected(); err == nil && n > 0 {
			return nil
		}
		var held int
		err = s.retry(ctx, func() error {
			return s.db.QueryRowContext(ctx, s.q.holdsHandle, user, string(h)).Scan(&held)
		})
		if err != nil || held == 0 {
			return named("delete handle", err)
		}
	}
}

// DeleteUser implements [session.Store].
func (s *Store) DeleteUser(ctx context.Context, user string, keep ...session.Handle) (int, error) {
	if !validUser(user) {
		return 0, errUser
	}
	if user == "" {
		return 0, nil
	}
	condition, args := s.except(user, keep)
	n := 0
	err := s.tx(ctx, func(q querier) error {
		if _, err := q.ExecContext(ctx, s.q.advanceEpoch, user); err != nil {
			return err
		}
		res, err := q.ExecContext(ctx, s.dialect.number(s.q.deleteUserLive+condition), args...)
		if err != nil {
			return err
		}
		live, err := res.RowsAffected()
		if err != nil {
			return err
		}
		n = int(live)
		// The dead go too: a clock that is set back must not revive a revoked session.
		_, err = q.ExecContext(ctx, s.dialect.number(s.q.deleteUser+condition), args...)
		return err
	})
	if err != nil {
		return 0, named("delete user", err)
	}
	return n, nil
}

// except is the end of a WHERE that spares handles, with all its arguments.
func (s *Store) except(user string, keep []session.Handle) (condition string, args []any) {
	args = []any{user}
	for _, h := range slices.Compact(slices.Sorted(slices.Values(keep))) {
		if validHandle(h) {
			args = append(args, string(h))
		}
	}
	if len(args) == 1 {
		return "", args
	}
	return " AND handle NOT IN (?" + strings.Repeat(", ?", len(args)-2) + ")", args
}

// DeleteExpired implements [session.Store]. Rows are found by their absolute end,
// which is indexed; one whose idle time ran out is freed when that end has come.
func (s *Store) DeleteExpired(ctx context.Context, limit int) (int, error) {
	if limit < 1 {
		return 0, nil
	}
	var now int64
	if err := s.retry(ctx, func() error { return s.db.QueryRowContext(ctx, s.q.now).Scan(&now) }); err != nil {
		return 0, named("delete expired", err)
	}
	res, err := s.exec(ctx, s.db, s.q.deleteExpired, now, limit)
	if err != nil {
		return 0, named("delete expired", err)
	}
	n, err := res.RowsAffected()
	return int(n), named("delete expired", err)
}
