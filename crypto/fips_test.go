package crypto_test

import (
	"bytes"
	"crypto/fips140"
	"errors"
	"io"
	"maps"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/pavise/pavise/crypto"
	"github.com/pavise/pavise/crypto/column"
	"github.com/pavise/pavise/crypto/internal/fipstest"
	"github.com/pavise/pavise/secrets"
)

// TestFIPSTable holds the table of the package comment to what happens, and opens what
// was sealed elsewhere, in a process under enforcement. CI runs every test so.
func TestFIPSTable(t *testing.T) {
	if !fips140.Enforced() {
		fipstest.Rerun(t, "^Test(FIPSTable|Compact.*|Tink.*|Vectors.*)$")
		return
	}
	x25519, p384 := crypto.GenerateHybridKey(), crypto.GenerateHybridKeyP384()
	opensHybrid, sealsHybrid := fipsKEKs(t, crypto.HybridIdentity(x25519), crypto.HybridIdentity(p384))
	_, sealsRecipient := fipsKEKs(t, crypto.HybridRecipient(x25519.Public()), crypto.HybridRecipient(p384.Public()))
	if fips140.Version() == "v1.0.0" { // as the footnote says
		if opensHybrid == "yes" || sealsHybrid == "yes" || sealsRecipient == "yes" {
			t.Error("hybrid keys work with v1.0.0 of the module")
		}
		opensHybrid, sealsHybrid, sealsRecipient = "yes", "yes", "yes"
	}
	done := map[string][2]string{
		"HybridRecipient": {"-", sealsRecipient},
		"HybridIdentity":  {opensHybrid, sealsHybrid},
	}
	row := func(name string) func(opens, seals string) {
		return func(opens, seals string) { done[name] = [2]string{opens, seals} }
	}
	ring := must(crypto.NewKeyring(crypto.GenerateKey()))
	row("Keyring")(fipsKeyring(ring))
	row("Keyring.SkipFIPSNonceEnforcement")(fipsKeyring(ring.SkipFIPSNonceEnforcement()))
	row("LiveKeyring")(fipsKeyring(fipsLive(t)))
	row("Compact")(fipsCompact())
	row("Envelope")(fipsEnvelope(t, crypto.SkipFIPSNonceEnforcement()))
	row("Envelope, SkipFIPSNonceEnforcement")(fipsEnvelope(t, crypto.SkipFIPSNonceEnforcement(), crypto.SkipFIPSNonceEnforcement()))
	row("Envelope, WithXAES")(fipsEnvelope(t, crypto.WithXAES(), crypto.WithXAES()))
	row("KeyringKEK")(fipsKEKs(t, crypto.KeyringKEK(ring)))
	row("crypto/column")(fipsColumn(t, ring))

	if documented := fipsTable(t); !maps.Equal(documented, done) {
		t.Errorf("documented:\n%q\nis:\n%q", documented, done)
	}
}

func fipsLive(t *testing.T) *crypto.Keyring {
	t.Helper()
	source := secrets.Static(map[string]string{"KEY": crypto.GenerateKey().Export().Reveal()})
	live := must(secrets.Open(t.Context(), source, "KEY", secrets.Options[crypto.Key]{Decode: crypto.ParseKey}))
	t.Cleanup(func() { live.Close() })
	return must(crypto.LiveKeyring(live))
}

// fipsTable returns the lines of the table, by name and without footnotes.
func fipsTable(t *testing.T) map[string][2]string {
	t.Helper()
	_, table, _ := strings.Cut(string(must(os.ReadFile("doc.go"))), " opens   seals\n")
	table, _, _ = strings.Cut(table, "\n//\n")
	lines := map[string][2]string{}
	for line := range strings.SplitSeq(table, "\n") {
		cells := regexp.MustCompile(` {2,}`).Split(strings.TrimPrefix(line, "//\t"), -1)
		if len(cells) != 3 {
			t.Fatalf("not a line of the table: %q", line)
		}
		seals, _, _ := strings.Cut(cells[2], ";")
		lines[cells[0]] = [2]string{cells[1], seals}
	}
	return lines
}

// outcome is what the table says of calls that agree.
func outcome(errs ...error) string {
	refused := 0
	for _, err := range errs {
		if err == crypto.ErrFIPS {
			refused++
		}
	}
	switch err := errors.Join(errs...); {
	case err == nil:
		return "yes"
	case refused == len(errs):
		return "refuses with ErrFIPS"
	default:
		return err.Error()
	}
}

var (
	fipsText  = bytes.Repeat([]byte("0123456789abcdef"), 1025) // two chunks
	fipsBound = crypto.Bind("fips", "1")
)

