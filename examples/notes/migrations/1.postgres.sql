CREATE TABLE key_check (
	id     INTEGER PRIMARY KEY CHECK (id = 1),
	sealed BYTEA NOT NULL
);

CREATE TABLE users (
	id       TEXT COLLATE "C" PRIMARY KEY,
	name     TEXT COLLATE "C" NOT NULL UNIQUE,
	password TEXT NOT NULL,
	created  BIGINT NOT NULL
);

-- title and body are sealed by the program; times are Unix microseconds.
CREATE TABLE notes (
	id      TEXT COLLATE "C" PRIMARY KEY,
	owner   TEXT COLLATE "C" NOT NULL REFERENCES users (id) ON DELETE CASCADE,
	title   BYTEA NOT NULL,
	body    BYTEA NOT NULL,
	version BIGINT NOT NULL,
	created BIGINT NOT NULL,
	updated BIGINT NOT NULL
);

CREATE INDEX notes_by_owner ON notes (owner, updated, id);
