package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pavise/pavise/crypto"
)

// used returns a data folder with one user and one note.
func used(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	t.Run("use", func(t *testing.T) { startIn(t, dir, "").signUp("anna").write("One", "text") })
	return dir
}

func TestFirstStart(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a folder #1?", "data")
	key := filepath.Join(dir, keyFile)
	var first []byte
	for range 2 { // the second start takes what the first has made
		v, err := openVault(t.Context(), dir, "")
		if err != nil {
			t.Fatal(err)
		}
		v.Close()
		text, err := os.ReadFile(key)
		if err != nil {
			t.Fatal(err)
		}
		if first != nil && !bytes.Equal(first, text) {
			t.Error("the second start has replaced the key")
		}
		first = text
	}
	if runtime.GOOS == "windows" {
		return
	}
	for path, want := range map[string]os.FileMode{dir: 0o700, key: 0o600, filepath.Join(dir, "notes.db"): 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v; want %v", path, info.Mode(), err, want)
		}
	}
}

func TestStartRefuses(t *testing.T) {
	remove := func(names ...string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			for _, name := range names {
				if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
					t.Fatal(err)
				}
			}
		}
	}
	for name, c := range map[string]struct {
		harm func(t *testing.T, dir string)
		want error  // or
		text string // of the error
	}{
		"a database without its key": {harm: remove(keyFile), want: errDatabaseWithoutKey},
		"a key without its database": {harm: remove("notes.db", "notes.db-wal", "notes.db-shm"), want: errKeyWithoutDatabase},
		"an empty database": {want: errKeyWithoutDatabase, harm: func(t *testing.T, dir string) {
			remove("notes.db-wal", "notes.db-shm")(t, dir)
			write(t, filepath.Join(dir, "notes.db"), "", 0o600)
		}},
		"another key": {want: errWrongKey, harm: func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, keyFile), crypto.GenerateKey().Export().Reveal(), 0o600)
		}},
		"a damaged key": {text: "notes.key: crypto: ", harm: func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, keyFile), "pavise_key_v1_damaged", 0o600)
		}},
		"a key for all to see": {text: "chmod 600", harm: func(t *testing.T, dir string) {
			if runtime.GOOS == "windows" {
				t.Skip("no modes")
			}
			if err := os.Chmod(filepath.Join(dir, keyFile), 0o644); err != nil {
				t.Fatal(err)
			}
		}},
		"no check value": {want: errWrongKey, harm: func(t *testing.T, dir string) { change(t, dir, `DELETE FROM key_check`) }},
		"a newer schema": {text: "newer version", harm: func(t *testing.T, dir string) { change(t, dir, `UPDATE schema_version SET version = 99`) }},
	} {
		t.Run(name, func(t *testing.T) {
			dir := used(t)
			c.harm(t, dir)
			before := names(t, dir)
			v, err := openVault(t.Context(), dir, "")
			if err == nil {
				v.Close()
				t.Fatal("it started")
			}
			if c.want != nil && !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text) {
				t.Errorf("%v; want %v%s", err, c.want, c.text)
			}
			if after := names(t, dir); after != before {
				t.Errorf("a refused start left %s, where %s was", after, before)
			}
		})
	}
}

// A first start that was interrupted after any of its steps is taken up by the next one.
func TestFirstStartInterrupted(t *testing.T) {
	for name, harm := range map[string]func(t *testing.T, dir string){
		"before the tables": func(t *testing.T, dir string) {
			os.Remove(filepath.Join(dir, keyFile))
			write(t, filepath.Join(dir, "notes.db"), "", 0o600)
		},
		"before the key": func(t *testing.T, dir string) {
			change(t, dir, `DELETE FROM key_check`)
			os.Remove(filepath.Join(dir, keyFile))
		},
		"before the check value": func(t *testing.T, dir string) { change(t, dir, `DELETE FROM key_check`) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			v, err := openVault(t.Context(), dir, "")
			if err != nil {
				t.Fatal(err)
			}
			v.Close()
			harm(t, dir)
			startIn(t, dir, "").signUp("anna").write("One", "text")
		})
	}
}

