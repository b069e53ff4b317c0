package crypto_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"github.com/pavise/pavise/crypto"
	"github.com/pavise/pavise/secrets"
)

// rewrapTable wraps the data keys of all records anew, in batches of one transaction
// each. It can be killed at any moment and run again: what a committed batch has done
// needs no rewrap, and what was not committed is as it was. A record that a writer
// changes meanwhile is left to the next run.
func rewrapTable(ctx context.Context, db *sql.DB, e *crypto.Envelope, progress func(last int64)) error {
	const batch = 500
	for last := int64(0); ; progress(last) {
		next, err := rewrapBatch(ctx, db, e, last, batch)
		if err != nil || next == last {
			return err
		}
		last = next
	}
}

type record struct {
	id     int64
	sealed []byte
}

func rewrapBatch(ctx context.Context, db *sql.DB, e *crypto.Envelope, after int64, n int) (last int64, err error) {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return after, err
	}
	defer tx.Rollback()
	records, err := readBatch(ctx, tx, after, n)
	if err != nil {
		return after, err
	}
	last = after
	for _, r := range records {
		last = r.id
		if !e.NeedsRewrap(r.sealed) {
			continue
		}
		old := bytes.NewReader(r.sealed)
		header, err := e.RewrapHeader(ctx, old)
		if err != nil {
			return after, fmt.Errorf("record %d: %w", r.id, err)
		}
		payload := r.sealed[len(r.sealed)-old.Len():]
		if _, err := tx.ExecContext(ctx, "UPDATE records SET sealed = ? WHERE id = ? AND sealed = ?", append(header, payload...), r.id, r.sealed); err != nil {
			return after, err
		}
	}
	return last, tx.Commit()
}

func readBatch(ctx context.Context, tx *sql.Tx, after int64, n int) (records []record, err error) {
	rows, err := tx.QueryContext(ctx, "SELECT id, sealed FROM records WHERE id > ? ORDER BY id LIMIT ?", after, n)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var r record
		if err := rows.Scan(&r.id, &r.sealed); err != nil {
			return nil, err
		}
		records = append(records, r)
	}
	return records, rows.Err()
}

// TestRewrapKilled kills a rewrap of many records with SIGKILL, again and again, then lets
// one finish. PAVISE_REWRAP_RECORDS says how many; the default is 20,000.
func TestRewrapKilled(t *testing.T) {
	if path := os.Getenv("PAVISE_REWRAP_DB"); path != "" {
		rewrapChild(t, path)
		return
	}
	n := 20_000
	if text := os.Getenv("PAVISE_REWRAP_RECORDS"); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil || n < 5000 {
			t.Fatal("PAVISE_REWRAP_RECORDS is not a number of 5000 or more")
		}
	}
	start, path := time.Now(), filepath.Join(t.TempDir(), "records.db")
	db := openRecords(t, path)
	oldKey, newKey := crypto.GenerateKey(), crypto.GenerateKey()
	fill(t, db, rewrapEnvelope(t, oldKey), n)
	after := rewrapEnvelope(t, newKey)
	if c := verify(t, db, after); c.opened != 0 || c.outdated != n {
		t.Fatalf("before: %+v of %d", c, n)
	}

	const kills = 5
	for i := range kills {
		part := n * 8 / 10 / kills
		killAt := i*part + rand.IntN(part*9/10)
		runRewrap(t, path, oldKey, newKey, int64(killAt), int64(killAt+n/10))
		if c := verify(t, db, after); c.opened == n || c.damaged != 0 {
			t.Fatalf("kill %d at %d: %+v: it was not killed in the middle, or has done damage", i+1, killAt, c)
		} else {
			t.Logf("kill %d at record %d: %d of %d rewrapped", i+1, killAt, n-c.outdated, n)
		}
	}
	runRewrap(t, path, oldKey, newKey, -1, math.MaxInt64)
	c := verify(t, db, after)
	if c != (census{records: n, opened: n}) {
		t.Errorf("after: %+v", c)
	}
	t.Logf("%d records, %d kills: %d open, %d need a rewrap, %d payloads differ, in %v", c.records, kills, c.opened, c.outdated, c.damaged, time.Since(start).Round(time.Second))
}

