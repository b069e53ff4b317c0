// Package column_test tests package crypto/column on real databases.
package column_test

import (
	"bytes"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	_ "github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"

	"github.com/pavise/pavise/crypto"
	"github.com/pavise/pavise/crypto/column"
)

// database is a server, or a file, with tables pavise_people and pavise_others.
type database struct {
	*sql.DB
	name, bytesType string
	dump            func(t *testing.T) []byte // the files of the database, or its rows
}

// bind gives query the placeholders of its database.
func (db *database) bind(query string) string {
	for n := 1; db.name == "postgres" && strings.Contains(query, "?"); n++ {
		query = strings.Replace(query, "?", fmt.Sprintf("$%d", n), 1)
	}
	return query
}

func (db *database) exec(t *testing.T, query string, args ...any) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), db.bind(query), args...); err != nil {
		t.Fatal(err)
	}
}

func eachDatabase(t *testing.T, test func(t *testing.T, db *database)) {
	for _, d := range []struct{ name, driver, variable, bytesType string }{
		{"postgres", "pgx", "PAVISE_POSTGRES", "BYTEA"},
		{"mariadb", "mysql", "PAVISE_MARIADB", "VARBINARY(512)"},
		{"sqlite", "sqlite", "", "BLOB"},
	} {
		t.Run(d.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "column.db")
			dsn := "file:" + file
			if d.variable != "" {
				dsn = server(t, d.variable)
			}
			pool, err := sql.Open(d.driver, dsn)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { pool.Close() })
			db := &database{DB: pool, name: d.name, bytesType: d.bytesType}
			db.dump = db.dumpRows
			if d.variable == "" {
				db.dump = func(t *testing.T) []byte { return readFiles(t, file) }
			}
			for _, table := range []string{"pavise_people", "pavise_others"} {
				db.exec(t, "DROP TABLE IF EXISTS "+table)
				db.exec(t, "CREATE TABLE "+table+" (id VARCHAR(64) PRIMARY KEY, email "+d.bytesType+", phone "+d.bytesType+
					", born "+d.bytesType+", email_idx "+d.bytesType+")")
				t.Cleanup(func() { pool.Exec("DROP TABLE IF EXISTS " + table) })
			}
			test(t, db)
		})
	}
}

// server returns the address in the variable; without it the test is skipped, or
// fails where servers have to be there.
func server(t *testing.T, variable string) string {
	t.Helper()
	address := os.Getenv(variable)
	if address == "" && os.Getenv("CI") == "true" {
		t.Fatalf("%s is not set", variable)
	}
	if address == "" {
		t.Skipf("%s is not set: run eval \"$(.ci/servers start)\"", variable)
	}
	return address
}

