package main

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The database file, its -wal and its -shm hold no note, password or session token: not as it is, in hex or in base64 at any
// alignment. Each form of each of them is found if it is planted.
func TestNothingReadableAtRest(t *testing.T) {
	s := start(t)
	anna := s.signUp("anna")
	const title, text, secondText = "Elderflower title", "a sentence about juniper berries", "another about rowan trees"
	path := anna.write(title, text)
	anna.post(path, "title", title, "text", secondText, "version", "1").want(t, 200)
	gone := anna.write("Short-lived heading", "deleted words about sorrel")
	anna.post(gone+"/delete", "version", "1").want(t, 200)
	needles := map[string]string{
		"title": title, "text": text, "text after a change": secondText, "deleted title": "Short-lived heading", "deleted text": "words about sorrel",
		"password": goodPassword, "session token": anna.cookie("session"), "device key": string(s.deviceKey),
	}
	if raw, err := base64.RawURLEncoding.DecodeString(anna.cookie("session")); err == nil {
		needles["session token's bytes"] = string(raw)
	}
	if found := search(t, s.dir, needles); len(found) > 0 {
		t.Errorf("readable at rest: %q", found)
	}
	if found := search(t, s.dir, map[string]string{"name": anna.name}); len(found) == 0 {
		t.Error("not even the log-in name was found: the search does not work")
	}
	for what, needle := range needles {
		for i, form := range forms([]byte(needle)) {
			plant(t, s, append([]byte("x"), form...))
			if found := search(t, s.dir, map[string]string{what: needle}); len(found) == 0 {
				t.Errorf("%s, form %d, was planted and not found", what, i)
			}
			plant(t, s, []byte("nothing"))
			if _, err := s.store.exec(t.Context(), `PRAGMA wal_checkpoint(TRUNCATE)`); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// plant writes a value where nobody would seal it.
func plant(t *testing.T, s *service, value []byte) {
	t.Helper()
	if _, err := s.store.exec(t.Context(), `UPDATE key_check SET sealed = $1`, value); err != nil {
		t.Fatal(err)
	}
}

// search returns which needles are in the files of the database, in any of their forms.
func search(t *testing.T, dir string, needles map[string]string) (found []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "notes.db*"))
	if err != nil || len(files) != 3 {
		t.Fatalf("want the database, its -wal and its -shm, not %q, %v", files, err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		lower := bytes.ToLower(content)
		for what, needle := range needles {
			for _, form := range forms([]byte(needle)) {
				if bytes.Contains(content, form) || bytes.Contains(lower, form) {
					found = append(found, what+" in "+filepath.Base(file))
					break
				}
			}
		}
	}
	return found
}

// forms are the ways in which a value can stand in a file: as it is, in hex, and in both alphabets of base64, where it looks
// different at each of three alignments. Characters that also depend on the neighbours are cut off.
func forms(value []byte) [][]byte {
	all := [][]byte{value, []byte(hex.EncodeToString(value))}
	for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		for before := range 3 {
			text := encoding.EncodeToString(append([]byte(strings.Repeat("x", before)), value...))
			first := []int{0, 2, 3}[before]
			whole := (before + len(value)) / 3 * 4
			all = append(all, []byte(text[first:whole]))
		}
	}
	return all
}
