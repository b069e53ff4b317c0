package session

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pavise/pavise/crypto"
)

func sampleSealed() opened {
	at := time.UnixMicro(1_700_000_000_000_000).UTC()
	return opened{
		status: live, schema: 7, epoch: 3, plain: []byte(`{"n":1}`),
		rec: Record{
			Handle: "ABCDEFGHIJKLMNOPQRSTUVWXYZ", User: "ann", AAL: 2, Methods: []string{"pwd", "otp"}, Persist: true,
			Created: at, AuthTime: at.Add(time.Minute), Expires: at.Add(time.Hour), Seen: at.Add(time.Second),
		},
	}
}

// What parses is exactly what is written: there is one form of each session.
func FuzzParseSealed(f *testing.F) {
	o := sampleSealed()
	f.Add(appendSealed(nil, &o))
	f.Add(appendSealed(nil, &opened{}))
	f.Add([]byte{sealedFormat})
	f.Fuzz(func(t *testing.T, b []byte) {
		o, err := parseSealed(b)
		if err == nil && !bytes.Equal(appendSealed(nil, &o), b) {
			t.Errorf("%x is read as %x", b, appendSealed(nil, &o))
		}
	})
}

func TestSealedRoundTrip(t *testing.T) {
	keys, err := crypto.NewKeyring(crypto.GenerateKey())
	if err != nil {
		t.Fatal(err)
	}
	b := box{keys, "__Host-session"}
	o := sampleSealed()
	value, err := b.seal(&o)
	if err != nil {
		t.Fatal(err)
	}
	got, err := b.open(value)
	if err != nil || got.status != live || got.schema != o.schema || got.epoch != o.epoch || !bytes.Equal(got.plain, o.plain) {
		t.Errorf("%+v, %v", got, err)
	}
	if got.rec.info().Handle != o.rec.Handle || got.rec.User != o.rec.User || got.rec.AAL != o.rec.AAL || !got.rec.Persist ||
		!slices.Equal(got.rec.Methods, o.rec.Methods) || !got.rec.Created.Equal(o.rec.Created) || !got.rec.AuthTime.Equal(o.rec.AuthTime) ||
		!got.rec.Expires.Equal(o.rec.Expires) || !got.rec.Seen.Equal(o.rec.Seen) {
		t.Errorf("%+v", got.rec)
	}
}

// A session has one spelling: base64 leaves bits over that mean nothing, and a decoder may
// skip line ends.
func TestSealedSpelling(t *testing.T) {
	keys, err := crypto.NewKeyring(crypto.GenerateKey())
	if err != nil {
		t.Fatal(err)
	}
	b := box{keys, "__Host-session"}
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	for n := range 3 {
		value, err := b.seal(&opened{plain: make([]byte, n)})
		if err != nil {
			t.Fatal(err)
		}
		other := []string{value + "\n", "\r" + value, value[:10] + "\n" + value[10:]}
		if end := len(value) - 1; len(value)%4 != 0 {
			other = append(other, value[:end]+string(alphabet[strings.IndexByte(alphabet, value[end])+1]))
		}
		for _, s := range other {
			if _, err := b.open(s); err != errSealed {
				t.Errorf("%d: another spelling: %v", n, err)
			}
		}
	}
}

// The handle that follows looks as any other and never comes back.
func TestNextHandle(t *testing.T) {
	seen := map[Handle]bool{}
	for h := Handle("ABCDEFGHIJKLMNOPQRSTUVWXYZ"); len(seen) < 1000; h = h.next() {
		if len(h) != 26 || seen[h] {
			t.Fatalf("%q after %d", h, len(seen))
		}
		seen[h] = true
	}
}
