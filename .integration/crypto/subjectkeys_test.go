package crypto_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/pavise/pavise/crypto"
	"github.com/pavise/pavise/crypto/sqlstore"
)

// One contract for every implementation.
func TestSubjectKeysContract(t *testing.T) {
	t.Run("memory", func(t *testing.T) { checkSubjectKeys(t, &crypto.MemorySubjectKeys{}) })
	eachDatabase(t, func(t *testing.T, d database) { checkSubjectKeys(t, store(t, d)) })
}

// oddSubjects are those that collations, padding and text encodings take for one or refuse.
var oddSubjects = []string{"\x00", "alice", "Alice", "alice ", "alice\x00", "al\xffice", "\u00e4lice", "a\u0308lice", strings.Repeat("s", 1024)}

// checkSubjectKeys checks the contract of crypto.SubjectKeys, method by method.
func checkSubjectKeys(t *testing.T, s crypto.SubjectKeys) {
	ctx := t.Context()
	id := func(c byte) []byte { return bytes.Repeat([]byte{c}, 16) }
	long := bytes.Repeat([]byte{0, 0xff}, 65_639/2)
	// Told apart byte by byte, and returned as they are.
	subjects := oddSubjects
	for i, subject := range subjects {
		if gotID, wrapped, err := s.Load(ctx, subject); gotID != nil || wrapped != nil || err != nil {
			t.Fatalf("Load of nobody: %x, %x, %v", gotID, wrapped, err)
		}
		for _, again := range []byte{0, 100} { // the second does not replace
			gotID, wrapped, err := s.Create(ctx, subject, id(byte(i)+again), long[:len(long)-i-int(again)])
			if err != nil || !bytes.Equal(gotID, id(byte(i))) || !bytes.Equal(wrapped, long[:len(long)-i]) {
				t.Fatalf("Create of %q: %x, %d bytes, %v", subject, gotID, len(wrapped), err)
			}
		}
		owner, wrapped, err := s.Find(ctx, id(byte(i)))
		if err != nil || owner != subject || !bytes.Equal(wrapped, long[:len(long)-i]) {
			t.Errorf("Find of %q: %q, %v", subject, owner, err)
		}
	}
	if owner, wrapped, err := s.Find(ctx, id(99)); owner != "" || wrapped != nil || err != nil {
		t.Errorf("Find of nothing: %q, %x, %v", owner, wrapped, err)
	}
	for _, old := range []string{"stale", "new"} { // neither matches
		if err := s.Replace(ctx, id(1), []byte(old), []byte("new")); err != nil {
			t.Error(err)
		}
	}
	_, before, _ := s.Load(ctx, "alice")
	err := s.Replace(ctx, id(1), before, []byte("new"))
	if _, after, _ := s.Load(ctx, "alice"); err != nil || len(before) != len(long)-1 || string(after) != "new" {
		t.Errorf("Replace: %v, before %d bytes, after %q", err, len(before), after)
	}
	for range 2 {
		if err := s.Delete(ctx, "alice"); err != nil {
			t.Error(err)
		}
	}
	_, wrapped, _ := s.Load(ctx, "alice")
	_, other, _ := s.Load(ctx, "Alice")
	err = s.Replace(ctx, id(1), []byte("new"), []byte("back"))
	if owner, back, _ := s.Find(ctx, id(1)); wrapped != nil || other == nil || owner != "" || back != nil || err != nil {
		t.Errorf("after Delete: %q, %q, %v", wrapped, back, err)
	}

	// Nobody's memory is shared: what the caller does to its own later, the store does not see.
	given, gone := id(50), []byte("wrapped")
	if _, _, err := s.Create(ctx, "clone", given, gone); err != nil {
		t.Fatal(err)
	}
	clear(given)
	clear(gone)
	heldID, held, err := s.Load(ctx, "clone")
	if err != nil || !bytes.Equal(heldID, id(50)) || string(held) != "wrapped" {
		t.Errorf("the store shares its caller's memory: %x, %q, %v", heldID, held, err)
	}
	clear(held)
	if _, again, err := s.Find(ctx, id(50)); err != nil || string(again) != "wrapped" {
		t.Errorf("the store shares its own memory: %q, %v", again, err)
	}

	ended, cancel := context.WithCancel(ctx)
	cancel()
	_, _, loadErr := s.Load(ended, "clone")
	_, _, findErr := s.Find(ended, id(50))
	_, _, createErr := s.Create(ended, "late", id(51), []byte("wrapped"))
	for call, err := range map[string]error{
		"Load": loadErr, "Find": findErr, "Create": createErr,
		"Replace": s.Replace(ended, id(50), []byte("wrapped"), []byte("late")), "Delete": s.Delete(ended, "clone"),
	} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s under an ended context: %v", call, err)
		}
	}
	if _, held, err := s.Load(ctx, "clone"); err != nil || string(held) != "wrapped" {
		t.Errorf("an ended context changed the store: %q, %v", held, err)
	}
}

func TestSubjectsAreListed(t *testing.T) {
	eachDatabase(t, func(t *testing.T, d database) {
		s, ctx := store(t, d), t.Context()
		subjects := slices.Clone(oddSubjects)
		for i, subject := range subjects {
			if _, _, err := s.Create(ctx, subject, bytes.Repeat([]byte{byte(i)}, 16), []byte("wrapped")); err != nil {
				t.Fatal(err)
			}
		}
		var listed []string
		for last := ""; ; last = listed[len(listed)-1] {
			page, err := s.Subjects(ctx, last, 3)
			if err != nil {
				t.Fatal(err)
			}
			if len(page) == 0 {
				break
			}
			listed = append(listed, page...)
		}
		slices.Sort(subjects)
		if !slices.Equal(listed, subjects) {
			t.Errorf("Subjects: %q", listed)
		}
	})
}

// Processes that start at once may all migrate, and again later.
func TestSubjectKeysMigrateAtOnce(t *testing.T) {
	eachDatabase(t, func(t *testing.T, d database) {
		var hosts sync.WaitGroup
		for range 8 {
			s := must(sqlstore.NewSubjectKeys(connect(t, d), d.dialect))
			hosts.Go(func() {
				for range 2 {
					if err := s.Migrate(t.Context()); err != nil {
						t.Error(err)
					}
				}
			})
		}
		hosts.Wait()
		if _, _, err := store(t, d).Load(t.Context(), "alice"); err != nil {
			t.Error(err)
		}
	})
}
