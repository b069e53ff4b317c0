package crypto_test

import (
	"bytes"
	"crypto/ecdh"
	"crypto/fips140"
	"crypto/hkdf"
	"crypto/mlkem"
	"crypto/mlkem/mlkemtest"
	"crypto/sha256"
	"crypto/sha3"
	"crypto/sha512"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"hash/crc32"
	"slices"
	"strings"
	"testing"

	"github.com/pavise/pavise/crypto"
	"github.com/pavise/pavise/secrets"
)

type hybridKeyVector struct {
	Name    string   `json:"name"`
	Seed    hexBytes `json:"seed,omitempty"`
	ID      string   `json:"id,omitempty"`
	Private string   `json:"private,omitempty"`
	Public  string   `json:"public,omitempty"`
	Failure string   `json:"failure,omitempty"`
}

type hybridVector struct {
	Name          string    `json:"name"`
	Private       string    `json:"private"`
	Label         string    `json:"label"`
	Encapsulation hexBytes  `json:"encapsulation,omitempty"`
	Ephemeral     hexBytes  `json:"ephemeral,omitempty"`
	DEK           hexBytes  `json:"dek,omitempty"`
	Wrapped       *byteSpec `json:"wrapped"`
	Failure       string    `json:"failure,omitempty"`
}

// kem is a hybrid KEM, written from draft-ietf-hpke-pq with the standard library's
// parts of it. It takes what is random from its caller.
type kem struct {
	id           uint16
	name, label  string
	curve        ecdh.Curve
	scalar       int
	encapsulate  func(pk, random []byte) (shared, ciphertext []byte)
	encapsulator func(seed []byte) []byte
}

