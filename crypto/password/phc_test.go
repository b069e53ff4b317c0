package password

import (
	"strings"
	"testing"

	"github.com/pavise/pavise/secrets"
)

const good = "$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHRzYWx0c2FsdA$dGFndGFndGFndGFndGFndGFndGFndGFndGFndGFndGE"

func TestStrictParser(t *testing.T) {
	h := newHasher(t, AcceptLegacy(Argon2i, Bcrypt, Scrypt, PBKDF2))
	if _, err := h.cfg.parse(good); err != nil {
		t.Fatalf("control: %v", err)
	}
	edit := func(old, replacement string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("%q is not there", old)
		}
		return strings.Replace(good, old, replacement, 1)
	}
	for _, stored := range []string{
		"x", "$", "$$$$$", "argon2id" + good, good[1:], good + "$", good + "\n", " " + good, good + " ",
		edit("argon2id", "argon2d"), edit("argon2id", "ARGON2ID"), edit("argon2id", "argon2"),
		edit("v=19", "v=16"), edit("v=19$", ""), edit("v=19", "v=019"), edit("v=19", "19"),
		edit("m=64", "m=064"), edit("m=64", "m=+64"), edit("m=64", "m=0x40"), edit("m=64", "m="), edit("m=64", "m=4294967296"),
		edit("m=64", "m=7"), edit("m=64,t=1", "t=1,m=64"), edit("t=1", "t=0"), edit("p=1", "p=0"), edit("p=1", "p=256"),
		edit("p=1", "p=1,"), edit("p=1", "p=1,keyid=YQ"), edit("p=1", "p=1,data=YQ"), edit("p=1", "p=1,pepper="), edit("p=1", "p=1,x=1"),
		edit("p=1", "p=1,pepper=a,pepper=a"), edit("p=1", "p=1,pepper=a_b"), edit("m=64", "m=6_4"),
		edit("c2FsdHNhbHRzYWx0c2FsdA", "c2FsdHM"), edit("c2FsdHNhbHRzYWx0c2FsdA", ""), edit("c2FsdHNhbHRzYWx0c2FsdA", strings.Repeat("A", 66)),
		edit("c2FsdA$", "c2FsdB$"), edit("c2FsdA$", "c2FsdA==$"), edit("c2FsdA$", "c2Fs\ndA$"), edit("dGFndGFndGE", "dGFndGFnd-E"),
		edit("dGFndGFndGFndGFndGFndGFndGFndGFndGFndGFndGE", "dGFndGE"), good + strings.Repeat("A", 600),
		"$2b$", "$2b$04$", "$2b$4$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e0", "$2x$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e",
		"$2b$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6", "$2b$04$abcdefghijklmnopqrstu=jydOTSfIH/d5oUHpsygqV5X9xJLQc6e",
		"$2b$03$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e", "$2b$32$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e",
		"$scrypt$ln=0,r=8,p=1$c2FsdHNhbHRzYWx0c2FsdA$A9lBa6RTbfBovWqamVIqXKovIl4Vk6OZyVojLJmYmSI",
		"$scrypt$ln=10,r=8$c2FsdHNhbHRzYWx0c2FsdA$A9lBa6RTbfBovWqamVIqXKovIl4Vk6OZyVojLJmYmSI",
		"$pbkdf2-sha1$1000$8PHy8/T19vf4.fr7/P3./w$JwgcbJZlHBoE0uPBMy9SZsCsIJXsYLx/8XwH97PVwMU",
		"$pbkdf2-sha256$0$8PHy8/T19vf4.fr7/P3./w$JwgcbJZlHBoE0uPBMy9SZsCsIJXsYLx/8XwH97PVwMU",
		"$pbkdf2-sha256$1000$8PHy8/T19vf4+fr7/P3./w$JwgcbJZlHBoE0uPBMy9SZsCsIJXsYLx/8XwH97PVwMU",
	} {
		if _, err := h.Verify(t.Context(), secrets.New("pw"), stored); err != ErrFormat {
			t.Errorf("%q: %v", stored, err)
		}
	}
}

