package crypto_test

import (
	"bytes"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	_ "github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"

	"github.com/pavise/pavise/crypto"
	"github.com/pavise/pavise/crypto/sqlstore"
	"github.com/pavise/pavise/secrets"
)

var subjectBound = crypto.Bind("note-body", "note-1")

// database is one that the store of subject keys is tested on.
type database struct {
	dialect sqlstore.Dialect
	driver  string
	dsn     string
}

// eachDatabase runs test on all of them. A server that is missing is skipped by name,
// or fails where servers have to be there.
func eachDatabase(t *testing.T, test func(t *testing.T, d database)) {
	for _, d := range []database{
		{sqlstore.Postgres, "pgx", "PAVISE_POSTGRES"},
		{sqlstore.MySQL, "mysql", "PAVISE_MARIADB"},
		{sqlstore.SQLite, "sqlite", ""},
	} {
		t.Run(d.dialect.String(), func(t *testing.T) {
			variable := d.dsn
			d.dsn = os.Getenv(variable)
			switch {
			case d.dialect == sqlstore.SQLite:
				d.dsn = sqliteDSN(filepath.Join(t.TempDir(), "keys.db"))
			case d.dsn == "" && os.Getenv("CI") == "true":
				t.Fatalf("%s is not set", variable)
			case d.dsn == "":
				t.Skipf("%s is not set: run eval \"$(.ci/servers start)\"", variable)
			}
			db := connect(t, d)
			if _, err := db.Exec("DROP TABLE IF EXISTS pavise_subject_keys"); err != nil {
				t.Fatal(err)
			}
			test(t, d)
		})
	}
}

func sqliteDSN(file string) string {
	return "file:" + file + "?_pragma=journal_mode(WAL)&_pragma=busy_timeout(5000)"
}

func connect(t *testing.T, d database) *sql.DB {
	t.Helper()
	db := must(sql.Open(d.driver, d.dsn))
	db.SetMaxOpenConns(16)
	db.SetMaxIdleConns(16)
	t.Cleanup(func() { db.Close() })
	return db
}