// dumpRows returns every column of every row of the two tables.
func (db *database) dumpRows(t *testing.T) (all []byte) {
	t.Helper()
	for _, table := range []string{"pavise_people", "pavise_others"} {
		rows, err := db.QueryContext(t.Context(), "SELECT * FROM "+table)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		for rows.Next() {
			var cells [5]sql.RawBytes
			if err := rows.Scan(&cells[0], &cells[1], &cells[2], &cells[3], &cells[4]); err != nil {
				t.Fatal(err)
			}
			for _, cell := range cells {
				all = append(append(all, cell...), '\n')
			}
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// readFiles returns the file of a database and those beside it.
func readFiles(t *testing.T, file string) (all []byte) {
	t.Helper()
	names, err := filepath.Glob(file + "*")
	if err != nil || len(names) == 0 {
		t.Fatalf("%s: %v", file, err)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, text...)
	}
	return all
}

func columnKeys(t *testing.T, keys ...crypto.Key) *crypto.Keyring {
	t.Helper()
	k, err := crypto.NewKeyring(keys[0], keys[1:]...)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func newColumn[T any](t *testing.T, k *crypto.Keyring, table, name string, opts ...column.Option) *column.Column[T] {
	t.Helper()
	c, err := column.New[T](k, table, name, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func emailsOf(t *testing.T, keys ...crypto.Key) *column.Column[string] {
	t.Helper()
	return newColumn[string](t, columnKeys(t, keys...), "pavise_people", "email",
		column.WithIndex(4), column.WithNormalizer(strings.ToLower))
}

func read[T any](t *testing.T, db *database, c *column.Column[T], table, name, row string) (v T, err error) {
	t.Helper()
	var id string
	err = db.QueryRowContext(t.Context(), db.bind("SELECT id, "+name+" FROM "+table+" WHERE id = ?"), row).Scan(&id, c.Scan(&v, &id))
	return v, err
}

// find looks v up as an application does, and says how many rows the token alone found.
func find[T ~string | ~*string](t *testing.T, db *database, c *column.Column[T], v T) (ids []string, candidates int) {
	t.Helper()
	tokens, err := c.Index(v)
	if err != nil {
		t.Fatal(err)
	}
	var args []any
	for _, token := range tokens {
		args = append(args, token)
	}
	rows, err := db.QueryContext(t.Context(), db.bind("SELECT id, email FROM pavise_people WHERE email_idx IN (NULL"+strings.Repeat(", ?", len(args))+") ORDER BY id"), args...)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var id string
		var email T
		if err := rows.Scan(&id, c.Scan(&email, &id)); err != nil {
			t.Fatal(err)
		}
		candidates++
		if c.Match(v, email) {
			ids = append(ids, id)
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return ids, candidates
}

func insert(t *testing.T, db *database, c *column.Column[string], id, email string) {
	t.Helper()
	db.exec(t, "INSERT INTO pavise_people (id, email, email_idx) VALUES (?, ?, ?)", id, c.Value(email, id), c.Token(email))
}

// Who can write to the tables moves a ciphertext to every other place.
func TestColumnMoved(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *database) {
		key := crypto.GenerateKey()
		emails := emailsOf(t, key)
		phones := newColumn[string](t, columnKeys(t, key), "pavise_people", "phone")
		others := newColumn[string](t, columnKeys(t, key), "pavise_others", "email")
		insert(t, db, emails, "alice", "alice@example.com")
		insert(t, db, emails, "mallory", "mallory@example.com")

		var sealed []byte
		if err := db.QueryRowContext(t.Context(), "SELECT email FROM pavise_people WHERE id = 'alice'").Scan(&sealed); err != nil {
			t.Fatal(err)
		}
		db.exec(t, "UPDATE pavise_people SET email = ? WHERE id = 'mallory'", sealed)
		db.exec(t, "UPDATE pavise_people SET phone = email WHERE id = 'alice'")
		db.exec(t, "INSERT INTO pavise_others (id, email) SELECT id, email FROM pavise_people WHERE id = 'alice'")

		for name, attempt := range map[string]func() (string, error){
			"row":    func() (string, error) { return read(t, db, emails, "pavise_people", "email", "mallory") },
			"column": func() (string, error) { return read(t, db, phones, "pavise_people", "phone", "alice") },
			"table":  func() (string, error) { return read(t, db, others, "pavise_others", "email", "alice") },
		} {
			if got, err := attempt(); !errors.Is(err, crypto.ErrOpen) || got != "" {
				t.Errorf("in another %s: %q, %v", name, got, err)
			}
		}
		if got, err := read(t, db, emails, "pavise_people", "email", "alice"); err != nil || got != "alice@example.com" {
			t.Errorf("in its own place: %q, %v", got, err)
		}
		db.exec(t, "UPDATE pavise_people SET id = 'alice2' WHERE id = 'alice'")
		if got, err := read(t, db, emails, "pavise_people", "email", "alice2"); !errors.Is(err, crypto.ErrOpen) || got != "" {
			t.Errorf("under another id: %q, %v", got, err)
		}
	})
}

// A row is found in each phase of a rotation, whichever key wrote it; so are rows that
// are written in that phase.
func TestColumnRotation(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *database) {
		older, newer := crypto.GenerateKey(), crypto.GenerateKey()
		var want []string
		vain := 0
		phase := func(name string, write bool, keys ...crypto.Key) *column.Column[string] {
			t.Helper()
			c := emailsOf(t, keys...)
			if write {
				insert(t, db, c, "same-"+name, "Alice@Example.com")
				for i := range 30 {
					insert(t, db, c, fmt.Sprint("other-", name, i), fmt.Sprintf("user%d@example.com", i))
				}
				want = append(want, "same-"+name)
				slices.Sort(want)
			}
			got, candidates := find(t, db, c, "alice@example.COM")
			if !slices.Equal(got, want) {
				t.Errorf("%s: found %v, want %v", name, got, want)
			}
			vain += candidates - len(got)
			return c
		}
		phase("before", true, older)
		phase("known", true, older, newer)
		during := phase("primary", true, newer, older)
		if reseal(t, db, during) != 62 || reseal(t, db, during) != 0 {
			t.Error("not the rows of the older key are sealed anew")
		}
		phase("resealed", false, newer, older)
		phase("after", true, newer)
		if vain == 0 {
			t.Error("tokens of 4 bits find nothing in vain: Match was not tried")
		}
	})
}

// reseal moves what an older key sealed to the primary one.
func reseal(t *testing.T, db *database, c *column.Column[string]) (n int) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), "SELECT id, email FROM pavise_people")
	if err != nil {
		t.Fatal(err)
	}
	old := map[string][]byte{}
	for rows.Next() {
		var id string
		var sealed []byte
		if err := rows.Scan(&id, &sealed); err != nil {
			t.Fatal(err)
		}
		if c.NeedsReseal(sealed) {
			old[id] = sealed
		}
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		t.Fatal(err)
	}
	for id, sealed := range old {
		var email string
		if err := c.Scan(&email, &id).Scan(sealed); err != nil {
			t.Fatal(err)
		}
		value, token := c.Pair(email, id)
		db.exec(t, "UPDATE pavise_people SET email = ?, email_idx = ? WHERE id = ? AND email = ?", value, token, id, sealed)
	}
	return len(old)
}