// Programs that start together on an empty folder share one key.
func TestFirstStartsTogether(t *testing.T) {
	for range 5 {
		dir := filepath.Join(t.TempDir(), "data")
		var all sync.WaitGroup
		keys := make([][]byte, 4)
		for i := range keys {
			all.Go(func() {
				v, err := openVault(t.Context(), dir, "")
				if err != nil {
					t.Error(err)
					return
				}
				defer v.Close()
				keys[i] = v.deviceKey
			})
		}
		all.Wait()
		for _, key := range keys {
			if !bytes.Equal(key, keys[0]) {
				t.Error("two programs have two keys")
			}
		}
		if list := names(t, dir); list != "notes.db notes.key" {
			t.Errorf("the folder has %s", list)
		}
	}
}

// A service user often cannot list the folder above its own, as with systemd's DynamicUser.
func TestFolderInAClosedOne(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root can list every folder")
	}
	parent := t.TempDir()
	dir := filepath.Join(parent, "data")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(parent, 0o100); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(parent, 0o700)
	v, err := openVault(t.Context(), dir, "")
	if err != nil {
		t.Fatal(err)
	}
	v.Close()
}

func TestKeyRotation(t *testing.T) {
	dir := t.TempDir()
	key := filepath.Join(dir, keyFile)
	var anna *browser
	var path string
	t.Run("old key", func(t *testing.T) {
		anna = startIn(t, dir, "").signUp("anna")
		path = anna.write("One", "sealed with the old key")
	})
	if err := os.Rename(key, key+".1"); err != nil {
		t.Fatal(err)
	}
	write(t, key, crypto.GenerateKey().Export().Reveal(), 0o600)
	s := startIn(t, dir, "")
	again := s.logIn(&browser{name: anna.name})
	again.get(path).want(t, 200, "sealed with the old key")
	again.post(path, "title", "One", "text", "sealed with the new key", "version", "1").want(t, 200)
	if err := os.Remove(key + ".1"); err != nil { // no note needs it any more
		t.Fatal(err)
	}
	again = startIn(t, dir, "").logIn(&browser{name: anna.name})
	again.get(path).want(t, 200, "sealed with the new key")
}

// A sealed note that somebody moves to another row of the database does not open there.
func TestMovedNote(t *testing.T) {
	s := start(t)
	anna := s.signUp("anna")
	one, two := anna.write("One", "first"), anna.write("Two", "second")
	_, err := s.store.exec(t.Context(), `UPDATE notes SET title = (SELECT title FROM notes WHERE id = $1), body = (SELECT body FROM notes WHERE id = $1) WHERE id = $2`,
		strings.TrimPrefix(one, "/notes/"), strings.TrimPrefix(two, "/notes/"))
	if err != nil {
		t.Fatal(err)
	}
	anna.get(two).want(t, 500, "This note cannot be opened")
	anna.get("/notes").want(t, 200, "One", "(cannot be opened)")
	anna.get(one).want(t, 200, "first")
}

func TestFlags(t *testing.T) {
	for args, ok := range map[string]bool{
		"":                                    true,
		"-addr localhost:80":                  true,
		"-addr [::1]:80":                      true,
		"-addr 0.0.0.0:80":                    false,
		"-addr :80":                           false,
		"-addr 192.0.2.1:80":                  false,
		"-addr :80 -trusted-proxy 10.0.0.0/8": true,
		"-addr :443 -cert c -key k":           true,
		"-cert c":                             false,
		"-trusted-proxy all":                  false,
		"serve":                               false,
	} {
		if _, err := parse(strings.Fields(args), io.Discard); (err == nil) != ok {
			t.Errorf("%q: %v", args, err)
		}
	}
	if _, err := openPostgres(t.Context(), "postgres://u:hunter2@[bad", false); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a bad URL gives %v", err)
	}
}