// opened returns what is wrong with got.
func opened(got []byte, err error) error {
	if err == nil && !bytes.Equal(got, fipsText) {
		return errors.New("another plaintext")
	}
	return err
}

func openedStream(r io.Reader, err error) error {
	if err != nil {
		return err
	}
	return opened(io.ReadAll(r))
}

func written(w *crypto.Writer, err error) error {
	if err != nil {
		return err
	}
	_, err = w.Write(fipsText)
	return errors.Join(err, w.Close())
}

func section(r *crypto.ReaderAt, err error) (io.Reader, error) {
	if err != nil {
		return nil, err
	}
	return io.NewSectionReader(r, 0, r.Size()), nil
}

func fipsKeyring(k *crypto.Keyring) (opens, seals string) {
	sealed := must(k.SkipFIPSNonceEnforcement().Seal(nil, fipsText, fipsBound))
	opens = outcome(
		opened(k.Open(nil, sealed, fipsBound)),
		openedStream(k.Reader(bytes.NewReader(sealed), fipsBound)),
		openedStream(section(k.ReaderAt(bytes.NewReader(sealed), int64(len(sealed)), fipsBound))))

	_, err := k.Seal(nil, fipsText, fipsBound)
	var stream bytes.Buffer
	wrote := written(k.Writer(&stream, fipsBound))
	if wrote == nil {
		wrote = opened(k.Open(nil, stream.Bytes(), fipsBound))
	}
	return opens, outcome(err, wrote)
}

func fipsCompact() (opens, seals string) {
	c := must(crypto.NewCompact(crypto.GenerateKey()))
	sealed, err := c.Seal(nil, fipsText, fipsBound)
	return outcome(opened(c.Open(nil, sealed, fipsBound))), outcome(err)
}

// fipsEnvelope has an Envelope with opts open what one with sealer made, and seal.
func fipsEnvelope(t *testing.T, sealer crypto.EnvelopeOption, opts ...crypto.EnvelopeOption) (opens, seals string) {
	ctx, store := t.Context(), crypto.WithSubjectKeys(new(crypto.MemorySubjectKeys))
	kek := &watchedKEK{KEK: crypto.KeyringKEK(must(crypto.NewKeyring(crypto.GenerateKey())))}
	from := must(crypto.NewEnvelope("fips", []crypto.KEK{kek}, sealer, store))
	defer from.Close()
	sealed := must(from.Seal(ctx, nil, fipsText, fipsBound))
	sealedFor := must(from.SealFor(ctx, "alice", nil, fipsText, fipsBound))
	kek.dek = nil

	e := must(crypto.NewEnvelope("fips", []crypto.KEK{kek}, append(opts, store)...))
	defer e.Close()
	opening := []error{opened(e.Open(ctx, nil, sealed, fipsBound)), opened(e.Open(ctx, nil, sealedFor, fipsBound))}
	_, err := e.Seal(ctx, nil, fipsText, fipsBound)
	_, errFor := e.SealFor(ctx, "bob", nil, fipsText, fipsBound)
	sealing := []error{err, errFor}
	if sealed[1] == 1 { // suite 02 has no streams
		opening = append(opening,
			openedStream(e.Reader(ctx, bytes.NewReader(sealed), fipsBound)),
			openedStream(section(e.ReaderAt(ctx, bytes.NewReader(sealed), int64(len(sealed)), fipsBound))))
		sealing = append(sealing, written(e.Writer(ctx, io.Discard, fipsBound)))
	}
	if err != nil && kek.dek != nil {
		t.Error("a KEK was called for what is refused")
	}
	return outcome(opening...), outcome(sealing...)
}

func fipsKEKs(t *testing.T, keks ...crypto.KEK) (opens, seals string) {
	var opening, sealing []error
	for _, kek := range keks {
		wrapped, err := kek.Wrap(t.Context(), fixed("fips", 32), "label")
		sealing = append(sealing, err)
		dek, err := kek.Unwrap(t.Context(), wrapped, "label")
		if err == nil && !bytes.Equal(dek, fixed("fips", 32)) {
			err = errors.New("another data key")
		}
		opening = append(opening, err)
	}
	return outcome(opening...), outcome(sealing...)
}

func fipsColumn(t *testing.T, keys *crypto.Keyring) (opens, seals string) {
	c := must(column.New[[]byte](keys, "users", "email", column.WithIndex(16)))
	sealed, err := c.Value(fipsText, "1").Value()
	_, tokenErr := c.Token(fipsText).Value()
	var got []byte
	row := "1"
	openErr := c.Scan(&got, &row).Scan(sealed)
	return outcome(opened(got, openErr)), outcome(err, tokenErr)
}
