package crypto

import (
	"bytes"
	"context"
	"crypto/fips140"
	"errors"
	"io"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pavise/pavise/secrets"
)

// skipEnforced skips what seals with a Keyring as it comes.
func skipEnforced(t *testing.T) {
	t.Helper()
	if fips140.Enforced() {
		t.Skip("Cobblestone-256 is not sealed under enforcement")
	}
}

// keyStore is a Source of keys, newest first.
type keyStore struct {
	mu   sync.Mutex
	keys []Key
	err  error
}

func (s *keyStore) Fetch(context.Context, string) (all []secrets.Version, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.keys {
		all = append(all, secrets.Version{Secret: k.Export(), ID: "v"})
	}
	return all, s.err
}

func (s *keyStore) set(err error, keys ...Key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys, s.err = keys, err
}

func openLive(t testing.TB, s secrets.Source) (*secrets.Live[Key], *Keyring) {
	t.Helper()
	live, err := secrets.Open(t.Context(), s, "KEY", secrets.Options[Key]{Decode: ParseKey})
	if err != nil {
		t.Fatal(err)
	}
	k, err := LiveKeyring(live)
	if err != nil {
		t.Fatal(err)
	}
	return live, k
}

// All that a Keyring does follows the secret; a stream stays with its key; and what
// the source has opens, however long ago it was replaced.
func TestLiveKeyring(t *testing.T) {
	skipEnforced(t)
	synctest.Test(t, func(t *testing.T) {
		oldKey, newKey, b := GenerateKey(), GenerateKey(), Bind("test", "1")
		s := &keyStore{keys: []Key{oldKey}}
		live, k := openLive(t, s)
		defer live.Close()
		tuned := k.WithWorkers(1).SkipFIPSNonceEnforcement()
		before := seal(t, k, twoChunks, b)
		compact := tuned.Compact()
		short, err := compact.Seal(nil, twoChunks, b)
		if err != nil {
			t.Fatal(err)
		}
		wrapped, err := KeyringKEK(k).Wrap(t.Context(), make([]byte, dekSize), "l")
		if err != nil {
			t.Fatal(err)
		}
		var stream bytes.Buffer
		w, err := k.Writer(&stream, b)
		if err != nil {
			t.Fatal(err)
		}
		s.set(nil, newKey, oldKey, oldKey)
		time.Sleep(48 * time.Hour)
		w.Write(twoChunks)
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		after := newKeyring(t, newKey)
		for _, k := range []*Keyring{k, tuned} {
			if _, err := after.Open(nil, seal(t, k, twoChunks, b), b); err != nil {
				t.Errorf("not sealed with the new key: %v", err)
			}
			for _, sealed := range [][]byte{before, stream.Bytes()} {
				if got, err := k.Open(nil, sealed, b); err != nil || !bytes.Equal(got, twoChunks) || !k.NeedsReseal(sealed) {
					t.Errorf("sealed with the old key: %v", err)
				}
				if got, err := io.ReadAll(mustReader(t, k, sealed, b)); err != nil || !bytes.Equal(got, twoChunks) {
					t.Errorf("Reader: %v", err)
				}
				if _, err := k.ReaderAt(bytes.NewReader(sealed), int64(len(sealed)), b); err != nil {
					t.Errorf("ReaderAt: %v", err)
				}
			}
		}
		requireFollowing(t, k, compact, newKeyring(t, newKey, oldKey), short)
		kek := KeyringKEK(k).(*keyringKEK)
		if _, err := kek.Unwrap(t.Context(), wrapped, "l"); err != nil || !kek.NeedsRewrap(wrapped) {
			t.Errorf("KEK: %v", err)
		}

		s.set(errors.New("down"))
		time.Sleep(25 * time.Hour)
		_, errSeal := k.Seal(nil, nil, b)
		_, errOpen := tuned.Open(nil, before, b)
		_, errWriter := k.Writer(io.Discard, b)
		_, errReader := k.Reader(bytes.NewReader(before), b)
		_, errWrap := kek.Wrap(t.Context(), make([]byte, dekSize), "l")
		_, errUnwrap := kek.Unwrap(t.Context(), wrapped, "l")
		_, errLive := LiveKeyring(live)
		_, errCompact := compact.Seal(nil, nil, b)
		_, errShort := k.Compact().Open(nil, short, b)
		_, errTink := compact.ExportTink()
		_, errIndex := tuned.Index(b, nil, 8)
		for i, err := range []error{
			errSeal, errOpen, errWriter, errReader, errWrap, errUnwrap, errLive,
			errCompact, errShort, errTink, errIndex,
		} {
			if !errors.Is(err, secrets.ErrStale) || errors.Is(err, ErrOpen) {
				t.Errorf("stale, %d: %v", i, err)
			}
		}
		if !k.NeedsReseal(before) || !compact.NeedsReseal(short) || !kek.NeedsRewrap(wrapped) {
			t.Error("stale keys pass for a finished reseal")
		}
	})
	if _, err := LiveKeyring(nil); err == nil {
		t.Error("nil")
	}
	if _, err := LiveKeyring(&secrets.Live[Key]{}); err == nil {
		t.Error("the zero Live")
	}
}

