package crypto

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pavise/pavise/crypto/internal/fipstest"
)

// What an outage of the KEK must not cost: any of the messages that a DEK is good for.
func TestOutageAtAnyMessage(t *testing.T) {
	const most = 20
	for name, c := range map[string]struct {
		limits DEKCache
		size   int
	}{
		"messages": {DEKCache{MaxMessages: most}, 0},
		"bytes":    {DEKCache{MaxBytes: most * 50}, 50},
	} {
		for begin := 1; begin <= 2*most; begin++ {
			fipstest.Bubble(t, func(t *testing.T) {
				kek, b := newTimedKEK(t, 0), Bind("test", "1")
				e := newEnvelope(t, []KEK{kek}, WithDEKCache(c.limits))
				defer e.Close()
				left, head := 0, ""
				seal := func() error {
					sealed, err := e.Seal(t.Context(), nil, make([]byte, c.size), b)
					synctest.Wait() // for a refresh, which takes no time
					if left--; err == nil && headOf(t, sealed) != head {
						head, left = headOf(t, sealed), most-1
					}
					return err
				}
				for range begin {
					if err := seal(); err != nil {
						t.Fatal(err)
					}
				}
				if left < most/2 {
					left = most // the next one is there
				}
				kek.down.Store(true)
				for i := range left {
					if err := seal(); err != nil {
						t.Fatalf("%s: outage after %d: message %d of %d: %v", name, begin, i, left, err)
					}
				}
				err := seal()
				if kekErr, ok := errors.AsType[*KEKError](err); !ok || kekErr.ID != "timed" || !errors.Is(err, errOutage) {
					t.Errorf("%s: outage after %d: beyond the limit: %v", name, begin, err)
				}
			})
		}
	}
}

// An outage that begins at any moment after a DEK was unwrapped costs no Open of its
// messages before MaxAge.
func TestOutageAtAnyMomentWhileOpening(t *testing.T) {
	for begin := time.Duration(0); begin < defaultMaxAge; begin += 7 * time.Second {
		fipstest.Bubble(t, func(t *testing.T) {
			kek, b := newTimedKEK(t, time.Second), Bind("test", "1")
			e := newEnvelope(t, []KEK{kek})
			defer e.Close()
			sealed := sealEnvelopeOf(t, kek, b)
			if _, err := e.Open(t.Context(), nil, sealed, b); err != nil {
				t.Fatal(err)
			}
			for age := time.Duration(0); ; age += time.Second {
				kek.down.Store(age >= begin)
				start := time.Now()
				_, err := e.Open(t.Context(), nil, sealed, b)
				if age == defaultMaxAge {
					if kekErr, ok := errors.AsType[*KEKError](err); !ok || kekErr.Op != "unwrap" || !errors.Is(err, errOutage) {
						t.Errorf("outage at %v: %v", begin, err)
					}
					return
				}
				if err != nil || time.Since(start) != 0 {
					t.Fatalf("outage at %v: after %v: waited %v, %v", begin, age, time.Since(start), err)
				}
				time.Sleep(time.Second)
			}
		})
	}
}

