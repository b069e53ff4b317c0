package ratelimit

import (
	"encoding/binary"
	"hash/maphash"
	"net/netip"
)

// Key names whom or what a limit counts: an address, an account, an API token, a pair of them.
// Keys are compared by value. The zero Key names nothing and is refused with [ErrKey].
//
// A limiter keeps a keyed hash of a Key, never the Key itself.
type Key struct {
	kind keyKind
	net  uint64 // for keyIPv4 and keyIPv6
	text string // for keyPart and keyParts
}

type keyKind uint8

const (
	keyNone keyKind = iota
	keyPart
	keyParts
	keyIPv4
	keyIPv6
	keyUnidentified // the one key that all clients without a name share
)

// NewKey joins parts to one key. Several parts are prefixed with their lengths, so that NewKey("a", "bc"),
// NewKey("ab", "c") and NewKey("abc") differ. Without parts it is the zero Key. A single
// part is not copied.
//
// Normalise a part (case, Unicode form) as the system behind it does: else "Ann" and "ann" are two
// keys for one account.
func NewKey(parts ...string) Key {
	switch len(parts) {
	case 0:
		return Key{}
	case 1:
		return Key{kind: keyPart, text: parts[0]}
	}
	var n int
	for _, p := range parts {
		n += binary.MaxVarintLen64 + len(p)
	}
	b := make([]byte, 0, n)
	for _, p := range parts {
		b = binary.AppendUvarint(b, uint64(len(p)))
		b = append(b, p...)
	}
	return Key{kind: keyParts, text: string(b)}
}

// IPKey is the key of a client's address: an IPv4 address as it is, an IPv6 address by its /64, which
// is what one subscriber gets. An IPv4-mapped IPv6 address is the IPv4 address; zones are
// ignored. The zero Addr gives the zero Key.
func IPKey(a netip.Addr) Key {
	if !a.IsValid() {
		return Key{}
	}
	if a = a.Unmap(); a.Is4() {
		b := a.As4()
		return Key{kind: keyIPv4, net: uint64(binary.BigEndian.Uint32(b[:]))}
	}
	b := a.As16()
	return Key{kind: keyIPv6, net: binary.BigEndian.Uint64(b[:])}
}

// hash is never 0, which marks an empty slot. The kind goes in last, so that a part
// spelled like the encoding of several is another key.
func (k *Key) hash(seed maphash.Seed) uint64 {
	var h uint64
	if k.kind == keyPart || k.kind == keyParts {
		h = maphash.String(seed, k.text)
	} else {
		var b [8]byte
		binary.BigEndian.PutUint64(b[:], k.net)
		h = maphash.Bytes(seed, b[:])
	}
	return max(h^uint64(k.kind), 1)
}