// What is over the ceiling is refused before anything is allocated or computed.
func TestCeiling(t *testing.T) {
	h := newHasher(t, AcceptLegacy(Argon2i, Bcrypt, Scrypt, PBKDF2),
		WithCeiling(Params{1 << 10, 4, 2}), WithMemory(1<<21))
	const salt, tag = "c2FsdHNhbHRzYWx0c2FsdA", "A9lBa6RTbfBovWqamVIqXKovIl4Vk6OZyVojLJmYmSI"
	for stored, want := range map[string]error{
		strings.Replace(good, "m=64", "m=1024", 1):                            nil,
		strings.Replace(good, "m=64", "m=1025", 1):                            ErrCeiling,
		strings.Replace(good, "m=64", "m=4294967295", 1):                      ErrCeiling,
		strings.Replace(good, "t=1", "t=4", 1):                                nil,
		strings.Replace(good, "t=1", "t=5", 1):                                ErrCeiling,
		strings.Replace(good, "t=1", "t=4294967295", 1):                       ErrCeiling,
		strings.Replace(good, "p=1", "p=2", 1):                                nil,
		strings.Replace(good, "p=1", "p=3", 1):                                ErrCeiling,
		strings.Replace(good, "argon2id$v=19$m=64", "argon2i$v=19$m=1025", 1): ErrCeiling,
		"$scrypt$ln=9,r=8,p=1$" + salt + "$" + tag:                            nil,
		"$scrypt$ln=11,r=8,p=1$" + salt + "$" + tag:                           ErrCeiling,
		"$scrypt$ln=31,r=1,p=1$" + salt + "$" + tag:                           ErrCeiling,
		"$scrypt$ln=63,r=65535,p=65535$" + salt + "$" + tag:                   ErrCeiling,
		"$scrypt$ln=9,r=8,p=5$" + salt + "$" + tag:                            ErrCeiling,
		"$scrypt$ln=10,r=8,p=1$" + salt + "$" + tag:                           ErrCeiling, // by its charge
		"$pbkdf2-sha256$5000000$" + salt + "$" + tag:                          nil,
		"$pbkdf2-sha256$5000001$" + salt + "$" + tag:                          ErrCeiling,
		"$2b$14$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e":        nil,
		"$2b$15$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e":        ErrCeiling,
		"$2b$31$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e":        ErrCeiling,
	} {
		if _, err := h.cfg.parse(stored); err != want {
			t.Errorf("%s: %v", stored, err)
		}
	}
	small := newHasher(t, WithMemory(cheap.charge()))
	if _, err := small.cfg.parse(strings.Replace(good, "m=64", "m=65", 1)); err != ErrCeiling {
		t.Errorf("over the budget: %v", err)
	}
}

func FuzzStoredHash(f *testing.F) {
	h := newHasher(f, AcceptLegacy(Argon2i, Bcrypt, Scrypt, PBKDF2), WithPepper(Pepper{"p1", secrets.New(strings.Repeat("k", 32))}))
	f.Add(good)
	f.Add(strings.Replace(good, "p=1", "p=1,pepper=p1", 1))
	f.Add("$2b$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e")
	f.Add("$scrypt$ln=10,r=8,p=1$c2FsdHNhbHRzYWx0c2FsdA$A9lBa6RTbfBovWqamVIqXKovIl4Vk6OZyVojLJmYmSI")
	f.Add("$pbkdf2-sha256$1000$8PHy8/T19vf4.fr7/P3./w$JwgcbJZlHBoE0uPBMy9SZsCsIJXsYLx/8XwH97PVwMU")
	f.Fuzz(func(t *testing.T, stored string) {
		s, err := h.cfg.parse(stored)
		if err != nil {
			if s != nil || err != ErrFormat && err != ErrCeiling && err != ErrPepper {
				t.Fatal(s, err)
			}
			return
		}
		if s.charge() > h.cfg.memory {
			t.Fatal("over the budget")
		}
		if a, ok := s.(*argon2Hash); ok && a.String() != stored {
			t.Fatal("a hash has two strings")
		}
	})
}
