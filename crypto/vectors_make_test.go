package crypto_test

import (
	"bytes"
	"crypto/sha512"
	"fmt"
	"slices"
	"strings"
)

// fixed returns n bytes that are the same in every run.
func fixed(name string, n int) hexBytes {
	sum := sha512.Sum512([]byte("vectors of github.com/pavise/pavise/crypto: " + name))
	return sum[:n]
}

var (
	keyA, keyB = fixed("key A", 32), fixed("key B", 32)
	bound      = binding{"note-body", []string{"note-17", "alice"}}
)

func makeKeys() []keyVector {
	good := keyText(keyA)
	edit := func(i int, with string) string { return good[:i] + with + good[i+1:] }
	return []keyVector{
		{Name: "key A", Key: keyA, KeyID: derive(keyA, "keyid/v1", 4), Text: good},
		{Name: "key B", Key: keyB, KeyID: derive(keyB, "keyid/v1", 4), Text: keyText(keyB)},
		{Name: "zeros", Key: make(hexBytes, 32), KeyID: derive(make([]byte, 32), "keyid/v1", 4), Text: keyText(make([]byte, 32))},
		{Name: "ones, with - or _", Key: bytes.Repeat([]byte{0xff}, 32), KeyID: derive(bytes.Repeat([]byte{0xff}, 32), "keyid/v1", 4), Text: keyText(bytes.Repeat([]byte{0xff}, 32))},
		{Name: "another version", Text: edit(12, "2"), Failure: "prefix"},
		{Name: "capital prefix", Text: edit(0, "P"), Failure: "prefix"},
		{Name: "space before", Text: " " + good, Failure: "prefix"},
		{Name: "line end after", Text: good + "\n", Failure: "length"},
		{Name: "padded", Text: good + "=", Failure: "length"},
		{Name: "cut", Text: good[:len(good)-1], Failure: "length"},
		{Name: "prefix alone", Text: good[:14], Failure: "length"},
		{Name: "mistyped", Text: edit(30, string(good[30]^1)), Failure: "checksum"},
		{Name: "two characters swapped", Text: good[:20] + string(good[21]) + string(good[20]) + good[22:], Failure: "checksum"},
		{Name: "line end inside", Text: edit(40, "\n"), Failure: "checksum"},
		{Name: "standard base64", Text: strings.NewReplacer("-", "+", "_", "/").Replace(keyText(bytes.Repeat([]byte{0xff}, 32))[14:]), Failure: "prefix"},
	}
}

func makeBindings() (all []bindingVector) {
	add := func(name, failure, purpose string, parts ...string) {
		v := bindingVector{Name: name, Binding: binding{purpose, parts}, Failure: failure}
		if failure == "" {
			v.Encoded = describe(v.Binding.encode())
		}
		all = append(all, v)
	}
	add("one part", "", "note-body", "note-17")
	add("two parts", "", "note-body", "note-17", "alice")
	add("unbound", "", "note-body")
	add("empty part", "", "note-body", "")
	add("a, bc", "", "p", "a", "bc")
	add("ab, c", "", "p", "ab", "c")
	add("not normalized", "", "n\u00e5n\u0061\u030a", "\U0001f6e1")
	add("4,096 bytes", "", "p", strings.Repeat("a", 4096-1-4-1-4))
	add("4,097 bytes", "binding", "p", strings.Repeat("a", 4097-1-4-1-4))
	add("no purpose", "binding", "", "note-17")
	add("no purpose, unbound", "binding", "")
	return all
}

