package column_test

import (
	"bytes"
	"database/sql"
	"fmt"
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pavise/pavise/crypto"
	"github.com/pavise/pavise/crypto/column"
)

func tokens[T any](t *testing.T, c *column.Column[T], v T) [][]byte {
	t.Helper()
	all, err := c.Index(v)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// The token stored by any key of the rotation is among those looked for in each phase.
func TestIndexRotation(t *testing.T) {
	older, newer := crypto.GenerateKey(), crypto.GenerateKey()
	phases := [][]crypto.Key{{older}, {older, newer}, {newer, older}, {newer}}
	var columns []*column.Column[string]
	for _, keys := range phases {
		columns = append(columns, columnOf[string](t, newKeyring(t, keys...), "users", "email", column.WithIndex(32)))
	}
	for i, writer := range columns {
		stored, err := writer.Token("value").Value()
		if err != nil || !bytes.Equal(stored.([]byte), tokens(t, writer, "value")[0]) {
			t.Fatalf("phase %d: token %x, %v", i, stored, err)
		}
		for j := max(i-1, 0); j <= min(i+1, 3); j++ {
			found := false
			for _, token := range tokens(t, columns[j], "value") {
				found = found || bytes.Equal(token, stored.([]byte))
			}
			// Only rows of the first two phases are gone when the old key is.
			if want := !(j == 3 && i < 2); found != want {
				t.Errorf("written in phase %d, found in phase %d: %v", i, j, found)
			}
		}
	}
	sealed := seal(t, columns[0], "value", "1").([]byte)
	if columns[1].NeedsReseal(sealed) || !columns[2].NeedsReseal(sealed) || columns[2].NeedsReseal([]byte("garbage")) {
		t.Error("NeedsReseal does not tell the old key from the new")
	}
	if got, err := open(columns[2], sealed, "1"); err != nil || got != "value" {
		t.Errorf("after the rotation: %q, %v", got, err)
	}
}

// Tokens say the same only of equal values, of one column, under one key.
func TestIndexSeparation(t *testing.T) {
	k := newKeyring(t)
	token := func(c *column.Column[string], v string) string { return string(tokens(t, c, v)[0]) }
	c := columnOf[string](t, k, "users", "email", column.WithIndex(32))
	if first, again := token(c, "value"), token(c, "value"); first != again {
		t.Error("equal values have different tokens")
	}
	for name, other := range map[string]string{
		"value":    token(c, "Value"),
		"empty":    token(c, ""),
		"column":   token(columnOf[string](t, k, "users", "phone", column.WithIndex(32)), "value"),
		"table":    token(columnOf[string](t, k, "admins", "email", column.WithIndex(32)), "value"),
		"boundary": token(columnOf[string](t, k, "user", "semail", column.WithIndex(32)), "value"),
		"key":      token(newColumn[string](t, column.WithIndex(32)), "value"),
	} {
		if other == token(c, "value") {
			t.Errorf("another %s has the same token", name)
		}
	}
}

func TestIndexWidth(t *testing.T) {
	k := newKeyring(t)
	full := tokens(t, columnOf[int](t, k, "t", "c", column.WithIndex(32)), 7)[0]
	for bits := 1; bits <= 32; bits++ {
		c := columnOf[int](t, k, "t", "c", column.WithIndex(bits))
		want := bytes.Clone(full[:(bits+7)/8])
		for i := bits; i < 8*len(want); i++ {
			want[i/8] &^= 0x80 >> (i % 8)
		}
		if got := tokens(t, c, 7)[0]; !bytes.Equal(got, want) {
			t.Errorf("%d bits: %x, want %x of %x", bits, got, want, full)
		}
	}
	seen := map[string]int{}
	c := columnOf[int](t, k, "t", "c", column.WithIndex(3))
	for i := range 400 {
		seen[string(tokens(t, c, i)[0])]++
	}
	if len(seen) != 8 {
		t.Errorf("3 bits have %d different tokens", len(seen))
	}
}

func TestIndexOfNull(t *testing.T) {
	c := newColumn[sql.Null[string]](t, column.WithIndex(8), column.WithNormalizer(strings.ToLower))
	null, value := sql.Null[string]{V: "left over"}, sql.Null[string]{V: "V", Valid: true}
	if all := tokens(t, c, null); all != nil {
		t.Errorf("NULL has tokens %x", all)
	}
	if token, err := c.Token(null).Value(); token != nil || err != nil {
		t.Errorf("the token of NULL is %v, %v", token, err)
	}
	if c.Match(null, null) || c.Match(value, null) || c.Match(null, value) || !c.Match(value, sql.Null[string]{V: "v", Valid: true}) {
		t.Error("Match takes NULL for a value")
	}
}

func TestNoIndex(t *testing.T) {
	c := newColumn[string](t)
	_, err := c.Index("v")
	_, errToken := c.Token("v").Value()
	if err == nil || errToken == nil || !strings.Contains(err.Error(), "use WithIndex") {
		t.Errorf("%v, %v", err, errToken)
	}
	if !c.Match("v", "v") || c.Match("v", "V") {
		t.Error("Match compares otherwise than byte by byte")
	}
}

// A time is found by its instant, in whatever zone and with whatever clock reading.
func TestIndexOfTime(t *testing.T) {
	c := newColumn[time.Time](t, column.WithIndex(32))
	now := time.Now()
	elsewhere := now.In(time.FixedZone("", 3600)).Round(0)
	if !bytes.Equal(tokens(t, c, now)[0], tokens(t, c, elsewhere)[0]) || !c.Match(now, elsewhere) || c.Match(now, now.Add(1)) {
		t.Error("equal instants are not equal")
	}
}

// The table of the package comment is what its rule, 2 <= R/2^bits < sqrt(R), gives.
func TestIndexTable(t *testing.T) {
	text, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	rows := regexp.MustCompile(`(?m)^//\t([\d,]+) +(\d+) to (\d+)$`).FindAllStringSubmatch(string(text), -1)
	if len(rows) != 7 {
		t.Fatalf("the table has %d rows", len(rows))
	}
	for _, row := range rows {
		r, err := strconv.ParseFloat(strings.ReplaceAll(row[1], ",", ""), 64)
		if err != nil {
			t.Fatal(err)
		}
		var allowed []int
		for bits := 1; bits <= crypto.MaxIndexBits; bits++ {
			if c := r / math.Exp2(float64(bits)); 2 <= c && c < math.Sqrt(r) {
				allowed = append(allowed, bits)
			}
		}
		if want := fmt.Sprint(allowed[0], " to ", allowed[len(allowed)-1]); want != row[2]+" to "+row[3] {
			t.Errorf("%s rows: %s to %s bits, want %s", row[1], row[2], row[3], want)
		}
	}
}
