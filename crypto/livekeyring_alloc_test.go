//go:build !race

package crypto

import "testing"

// Following a secret costs no allocation.
func TestLiveKeyringAllocations(t *testing.T) {
	skipEnforced(t)
	s := &keyStore{keys: []Key{GenerateKey()}}
	live, k := openLive(t, s)
	defer live.Close()
	b, buf := Bind("test", "1"), make([]byte, 0, 2<<10)
	sealed := seal(t, k, buf[:1<<10], b)
	if n := testing.AllocsPerRun(200, func() { k.Seal(buf, sealed, b) }); n > 2 {
		t.Errorf("Seal: %v allocations", n)
	}
	if n := testing.AllocsPerRun(200, func() { k.Open(buf, sealed, b) }); n > 2 {
		t.Errorf("Open: %v allocations", n)
	}
}

func BenchmarkLiveKeyringSeal1KiB(b *testing.B) {
	key := GenerateKey()
	live, following := openLive(b, &keyStore{keys: []Key{key}})
	defer live.Close()
	bound, plaintext := Bind("test", "1"), make([]byte, 1<<10)
	for name, k := range map[string]*Keyring{"static": newKeyring(b, key), "live": following} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := k.Seal(nil, plaintext, bound); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