func makeMessages() (all []messageVector) {
	valid := func(name string, plaintext *byteSpec, b binding) []byte {
		v := messageVector{Name: name, Keys: []hexBytes{keyA}, Binding: b, Salt: fixed("salt of "+name, 24), Plaintext: plaintext}
		sealed := v.seal()
		v.Ciphertext = describe(sealed)
		all = append(all, v)
		return sealed
	}
	invalid := func(name, failure string, c *byteSpec, b binding, keys ...hexBytes) {
		if keys == nil {
			keys = []hexBytes{keyA}
		}
		all = append(all, messageVector{Name: name, Keys: keys, Binding: b, Ciphertext: c, Failure: failure})
	}
	valid("empty", literal([]byte{}), bound)
	valid("unbound", literal([]byte("plaintext")), binding{Purpose: "note-body"})
	for _, n := range []int{1, 16383, 16384, 16385, 32768} {
		valid(fmt.Sprint(n, " bytes"), repeat('p', n), bound)
	}
	short := valid("short", literal([]byte("plaintext")), bound)
	bad := func(name, failure string, c []byte) { invalid(name, failure, describe(c), bound) }
	edit := func(i int, v ...byte) []byte { return slices.Concat(short[:i], v, short[i+len(v):]) }
	flip := func(i int) []byte { return edit(i, short[i]^1) }

	bad("nothing", "format", []byte{})
	bad("header cut", "format", short[:5])
	bad("first byte 01", "format", edit(0, 1))
	bad("first byte 03", "format", edit(0, 3))
	bad("suite 00", "format", edit(1, 0))
	bad("suite 02", "format", edit(1, 2))
	bad("key id altered", "key", flip(5))
	invalid("sealed with another key", "key", describe(short), bound, keyB)
	invalid("key id of another key of the reader", "commitment", describe(edit(2, messageHeader(keyB)[2:]...)), bound, keyA, keyB)
	bad("salt altered", "commitment", flip(6))
	bad("commitment altered at its first byte", "commitment", flip(30))
	bad("commitment altered at its last byte", "commitment", flip(61))
	header := messageHeader(keyA)
	bad("context without the header", "commitment", append(slices.Clone(header),
		cobblestone(derive(keyA, "seal/v1", 32), fixed("salt", 24), []byte("plaintext"), bound.encode())...))
	bad("under the Key itself", "commitment", append(slices.Clone(header),
		cobblestone(keyA, fixed("salt", 24), []byte("plaintext"), slices.Concat(header, bound.encode()))...))
	invalid("another part", "commitment", describe(short), binding{"note-body", []string{"note-18", "alice"}})
	invalid("another purpose", "commitment", describe(short), binding{"note-title", bound.Parts})
	invalid("a part less", "commitment", describe(short), binding{"note-body", bound.Parts[:1]})
	invalid("an empty part more", "commitment", describe(short), binding{"note-body", append(slices.Clone(bound.Parts), "")})
	invalid("parts cut elsewhere", "commitment", describe(short), binding{"note-body", []string{"note-17a", "lice"}})
	invalid("unbound instead of bound", "commitment", describe(short), binding{Purpose: "note-body"})
	bad("no chunk", "payload", short[:62])
	bad("less than a tag", "payload", short[:62+15])
	bad("ciphertext altered", "payload", flip(62))
	bad("tag altered", "payload", flip(len(short)-1))
	bad("cut by a byte", "payload", short[:len(short)-1])
	bad("extended by a byte", "payload", append(slices.Clone(short), 0))

	const two, first, chunk, end = "two full chunks", 62, 16400, 62 + 2*16400 + 16
	valid(two, repeat('p', 32768), bound)
	head, one, second, last := slice(two, 0, first), slice(two, first, first+chunk), slice(two, first+chunk, first+2*chunk), slice(two, first+2*chunk, end)
	for _, c := range []struct {
		name  string
		parts []byteSpec
	}{
		{"last chunk missing", []byteSpec{head, one, second}},
		{"two chunks missing", []byteSpec{head, one}},
		{"first chunk missing", []byteSpec{head, second, last}},
		{"middle chunk missing", []byteSpec{head, one, last}},
		{"chunks in another order", []byteSpec{head, second, one, last}},
		{"a chunk twice", []byteSpec{head, one, one, second, last}},
		{"last chunk twice", []byteSpec{head, one, second, last, last}},
		{"last chunk cut", []byteSpec{head, one, second, slice(two, first+2*chunk, end-1)}},
		{"byte missing in the middle", []byteSpec{head, slice(two, first, first+chunk-1), second, last}},
	} {
		invalid(c.name, "payload", pieces(c.parts...), bound)
	}
	return all
}

