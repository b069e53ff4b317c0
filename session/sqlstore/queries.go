package sqlstore

import (
	"strconv"
	"strings"
)

// queries are the statements of one dialect. They are written once, with ? for a
// parameter and these words for what differs:
//
//	{now}      the clock: microseconds since 1970, UTC
//	{version}  the column version; in MySQL reading it also reports that a row matched
//	{or ...}   what INSERT changes instead when the key exists
//	{lock}     keeps the selected row locked until the transaction ends
//	{oldest}   selects what to delete
//	{min} {max}
type queries struct {
	insert, load, version, save, rotate, touch                                string
	deleteKey, deletePrevious, deleteHandle, holdsHandle, deleteDeadDuplicate string
	epoch, ensureEpoch, lockEpoch, advanceEpoch                               string
	user, deleteUserLive, deleteUser                                          string
	now, deleteExpired                                                        string
}

const (
	columns = `skey, handle, COALESCE(user_id, ''), version, aal, methods, persist, created_at, auth_at, expires_at, seen_at, idle_until`

	// live is true of a row that exists for the contract.
	live = `{now} < idle_until AND {now} < expires_at`

	// oldest are so many rows whose absolute end is not after the given time.
	oldest = `expires_at <= ? ORDER BY expires_at LIMIT ?`

	// liveAtOnce reads the clock once for a row, so that the time returned with it
	// is the time it was compared with.
	liveAtOnce = ` FROM pavise_sessions, (SELECT {now} AS now) AS clock
		WHERE clock.now < idle_until AND clock.now < expires_at AND `
)

func newQueries(d Dialect) queries {
	spell := strings.NewReplacer(d.words()...).Replace
	sql := func(query string) string { return d.number(spell(query)) }
	return queries{
		insert: sql(`INSERT INTO pavise_sessions (skey, handle, user_id, version, data, aal, methods, persist,
				created_at, auth_at, expires_at, seen_at, idle_until)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, {now}, {min}({now} + ?, ?))`),
		load:    sql(`SELECT ` + columns + `, clock.now, data` + liveAtOnce + `skey = ?`),
		version: sql(`SELECT version FROM pavise_sessions WHERE skey = ? AND ` + live),
		save: sql(`UPDATE pavise_sessions SET data = ?, seen_at = {now},
				idle_until = {min}({max}(idle_until, {now} + ?), expires_at), version = {version} + 1
			WHERE skey = ? AND version = ? AND ` + live),
		// MySQL assigns from left to right: previous_key reads what the others replace.
		rotate: sql(`UPDATE pavise_sessions SET previous_key = CASE WHEN user_id = ? THEN skey END, skey = ?, handle = ?, user_id = ?, version = {version} * 0 + ?, data = ?, aal = ?,
				methods = ?, persist = ?, created_at = ?, auth_at = ?, expires_at = ?, seen_at = {now}, idle_until = {min}({now} + ?, ?)
			WHERE skey = ? AND version = ? AND ` + live),
		touch: sql(`UPDATE pavise_sessions SET seen_at = {now},
				idle_until = {min}({max}(idle_until, {now} + ?), expires_at), version = {version}
			WHERE skey = ? AND ` + live),

		deleteKey:           sql(`DELETE FROM pavise_sessions WHERE skey = ?`),
		deletePrevious:      sql(`DELETE FROM pavise_sessions WHERE previous_key = ?`),
		deleteHandle:        sql(`DELETE FROM pavise_sessions WHERE user_id = ? AND handle = ?`),
		holdsHandle:         sql(`SELECT COUNT(*) FROM pavise_sessions WHERE user_id = ? AND handle = ?`),
		deleteDeadDuplicate: sql(`DELETE FROM pavise_sessions WHERE (skey = ? OR user_id = ? AND handle = ?) AND NOT (` + live + `)`),

		epoch:        sql(`SELECT COALESCE((SELECT epoch FROM pavise_session_epochs WHERE user_id = ?), 1), {now}`),
		ensureEpoch:  sql(`INSERT INTO pavise_session_epochs (user_id, epoch) VALUES (?, 1) {or epoch = pavise_session_epochs.epoch}`),
		lockEpoch:    sql(`SELECT epoch FROM pavise_session_epochs WHERE user_id = ? {lock}`),
		advanceEpoch: sql(`INSERT INTO pavise_session_epochs (user_id, epoch) VALUES (?, 2) {or epoch = pavise_session_epochs.epoch + 1}`),

		user: sql(`SELECT ` + columns + `, clock.now` + liveAtOnce + `user_id = ?`),
		// These two are numbered when the handles to keep have been appended.
		deleteUserLive: spell(`DELETE FROM pavise_sessions WHERE ` + live + ` AND user_id = ?`),
		deleteUser:     spell(`DELETE FROM pavise_sessions WHERE user_id = ?`),

		now:           sql(`SELECT {now}`),
		deleteExpired: sql(`DELETE FROM pavise_sessions WHERE {oldest}`),
	}
}

// words are the dialect's own for those in braces. Three of them need a reason:
//
// In MySQL the count of affected rows leaves out those that matched but did not
// change, such as a Touch in the same microsecond as another, unless the DSN says
// otherwise. LAST_INSERT_ID(column) is evaluated for each row that matches, and
// the driver hands its value over: not 0 means that a row matched.
//
// UNIX_TIMESTAMP(NOW(6)) goes through the time zone of the connection and jumps an
// hour when summer ends; the difference of two UTC times does not.
//
// For a DELETE with a subquery MySQL looks at every row and locks it. With a LIMIT it
// walks the index and locks what it deletes; the others have no such LIMIT.
func (d Dialect) words() []string {
	switch d {
	case MySQL:
		return []string{
			"{now}", "TIMESTAMPDIFF(MICROSECOND, '1970-01-01 00:00:00', UTC_TIMESTAMP(6))",
			"{version}", "LAST_INSERT_ID(version)",
			"{lock}", "FOR UPDATE", "{min}", "LEAST", "{max}", "GREATEST",
			"{oldest}", oldest,
			"{or ", "ON DUPLICATE KEY UPDATE ", "}", "",
		}
	case SQLite: // counts milliseconds, in a float; writers come one at a time
		return []string{
			"{now}", "(CAST(round(unixepoch('subsec') * 1000) AS INTEGER) * 1000)",
			"{version}", "version",
			"{lock}", "", "{min}", "min", "{max}", "max",
			"{oldest}", "skey IN (SELECT skey FROM pavise_sessions WHERE " + oldest + ")",
			"{or ", "ON CONFLICT (user_id) DO UPDATE SET ", "}", "",
		}
	}
	return []string{
		"{now}", "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint",
		"{version}", "version",
		"{lock}", "FOR UPDATE", "{min}", "LEAST", "{max}", "GREATEST",
		"{oldest}", "skey IN (SELECT skey FROM pavise_sessions WHERE " + oldest + ")",
		"{or ", "ON CONFLICT (user_id) DO UPDATE SET ", "}", "",
	}
}

// number writes ? as $1, $2... where the dialect wants it.
func (d Dialect) number(query string) string {
	if d != Postgres {
		return query
	}
	var b strings.Builder
	n := 0
	for part := range strings.SplitSeq(query, "?") {
		if n > 0 {
			b.WriteString("$" + strconv.Itoa(n))
		}
		b.WriteString(part)
		n++
	}
	return b.String()
}