// However many seal at once, no DEK seals more than its limits.
func TestLimitsUnderConcurrency(t *testing.T) {
	const maxMessages, maxBytes = 7, 1000
	b := Bind("test", "1")
	e := newEnvelope(t, []KEK{newTestKEK(t, "kek")}, WithDEKCache(DEKCache{MaxMessages: maxMessages, MaxBytes: maxBytes}))
	defer e.Close()
	var mu sync.Mutex
	uses := map[string]use{}
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 200 {
				size := (g*31 + i*17) % (maxBytes/2 + 1)
				head := headOf(t, sealEnvelope(t, e, make([]byte, size), b))
				mu.Lock()
				u := uses[head]
				uses[head] = use{messages: u.messages + 1, bytes: u.bytes + int64(size)}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	full := 0
	for _, u := range uses {
		if u.messages > maxMessages || u.bytes > maxBytes {
			t.Errorf("%d messages and %d bytes under one DEK", u.messages, u.bytes)
		}
		if u.messages == maxMessages || u.bytes > maxBytes/2 {
			full++
		}
	}
	if full == 0 {
		t.Error("no DEK came near its limits")
	}
}

// A stream, whose length nobody knows, has a DEK that serves nothing else.
func TestStreamsShareNoKey(t *testing.T) {
	b := Bind("test", "1")
	e := newEnvelope(t, []KEK{newTestKEK(t, "kek")})
	defer e.Close()
	heads := map[string]bool{headOf(t, sealEnvelope(t, e, nil, b)): true}
	for range 3 {
		var stream bytes.Buffer
		w, err := e.Writer(t.Context(), &stream, b)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(w, "a stream")
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		heads[headOf(t, stream.Bytes())] = true
	}
	heads[headOf(t, sealEnvelope(t, e, nil, b))] = true
	if len(heads) != 4 {
		t.Errorf("%d DEKs for three streams and two messages, want 4", len(heads))
	}
}

// Close in the middle of calls: each of them says so or has done its work.
func TestCloseDuringCalls(t *testing.T) {
	kek, b := newTestKEK(t, "kek"), Bind("test", "1")
	after := newEnvelope(t, []KEK{kek})
	for range 20 {
		e := newEnvelope(t, []KEK{kek}, WithDEKCache(DEKCache{MaxMessages: 3, MaxEntries: 2}))
		begun := make(chan bool, 1000)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for {
					sealed, err := e.Seal(t.Context(), nil, []byte("plaintext"), b)
					if err == nil {
						_, err = after.Open(t.Context(), nil, sealed, b)
					}
					if err == nil {
						_, err = e.Open(t.Context(), nil, sealed, b)
					}
					if err != nil {
						if err != errClosed {
							t.Error(err)
						}
						return
					}
					select {
					case begun <- true:
					default:
					}
				}
			})
		}
		<-begun
		e.Close()
		wg.Wait()
		if e.caches.sealing.key != nil || len(e.caches.opening.entries)+len(e.caches.opening.pending) != 0 {
			t.Fatal("a key was left")
		}
	}
}

// recordingKEK keeps what no event may hold.
type recordingKEK struct {
	*testKEK
	seen [][]byte
}

func (k *recordingKEK) Wrap(ctx context.Context, dek []byte, label string) ([]byte, error) {
	k.seen = append(k.seen, bytes.Clone(dek))
	wrapped, err := k.testKEK.Wrap(ctx, dek, label)
	k.seen = append(k.seen, wrapped)
	return wrapped, err
}

// No event holds a data key, wrapped or not, or a plaintext, in any form that a
// handler could print it in.
func TestEventsHoldNoSecret(t *testing.T) {
	var log bytes.Buffer
	logger := slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	kek, b := &recordingKEK{testKEK: newTestKEK(t, "kek")}, Bind("purpose-of-it", "record-of-it")
	for _, opts := range [][]EnvelopeOption{nil, {WithXAES()}, {WithoutDEKCache()}} {
		e := newEnvelope(t, []KEK{kek}, append(opts, WithLogger(logger))...)
		sealed := sealEnvelope(t, e, []byte("the plaintext of it"), b)
		for i := range sealed {
			e.Open(t.Context(), nil, sealed, b)
			sealed[i] ^= 1
			e.Open(t.Context(), nil, sealed, b)
			sealed[i] ^= 1
		}
		e.RewrapHeader(t.Context(), bytes.NewReader(sealed))
		kek.fail = errOutage
		e.RewrapHeader(t.Context(), bytes.NewReader(sealed))
		kek.fail = nil
		e.Close()
	}
	for _, action := range []string{"kek-wrap", "kek-unwrap", "envelope-open", "envelope-rewrap"} {
		if !strings.Contains(log.String(), `"event.action":"`+action+`"`) {
			t.Errorf("no event %s", action)
		}
	}
	leaks := func(text string) (found int) {
		for _, secret := range append(kek.seen, []byte("the plaintext of it"), []byte("purpose-of-it"), []byte("record-of-it")) {
			if len(secret) == 0 {
				continue
			}
			part := secret[:12]
			for _, form := range []string{
				string(part), hex.EncodeToString(part), base64.StdEncoding.EncodeToString(part), base64.URLEncoding.EncodeToString(part),
				strings.Trim(fmt.Sprint(part), "[]"), strings.ReplaceAll(strings.Trim(fmt.Sprint(part), "[]"), " ", ","), strings.Trim(fmt.Sprintf("%q", part), `"`),
			} {
				if strings.Contains(text, form) {
					found++
				}
			}
		}
		return found
	}
	if n := leaks(log.String()); n != 0 {
		t.Errorf("%d leaks", n)
	}
	log.Reset()
	logger.Info("control", "key", kek.seen[0], "hex", hex.EncodeToString(kek.seen[1]), "list", fmt.Sprint(kek.seen[0]), "text", "record-of-it")
	if n := leaks(log.String()); n < 4 {
		t.Errorf("control: %d leaks found in\n%s", n, &log)
	}
}