// makeCompacts has messages too: their salt is the nonce.
func makeCompacts() (all []messageVector) {
	valid := func(name string, plaintext *byteSpec, b binding) []byte {
		v := messageVector{Name: name, Keys: []hexBytes{keyA}, Binding: b, Salt: fixed("nonce of "+name, 24), Plaintext: plaintext}
		sealed := v.sealCompact()
		v.Ciphertext = describe(sealed)
		all = append(all, v)
		return sealed
	}
	valid("empty", literal([]byte{}), bound)
	valid("unbound", literal([]byte("plaintext")), binding{Purpose: "note-body"})
	valid("20,000 bytes", repeat('p', 20_000), bound)
	short := valid("short", literal([]byte("plaintext")), bound)
	invalid := func(name, failure string, c []byte, b binding, keys ...hexBytes) {
		all = append(all, messageVector{Name: name, Keys: keys, Binding: b, Ciphertext: describe(c), Failure: failure})
	}
	bad := func(name, failure string, c []byte) { invalid(name, failure, c, bound, keyA) }
	edit := func(i int, v ...byte) []byte { return slices.Concat(short[:i], v, short[i+len(v):]) }
	header := short[:5:5]

	bad("nothing", "format", []byte{})
	bad("header cut", "format", short[:4])
	bad("first byte 00", "format", edit(0, 0))
	bad("first byte 02", "format", edit(0, 2))
	bad("key id altered", "key", edit(4, short[4]^1))
	invalid("sealed with another key", "key", short, bound, keyB)
	invalid("key id of another key of the reader", "payload", edit(1, derive(keyB, "keyid/v1", 4)...), bound, keyA, keyB)
	bad("nonce altered at its first byte", "payload", edit(5, short[5]^1))
	bad("nonce altered at its last byte", "payload", edit(28, short[28]^1))
	bad("ciphertext altered", "payload", edit(29, short[29]^1))
	bad("tag altered", "payload", edit(len(short)-1, short[len(short)-1]^1))
	bad("less than nonce and tag", "payload", short[:44])
	bad("cut by a byte", "payload", short[:len(short)-1])
	bad("extended by a byte", "payload", append(slices.Clone(short), 0))
	invalid("another part", "payload", short, binding{"note-body", []string{"note-18", "alice"}}, keyA)
	invalid("unbound instead of bound", "payload", short, binding{Purpose: "note-body"}, keyA)
	for _, use := range []string{"seal/v1", "kek/v1"} {
		bad("under the key of "+use, "payload", append(header, xaes(derive(keyA, use, 32), short[5:29], []byte("plaintext"), bound.encode())...))
	}
	bad("header in the additional data", "payload", append(header,
		xaes(derive(keyA, "compact/v1", 32), short[5:29], []byte("plaintext"), slices.Concat(header, bound.encode()))...))
	return all
}

func (v messageVector) sealCompact() []byte {
	return sealCompact(v.Keys[0], v.Salt, v.Plaintext.bytes(nil), v.Binding)
}

func (v messageVector) seal() []byte {
	return sealMessage(v.Keys[0], v.Salt, v.Plaintext.bytes(nil), v.Binding)
}