func openRecords(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", path+"?_pragma=journal_mode(WAL)&_pragma=busy_timeout(10000)&_pragma=synchronous(NORMAL)&_txlock=immediate")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// rewrapEnvelope changes data keys often, so that there are many to wrap.
func rewrapEnvelope(t *testing.T, primary crypto.Key, older ...crypto.Key) *crypto.Envelope {
	t.Helper()
	keys, err := crypto.NewKeyring(primary, older...)
	if err != nil {
		t.Fatal(err)
	}
	e, err := crypto.NewEnvelope("records", []crypto.KEK{crypto.KeyringKEK(keys)}, crypto.WithDEKCache(crypto.DEKCache{MaxMessages: 16}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

func boundTo(id int64) crypto.Binding { return crypto.Bind("record", strconv.FormatInt(id, 10)) }

func textOf(id int64) []byte { return fmt.Appendf(nil, "the text of record %d", id) }

// fill stores n records, and beside each the digest of its payload.
func fill(t *testing.T, db *sql.DB, e *crypto.Envelope, n int) {
	t.Helper()
	if _, err := db.Exec("CREATE TABLE records (id INTEGER PRIMARY KEY, sealed BLOB NOT NULL, digest BLOB NOT NULL)"); err != nil {
		t.Fatal(err)
	}
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	insert, err := tx.Prepare("INSERT INTO records VALUES (?, ?, ?)")
	if err != nil {
		t.Fatal(err)
	}
	for id := int64(1); id <= int64(n); id++ {
		sealed, err := e.Seal(t.Context(), nil, textOf(id), boundTo(id))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := insert.Exec(id, sealed, payloadDigest(sealed)); err != nil {
			t.Fatal(err)
		}
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
}

// payloadDigest finds the payload by the header's own length, not as rewrapBatch does.
func payloadDigest(sealed []byte) []byte {
	sum := sha256.Sum256(sealed[int(sealed[4])<<8|int(sealed[5]):])
	return sum[:]
}

type census struct{ records, opened, outdated, damaged int }

func verify(t *testing.T, db *sql.DB, e *crypto.Envelope) (c census) {
	t.Helper()
	rows, err := db.Query("SELECT id, sealed, digest FROM records ORDER BY id")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var id int64
		var sealed, digest sql.RawBytes
		if err := rows.Scan(&id, &sealed, &digest); err != nil {
			t.Fatal(err)
		}
		c.records++
		if e.NeedsRewrap(sealed) {
			c.outdated++
		}
		if !bytes.Equal(payloadDigest(sealed), digest) {
			c.damaged++
		}
		if text, err := e.Open(t.Context(), nil, sealed, boundTo(id)); err == nil && bytes.Equal(text, textOf(id)) {
			c.opened++
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return c
}

// runRewrap runs rewrapTable in a process of its own, which it kills a moment after the
// record killAt was committed; never if that is negative. The process waits for that after
// waitAt, so that a busy machine does not let it come to its end.
func runRewrap(t *testing.T, path string, oldKey, newKey crypto.Key, killAt, waitAt int64) {
	t.Helper()
	child := exec.Command(os.Args[0], "-test.run=^TestRewrapKilled$", "-test.timeout=0")
	child.Env = append(os.Environ(), "PAVISE_REWRAP_DB="+path, "PAVISE_REWRAP_OLD="+oldKey.Export().Reveal(), "PAVISE_REWRAP_NEW="+newKey.Export().Reveal(),
		"PAVISE_REWRAP_WAIT="+strconv.FormatInt(waitAt, 10))
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	killed := false
	lines := bufio.NewScanner(out)
	for !killed && lines.Scan() {
		last, err := strconv.ParseInt(lines.Text(), 10, 64)
		if killed = err == nil && killAt >= 0 && last > killAt; killed {
			time.Sleep(rand.N(10 * time.Millisecond)) // within a batch, or in its commit
			if err := child.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	io.Copy(io.Discard, out)
	if err := child.Wait(); (err != nil) != killed {
		t.Fatalf("killed %v, and the process ended with %v", killed, err)
	}
}

func rewrapChild(t *testing.T, path string) {
	var keys [2]crypto.Key
	for i, name := range []string{"PAVISE_REWRAP_NEW", "PAVISE_REWRAP_OLD"} {
		var err error
		if keys[i], err = crypto.ParseKey(secrets.New(os.Getenv(name))); err != nil {
			t.Fatal(err)
		}
	}
	waitAt, err := strconv.ParseInt(os.Getenv("PAVISE_REWRAP_WAIT"), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	err = rewrapTable(t.Context(), openRecords(t, path), rewrapEnvelope(t, keys[0], keys[1]), func(last int64) {
		fmt.Println(last)
		if last > waitAt {
			time.Sleep(time.Hour)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}
