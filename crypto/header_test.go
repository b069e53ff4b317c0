package crypto

import (
	"bytes"
	"context"
	"slices"
	"testing"
)

// Every rule of the header, broken one at a time behind a valid HMAC or not, is
// refused before a KEK is called.
func TestHeaderRefusedBeforeAnyCall(t *testing.T) {
	kek, b := newTestKEK(t, "kek"), Bind("test", "1")
	e := newEnvelope(t, []KEK{kek})
	sealed := sealEnvelope(t, e, []byte("plaintext"), b)
	edit := func(i int, v ...byte) []byte {
		return slices.Concat(sealed[:i], v, sealed[i+len(v):])
	}
	end := len(sealed) - len(payloadOf(t, sealed)) - 32 // of the recipients
	second := sealed[6:end]
	with := func(n byte, recipients []byte) []byte {
		length := 6 + len(recipients) + 32
		return slices.Concat(sealed[:3], []byte{n, byte(length >> 8), byte(length)}, recipients, sealed[end:])
	}
	for name, bad := range map[string][]byte{
		"nothing":               nil,
		"version":               edit(0, 2),
		"suite 0":               edit(1, 0),
		"suite 3":               edit(1, 3),
		"flags":                 edit(2, 1),
		"no recipient":          with(0, nil),
		"33 recipients":         edit(3, 33),
		"fewer than there are":  with(0, second),
		"more than there are":   with(2, second),
		"bytes left over":       with(1, append(bytes.Clone(second), 0)),
		"one id twice":          with(2, slices.Concat(second, second)),
		"length below minimum":  edit(4, 0, 37),
		"length of the fixed":   edit(4, 0, 6),
		"length beyond the end": edit(4, 0xff, 0xff),
		"length one less":       edit(5, sealed[5]-1),
		"length one more":       edit(5, sealed[5]+1),
		"kind 0":                edit(6, 0),
		"kind 4":                edit(6, 4),
		"another kind":          edit(6, 2),
		"empty id":              edit(7, 0),
		"id to the end":         edit(7, 255),
		"another id":            edit(8, 'K'),
		"empty wrapped key":     edit(11, 0, 0),
		"wrapped key of 8,193":  with(1, append([]byte{1, 3, 'k', 'e', 'k', 0x20, 0x01}, make([]byte, 8193)...)),
		"quantum mix": with(3, slices.Concat(second,
			[]byte{2, 1, 'a', 0, 1, 0}, []byte{3, 1, 'b', 0, 1, 0})),
	} {
		kek.calls.Store(0)
		if out, err := e.Open(t.Context(), nil, bad, b); err != ErrOpen || out != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := e.RewrapHeader(t.Context(), bytes.NewReader(bad)); err != ErrOpen {
			t.Errorf("%s: rewrap: %v", name, err)
		}
		if n := kek.calls.Load(); n != 0 {
			t.Errorf("%s: %d calls", name, n)
		}
		if bad != nil && name != "another kind" && name != "another id" && e.NeedsRewrap(bad) {
			t.Errorf("%s: NeedsRewrap", name)
		}
	}
	if _, err := e.Open(t.Context(), nil, sealed, b); err != nil || kek.calls.Load() != 1 {
		t.Errorf("control: %v, %d calls", err, kek.calls.Load())
	}
}

func TestWrappedKeyLengths(t *testing.T) {
	pad := func(n int) func([]byte) []byte { return func(b []byte) []byte { return make([]byte, n) } }
	b := Bind("test", "1")
	for n, ok := range map[int]bool{0: false, 1: true, 8192: true, 8193: false} {
		kek := newTestKEK(t, "kek")
		kek.wrapped = pad(n)
		sealed, err := newEnvelope(t, []KEK{kek}).Seal(t.Context(), nil, nil, b)
		if (err == nil) != ok {
			t.Errorf("%d bytes: %v", n, err)
		}
		if _, _, parsed := parseHeader(sealed); parsed != ok {
			t.Errorf("%d bytes: parsed %v", n, parsed)
		}
	}
	// Eight recipients: 6 + 8 * (2 + 5 + 2) + wrapped keys + 32 = 65,535.
	for extra, ok := range map[int]bool{0: true, 1: false} {
		keks := numbered(t, 8)
		rest := maxHeader - 6 - 8*9 - 32 - 7*8192
		for _, k := range keks[:7] {
			k.(*testKEK).wrapped = pad(8192)
		}
		keks[7].(*testKEK).wrapped = pad(rest + extra)
		sealed, err := newEnvelope(t, keks).Seal(t.Context(), nil, nil, b)
		if (err == nil) != ok {
			t.Errorf("header of %d bytes: %v", maxHeader+extra, err)
		}
		if _, _, parsed := parseHeader(sealed); parsed != ok {
			t.Errorf("header of %d bytes: parsed %v", maxHeader+extra, parsed)
		}
	}
}

func FuzzEnvelopeHeader(f *testing.F) {
	kek, b := newTestKEK(f, "kek"), Bind("fuzz", "1")
	e := newEnvelope(f, []KEK{kek, newTestKEK(f, "other")})
	sealed, err := e.Seal(context.Background(), nil, []byte("plaintext"), b)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sealed)
	f.Add(sealed[:38])
	f.Add([]byte{3, 1, 0, 1, 0, 38})
	f.Fuzz(func(t *testing.T, in []byte) {
		h, payload, ok := parseHeader(in)
		if ok && (len(h.recipients) != int(in[3]) || len(h.authentic)+len(h.mac)+len(payload) != len(in)) {
			t.Fatal("the parts are not the whole")
		}
		if got, err := e.Open(context.Background(), nil, in, b); err == nil && string(got) != "plaintext" {
			t.Fatal("a forgery opened")
		}
		if _, err := e.RewrapHeader(context.Background(), bytes.NewReader(in)); err == nil && !ok {
			t.Fatal("rewrapped what does not parse")
		}
		e.NeedsRewrap(in)
	})
}
