package secrets_test

import (
	"math/big"
	"regexp"
	"strings"
)

// slowCheck is what CheckFormat promises, bit by bit: a regular expression, and a
// CRC-32 computed as the remainder of a division of polynomials.
func slowCheck(kind, token string) bool {
	if !regexp.MustCompile(`^[a-z][a-z0-9_]{0,30}[a-z0-9]$`).MatchString(kind) {
		return false
	}
	m := regexp.MustCompile(`^(` + kind + `_[0-9A-Za-z]{43})([0-9A-Za-z]{6})$`).FindStringSubmatch(token)
	if m == nil {
		return false
	}
	sum := new(big.Int)
	for _, c := range m[2] {
		sum.Mul(sum, big.NewInt(62)).Add(sum, big.NewInt(int64(strings.IndexRune(base62, c))))
	}
	return sum.Cmp(big.NewInt(int64(slowCRC(m[1])))) == 0
}

// slowToken appends the right checksum to whatever text is.
func slowToken(text string) string {
	digits := new(big.Int).SetUint64(uint64(slowCRC(text)))
	sum := ""
	for range 6 {
		rest := new(big.Int)
		digits.DivMod(digits, big.NewInt(62), rest)
		sum = base62[rest.Int64():][:1] + sum
	}
	return text + sum
}

func slowCRC(text string) uint32 {
	crc := ^uint32(0)
	for _, c := range []byte(text) {
		crc ^= uint32(c)
		for range 8 {
			if low := crc & 1; low == 1 {
				crc = crc>>1 ^ 0xEDB88320
			} else {
				crc >>= 1
			}
		}
	}
	return ^crc
}
