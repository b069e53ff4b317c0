package secrets_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pavise/pavise/secrets"
)

// write puts a file into dir, safe modes and all.
func write(t testing.TB, dir, name, content string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// reveal fetches name and returns the value in use.
func reveal(src secrets.Source, name string) (string, error) {
	versions, err := src.Fetch(context.Background(), name)
	if err != nil {
		return "", err
	}
	for _, v := range versions {
		if !v.Pending {
			return v.Secret.Reveal(), nil
		}
	}
	return "", errors.New("no version in use")
}

func TestDirContent(t *testing.T) {
	dir := t.TempDir()
	for name, tt := range map[string]struct{ content, want, err string }{
		"plain":         {"s3cret", "s3cret", ""},
		"newline":       {"s3cret\n", "s3cret", ""},
		"crlf":          {"s3cret\r\n", "s3cret", ""},
		"one-newline":   {"s3cret\n\n", "s3cret\n", ""},
		"spaces":        {" s3cret \t", " s3cret \t", ""},
		"nul":           {"a\x00b", "a\x00b", ""},
		"trailing-nul":  {"s3cret\x00\n", "s3cret\x00", ""},
		"bom":           {"\ufeffs3cret\n", "\ufeffs3cret", ""},
		"cr":            {"s3cret\r", "s3cret\r", ""},
		"binary":        {"\xff\xfe\x0a", "\xff\xfe\x0a", ""},
		"pem":           {"-----BEGIN-----\nAA==\n-----END-----\n", "-----BEGIN-----\nAA==\n-----END-----", ""},
		"largest":       {strings.Repeat("x", 1<<20), strings.Repeat("x", 1<<20), ""},
		"empty":         {"", "", "secrets: empty: is empty"},
		"empty-newline": {"\r\n", "", "secrets: empty-newline: is empty"},
		"huge":          {strings.Repeat("x", 1<<20+1), "", "secrets: huge: is larger than 1 MiB"},
	} {
		write(t, dir, name, tt.content)
		got, err := reveal(secrets.Dir(dir), name)
		if got != tt.want || (err == nil) != (tt.err == "") || err != nil && err.Error() != tt.err {
			t.Errorf("%s: %.20q, %v", name, got, err)
		}
		if errors.Is(err, secrets.ErrNotFound) {
			t.Errorf("%s: a bad file counts as a missing one", name)
		}
	}
}

func TestDirNames(t *testing.T) {
	outside := t.TempDir()
	dir := filepath.Join(outside, "mount")
	if err := os.MkdirAll(filepath.Join(dir, "sub"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ok", ".hidden", "sub/key", "..odd", "with space"} {
		write(t, dir, name, "inside")
	}
	write(t, outside, "key", "outside")
	src := secrets.Dir(dir)
	if got, err := reveal(src, "ok"); got != "inside" || err != nil {
		t.Fatalf("control: %q, %v", got, err)
	}
	for _, name := range []string{
		"", ".", "..", "../key", "../mount/ok", "sub/key", "sub/../ok", "./ok", "/ok", filepath.Join(outside, "key"), ".hidden", "..odd",
		"..data", `..\key`, `sub\key`, "ok\x00", "ok\x00../key", "with space", "ok\n", "оk", "C:ok", strings.Repeat("x", 251),
	} {
		got, err := reveal(src, name)
		if !errors.Is(err, secrets.ErrNotFound) || got != "" {
			t.Errorf("%.20q: %q, %v", name, got, err)
		}
		if err != nil && name != "" && name != "." && name != ".." && strings.Contains(err.Error(), name) {
			t.Errorf("the error repeats the name %.20q that is none", name)
		}
	}
	longest := strings.Repeat("x", 250)
	write(t, dir, longest, "inside")
	if got, err := reveal(src, longest); got != "inside" || err != nil {
		t.Errorf("a name of 250 bytes: %q, %v", got, err)
	}
}

func TestDirMissing(t *testing.T) {
	dir := t.TempDir()
	for _, src := range []secrets.Source{secrets.Dir(""), secrets.Dir(filepath.Join(dir, "later")), secrets.Dir(dir)} {
		if _, err := reveal(src, "key"); !errors.Is(err, secrets.ErrNotFound) {
			t.Errorf("%v", err)
		}
	}
	file := write(t, dir, "file", "x")
	if _, err := reveal(secrets.Dir(file), "key"); err == nil || errors.Is(err, secrets.ErrNotFound) {
		t.Errorf("a file as the directory: %v", err)
	}
	src := secrets.Dir(filepath.Join(dir, "later"))
	if err := os.Mkdir(filepath.Join(dir, "later"), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "later"), "key", "v")
	if got, err := reveal(src, "key"); got != "v" {
		t.Errorf("a directory mounted later: %q, %v", got, err)
	}
}

func TestDirVersions(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "key.1", "old")
	write(t, dir, "key.next", "new")
	if _, err := secrets.Dir(dir).Fetch(t.Context(), "key"); !errors.Is(err, secrets.ErrNotFound) {
		t.Errorf("without the file key: %v", err)
	}
	write(t, dir, "key", "now")
	versions, err := secrets.Dir(dir).Fetch(t.Context(), "key")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, v := range versions {
		got = append(got, fmt.Sprint(v.ID, "=", v.Secret.Reveal(), " ", v.Pending))
	}
	if want := "key.next=new true, key=now false, key.1=old false"; strings.Join(got, ", ") != want {
		t.Errorf("versions: %q, want %s", got, want)
	}
	write(t, dir, "key.1", "")
	if _, err := secrets.Dir(dir).Fetch(t.Context(), "key"); err == nil || err.Error() != "secrets: key.1: is empty" {
		t.Errorf("a bad previous version is dropped in silence: %v", err)
	}
}

func TestDirCanceled(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "key", "v")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := secrets.Dir(dir).Fetch(ctx, "key"); !errors.Is(err, context.Canceled) {
		t.Errorf("Fetch after cancel: %v", err)
	}
}

func TestSystemd(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "key", "v")
	t.Setenv("CREDENTIALS_DIRECTORY", dir)
	if got, err := reveal(secrets.Systemd(), "key"); got != "v" {
		t.Errorf("%q, %v", got, err)
	}
	t.Setenv("CREDENTIALS_DIRECTORY", "")
	t.Chdir(dir)
	if _, err := reveal(secrets.Systemd(), "key"); !errors.Is(err, secrets.ErrNotFound) {
		t.Errorf("outside of a unit the working directory is read: %v", err)
	}
}

func TestErrorsKeepTheCause(t *testing.T) {
	dir := t.TempDir()
	if err := os.Symlink("loop", filepath.Join(dir, "loop")); err != nil {
		t.Skip("no symbolic links: ", err)
	}
	_, err := reveal(secrets.Dir(dir), "loop")
	if err == nil || strings.Contains(err.Error(), dir) || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a loop of links: %v", err)
	}
}
