package crypto_test

import (
	"bytes"
	"crypto/ecdh"
	"crypto/mlkem"
	"crypto/mlkem/mlkemtest"
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"math/big"
	"slices"
	"testing"

	"github.com/pavise/pavise/crypto"
)

// The parts of the two hybrid KEMs, as crypto/hpke calls them.

// mlkemSize is ML-KEM of one size, whose types crypto/mlkem tells apart. Keys are made
// of seeds, see SPEC.md; the vectors for expanded keys have no use here.
type mlkemSize struct {
	private     func(seed []byte) (mlkemPrivate, error)
	encapsulate func(public, random []byte) (shared, ciphertext []byte, refused bool)
}

// mlkemPrivate is a key of either size.
type mlkemPrivate struct {
	public      []byte
	decapsulate func(ciphertext []byte) ([]byte, error)
}

var (
	mlkem768 = mlkemSize{
		func(seed []byte) (mlkemPrivate, error) {
			key, err := mlkem.NewDecapsulationKey768(seed)
			if err != nil {
				return mlkemPrivate{}, err
			}
			return mlkemPrivate{key.EncapsulationKey().Bytes(), key.Decapsulate}, nil
		},
		func(public, random []byte) ([]byte, []byte, bool) {
			key, err := mlkem.NewEncapsulationKey768(public)
			if err != nil {
				return nil, nil, true
			}
			shared, ciphertext, err := mlkemtest.Encapsulate768(key, random)
			return shared, ciphertext, err != nil
		},
	}
	mlkem1024 = mlkemSize{
		func(seed []byte) (mlkemPrivate, error) {
			key, err := mlkem.NewDecapsulationKey1024(seed)
			if err != nil {
				return mlkemPrivate{}, err
			}
			return mlkemPrivate{key.EncapsulationKey().Bytes(), key.Decapsulate}, nil
		},
		func(public, random []byte) ([]byte, []byte, bool) {
			key, err := mlkem.NewEncapsulationKey1024(public)
			if err != nil {
				return nil, nil, true
			}
			shared, ciphertext, err := mlkemtest.Encapsulate1024(key, random)
			return shared, ciphertext, err != nil
		},
	}
)

func TestWycheproofMLKEM(t *testing.T) {
	for _, c := range []struct {
		file  string
		run   func(wycheproofVector) string
		least tally
	}{
		{"mlkem_768_keygen_seed_test.json", mlkem768.keygen, tally{"agrees": 100}},
		{"mlkem_768_test.json", mlkem768.open, tally{"agrees": 161, "seed refused": 20, "ciphertext refused": 20}},
		{"mlkem_768_encaps_test.json", mlkem768.seal, tally{"agrees": 133, "public key refused": 132}},
		{"mlkem_1024_keygen_seed_test.json", mlkem1024.keygen, tally{"agrees": 100}},
		{"mlkem_1024_test.json", mlkem1024.open, tally{"agrees": 162, "seed refused": 20, "ciphertext refused": 20}},
		{"mlkem_1024_encaps_test.json", mlkem1024.seal, tally{"agrees": 133, "public key refused": 136}},
	} {
		t.Run(c.file, func(t *testing.T) {
			ran := tally{}
			for _, g := range vectors(t, c.file) {
				for _, v := range g.Tests {
					class := c.run(v)
					ran[class]++
					if (class == "agrees") != (v.Result == "valid") {
						t.Errorf("%s is %s: %s", v.name(), v.Result, class)
					}
				}
			}
			ran.check(t, c.least)
		})
	}
}

func (size mlkemSize) keygen(v wycheproofVector) string {
	key, err := size.private(v.Seed)
	switch {
	case err != nil:
		return "seed refused"
	case !bytes.Equal(key.public, v.EK):
		return "another public key"
	}
	return "agrees"
}

func (size mlkemSize) open(v wycheproofVector) string {
	key, err := size.private(v.Seed)
	switch {
	case err != nil:
		return "seed refused"
	case v.Result == "valid" && !bytes.Equal(key.public, v.EK):
		return "another public key"
	}
	shared, err := key.decapsulate(v.C)
	switch {
	case err != nil:
		return "ciphertext refused"
	case !bytes.Equal(shared, v.K):
		return "another shared key"
	}
	return "agrees"
}

func (size mlkemSize) seal(v wycheproofVector) string {
	shared, ciphertext, refused := size.encapsulate(v.EK, v.M)
	switch {
	case refused:
		return "public key refused"
	case !bytes.Equal(shared, v.K) || !bytes.Equal(ciphertext, v.C):
		return "another shared key"
	}
	return "agrees"
}

// Of what the vectors call acceptable, crypto/ecdh refuses an X25519 exchange that
// gives zero and a compressed point of P-384.
func TestWycheproofECDH(t *testing.T) {
	for file, c := range map[string]struct {
		curve ecdh.Curve
		size  int // of a private key, a number of any length in the vectors of P-384
		least tally
	}{
		"x25519_test.json":                 {ecdh.X25519(), 32, tally{"agrees": 487, "refused": 31}},
		"ecdh_secp384r1_ecpoint_test.json": {ecdh.P384(), 48, tally{"agrees": 771, "refused": 19}},
	} {
		t.Run(file, func(t *testing.T) {
			ran := tally{}
			for _, g := range vectors(t, file) {
				for _, v := range g.Tests {
					v.Private = new(big.Int).SetBytes(v.Private).FillBytes(make([]byte, c.size))
					class := exchange(c.curve, v)
					ran[class]++
					mayRefuse := v.Result == "invalid" || slices.Contains(v.Flags, "ZeroSharedSecret") || slices.Contains(v.Flags, "CompressedPoint")
					if (class == "refused") != mayRefuse {
						t.Errorf("%s is %s: %s", v.name(), v.Result, class)
					}
				}
			}
			ran.check(t, c.least)
		})
	}
}

func exchange(curve ecdh.Curve, v wycheproofVector) string {
	private, err := curve.NewPrivateKey(v.Private)
	if err != nil {
		return "private key refused"
	}
	public, err := curve.NewPublicKey(v.Public)
	if err != nil {
		return "refused"
	}
	shared, err := private.ECDH(public)
	switch {
	case err != nil:
		return "refused"
	case !bytes.Equal(shared, v.Shared):
		return "another shared key"
	}
	return "agrees"
}

// The X25519 keys of the vectors as those of X-Wing, which takes them in one form only.
func TestWycheproofX25519AsXWing(t *testing.T) {
	ran := tally{}
	seed := make([]byte, mlkem.SeedSize)
	key, err := mlkem768.private(seed)
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range vectors(t, "x25519_test.json") {
		for _, v := range g.Tests {
			_, err := crypto.ParseHybridPublicKey(xwingText(slices.Concat(key.public, v.Public)))
			class := "taken"
			if err != nil {
				class = "refused"
			}
			ran[class]++
			bad := slices.Contains(v.Flags, "NonCanonicalPublic") || slices.Contains(v.Flags, "LowOrderPublic")
			if bad != (err != nil) {
				t.Errorf("%s, %x: %v", v.name(), v.Public, err)
			}
		}
	}
	ran.check(t, tally{"taken": 474, "refused": 44})
}

// xwingText is the text form of SPEC.md.
func xwingText(public []byte) string {
	const prefix = "pavise_hybrid_public_v1_"
	b := append([]byte{0x64, 0x7a}, public...)
	sum := crc32.ChecksumIEEE(append([]byte(prefix), b...))
	return prefix + base64.RawURLEncoding.EncodeToString(binary.BigEndian.AppendUint32(b, sum))
}