var (
	xwing = kem{
		0x647a, "X-Wing", `\.//^\`, ecdh.X25519(), 32,
		func(pk, random []byte) (shared, ciphertext []byte) {
			shared, ciphertext, err := mlkemtest.Encapsulate768(must(mlkem.NewEncapsulationKey768(pk)), random)
			return must(shared, err), ciphertext
		},
		func(seed []byte) []byte { return must(mlkem.NewDecapsulationKey768(seed)).EncapsulationKey().Bytes() },
	}
	p384 = kem{
		0x0051, "MLKEM1024-P384", "MLKEM1024-P384", ecdh.P384(), 48,
		func(pk, random []byte) (shared, ciphertext []byte) {
			shared, ciphertext, err := mlkemtest.Encapsulate1024(must(mlkem.NewEncapsulationKey1024(pk)), random)
			return must(shared, err), ciphertext
		},
		func(seed []byte) []byte { return must(mlkem.NewDecapsulationKey1024(seed)).EncapsulationKey().Bytes() },
	}
)

// expandSeed returns both public keys. A P-384 scalar that is out of range, for which
// the chance is below 2^-190, is not tried again.
func (k kem) expandSeed(seed []byte) (pq []byte, traditional *ecdh.PublicKey) {
	xof := sha3.NewSHAKE256()
	xof.Write(seed)
	both := make([]byte, 64+k.scalar)
	xof.Read(both)
	return k.encapsulator(both[:64]), must(k.curve.NewPrivateKey(both[64:])).PublicKey()
}

func (k kem) public(seed []byte) []byte {
	pq, traditional := k.expandSeed(seed)
	return append(pq, traditional.Bytes()...)
}

func (k kem) encap(seed, random, ephemeral []byte) (shared, encapsulated []byte) {
	pq, traditional := k.expandSeed(seed)
	own := must(k.curve.NewPrivateKey(ephemeral))
	ssPQ, ctPQ := k.encapsulate(pq, random)
	ssT, ctT := must(own.ECDH(traditional)), own.PublicKey().Bytes()
	sum := sha3.Sum256(slices.Concat(ssPQ, ssT, ctT, traditional.Bytes(), []byte(k.label)))
	return sum[:], append(ctPQ, ctT...)
}

func u16(n int) []byte { return binary.BigEndian.AppendUint16(nil, uint16(n)) }

// seal is HPKE in base mode, RFC 9180 section 5.1, for one message.
func (k kem) seal(shared, info, plaintext []byte) []byte {
	suite := slices.Concat([]byte("HPKE"), u16(int(k.id)), u16(3), u16(2))
	extract := func(salt []byte, label string, ikm []byte) []byte {
		return must(hkdf.Extract(sha512.New, slices.Concat([]byte("HPKE-v1"), suite, []byte(label), ikm), salt))
	}
	context := slices.Concat([]byte{0}, extract(nil, "psk_id_hash", nil), extract(nil, "info_hash", info))
	secret := extract(shared, "secret", nil)
	expandLabel := func(label string, n int) []byte {
		return expand(secret, string(slices.Concat(u16(n), []byte("HPKE-v1"), suite, []byte(label), context)), n)
	}
	return gcm(expandLabel("key", 32), expandLabel("base_nonce", 12), plaintext, nil)
}

func (k kem) wrap(seed []byte, v hybridVector) []byte {
	info := slices.Concat([]byte("github.com/pavise/pavise/crypto/hybrid/v1"), binary.BigEndian.AppendUint32(nil, uint32(len(v.Label))), []byte(v.Label))
	shared, encapsulated := k.encap(seed, v.Encapsulation, v.Ephemeral)
	return slices.Concat([]byte{1}, encapsulated, k.seal(shared, info, v.DEK))
}

func (k kem) keyID(public []byte) string {
	sum := sha256.Sum256(slices.Concat([]byte("github.com/pavise/pavise/crypto/hybrid-id/v1"), u16(int(k.id)), public))
	return "hybrid-" + hex.EncodeToString(sum[:])
}

func hybridText(kind string, kem uint16, value []byte) string {
	prefix, b := "pavise_hybrid_"+kind+"_v1_", append(u16(int(kem)), value...)
	sum := crc32.ChecksumIEEE(append([]byte(prefix), b...))
	return prefix + base64.RawURLEncoding.EncodeToString(binary.BigEndian.AppendUint32(b, sum))
}

var hybridSeed = fixed("hybrid seed", 32)

func makeHybridKeys() (all []hybridKeyVector) {
	fips140.WithoutEnforcement(func() {
		for _, v := range []struct {
			name string
			kem  kem
			seed hexBytes
		}{{"X-Wing", xwing, hybridSeed}, {"MLKEM1024-P384", p384, hybridSeed}, {"X-Wing, zeros", xwing, make(hexBytes, 32)}} {
			public := v.kem.public(v.seed)
			all = append(all, hybridKeyVector{
				Name: v.name, Seed: v.seed, ID: v.kem.keyID(public),
				Private: hybridText("private", v.kem.id, v.seed), Public: hybridText("public", v.kem.id, public),
			})
		}
	})
	good := all[0].Private
	bad := func(name, failure, text string) {
		all = append(all, hybridKeyVector{Name: name, Private: text, Failure: failure})
	}
	edit := func(i int, with string) string { return good[:i] + with + good[i+1:] }
	bad("prefix of a public key", "prefix", strings.Replace(good, "private", "public", 1))
	bad("another version", "prefix", strings.Replace(good, "_v1_", "_v2_", 1))
	bad("space before", "prefix", " "+good)
	bad("prefix alone", "checksum", good[:25])
	bad("mistyped", "checksum", edit(40, string(good[40]^1)))
	bad("cut", "checksum", good[:len(good)-1])
	bad("line end after", "checksum", good+"\n")
	bad("line end inside", "checksum", good[:50]+"\n"+good[50:])
	bad("padded", "checksum", good+"=")
	bad("bits after the last byte", "checksum", good[:len(good)-1]+string(good[len(good)-1]+1))
	bad("KEM 0020, DHKEM(X25519)", "kem", hybridText("private", 0x0020, hybridSeed))
	bad("KEM 0050, MLKEM768-P256", "kem", hybridText("private", 0x0050, hybridSeed))
	bad("seed of 31 bytes", "value", hybridText("private", 0x647a, hybridSeed[:31]))
	bad("seed of 33 bytes", "value", hybridText("private", 0x647a, append(slices.Clone(hybridSeed), 0)))
	badPublic := func(name, failure, text string) {
		all = append(all, hybridKeyVector{Name: name, Public: text, Failure: failure})
	}
	badPublic("prefix of a private key", "prefix", good)
	badPublic("KEM 0041, ML-KEM-768", "kem", hybridText("public", 0x0041, make([]byte, 1184)))
	badPublic("public key of no bytes", "value", hybridText("public", 0x647a, nil))
	badPublic("coefficients over the modulus", "value", hybridText("public", 0x647a, bytes.Repeat([]byte{0xff}, 1216)))
	point := func(first, last byte) []byte {
		var mlkem []byte
		fips140.WithoutEnforcement(func() { mlkem = xwing.public(hybridSeed)[:1184] })
		return slices.Concat(mlkem, []byte{first}, make([]byte, 30), []byte{last})
	}
	badPublic("X25519 key of small order", "value", hybridText("public", 0x647a, point(1, 0)))
	badPublic("X25519 key not reduced", "value", hybridText("public", 0x647a, point(9, 0x80)))
	badPublic("point off the curve", "value", hybridText("public", 0x0051, append(make([]byte, 1568), bytes.Repeat([]byte{4}, 97)...)))
	return all
}

func makeHybrids() (all []hybridVector) {
	for _, k := range []kem{xwing, p384} {
		name := k.name
		v := hybridVector{
			Name: name, Private: hybridText("private", k.id, hybridSeed), Label: "notes", DEK: fixed("hybrid dek", 32),
			Encapsulation: fixed("encapsulation", 32), Ephemeral: fixed("ephemeral", k.scalar),
		}
		add := func(name string, v hybridVector) []byte {
			var wrapped []byte
			fips140.WithoutEnforcement(func() { wrapped = k.wrap(hybridSeed, v) })
			v.Name, v.Wrapped = name, literal(wrapped)
			if v.Failure != "" {
				v.DEK, v.Encapsulation, v.Ephemeral = nil, nil, nil
			}
			all = append(all, v)
			return wrapped
		}
		wrapped := add(name, v)
		longest := v
		longest.Label = strings.Repeat("\u00e9", 127) + "x"
		add(name+", longest label", longest)
		short := v
		short.DEK, short.Failure = v.DEK[:31], "unwrap"
		add(name+", data key of 31 bytes", short)

		bad := func(what string, b *byteSpec) {
			all = append(all, hybridVector{Name: name + ", " + what, Private: v.Private, Label: v.Label, Wrapped: b, Failure: "unwrap"})
		}
		end := len(wrapped)
		flip := func(what string, i int) {
			bad(what, pieces(slice(name, 0, i), *literal([]byte{wrapped[i] ^ 1}), slice(name, i+1, end)))
		}
		flip("version 00", 0)
		flip("ML-KEM ciphertext altered", 1)
		flip("point altered", end-48-1)
		flip("encrypted key altered", end-48)
		flip("tag altered", end-1)
		bad("nothing", literal([]byte{}))
		bad("version alone", literal([]byte{1}))
		bad("without version", pieces(slice(name, 1, end)))
		bad("cut", pieces(slice(name, 0, end-1)))
		bad("extended", pieces(slice(name, 0, end), *literal([]byte{0})))
		bad("point of zeros", pieces(slice(name, 0, end-48-32), *repeat(0, 32), slice(name, end-48, end)))
		label := hybridVector{Name: name + ", another label", Private: v.Private, Label: "note", Wrapped: pieces(slice(name, 0, end)), Failure: "unwrap"}
		key := hybridVector{Name: name + ", another key", Private: hybridText("private", k.id, keyA), Label: v.Label, Wrapped: label.Wrapped, Failure: "unwrap"}
		all = append(all, label, key)
	}
	return all
}

func TestVectorsHybridKey(t *testing.T) {
	errs := map[string]error{}
	for _, v := range load[hybridKeyVector](t, "hybridkey") {
		var private crypto.HybridPrivateKey
		var public crypto.HybridPublicKey
		var err error
		if v.Private != "" {
			private, err = crypto.ParseHybridPrivateKey(secrets.New(v.Private))
		}
		if v.Public != "" && err == nil {
			public, err = crypto.ParseHybridPublicKey(v.Public)
		}
		if v.Failure != "" {
			if err == nil {
				t.Errorf("%s: parsed", v.Name)
			}
			if before := errs[v.Failure]; v.Failure != "prefix" && before != nil && err != before {
				t.Errorf("%s: %v, another error than the class has", v.Name, err)
			}
			errs[v.Failure] = err
			continue
		}
		if err != nil || private.Export().Reveal() != v.Private || public.String() != v.Public || private.Public().String() != v.Public {
			t.Errorf("%s: %v", v.Name, err)
		}
		if crypto.HybridRecipient(public).ID() != v.ID || crypto.HybridIdentity(private).ID() != v.ID {
			t.Errorf("%s: the ID is not %s", v.Name, v.ID)
		}
	}
}

func TestVectorsHybrid(t *testing.T) {
	if fips140.Enforced() && fips140.Version() == "v1.0.0" {
		t.Skip("this version of the Go Cryptographic Module has no approved AES-GCM for HPKE")
	}
	named := map[string][]byte{}
	for _, v := range load[hybridVector](t, "hybrid") {
		kek := crypto.HybridIdentity(must(crypto.ParseHybridPrivateKey(secrets.New(v.Private))))
		wrapped := v.Wrapped.bytes(func(name string) []byte { return named[name] })
		dek, err := kek.Unwrap(t.Context(), wrapped, v.Label)
		if v.Failure != "" {
			if err != crypto.ErrOpen || dek != nil {
				t.Errorf("%s: %v, want %s", v.Name, err, v.Failure)
			}
			continue
		}
		named[v.Name] = wrapped
		if err != nil || !bytes.Equal(dek, v.DEK) {
			t.Errorf("%s: %v", v.Name, err)
		}
	}
}
