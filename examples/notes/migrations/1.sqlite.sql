CREATE TABLE key_check (
	id     INTEGER PRIMARY KEY CHECK (id = 1),
	sealed BLOB NOT NULL
) STRICT;

CREATE TABLE users (
	id       TEXT PRIMARY KEY,
	name     TEXT NOT NULL UNIQUE,
	password TEXT NOT NULL,
	created  INTEGER NOT NULL
) STRICT;

-- title and body are sealed by the program; times are Unix microseconds.
CREATE TABLE notes (
	id      TEXT PRIMARY KEY,
	owner   TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
	title   BLOB NOT NULL,
	body    BLOB NOT NULL,
	version INTEGER NOT NULL,
	created INTEGER NOT NULL,
	updated INTEGER NOT NULL
) STRICT;

CREATE INDEX notes_by_owner ON notes (owner, updated, id);