// store is one process' view of d: it has connections of its own.
func store(t *testing.T, d database) *sqlstore.SubjectKeys {
	t.Helper()
	s := must(sqlstore.NewSubjectKeys(connect(t, d), d.dialect))
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

func envelope(t *testing.T, keys crypto.SubjectKeys, key crypto.Key, older ...crypto.Key) *crypto.Envelope {
	t.Helper()
	ring := must(crypto.NewKeyring(key, older...))
	e := must(crypto.NewEnvelope("notes", []crypto.KEK{crypto.KeyringKEK(ring)}, crypto.WithSubjectKeys(keys)))
	t.Cleanup(func() { e.Close() })
	return e
}

func sealFor(t *testing.T, e *crypto.Envelope, subject, plaintext string) []byte {
	t.Helper()
	sealed, err := e.SealFor(t.Context(), subject, nil, []byte(plaintext), subjectBound)
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

func opensSubject(t *testing.T, e *crypto.Envelope, sealed []byte, plaintext string) bool {
	t.Helper()
	got, err := e.Open(t.Context(), nil, sealed, subjectBound)
	if err != nil && err != crypto.ErrOpen || err == nil && string(got) != plaintext {
		t.Errorf("Open: %q, %v", got, err)
	}
	return err == nil
}

// Processes that seal for one subject at once agree on one key, also while others
// forget it; what opens in the end is what is under the key that the store holds.
func TestSubjectKeysAtOnce(t *testing.T) {
	eachDatabase(t, func(t *testing.T, d database) {
		key := crypto.GenerateKey()
		store(t, d)
		for round := range 5 {
			subject := fmt.Sprint("subject-", round)
			all := make(chan []byte, 8)
			var hosts sync.WaitGroup
			for range cap(all) {
				e := envelope(t, store(t, d), key)
				hosts.Go(func() { all <- sealFor(t, e, subject, "diary") })
			}
			hosts.Wait()
			close(all)
			cold := envelope(t, store(t, d), key)
			for sealed := range all {
				if !opensSubject(t, cold, sealed, "diary") {
					t.Errorf("round %d: a message does not open: there were two keys", round)
				}
			}
		}
		var hosts sync.WaitGroup
		for n := range 4 {
			e := envelope(t, store(t, d), key)
			hosts.Go(func() {
				for i := range 20 {
					sealFor(t, e, "busy", "diary")
					if i%4 == n {
						if err := e.Forget(t.Context(), "busy"); err != nil {
							t.Error(err)
						}
					}
				}
			})
		}
		hosts.Wait()
	})
}

// Rotating the KEK is RewrapSubject over Subjects; messages stay as they are.
func TestSubjectKeysRotate(t *testing.T) {
	eachDatabase(t, func(t *testing.T, d database) {
		s, oldKey, newKey := store(t, d), crypto.GenerateKey(), crypto.GenerateKey()
		messages := map[string][]byte{}
		before := envelope(t, s, oldKey)
		for i := range 50 {
			subject := fmt.Sprint("subject-", i)
			messages[subject] = sealFor(t, before, subject, subject)
		}
		rotated := envelope(t, s, newKey, oldKey)
		for last := ""; ; {
			page := must(s.Subjects(t.Context(), last, 7))
			if len(page) == 0 {
				break
			}
			for _, subject := range page {
				if err := rotated.RewrapSubject(t.Context(), subject); err != nil {
					t.Fatal(err)
				}
			}
			last = page[len(page)-1]
		}
		after := envelope(t, s, newKey)
		for subject, sealed := range messages {
			if !opensSubject(t, after, sealed, subject) {
				t.Errorf("%s does not open with the new key alone", subject)
			}
		}
	})
}

// TestSubjectProcess is the other process of TestForgetAcrossProcesses: it opens the
// message of its environment and says what came of it.
func TestSubjectProcess(t *testing.T) {
	file := os.Getenv("PAVISE_SUBJECT_DB")
	if file == "" {
		t.Skip("started by TestForgetAcrossProcesses only")
	}
	d := database{sqlstore.SQLite, "sqlite", sqliteDSN(file)}
	key := must(crypto.ParseKey(secrets.New(os.Getenv("PAVISE_SUBJECT_KEY"))))
	e := envelope(t, must(sqlstore.NewSubjectKeys(connect(t, d), d.dialect)), key)
	sealed := must(base64.StdEncoding.DecodeString(os.Getenv("PAVISE_SUBJECT_MESSAGE")))
	if subject := os.Getenv("PAVISE_SUBJECT_FORGET"); subject != "" {
		if err := e.Forget(t.Context(), subject); err != nil {
			t.Fatal(err)
		}
		os.Exit(0) // without closing anything
	}
	fmt.Println("opens:", opensSubject(t, e, sealed, "my diary"))
}

func otherProcess(t *testing.T, file string, key crypto.Key, sealed []byte, forget string) string {
	t.Helper()
	c := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestSubjectProcess$", "-test.v")
	c.Env = append(os.Environ(), "PAVISE_SUBJECT_DB="+file, "PAVISE_SUBJECT_KEY="+key.Export().Reveal(),
		"PAVISE_SUBJECT_MESSAGE="+base64.StdEncoding.EncodeToString(sealed), "PAVISE_SUBJECT_FORGET="+forget)
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("the other process: %v\n%s", err, out)
	}
	return string(out)
}

// After Forget the message opens in no process: not in the one that forgot, not in one
// that starts afterwards, with the KEK in hand. The process that had the key cached is
// the bound, and only until MaxAge.
func TestForgetAcrossProcesses(t *testing.T) {
	const maxAge = 2 * time.Second
	file := filepath.Join(t.TempDir(), "keys.db")
	d, key := database{sqlstore.SQLite, "sqlite", sqliteDSN(file)}, crypto.GenerateKey()
	keys := store(t, d)
	kek := crypto.KeyringKEK(must(crypto.NewKeyring(key)))
	here := must(crypto.NewEnvelope("notes", []crypto.KEK{kek}, crypto.WithSubjectKeys(keys), crypto.WithDEKCache(crypto.DEKCache{MaxAge: maxAge})))
	defer here.Close()
	sealed, bob := sealFor(t, here, "alice", "my diary"), sealFor(t, here, "bob", "my diary")

	if out := otherProcess(t, file, key, sealed, ""); !strings.Contains(out, "opens: true") { // the control
		t.Fatalf("another process does not open before Forget:\n%s", out)
	}
	opensSubject(t, here, sealed, "my diary") // caches the key
	otherProcess(t, file, key, sealed, "alice")
	forgotten := time.Now()
	if out := otherProcess(t, file, key, sealed, ""); !strings.Contains(out, "opens: false") {
		t.Errorf("a process that starts after Forget opens:\n%s", out)
	}
	if out := otherProcess(t, file, key, bob, ""); !strings.Contains(out, "opens: true") {
		t.Errorf("another subject was forgotten:\n%s", out)
	}
	time.Sleep(time.Until(forgotten.Add(maxAge)))
	if opensSubject(t, here, sealed, "my diary") {
		t.Error("a warm process opens after MaxAge")
	}
	again := sealFor(t, here, "alice", "my diary")
	if !opensSubject(t, here, again, "my diary") {
		t.Fatal("a new message does not open")
	}
	if err := here.Forget(t.Context(), "alice"); err != nil {
		t.Fatal(err)
	}
	for name, message := range map[string][]byte{"first": sealed, "second": again} {
		if opensSubject(t, here, message, "my diary") {
			t.Errorf("%s message opens in the process that forgot", name)
		}
		if out := otherProcess(t, file, key, message, ""); !strings.Contains(out, "opens: false") {
			t.Errorf("%s message opens after a restart:\n%s", name, out)
		}
	}
}

// formsIn returns the forms in which the files of a database hold a secret.
func formsIn(t *testing.T, file string, secret []byte) (found []string) {
	t.Helper()
	forms := map[string][]byte{
		"raw": secret, "hex": []byte(hex.EncodeToString(secret)), "HEX": []byte(strings.ToUpper(hex.EncodeToString(secret))),
	}
	for shift := range 3 { // base64 of bytes that stand anywhere in a longer text
		forms[fmt.Sprint("base64+", shift)] = []byte(base64.RawStdEncoding.EncodeToString(secret[shift : len(secret)-len(secret[shift:])%3]))
	}
	for _, name := range []string{file, file + "-wal", file + "-shm"} {
		content, err := os.ReadFile(name)
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		for form, text := range forms {
			if bytes.Contains(content, text) {
				found = append(found, filepath.Base(name)+" "+form)
			}
		}
	}
	return found
}

// The files of SQLite hold nothing of the deleted keys, in either journal mode, after
// hundreds of others have moved them about. A reader that is in the middle of its
// work keeps the log: what stands there is wrapped, and gone with the next Forget.
func TestForgetLeavesNothingInSQLite(t *testing.T) {
	for _, mode := range []string{"WAL", "DELETE"} {
		t.Run(mode, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "keys.db")
			d := database{sqlstore.SQLite, "sqlite", strings.Replace(sqliteDSN(file), "WAL", mode, 1) + "&_pragma=synchronous(OFF)"}
			key, keys := crypto.GenerateKey(), store(t, d)
			e := envelope(t, keys, key)
			held := map[string][]byte{}
			for i := range 400 {
				subject := fmt.Sprintf("%x-subject", i*7919%400) // not in the order of the index
				sealFor(t, e, subject, "diary")
				_, wrapped, err := keys.Load(t.Context(), subject)
				if err != nil {
					t.Fatal(err)
				}
				held[subject] = wrapped[len(wrapped)-48:] // the key and its tag
			}
			found := 0
			for _, secret := range held {
				if len(formsIn(t, file, secret)) > 0 {
					found++
				}
			}
			if found != len(held) { // the control
				t.Fatalf("found %d of %d stored keys: the search is blind", found, len(held))
			}
			n := 0
			for subject := range held {
				if n++; n > 100 {
					break
				}
				if err := e.Forget(t.Context(), subject); err != nil {
					t.Fatal(err)
				}
				if forms := formsIn(t, file, held[subject]); len(forms) > 0 {
					t.Errorf("after Forget the key is in %v", forms)
				}
			}
		})
	}
}

