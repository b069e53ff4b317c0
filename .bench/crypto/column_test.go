package crypto_test

import (
	"strings"
	"testing"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/keyset"

	"github.com/pavise/pavise/crypto"
	"github.com/pavise/pavise/crypto/column"
)

// BenchmarkColumnValueScan64B stores and reads a string of 64 bytes, as one statement of
// each kind has database/sql do; compact and tink are the cipher alone, XAES-256-GCM
// bound to the same place by hand.
func BenchmarkColumnValueScan64B(b *testing.B) {
	v, row := strings.Repeat("x", 64), "0199d5a4-6f0e-7cc3-98c4-dc0c0c07398f"
	c := must(column.New[string](keyring(), "users", "email"))
	compact := must(crypto.NewCompact(crypto.GenerateKey()))
	t := must(aead.New(must(keyset.NewHandle(aead.XAES256GCM192BitNonceKeyTemplate()))))
	run(b, "pavise", len(v), func() {
		var got string
		if err := c.Scan(&got, &row).Scan(must(c.Value(v, row).Value())); err != nil {
			panic(err)
		}
	})
	run(b, "compact", len(v), func() {
		sealed := must(compact.Seal(nil, []byte(v), crypto.Bind("users", "email", row)))
		_ = string(must(compact.Open(nil, sealed, crypto.Bind("users", "email", row))))
	})
	run(b, "tink", len(v), func() {
		sealed := must(t.Encrypt([]byte(v), []byte("users/email/"+row)))
		_ = string(must(t.Decrypt(sealed, []byte("users/email/"+row))))
	})
}

// BenchmarkColumnIndex has one key; each further one costs as much again.
func BenchmarkColumnIndex(b *testing.B) {
	c := must(column.New[string](keyring(), "users", "email", column.WithIndex(16)))
	run(b, "pavise", 17, func() { must(c.Index("alice@example.com")) })
}