// requireFollowing: a Compact that was asked for before the rotation, one that is asked
// for now, and the index have the keys of want; short was sealed before.
func requireFollowing(t *testing.T, k *Keyring, before *Compact, want *Keyring, short []byte) {
	t.Helper()
	b := Bind("test", "1")
	for _, c := range []*Compact{before, k.Compact()} {
		sealed, err := c.Seal(nil, twoChunks, b)
		if err != nil {
			t.Fatal(err)
		}
		if c.NeedsReseal(sealed) || want.Compact().NeedsReseal(sealed) || !c.NeedsReseal(short) {
			t.Error("Compact: not sealed with the new key")
		}
		for _, sealed := range [][]byte{sealed, short} {
			if got, err := c.Open(nil, sealed, b); err != nil || !bytes.Equal(got, twoChunks) {
				t.Errorf("Compact: %v", err)
			}
		}
		got, err1 := c.ExportTink()
		all, err2 := want.Compact().ExportTink()
		if err1 != nil || err2 != nil || !got.Equal(all) {
			t.Errorf("ExportTink: %v, %v", err1, err2)
		}
	}
	for _, k := range []*Keyring{k, k.WithWorkers(1)} {
		got, err1 := k.Index(b, []byte("v"), 32)
		tokens, err2 := want.Index(b, []byte("v"), 32)
		if err1 != nil || err2 != nil || !slices.EqualFunc(got, tokens, bytes.Equal) {
			t.Errorf("Index: %x, want %x: %v, %v", got, tokens, err1, err2)
		}
	}
}

// 100 goroutines on three replicas open each other's messages while keys rotate and a
// replica restarts.
func TestLiveKeyringDrill(t *testing.T) {
	skipEnforced(t)
	synctest.Test(t, func(t *testing.T) {
		b := Bind("test", "1")
		keys := []Key{GenerateKey()}
		s := &keyStore{keys: keys}
		var mu sync.RWMutex
		var lives [3]*secrets.Live[Key]
		var rings [3]*Keyring
		for i := range rings {
			lives[i], rings[i] = openLive(t, s)
			time.Sleep(17 * time.Second)
		}
		done := make(chan struct{})
		var work sync.WaitGroup
		sealers := map[uint32]bool{}
		for g := range 100 {
			work.Go(func() {
				for i := g; ; i++ {
					select {
					case <-done:
						return
					case <-time.After(31 * time.Second):
					}
					mu.RLock()
					now := rings
					mu.RUnlock()
					sealed, err := now[i%3].Seal(nil, []byte("m"), b)
					for j := range now {
						if err == nil {
							_, err = now[j].Open(nil, sealed, b)
						}
					}
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					sealers[uint32(sealed[2])<<8|uint32(sealed[3])] = true
					mu.Unlock()
				}
			})
		}
		for i := range 6 {
			keys = append([]Key{GenerateKey()}, keys...)
			s.set(nil, keys...)
			time.Sleep(100 * time.Second)
			live, ring := openLive(t, s)
			mu.Lock()
			lives[i%3].Close()
			lives[i%3], rings[i%3] = live, ring
			mu.Unlock()
			time.Sleep(5 * time.Minute)
		}
		close(done)
		work.Wait()
		for _, l := range lives {
			l.Close()
		}
		if len(sealers) < 4 {
			t.Errorf("control: only %d keys sealed", len(sealers))
		}
	})
}
