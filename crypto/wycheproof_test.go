package crypto

import (
	"bytes"
	"compress/zlib"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"testing"
	"testing/iotest"

	"github.com/pavise/pavise/crypto/internal/cobblestone"
)

// TestWycheproofStreams reads the vectors from the file that PAVISE_WYCHEPROOF names.
// The nested module .integration, which has them, runs it. For an invalid stream they
// give the hash of the plaintext that may be released before the error.
func TestWycheproofStreams(t *testing.T) {
	path := os.Getenv("PAVISE_WYCHEPROOF")
	if path == "" {
		t.Skip("PAVISE_WYCHEPROOF is not set; .integration/crypto sets it")
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		NumberOfTests int
		TestGroups    []struct {
			Tests []struct {
				TcID                                     int `json:"tcId"`
				Comment, Key, Ctx, Ct, MsgSha512, Result string
			}
		}
	}
	if err := json.Unmarshal(raw, &file); err != nil {
		t.Fatal(err)
	}
	valid, invalid := 0, 0
	for _, group := range file.TestGroups {
		for _, v := range group.Tests {
			stream := inflate(t, v.Ct)
			for _, source := range []io.Reader{bytes.NewReader(stream), iotest.HalfReader(bytes.NewReader(stream))} {
				got, err := readVector(t, source, unhex(t, v.Key), unhex(t, v.Ctx))
				if (err == nil) != (v.Result == "valid") || err != nil && err != ErrOpen {
					t.Errorf("%d %s: %v", v.TcID, v.Comment, err)
				}
				if sum := sha512.Sum512(got); v.MsgSha512 != "" && hex.EncodeToString(sum[:]) != v.MsgSha512 {
					t.Errorf("%d %s: released %d other bytes", v.TcID, v.Comment, len(got))
				}
			}
			if v.Result == "valid" {
				valid++
			} else {
				invalid++
			}
		}
	}
	if valid == 0 || invalid == 0 || valid+invalid != file.NumberOfTests {
		t.Fatalf("ran %d valid and %d invalid of %d vectors", valid, invalid, file.NumberOfTests)
	}
	t.Logf("streams: %d valid and %d invalid vectors", valid, invalid)
}

func readVector(t *testing.T, source io.Reader, input, context []byte) ([]byte, error) {
	key, err := cobblestone.New(input)
	if err != nil {
		return nil, ErrOpen
	}
	c, err := resume(source, key, context)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(newReader(source, c, nil))
}

func inflate(t *testing.T, s string) []byte {
	r, err := zlib.NewReader(bytes.NewReader(unhex(t, s)))
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
