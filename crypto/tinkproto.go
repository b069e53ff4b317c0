package crypto

import (
	"encoding/binary"
	"math"
)

// The binary form of a keyset is a protobuf message, see Tink's tink.proto and
// x_aes_gcm.proto. What protobuf forgives is refused: unknown fields, and a second
// value of a field that is not repeated.

// A tag is the number of a field and its wire type. All fields of Tink's keysets have
// numbers up to 15 and so a tag of one byte.
const (
	protoVarint = 0
	protoBytes  = 2

	protoKeysetPrimary = 1<<3 | protoVarint
	protoKeysetKey     = 2<<3 | protoBytes // repeated

	protoKeyData   = 1<<3 | protoBytes
	protoKeyStatus = 2<<3 | protoVarint
	protoKeyID     = 3<<3 | protoVarint
	protoKeyPrefix = 4<<3 | protoVarint

	protoDataTypeURL  = 1<<3 | protoBytes
	protoDataValue    = 2<<3 | protoBytes
	protoDataMaterial = 3<<3 | protoVarint

	protoXAESVersion = 1<<3 | protoVarint
	protoXAESParams  = 2<<3 | protoBytes
	protoXAESValue   = 3<<3 | protoBytes

	protoParamsSalt = 1<<3 | protoVarint
)

// xaesSaltSize is how many bytes of the nonce Tink calls the salt.
const xaesSaltSize = 12

// protoMessage says where the fields of a message go, by tag.
type protoMessage struct {
	numbers map[uint64]*uint32
	strings map[uint64]*[]byte           // values alias the message
	nested  map[uint64]func([]byte) bool // messages within the message
	repeat  uint64                       // the tag that may stand more than once
}

// parse reports whether msg holds nothing but the fields of m.
func (m protoMessage) parse(msg []byte) bool {
	seen := map[uint64]bool{}
	for len(msg) > 0 {
		tag, ok := protoNumber(&msg)
		if !ok || seen[tag] && tag != m.repeat {
			return false
		}
		seen[tag] = true
		if !m.parseField(tag, &msg) {
			return false
		}
	}
	return true
}

func (m protoMessage) parseField(tag uint64, rest *[]byte) bool {
	n, ok := protoNumber(rest)
	if !ok || n > math.MaxUint32 {
		return false
	}
	if number := m.numbers[tag]; number != nil {
		*number = uint32(n)
		return true
	}
	if n > uint64(len(*rest)) {
		return false
	}
	b := (*rest)[:n]
	*rest = (*rest)[n:]
	if to := m.strings[tag]; to != nil {
		*to = b
		return true
	}
	nested := m.nested[tag]
	return nested != nil && nested(b)
}

func protoNumber(rest *[]byte) (uint64, bool) {
	n, size := binary.Uvarint(*rest)
	if size <= 0 {
		return 0, false
	}
	*rest = (*rest)[size:]
	return n, true
}

func (s *tinkKeyset) parseProto(msg []byte) error {
	ok := protoMessage{
		numbers: map[uint64]*uint32{protoKeysetPrimary: &s.primary},
		nested:  map[uint64]func([]byte) bool{protoKeysetKey: s.parseProtoKey},
		repeat:  protoKeysetKey,
	}.parse(msg)
	if !ok {
		return errKeysetForm
	}
	return nil
}

func (s *tinkKeyset) parseProtoKey(msg []byte) bool {
	var k tinkKey
	data := protoMessage{
		numbers: map[uint64]*uint32{protoDataMaterial: &k.material},
		strings: map[uint64]*[]byte{protoDataTypeURL: &k.typeURL, protoDataValue: &k.value},
	}
	ok := protoMessage{
		numbers: map[uint64]*uint32{protoKeyStatus: &k.status, protoKeyID: &k.id, protoKeyPrefix: &k.prefix},
		nested:  map[uint64]func([]byte) bool{protoKeyData: data.parse},
	}.parse(msg)
	s.keys = append(s.keys, k)
	return ok
}

// xaesKey is Tink's XAesGcmKey, the value of a key in both forms.
type xaesKey struct {
	version, saltSize uint32
	value             []byte
}

func parseXAESKey(msg []byte) (k xaesKey, ok bool) {
	params := protoMessage{numbers: map[uint64]*uint32{protoParamsSalt: &k.saltSize}}
	ok = protoMessage{
		numbers: map[uint64]*uint32{protoXAESVersion: &k.version},
		strings: map[uint64]*[]byte{protoXAESValue: &k.value},
		nested:  map[uint64]func([]byte) bool{protoXAESParams: params.parse},
	}.parse(msg)
	return k, ok
}

func appendXAESKey(out, value []byte) []byte {
	out = append(out, protoXAESParams, 2, protoParamsSalt, xaesSaltSize)
	out = append(out, protoXAESValue, byte(len(value)))
	return append(out, value...)
}