// What a reader keeps in the -wal, or a backup keeps, is still wrapped: without the
// KEK it opens nothing, with the KEK it does, which is the bound.
func TestRemainsNeedTheKEK(t *testing.T) {
	file := filepath.Join(t.TempDir(), "keys.db")
	d := database{sqlstore.SQLite, "sqlite", strings.Replace(sqliteDSN(file), "5000", "0", 1)}
	key, keys := crypto.GenerateKey(), store(t, d)
	e := envelope(t, keys, key)
	sealed := sealFor(t, e, "alice", "diary")
	id, wrapped, err := keys.Load(t.Context(), "alice")
	if err != nil {
		t.Fatal(err)
	}
	tx := must(connect(t, d).BeginTx(t.Context(), nil))
	var n int
	if err := tx.QueryRow("SELECT COUNT(*) FROM pavise_subject_keys").Scan(&n); err != nil || n != 1 {
		t.Fatal(n, err)
	}
	if err := e.Forget(t.Context(), "alice"); err != nil {
		t.Fatal(err)
	}
	secret := wrapped[len(wrapped)-48:]
	if len(formsIn(t, file, secret)) == 0 {
		t.Error("nothing remains beside a reader: the documentation says that it may")
	}
	tx.Rollback()
	if err := e.Forget(t.Context(), "alice"); err != nil {
		t.Fatal(err)
	}
	if forms := formsIn(t, file, secret); len(forms) > 0 {
		t.Errorf("the next Forget leaves the key in %v", forms)
	}

	for name, who := range map[string]struct {
		key  crypto.Key
		want bool
	}{"without the KEK": {crypto.GenerateKey(), false}, "with the KEK": {key, true}} {
		backup := &crypto.MemorySubjectKeys{}
		backup.Create(t.Context(), "alice", id, wrapped)
		if got := opensSubject(t, envelope(t, backup, who.key), sealed, "diary"); got != who.want {
			t.Errorf("a backup %s opens: %v", name, got)
		}
	}
}