func TestColumnNull(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *database) {
		k := columnKeys(t, crypto.GenerateKey())
		emails := newColumn[*string](t, k, "pavise_people", "email", column.WithIndex(8))
		phones := newColumn[[]byte](t, k, "pavise_people", "phone")
		born := newColumn[sql.Null[time.Time]](t, k, "pavise_people", "born")
		put := func(id string, email *string, phone []byte, b sql.Null[time.Time]) {
			db.exec(t, "INSERT INTO pavise_people (id, email, email_idx, phone, born) VALUES (?, ?, ?, ?, ?)",
				id, emails.Value(email, id), emails.Token(email), phones.Value(phone, id), born.Value(b, id))
		}
		email, when := "", sql.Null[time.Time]{V: time.Date(1815, 12, 10, 0, 0, 0, 1, time.UTC), Valid: true}
		put("null", nil, nil, sql.Null[time.Time]{})
		put("empty", &email, []byte{}, when)

		var nulls int
		if err := db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM pavise_people WHERE email IS NULL AND email_idx IS NULL AND phone IS NULL AND born IS NULL").Scan(&nulls); err != nil || nulls != 1 {
			t.Errorf("%d rows are NULL to the database, %v", nulls, err)
		}
		for _, id := range []string{"null", "empty"} {
			phone, p := []byte("before"), new(string)
			b := sql.Null[time.Time]{Valid: true}
			var row string
			err := db.QueryRowContext(t.Context(), db.bind("SELECT id, email, phone, born FROM pavise_people WHERE id = ?"), id).
				Scan(&row, emails.Scan(&p, &row), phones.Scan(&phone, &row), born.Scan(&b, &row))
			isNull := id == "null"
			if err != nil || (p == nil) != isNull || (phone == nil) != isNull || b.Valid == isNull || !isNull && b != when {
				t.Errorf("%s: %v, %v, %v, %v", id, p, phone, b, err)
			}
		}
		if got, candidates := find(t, db, emails, nil); candidates != 0 {
			t.Errorf("a lookup of NULL finds %v", got)
		}
		if got, _ := find(t, db, emails, &email); !slices.Equal(got, []string{"empty"}) {
			t.Errorf("a lookup of the empty value finds %v", got)
		}
		if _, err := read(t, db, newColumn[string](t, k, "pavise_people", "email"), "pavise_people", "email", "null"); err == nil || !strings.Contains(err.Error(), "value is NULL") {
			t.Errorf("NULL into a string: %v", err)
		}
	})
}

// An Envelope's column stores what Seal returned, and opens what a plain Scan read.
func TestColumnEnvelope(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *database) {
		e, err := crypto.NewEnvelope("people", []crypto.KEK{crypto.KeyringKEK(columnKeys(t, crypto.GenerateKey()))}, crypto.WithXAES())
		if err != nil {
			t.Fatal(err)
		}
		c, err := column.NewEnvelope[*string](e, nil, "pavise_people", "email")
		if err != nil {
			t.Fatal(err)
		}
		email := "alice@example.com"
		for id, v := range map[string]*string{"alice": &email, "null": nil} {
			sealed, err := c.Seal(t.Context(), v, id)
			if err != nil {
				t.Fatal(err)
			}
			db.exec(t, "INSERT INTO pavise_people (id, email) VALUES (?, ?)", id, sealed)
			var raw []byte
			var got *string
			var row string
			query := db.bind("SELECT id, email FROM pavise_people WHERE id = ?")
			err = errors.Join(
				db.QueryRowContext(t.Context(), query, id).Scan(&row, &raw),
				db.QueryRowContext(t.Context(), query, id).Scan(&row, c.Scan(t.Context(), &got, &row)))
			if opened, openErr := c.Open(t.Context(), raw, id); err != nil || openErr != nil || (v == nil) != (opened == nil) || (v == nil) != (got == nil) || v != nil && (*opened != *v || *got != *v) {
				t.Errorf("%s: %v, %v", id, err, openErr)
			}
		}
	})
}

// A dump shows a planted plaintext in each of its forms, and no sealed one.
func TestColumnDump(t *testing.T) {
	const secret, planted = "correct-horse-battery", "planted-in-the-clear"
	eachDatabase(t, func(t *testing.T, db *database) {
		insert(t, db, emailsOf(t, crypto.GenerateKey()), "sealed", secret)
		db.exec(t, "INSERT INTO pavise_people (id, email, phone, email_idx) VALUES ('planted', ?, ?, ?)",
			[]byte(planted), []byte(hex.EncodeToString([]byte(planted))), []byte(base64.StdEncoding.EncodeToString([]byte(planted))))
		dump := db.dump(t)
		for form, encode := range map[string]func(string) string{
			"plain":  func(s string) string { return s },
			"hex":    func(s string) string { return hex.EncodeToString([]byte(s)) },
			"base64": func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) },
		} {
			if !bytes.Contains(dump, []byte(encode(planted))) {
				t.Errorf("the search does not find what is there, %s", form)
			}
			if bytes.Contains(dump, []byte(encode(secret))) {
				t.Errorf("the value stands in the dump, %s", form)
			}
		}
	})
}
