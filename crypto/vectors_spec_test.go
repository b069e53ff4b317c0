package crypto_test

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/fips140"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"slices"
)

// A second sealer, written from SPEC.md with the standard library alone. It takes
// every random value from its caller: it makes the vectors, and it says what package
// crypto must have sealed with the random values found in a ciphertext.

func expand(key []byte, info string, n int) []byte {
	out, err := hkdf.Expand(sha512.New, key, info, n)
	return must(out, err)
}

func derive(key []byte, use string, n int) []byte {
	return expand(key, "github.com/pavise/pavise/crypto/"+use, n)
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func keyText(key []byte) string {
	const prefix = "pavise_key_v1_"
	sum := crc32.ChecksumIEEE(append([]byte(prefix), key...))
	return prefix + base64.RawURLEncoding.EncodeToString(binary.BigEndian.AppendUint32(slices.Clone(key), sum))
}

func (b binding) encode() []byte {
	form := byte(1)
	if len(b.Parts) == 0 {
		form = 2
	}
	out := []byte{form}
	for _, field := range append([]string{b.Purpose}, b.Parts...) {
		out = binary.BigEndian.AppendUint32(out, uint32(len(field)))
		out = append(out, field...)
	}
	return out
}

func gcm(key, nonce, plaintext, additional []byte) (out []byte) {
	fips140.WithoutEnforcement(func() {
		aead := must(cipher.NewGCM(must(aes.NewCipher(key))))
		out = aead.Seal(nil, nonce, plaintext, additional)
	})
	return out
}

func cobblestone(input, salt, plaintext, context []byte) []byte {
	info := slices.Concat([]byte("c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\x00"), salt, context)
	okm := expand(input, string(info), 76)
	key, base, out := okm[:32], okm[32:44], slices.Concat(salt, okm[44:])
	for i := uint32(0); ; i++ {
		chunk := plaintext[:min(len(plaintext), 16384)]
		plaintext = plaintext[len(chunk):]
		nonce := slices.Clone(base)
		binary.BigEndian.PutUint32(nonce[8:], binary.BigEndian.Uint32(nonce[8:])^i)
		out = append(out, gcm(key, nonce, chunk, nil)...)
		if len(chunk) < 16384 {
			return out
		}
	}
}

func xaes(key, nonce, plaintext, additional []byte) []byte {
	block := must(aes.NewCipher(key))
	var k1 [16]byte
	block.Encrypt(k1[:], k1[:])
	msb := k1[0] >> 7
	for i := range 15 {
		k1[i] = k1[i]<<1 | k1[i+1]>>7
	}
	k1[15] = k1[15]<<1 ^ 0x87*msb

	var subkey []byte
	for i := range 2 {
		m := append([]byte{0, byte(i + 1), 'X', 0}, nonce[:12]...)
		for j := range m {
			m[j] ^= k1[j]
		}
		block.Encrypt(m, m)
		subkey = append(subkey, m...)
	}
	return append(slices.Clone(nonce), gcm(subkey, nonce[12:], plaintext, additional)...)
}

func messageHeader(key []byte) []byte { return append([]byte{2, 1}, derive(key, "keyid/v1", 4)...) }

func sealMessage(key, salt, plaintext []byte, b binding) []byte {
	header := messageHeader(key)
	return append(header, cobblestone(derive(key, "seal/v1", 32), salt, plaintext, slices.Concat(header, b.encode()))...)
}

func sealCompact(key, nonce, plaintext []byte, b binding) []byte {
	header := append([]byte{1}, derive(key, "keyid/v1", 4)...)
	return append(header, xaes(derive(key, "compact/v1", 32), nonce, plaintext, b.encode())...)
}

func wrapDEK(key, nonce, dek []byte, label string) []byte {
	header := append([]byte{1}, derive(key, "keyid/v1", 4)...)
	return append(header, xaes(derive(key, "kek/v1", 32), nonce, dek, slices.Concat(header, []byte(label)))...)
}

// envelope is an envelope whose every part can be made wrong before it is sealed.
type envelope struct {
	version, suite, flags byte
	n                     byte
	length                int
	recipients            []byte
	dek                   []byte
	mac                   []byte // nil is the right one
	payload               []byte
}

func (e envelope) encode() []byte {
	out := append([]byte{e.version, e.suite, e.flags, e.n}, byte(e.length>>8), byte(e.length))
	out = append(out, e.recipients...)
	if e.mac == nil {
		h := hmac.New(sha256.New, derive(e.dek, "hdr/v1", 32))
		h.Write(out)
		e.mac = h.Sum(nil)
	}
	return slices.Concat(out, e.mac, e.payload)
}

func sealPayload(suite byte, dek, nonce, plaintext []byte, b binding) []byte {
	key, context := derive(dek, "payload/v1", 32), append([]byte{3, suite}, b.encode()...)
	if suite == 2 {
		return xaes(key, nonce, plaintext, context)
	}
	return cobblestone(key, nonce, plaintext, context)
}

func encodeRecipient(kind byte, id, wrapped []byte) []byte {
	out := append([]byte{kind, byte(len(id))}, id...)
	return append(binary.BigEndian.AppendUint16(out, uint16(len(wrapped))), wrapped...)
}

// parts returns the envelope that v describes.
func (v envelopeVector) parts() envelope {
	var recipients []byte
	for _, r := range v.Recipients {
		wrapped := wrapDEK(v.Keys[0], v.WrapNonce, v.DEK, v.Label)
		if r.Wrapped != nil {
			wrapped = r.Wrapped.bytes(nil)
		}
		recipients = append(recipients, encodeRecipient(r.Kind, r.ID, wrapped)...)
	}
	return envelope{
		version: 3, suite: v.Suite, n: byte(len(v.Recipients)), length: 6 + len(recipients) + 32, recipients: recipients,
		dek: v.DEK, payload: sealPayload(v.Suite, v.DEK, v.Nonce, v.Plaintext.bytes(nil), v.Binding),
	}
}
