package crypto

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/pavise/pavise/secrets"
)

// readyKEK unwraps anything to one data key and counts how often it was asked: what it
// is not asked for, the format alone refused.
type readyKEK struct {
	id    string
	dek   []byte
	calls atomic.Int32
}

func (k *readyKEK) ID() string { return k.id }

func (k *readyKEK) Wrap(context.Context, []byte, string) ([]byte, error) {
	k.calls.Add(1)
	return []byte("w"), nil
}

func (k *readyKEK) Unwrap(context.Context, []byte, string) ([]byte, error) {
	k.calls.Add(1)
	return bytes.Clone(k.dek), nil
}

// row is a recipient in a header, by the rules or not.
type row struct {
	kind    byte
	id      string
	wrapped int
}

// forgery is an envelope with a right HMAC and payload, whatever its header says.
type forgery struct {
	version, suite, flags byte
	n                     int // 0 is the number of rows
	lengthOff             int // what the length field says too much
	rows                  []row
	trailing              []byte // after the last recipient, within the length
}

func (f forgery) encode(t *testing.T, e *Envelope, dek []byte, b Binding) []byte {
	t.Helper()
	var recipients []byte
	for _, r := range f.rows {
		recipients = append(append(recipients, r.kind, byte(len(r.id))), r.id...)
		recipients = binary.BigEndian.AppendUint16(recipients, uint16(r.wrapped))
		recipients = append(recipients, make([]byte, r.wrapped)...)
	}
	recipients = append(recipients, f.trailing...)
	if f.n == 0 {
		f.n = len(f.rows)
	}
	out := []byte{f.version, f.suite, f.flags, byte(f.n)}
	out = binary.BigEndian.AppendUint16(out, uint16(6+len(recipients)+sha256.Size+f.lengthOff))
	out = append(out, recipients...)
	mac, err := headerMAC(dek, out)
	if err != nil {
		t.Fatal(err)
	}
	key, err := e.newDataKey(suite(f.suite), bytes.Clone(dek))
	if err != nil {
		t.Fatal(err)
	}
	bound, err := b.encode()
	if err != nil {
		t.Fatal(err)
	}
	out, err = key.seal(true, append(out, mac...), []byte("plaintext"), bound)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// openAll is every way into an envelope but Open, with the error of each.
func openAll(t *testing.T, e *Envelope, in []byte, b Binding) map[string]error {
	_, rewrap := e.RewrapHeader(t.Context(), bytes.NewReader(in))
	_, reader := e.Reader(t.Context(), bytes.NewReader(in), b)
	_, readerAt := e.ReaderAt(t.Context(), bytes.NewReader(in), int64(len(in)), b)
	return map[string]error{"RewrapHeader": rewrap, "Reader": reader, "ReaderAt": readerAt}
}

func others(n int) (rows []row) {
	for i := range n {
		rows = append(rows, row{1, fmt.Sprintf("other-%02d", i), 1})
	}
	return rows
}

// Every field at its limit opens, and one beyond it is refused, on every way in and
// before the KEK is asked.
func TestEnvelopeLimits(t *testing.T) {
	mine := row{1, "kek", 1}
	beside := func(rows ...row) forgery { return forgery{version: 3, suite: 1, rows: append(rows, mine)} }
	fill := func(header int) forgery { // of 8 recipients of 8,192 bytes, the last one less
		rows := others(7)
		for i := range rows {
			rows[i].wrapped = 8192
		}
		rest := header - 6 - 7*(4+8+8192) - (4 + 8) - (4 + 3 + 1) - 32
		return beside(append(rows, row{1, "other-07", rest})...)
	}
	with := func(change func(f *forgery)) forgery {
		f := beside()
		change(&f)
		return f
	}
	for name, c := range map[string]struct {
		in    forgery
		opens bool
	}{
		"one recipient":            {beside(), true},
		"32 recipients":            {beside(others(31)...), true},
		"33 recipients":            {beside(others(32)...), false},
		"no recipient":             {with(func(f *forgery) { f.rows = nil }), false},
		"255 recipients, by n":     {with(func(f *forgery) { f.n = 255 }), false},
		"one more, by n":           {with(func(f *forgery) { f.n = 2 }), false},
		"id of 255 bytes":          {beside(row{1, strings.Repeat("i", 255), 1}), true},
		"id of 1 byte":             {beside(row{1, "i", 1}), true},
		"empty id":                 {beside(row{1, "", 1}), false},
		"wrapped key of 8,192":     {beside(row{1, "i", 8192}), true},
		"wrapped key of 8,193":     {beside(row{1, "i", 8193}), false},
		"empty wrapped key":        {beside(row{1, "i", 0}), false},
		"header of 65,535":         {fill(65535), true},
		"header of 65,536":         {fill(65536), false}, // its length field says 0
		"length one less":          {with(func(f *forgery) { f.lengthOff = -1 }), false},
		"length one more":          {with(func(f *forgery) { f.lengthOff = 1 }), false},
		"length of 65,535, cut":    {with(func(f *forgery) { f.lengthOff = 65535 - 6 - 8 - 32 }), false},
		"length below the fixed":   {with(func(f *forgery) { f.lengthOff = 37 - 6 - 8 - 32 }), false},
		"a byte after recipients":  {with(func(f *forgery) { f.trailing = []byte{0} }), false},
		"a recipient after n":      {with(func(f *forgery) { f.n, f.rows = 1, append(f.rows, row{1, "i", 1}) }), false},
		"kind 0":                   {beside(row{0, "i", 1}), false},
		"kind 2":                   {beside(row{2, "i", 1}), true},
		"kind 3":                   {beside(row{3, "i", 1}), true},
		"kind 4":                   {beside(row{4, "i", 1}), false},
		"kinds 2 and 3":            {beside(row{2, "i", 1}, row{3, "j", 1}), false},
		"one id twice":             {beside(row{1, "i", 1}, row{1, "i", 1}), false},
		"one id in two kinds":      {beside(row{2, "kek", 1}), false},
		"flags 01":                 {with(func(f *forgery) { f.flags = 1 }), false},
		"flags 80":                 {with(func(f *forgery) { f.flags = 0x80 }), false},
		"suite 02":                 {with(func(f *forgery) { f.suite = 2 }), true},
		"suite 00":                 {with(func(f *forgery) { f.suite = 0 }), false},
		"suite 03":                 {with(func(f *forgery) { f.suite = 3 }), false},
		"version 02":               {with(func(f *forgery) { f.version = 2 }), false},
		"version 04":               {with(func(f *forgery) { f.version = 4 }), false},
		"not among the recipients": {with(func(f *forgery) { f.rows[0].id = "keK" }), false},
		"of another kind":          {with(func(f *forgery) { f.rows[0].kind = 3 }), false},
	} {
		kek := &readyKEK{id: "kek", dek: bytes.Repeat([]byte{9}, 32)}
		e, b := newEnvelope(t, []KEK{kek}, WithoutDEKCache()), Bind("test", "1")
		in := c.in.encode(t, e, kek.dek, b)
		kek.calls.Store(0)
		got, err := e.Open(t.Context(), nil, in, b)
		if c.opens {
			if err != nil || string(got) != "plaintext" || kek.calls.Load() != 1 {
				t.Errorf("%s: %v, %d calls", name, err, kek.calls.Load())
			}
			continue
		}
		for way, wayErr := range openAll(t, e, in, b) {
			if wayErr != ErrOpen {
				t.Errorf("%s: %s: %v", name, way, wayErr)
			}
		}
		if err != ErrOpen || got != nil || kek.calls.Load() != 0 {
			t.Errorf("%s: %v, %d calls", name, err, kek.calls.Load())
		}
	}
}

// What is cut within the header reaches no KEK.
func TestEnvelopeCutInHeader(t *testing.T) {
	kek := &readyKEK{id: "kek", dek: make([]byte, 32)}
	e, b := newEnvelope(t, []KEK{kek}, WithoutDEKCache()), Bind("test", "1")
	in := forgery{version: 3, suite: 1, rows: []row{{1, "kek", 40}}}.encode(t, e, kek.dek, b)
	for n := range len(in) - len(payloadOf(t, in)) {
		_, err := e.Open(t.Context(), nil, in[:n], b)
		for way, wayErr := range openAll(t, e, in[:n], b) {
			if wayErr != ErrOpen {
				t.Errorf("%d bytes: %s: %v", n, way, wayErr)
			}
		}
		if err != ErrOpen || kek.calls.Load() != 0 {
			t.Fatalf("%d bytes: %v, %d calls", n, err, kek.calls.Load())
		}
	}
}

// A Binding that cannot be is a mistake of the caller, and reaches no KEK either. One
// that differs is not told from damage.
func TestBadBinding(t *testing.T) {
	kek := &readyKEK{id: "kek", dek: make([]byte, 32)}
	e, good := newEnvelope(t, []KEK{kek}, WithoutDEKCache()), Bind("test", "1")
	ring, compact := newKeyring(t).SkipFIPSNonceEnforcement(), newCompact(t)
	inEnvelope := forgery{version: 3, suite: 1, rows: []row{{1, "kek", 1}}}.encode(t, e, kek.dek, good)
	inRing, inCompact := seal(t, ring, nil, good), sealCompact(t, compact, nil, good)
	for name, c := range map[string]struct {
		b    Binding
		want error
	}{
		"zero":         {Binding{}, errNoBinding},
		"no purpose":   {Bind("", "1"), errNoPurpose},
		"4,097 bytes":  {Bind("p", strings.Repeat("a", 4097-10)), errLongBinding},
		"4,096 bytes":  {Bind("p", strings.Repeat("a", 4096-10)), ErrOpen},
		"another part": {Bind("test", "2"), ErrOpen},
		"unbound":      {Unbound("test"), ErrOpen},
		"the right":    {good, nil},
	} {
		kek.calls.Store(0)
		_, inEnv := e.Open(t.Context(), nil, inEnvelope, c.b)
		_, inKeyring := ring.Open(nil, inRing, c.b)
		_, inComp := compact.Open(nil, inCompact, c.b)
		for where, err := range map[string]error{"Envelope": inEnv, "Keyring": inKeyring, "Compact": inComp} {
			if err != c.want {
				t.Errorf("%s: %s: %v", name, where, err)
			}
		}
		asked := kek.calls.Load() != 0
		if callerError := c.want != nil && c.want != ErrOpen; callerError == asked {
			t.Errorf("%s: the KEK was asked: %v", name, asked)
		} else if !callerError {
			continue
		}
		_, sealErr := e.Seal(t.Context(), nil, nil, c.b)
		_, writerErr := e.Writer(t.Context(), io.Discard, c.b)
		ways := openAll(t, e, inEnvelope, c.b)
		for way, err := range map[string]error{"Seal": sealErr, "Writer": writerErr, "Reader": ways["Reader"], "ReaderAt": ways["ReaderAt"]} {
			if err != c.want {
				t.Errorf("%s: %s: %v", name, way, err)
			}
		}
	}
}

// The first bytes of a message are public: all that is wrong with them is ErrOpen.
func TestBadMessageHeader(t *testing.T) {
	ring, compact, b := newKeyring(t).SkipFIPSNonceEnforcement(), newCompact(t), Bind("test", "1")
	message, short := seal(t, ring, nil, b), sealCompact(t, compact, nil, b)
	edit := func(in []byte, i int, v byte) []byte { return slices.Concat(in[:i], []byte{v}, in[i+1:]) }
	for name, in := range map[string][]byte{
		"nothing": nil, "empty": {}, "one byte": message[:1], "header alone": message[:6],
		"version 00": edit(message, 0, 0), "version 01": edit(message, 0, 1), "version 03": edit(message, 0, 3),
		"suite 00": edit(message, 1, 0), "suite 02": edit(message, 1, 2), "key id": edit(message, 5, ^message[5]),
		"a Compact message": short, "a byte more": append(bytes.Clone(message), 0),
	} {
		_, readerErr := ring.Reader(bytes.NewReader(in), b)
		if out, err := ring.Open(nil, in, b); err != ErrOpen || out != nil || ring.NeedsReseal(in) || readerErr != ErrOpen && name != "a byte more" {
			t.Errorf("Keyring: %s: %v, %v", name, err, readerErr)
		}
	}
	for name, in := range map[string][]byte{
		"nothing": nil, "empty": {}, "one byte": short[:1], "header alone": short[:5],
		"version 00": edit(short, 0, 0), "version 02": edit(short, 0, 2), "key id": edit(short, 4, ^short[4]),
		"a Keyring message": message, "a byte more": append(bytes.Clone(short), 0),
	} {
		if out, err := compact.Open(nil, in, b); err != ErrOpen || out != nil {
			t.Errorf("Compact: %s: %v", name, err)
		}
	}
}

// Constructors say what is wrong, and ask no KEK.
func TestConstructorErrors(t *testing.T) {
	key, kek, hybrid := GenerateKey(), &readyKEK{id: "kek"}, GenerateHybridKey()
	envelope := func(label string, to ...KEK) error { _, err := NewEnvelope(label, to); return err }
	ring := func(keys ...Key) error { _, err := NewKeyring(keys[0], keys[1:]...); return err }
	compact := func(keys ...Key) error { _, err := NewCompact(keys[0], keys[1:]...); return err }
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"Envelope, empty label":          {envelope("", kek), "label of an envelope"},
		"Envelope, label of 256":         {envelope(strings.Repeat("l", 256), kek), "label of an envelope"},
		"Envelope, label not UTF-8":      {envelope("\xff", kek), "label of an envelope"},
		"Envelope, no KEK":               {envelope("test"), "no recipient"},
		"Envelope, nil KEK":              {envelope("test", nil), "is nil"},
		"Envelope, nil KEK beside one":   {envelope("test", kek, nil), "is nil"},
		"Envelope, empty ID":             {envelope("test", &readyKEK{}), "ID of a KEK"},
		"Envelope, ID of 256":            {envelope("test", &readyKEK{id: strings.Repeat("i", 256)}), "ID of a KEK"},
		"Envelope, one KEK twice":        {envelope("test", kek, kek), "one ID"},
		"Envelope, one keyring twice":    {envelope("test", KeyringKEK(newKeyring(t)), KeyringKEK(newKeyring(t))), "one ID"},
		"Envelope, both of a pair":       {envelope("test", HybridRecipient(hybrid.Public()), HybridIdentity(hybrid)), "one ID"},
		"Envelope, 33 KEKs":              {envelope("test", numbered(t, 33)...), "more than 32"},
		"Envelope, zero public key":      {envelope("test", HybridRecipient(HybridPublicKey{})), "key is empty"},
		"Envelope, zero private key":     {envelope("test", HybridIdentity(HybridPrivateKey{})), "key is empty"},
		"Keyring, zero Key":              {ring(Key{}), "key is empty"},
		"Keyring, zero Key beside one":   {ring(key, Key{}), "key is empty"},
		"Keyring, one key twice":         {ring(key, key), "two keys"},
		"Compact, zero Key":              {compact(Key{}), "key is empty"},
		"Compact, one key twice":         {compact(key, GenerateKey(), key), "two keys"},
		"ParseKey, nothing":              {errOf(ParseKey(secrets.Secret{})), "key is empty"},
		"ParseHybridPrivateKey, nothing": {errOf(ParseHybridPrivateKey(secrets.Secret{})), "key is empty"},
		"ParseHybridPublicKey, nothing":  {errOf(ParseHybridPublicKey("")), "key is empty"},
	} {
		if c.err == nil || !strings.HasPrefix(c.err.Error(), "crypto: ") || !strings.Contains(c.err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, c.err, c.want)
		}
	}
	if err := errors.Join(envelope(strings.Repeat("l", 255), numbered(t, 32)...), envelope("l", kek), ring(key, GenerateKey()), compact(key)); err != nil {
		t.Errorf("control: %v", err)
	}
	e, b := newEnvelope(t, []KEK{kek}), Bind("test", "1")
	_, reader := e.Reader(t.Context(), nil, b)
	_, readerAt := e.ReaderAt(t.Context(), nil, 0, b)
	_, rewrap := e.RewrapHeader(t.Context(), nil)
	for name, err := range map[string]error{"Reader": reader, "ReaderAt": readerAt, "RewrapHeader": rewrap} {
		if err != errNoStream {
			t.Errorf("%s of nil: %v", name, err)
		}
	}
	if kek.calls.Load() != 0 {
		t.Errorf("%d calls of a KEK", kek.calls.Load())
	}
}

func errOf[T any](_ T, err error) error { return err }