func makeEnvelopes() (all []envelopeVector) {
	ring := recipientRow{Kind: 1, ID: hexBytes("keyring")}
	other := func(kind byte, id string, n int) recipientRow {
		return recipientRow{kind, hexBytes(id), repeat('w', n)}
	}
	vector := func(name string, suite byte, plaintext *byteSpec, to ...recipientRow) envelopeVector {
		if to == nil {
			to = []recipientRow{ring}
		}
		v := envelopeVector{
			Name: name, Keys: []hexBytes{keyA}, Label: "notes", Binding: bound, Suite: suite, Recipients: to,
			DEK: fixed("dek of "+name, 32), WrapNonce: fixed("wrap nonce of "+name, 24), Nonce: fixed("nonce of "+name, 24), Plaintext: plaintext,
		}
		return v
	}
	valid := func(v envelopeVector) {
		v.Ciphertext = describe(v.parts().encode())
		all = append(all, v)
	}
	plaintext := literal([]byte("plaintext"))
	for _, suite := range []byte{1, 2} {
		name := fmt.Sprintf("suite %02d, ", suite)
		valid(vector(name+"short", suite, plaintext))
		valid(vector(name+"empty", suite, literal([]byte{})))
		valid(vector(name+"16,384 bytes", suite, repeat('p', 16384)))
		valid(vector(name+"beside others", suite, plaintext, other(1, "kms", 40), ring, other(2, "public", 1)))
	}
	labelled := vector("longest label", 1, plaintext)
	labelled.Label = strings.Repeat("\u00e9", 127) + "x"
	valid(labelled)
	valid(vector("beside a post-quantum recipient", 1, plaintext, ring, other(3, "hybrid", 1120)))
	valid(vector("longest wrapped key and id", 1, plaintext, other(1, strings.Repeat("i", 255), 8192), ring))
	valid(vector("id that is not UTF-8", 1, plaintext, other(1, "\xff\x00", 1), ring))
	many := []recipientRow{ring}
	for i := range 32 {
		many = append(many, other(1, fmt.Sprint("kms-", i), 1))
	}
	valid(vector("32 recipients", 1, plaintext, many[:32]...))
	full := []recipientRow{ring}
	for i := range 8 {
		full = append(full, other(1, string(rune('a'+i)), 8192))
	}
	full[8].Wrapped.Length = 65535 - (6 + 2 + 7 + 2 + 77 + 7*(5+8192) + 5 + 32)
	valid(vector("longest header", 1, plaintext, full...))

	// Whatever is wrong below stands behind a right HMAC, unless the HMAC is what is wrong.
	invalid := func(name, failure string, suite byte, change func(v *envelopeVector, e *envelope)) {
		v := vector(name, suite, plaintext)
		e := v.parts()
		change(&v, &e)
		v = envelopeVector{Name: name, Keys: v.Keys, Label: v.Label, Binding: v.Binding, Failure: failure, Ciphertext: describe(e.encode())}
		all = append(all, v)
	}
	format := func(name string, change func(e *envelope)) {
		invalid(name, "format", 1, func(_ *envelopeVector, e *envelope) { change(e) })
	}
	add := func(e *envelope, kind byte, id string, wrapped []byte) {
		e.recipients = append(e.recipients, encodeRecipient(kind, []byte(id), wrapped)...)
		e.n++
		e.length = 6 + len(e.recipients) + 32
	}
	format("first byte 02", func(e *envelope) { e.version = 2 })
	format("first byte 04", func(e *envelope) { e.version = 4 })
	format("suite 00", func(e *envelope) { e.suite = 0 })
	format("suite 03", func(e *envelope) { e.suite = 3 })
	format("flags 01", func(e *envelope) { e.flags = 1 })
	format("flags 80", func(e *envelope) { e.flags = 0x80 })
	format("no recipient", func(e *envelope) { e.n, e.recipients, e.length = 0, nil, 38 })
	format("n is 0 beside a recipient", func(e *envelope) { e.n = 0 })
	format("33 recipients", func(e *envelope) {
		for i := range 32 {
			add(e, 1, fmt.Sprint("kms-", i), []byte{'w'})
		}
	})
	format("fewer recipients than n", func(e *envelope) { e.n = 2 })
	format("more recipients than n", func(e *envelope) { add(e, 1, "kms", []byte{'w'}); e.n = 1 })
	format("a byte after the recipients", func(e *envelope) { e.recipients = append(e.recipients, 0); e.length++ })
	format("header length below 38", func(e *envelope) { e.length = 37 })
	format("header length 0", func(e *envelope) { e.length = 0 })
	format("header length one less", func(e *envelope) { e.length-- })
	format("header length one more", func(e *envelope) { e.length++ })
	format("header length beyond the end", func(e *envelope) { e.length = 65535 })
	format("kind 00", func(e *envelope) { add(e, 0, "kms", []byte{'w'}) })
	format("kind 05", func(e *envelope) { add(e, 5, "kms", []byte{'w'}) })
	format("subject key beside a KEK", func(e *envelope) { add(e, 4, "sixteen bytes id", []byte{'w'}) })
	for _, id := range []string{"fifteen bytes i", "seventeen bytes i"} {
		format(fmt.Sprintf("subject key with an id of %d bytes", len(id)), func(e *envelope) { e.recipients, e.n = nil, 0; add(e, 4, id, []byte{'w'}) })
	}
	format("empty id", func(e *envelope) { add(e, 1, "", []byte{'w'}) })
	format("empty wrapped key", func(e *envelope) { add(e, 1, "kms", nil) })
	format("wrapped key of 8,193 bytes", func(e *envelope) { add(e, 1, "kms", bytes.Repeat([]byte{'w'}, 8193)) })
	format("one id twice", func(e *envelope) { add(e, 1, "kms", []byte{'w'}); add(e, 1, "kms", []byte{'w'}) })
	format("one id twice, another kind", func(e *envelope) { add(e, 2, "keyring", []byte{'w'}) })
	format("public key beside a post-quantum one", func(e *envelope) { add(e, 2, "a", []byte{'w'}); add(e, 3, "b", []byte{'w'}) })
	cut := func(name string, n int) {
		v := vector(name, 1, plaintext)
		v.Ciphertext, v.Failure = describe(v.parts().encode()[:n]), "format"
		all = append(all, envelopeVector{Name: name, Keys: v.Keys, Label: v.Label, Binding: v.Binding, Failure: v.Failure, Ciphertext: v.Ciphertext})
	}
	cut("nothing", 0)
	cut("five bytes", 5)
	cut("header cut", 6+88+31)

	row := func(name, failure string, kind byte, id string, wrapped func(v *envelopeVector) []byte) {
		invalid(name, failure, 1, func(v *envelopeVector, e *envelope) {
			e.recipients, e.n = nil, 0
			add(e, kind, id, wrapped(v))
		})
	}
	good := func(v *envelopeVector) []byte { return wrapDEK(keyA, v.WrapNonce, v.DEK, v.Label) }
	row("another id", "recipient", 1, "keyrinG", good)
	row("public key of this id", "recipient", 2, "keyring", good)
	row("wrapped under another label", "unwrap", 1, "keyring", func(v *envelopeVector) []byte { return wrapDEK(keyA, v.WrapNonce, v.DEK, "other") })
	row("wrapped by another key", "unwrap", 1, "keyring", func(v *envelopeVector) []byte { return wrapDEK(keyB, v.WrapNonce, v.DEK, v.Label) })
	row("wrapped key begins with 02", "unwrap", 1, "keyring", func(v *envelopeVector) []byte { return append([]byte{2}, good(v)[1:]...) })
	row("wrapped key altered", "unwrap", 1, "keyring", func(v *envelopeVector) []byte { b := good(v); b[76] ^= 1; return b })
	row("wrapped key cut", "unwrap", 1, "keyring", func(v *envelopeVector) []byte { return good(v)[:76] })
	row("wrapped key extended", "unwrap", 1, "keyring", func(v *envelopeVector) []byte { return append(good(v), 0) })
	row("data key of 31 bytes", "unwrap", 1, "keyring", func(v *envelopeVector) []byte { return wrapDEK(keyA, v.WrapNonce, v.DEK[:31], v.Label) })
	row("wrapped without its header", "unwrap", 1, "keyring", func(v *envelopeVector) []byte {
		return slices.Concat(good(v)[:5], xaes(derive(keyA, "kek/v1", 32), v.WrapNonce, v.DEK, []byte(v.Label)))
	})
	row("wrapped under the key of messages", "unwrap", 1, "keyring", func(v *envelopeVector) []byte {
		header := good(v)[:5:5]
		return append(header, xaes(derive(keyA, "seal/v1", 32), v.WrapNonce, v.DEK, slices.Concat(header, []byte(v.Label)))...)
	})
	row("another data key", "header", 1, "keyring", func(v *envelopeVector) []byte { return wrapDEK(keyA, v.WrapNonce, keyB, v.Label) })
	invalid("HMAC altered", "header", 1, func(v *envelopeVector, e *envelope) {
		h := e.encode()
		e.mac = h[e.length-32 : e.length : e.length]
		e.mac[31] ^= 1
	})
	invalid("recipient altered", "header", 2, func(v *envelopeVector, e *envelope) {
		add(e, 1, "kms", []byte{'w'})
		h := e.encode()
		e.mac = h[e.length-32 : e.length : e.length]
		e.recipients[len(e.recipients)-1] ^= 1
	})

	for _, suite := range []byte{1, 2} {
		first := map[byte]string{1: "commitment", 2: "payload"}[suite]
		payload := func(name, failure string, change func(v *envelopeVector, e *envelope)) {
			invalid(fmt.Sprintf("suite %02d, %s", suite, name), failure, suite, change)
		}
		payload("another binding", first, func(v *envelopeVector, e *envelope) { v.Binding.Purpose = "note-title" })
		payload("payload of the other suite", map[byte]string{1: "payload", 2: "payload"}[suite], func(v *envelopeVector, e *envelope) {
			e.payload = sealPayload(3-suite, e.dek, v.Nonce, []byte("plaintext"), v.Binding)
		})
		payload("context of the other suite", first, func(v *envelopeVector, e *envelope) {
			key, context := derive(e.dek, "payload/v1", 32), append([]byte{3, 3 - suite}, v.Binding.encode()...)
			seal := map[byte]func(key, nonce, plaintext, context []byte) []byte{1: cobblestone, 2: xaes}[suite]
			e.payload = seal(key, v.Nonce, []byte("plaintext"), context)
		})
		payload("nonce altered", first, func(v *envelopeVector, e *envelope) { e.payload[0] ^= 1 })
		payload("tag altered", "payload", func(v *envelopeVector, e *envelope) { e.payload[len(e.payload)-1] ^= 1 })
		payload("cut by a byte", "payload", func(v *envelopeVector, e *envelope) { e.payload = e.payload[:len(e.payload)-1] })
		payload("extended by a byte", "payload", func(v *envelopeVector, e *envelope) { e.payload = append(e.payload, 0) })
		payload("no payload", "payload", func(v *envelopeVector, e *envelope) { e.payload = nil })
	}
	return all
}