// The program as main runs it, over TLS: three lines, requests, and an end in order.
func TestRun(t *testing.T) {
	dir := t.TempDir()
	pool := certificate(t, dir)
	ctx, stop := context.WithCancel(t.Context())
	out, greeting := &lines{}, &lines{}
	ended := make(chan error)
	go func() {
		ended <- run(ctx, []string{"-addr", "127.0.0.1:0", "-data", filepath.Join(dir, "data"), "-cert", filepath.Join(dir, "cert.pem"), "-key", filepath.Join(dir, "key.pem")}, out, greeting)
	}()
	url := waitFor(t, greeting, `https://127\.0\.0\.1:\d+`)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true}}
	res, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != 200 || res.ProtoMajor != 2 || res.TLS.Version != tls.VersionTLS13 || res.Header.Get("Strict-Transport-Security") == "" {
		t.Errorf("status %d, %s, TLS %x, HSTS %q", res.StatusCode, res.Proto, res.TLS.Version, res.Header.Get("Strict-Transport-Security"))
	}
	old := &tls.Config{RootCAs: pool, MaxVersion: tls.VersionTLS12}
	if conn, err := tls.Dial("tcp", strings.TrimPrefix(url, "https://"), old); err == nil {
		conn.Close()
		t.Error("TLS 1.2 is accepted")
	}
	client.CloseIdleConnections()
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if n := strings.Count(greeting.String(), "\n"); n != 3 {
		t.Errorf("%d lines:\n%s", n, greeting)
	}
	if strings.Contains(out.String(), "Notes listens") {
		t.Error("a line for people is among the events")
	}
}

func waitFor(t *testing.T, l *lines, pattern string) string {
	t.Helper()
	re := regexp.MustCompile(pattern)
	for range 1000 {
		if found := re.FindString(l.String()); found != "" {
			return found
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("no %s in %s", pattern, l)
	return ""
}

func certificate(t *testing.T, dir string) *x509.CertPool {
	t.Helper()
	public, private, _ := ed25519.GenerateKey(rand.Reader)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		t.Fatal(err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	chain := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})
	write(t, filepath.Join(dir, "cert.pem"), string(chain), 0o600)
	write(t, filepath.Join(dir, "key.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})), 0o600)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(chain)
	return pool
}

func write(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

// change runs a statement on the database of a service that does not run.
func change(t *testing.T, dir, statement string) {
	t.Helper()
	s, err := openSQLite(t.Context(), filepath.Join(dir, "notes.db"), false)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.exec(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
}

// names lists the files of a folder without SQLite's side files.
func names(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), "notes.db-") {
			list = append(list, e.Name())
		}
	}
	return strings.Join(list, " ")
}

// A kill of the process cannot show what a power cut does: the settings that decide about it are checked on each connection.
func TestSQLiteSettings(t *testing.T) {
	s := start(t)
	for range 3 {
		conn, err := s.store.db.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close() // at the end, so that the next one is another
		for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "secure_delete": "1", "busy_timeout": "5000", "trusted_schema": "0"} {
			var got string
			if err := conn.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got); err != nil || got != want {
				t.Errorf("%s: %s, %v; want %s", pragma, got, err, want)
			}
		}
	}
}

// Whoever sits between this machine and the database must not decide whether there is TLS.
func TestPostgresTLS(t *testing.T) {
	for dsn, ok := range map[string]bool{
		"postgres://u@db.example/notes":                     false,
		"postgres://u@db.example/notes?sslmode=prefer":      false,
		"postgres://u@db.example/notes?sslmode=allow":       false,
		"postgres://u@db.example/notes?sslmode=verify-full": true,
		"postgres://u@db.example/notes?sslmode=disable":     true,
		"postgres://u@127.0.0.1/notes":                      true,
		"postgres://u@localhost/notes":                      true,
		"postgres:///notes?host=/run/postgresql":            true,
	} {
		s, err := openPostgres(t.Context(), dsn, false)
		if (err == nil) != ok {
			t.Errorf("%s: %v", dsn, err)
		}
		if err == nil {
			s.Close()
		}
	}
}
