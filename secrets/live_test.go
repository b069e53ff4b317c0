package secrets_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pavise/pavise/secrets"
)

// store is a Source whose content and faults a test sets.
type store struct {
	mu       sync.Mutex
	versions []secrets.Version
	err      error
	fetch    func() // called by each Fetch, if set
	calls    int
}

func (s *store) Fetch(context.Context, string) ([]secrets.Version, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	if s.fetch != nil {
		s.fetch()
	}
	return append([]secrets.Version(nil), s.versions...), s.err
}

// set publishes values, newest first; one that ends in "?" is Pending.
func (s *store) set(values ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.versions, s.err = nil, nil
	for i, v := range values {
		value, pending := strings.CutSuffix(v, "?")
		s.versions = append(s.versions, secrets.Version{
			Secret: secrets.New(value), ID: fmt.Sprint("v", i), Pending: pending, Since: time.Now(),
		})
	}
}

func (s *store) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

func open(t *testing.T, s secrets.Source, o secrets.Options[secrets.Secret]) *secrets.Live[secrets.Secret] {
	t.Helper()
	l, err := secrets.Open(t.Context(), s, "KEY", o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func revealAll(all []secrets.Secret) string {
	var out []string
	for _, s := range all {
		out = append(out, s.Reveal())
	}
	return strings.Join(out, " ")
}

// show is what a Live answers: current, signing and verifying.
func show(l *secrets.Live[secrets.Secret]) string {
	return l.Current().Reveal() + "/" + l.Signing().Reveal() + "/" + revealAll(l.Verifying())
}

func TestLiveRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s store
		s.set("a")
		l := open(t, &s, secrets.Options[secrets.Secret]{MaxStale: time.Hour, Overlap: 20 * time.Minute})
		expect := func(after time.Duration, want string) {
			t.Helper()
			time.Sleep(after)
			if got := show(l); got != want {
				t.Fatalf("%v later: %s, want %s", after, got, want)
			}
		}
		expect(0, "a/a/a")
		s.set("b?", "a")
		expect(2*time.Minute, "a/a/b a")
		expect(10*time.Minute, "a/a/b a") // pending signs at no age
		s.set("b", "a")
		expect(2*time.Minute, "b/b/b a") // known for long: signs at once
		s.set("c", "b", "a")
		expect(2*time.Minute, "c/b/c b a")
		expect(5*time.Minute, "c/c/c b a")
		expect(24*time.Hour, "c/c/c b a") // Overlap does not end what the source has
		s.set("c")
		expect(2*time.Minute, "c/c/c b a")
		expect(17*time.Minute, "c/c/c b a")
		expect(4*time.Minute, "c/c/c")
		s.set("d")
		expect(2*time.Minute, "d/c/d c") // a source without older versions
		expect(5*time.Minute, "d/d/d c")
		s.set("c") // an older state: what it does not have is still accepted
		expect(2*time.Minute, "c/c/c d")
		s.set("d", "d?", "d") // in several places at once
		expect(2*time.Minute, "d/d/d c")
	})
}

// A replica that starts goes by Since, and prefers what all others know.
func TestLiveRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		version := func(value string, age time.Duration) secrets.Version {
			return secrets.Version{Secret: secrets.New(value), ID: value, Since: now.Add(-age)}
		}
		unknown := secrets.Version{Secret: secrets.New("u"), ID: "u"}
		for want, versions := range map[string][]secrets.Version{
			"b/a/b a":   {version("b", time.Second), version("a", time.Hour)},
			"b/b/b a":   {version("b", time.Hour), version("a", 2*time.Hour)},
			"c/b/c b a": {version("c", 0), version("b", 0), version("a", 0)}, // a mount of its own
			"u/a/u a":   {unknown, version("a", time.Second)},
			"u/b/u b":   {unknown, version("b", -time.Hour)}, // from the future
			"b/b/b":     {version("b", 0)},
		} {
			l := open(t, &store{versions: versions}, secrets.Options[secrets.Secret]{})
			if got := show(l); got != want {
				t.Errorf("%s, want %s", got, want)
			}
		}
	})
}

// What a restart found out, an outage does not make forgotten.
func TestLiveRestartBeforeOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s store
		s.set("b", "a")
		l := open(t, &s, secrets.Options[secrets.Secret]{})
		for _, want := range []string{"b/a/b a", "c/a/c b a"} {
			if err := l.Refresh(t.Context()); err != nil || show(l) != want {
				t.Fatalf("%s, want %s: %v", show(l), want, err)
			}
			s.fail(errors.New("down"))
			time.Sleep(10 * time.Minute)
			if got := show(l); got != want {
				t.Fatalf("%s, want %s: nobody else may have read more", got, want)
			}
			s.set("c", "b", "a")
		}
		time.Sleep(6 * time.Minute)
		if got := show(l); got != "c/c/c b a" {
			t.Errorf("%s: works again", got)
		}
	})
}

// Only the first read goes by Since: a file that was prepared long ago is new when it
// comes into its place.
func TestLiveSinceOfNewVersion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s store
		s.set("a")
		l := open(t, &s, secrets.Options[secrets.Secret]{})
		s.set("b", "a")
		s.versions[0].Since = time.Now().Add(-time.Hour)
		if err := l.Refresh(t.Context()); err != nil || show(l) != "b/a/b a" {
			t.Errorf("%s, %v", show(l), err)
		}
	})
}

// Reads are spread, and one that hangs is given up: within half of Every, or by Close.
func TestLivePolls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Time
		var hang, returned bool
		source := sourceFunc(func(ctx context.Context) ([]secrets.Version, error) {
			at = append(at, time.Now())
			if hang {
				<-ctx.Done()
				time.Sleep(time.Second)
				returned = true
			}
			return []secrets.Version{{Secret: secrets.New("a")}}, ctx.Err()
		})
		l := open(t, source, secrets.Options[secrets.Secret]{})
		time.Sleep(time.Hour)
		synctest.Wait()
		between := map[time.Duration]bool{}
		for i := 3; i < len(at); i++ { // Open has read twice
			d := at[i].Sub(at[i-1])
			between[d] = true
			if d < 54*time.Second || d > 66*time.Second {
				t.Errorf("%v between two reads", d)
			}
		}
		if len(between) < 40 {
			t.Errorf("%d different times between %d reads", len(between), len(at))
		}
		hang = true
		began := time.Now()
		if err := l.Refresh(t.Context()); err == nil || time.Since(began) > 31*time.Second {
			t.Errorf("given up after %v: %v", time.Since(began), err)
		}
		began = time.Now()
		go l.Refresh(t.Context())
		synctest.Wait()
		returned = false
		l.Close()
		if !returned || time.Since(began) > time.Second {
			t.Errorf("after %v, Close has waited: %v", time.Since(began), returned)
		}
	})
}

type sourceFunc func(context.Context) ([]secrets.Version, error)

func (f sourceFunc) Fetch(ctx context.Context, _ string) ([]secrets.Version, error) { return f(ctx) }

// The faults of a source keep the last good value, and become ErrStale in time.
func TestLiveFaults(t *testing.T) {
	const bad = "hunter2 that does not decode"
	for name, fault := range map[string]func(*store){
		"error":       func(s *store) { s.fail(errors.New("down")) },
		"denied":      func(s *store) { s.fail(secrets.ErrDenied) },
		"gone":        func(s *store) { s.fail(secrets.ErrNotFound) },
		"no version":  func(s *store) { s.set() },
		"empty":       func(s *store) { s.set("") },
		"placeholder": func(s *store) { s.set("[REDACTED]") },
		"pending":     func(s *store) { s.set("42?") },
		"undecodable": func(s *store) { s.set(bad) },
		"older one":   func(s *store) { s.set("42", bad) },
		"zero":        func(s *store) { s.set("0") },
		"panic":       func(s *store) { s.set("666") },
		"vetoed":      func(s *store) { s.set("13") },
		"veto panics": func(s *store) { s.set("14") },
		"fetch panic": func(s *store) { s.fetch = func() { panic(bad) } },
		"changing":    func(s *store) { s.fetch = func() { s.versions[0].Secret = secrets.New(strconv.Itoa(100 + s.calls)) } },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var s store
				s.set("7")
				var log bytes.Buffer
				l, err := secrets.Open(t.Context(), &s, "KEY", secrets.Options[int]{
					Decode: func(s secrets.Secret) (int, error) {
						if s.Reveal() == "666" {
							panic(bad)
						}
						return strconv.Atoi(s.Reveal())
					},
					OnChange: func(_ context.Context, old, new int) error {
						if new == 14 {
							panic(bad)
						}
						if new == 13 {
							return errors.New(bad)
						}
						return nil
					},
					MaxStale: time.Hour,
					Logger:   slog.New(slog.NewTextHandler(&log, nil)),
				})
				if err != nil {
					t.Fatal(err)
				}
				fault(&s)
				err = l.Refresh(t.Context())
				if err == nil || strings.Contains(err.Error(), "hunter2") || !strings.HasPrefix(err.Error(), "secrets: ") {
					t.Errorf("Refresh: %v", err)
				}
				s.mu.Lock()
				calls := s.calls
				s.mu.Unlock()
				if calls > 12 {
					t.Errorf("%d reads", calls)
				}
				time.Sleep(50 * time.Minute)
				if v, err := l.Get(); v != 7 || err != nil || l.Health() != nil {
					t.Errorf("before MaxStale: %v, %v, %v", v, err, l.Health())
				}
				time.Sleep(20 * time.Minute)
				if v, err := l.Get(); v != 0 || !errors.Is(err, secrets.ErrStale) || !errors.Is(l.Health(), secrets.ErrStale) {
					t.Errorf("after MaxStale: %v, %v, %v", v, err, l.Health())
				}
				if v := l.Current(); v != 7 {
					t.Errorf("Current: %v", v)
				}
				s.mu.Lock()
				s.fetch = nil
				s.mu.Unlock()
				s.set("8")
				time.Sleep(2 * time.Minute)
				if v, err := l.Get(); v != 8 || err != nil || l.Health() != nil {
					t.Errorf("recovered: %v, %v, %v", v, err, l.Health())
				}
				l.Close()
				if strings.Contains(log.String(), "hunter2") || strings.Contains(l.Refresh(t.Context()).Error(), "hunter2") {
					t.Error("the log has a value")
				}
				for event, n := range map[string]int{
					"secret-refresh event.outcome=failure": 1, "secret-stale event.outcome=failure": 1,
					"secret-refresh event.outcome=success": 1, "secret-rotation event.outcome=success": 1,
				} {
					if got := strings.Count(log.String(), "event.action="+event); got != n {
						t.Errorf("%d events %s:\n%s", got, event, log.String())
					}
				}
			})
		})
	}
}

// Opening fails on all that would leave a Live without a value.
func TestOpenRefuses(t *testing.T) {
	good := secrets.Static(map[string]string{"KEY": "7"})
	type options = secrets.Options[secrets.Secret]
	for name, c := range map[string]struct {
		source secrets.Source
		o      options
	}{
		"no source":     {nil, options{}},
		"not found":     {secrets.Static(nil), options{}},
		"empty":         {&store{versions: []secrets.Version{{}}}, options{}},
		"placeholder":   {&store{versions: []secrets.Version{{Secret: secrets.New("[REDACTED]")}}}, options{}},
		"Every":         {good, options{Every: -1}},
		"MaxStale":      {good, options{MaxStale: time.Minute}},
		"ActivateAfter": {good, options{ActivateAfter: time.Minute}},
		"Overlap":       {good, options{Overlap: 8 * time.Minute}},
	} {
		if l, err := secrets.Open(t.Context(), c.source, "KEY", c.o); err == nil || l != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := secrets.Open(t.Context(), good, "KEY", secrets.Options[int]{}); err == nil {
		t.Error("no Decode for an int")
	}
	open(t, good, options{}) // control
	if _, err := (&secrets.Live[int]{}).Get(); err == nil {
		t.Error("the zero Live has a value")
	}
}

// Many callers make one read; one that gives up fails nobody; Close ends it.
func TestLiveSingleFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s store
		s.set("a")
		l := open(t, &s, secrets.Options[secrets.Secret]{Every: time.Hour})
		before := s.calls
		s.fetch = func() { time.Sleep(time.Second) }
		var callers sync.WaitGroup
		cancelled, cancel := context.WithCancel(t.Context())
		cancel()
		for i := range 100 {
			callers.Go(func() {
				ctx := t.Context()
				if i%2 == 0 {
					ctx = cancelled
				}
				if err := l.Refresh(ctx); i%2 == 1 && err != nil {
					t.Error(err)
				}
			})
		}
		callers.Wait()
		if s.calls != before+1 {
			t.Errorf("%d reads", s.calls-before)
		}
		l.Close()
		if err := l.Refresh(t.Context()); !errors.Is(err, os.ErrClosed) || !errors.Is(l.Health(), os.ErrClosed) {
			t.Errorf("closed: %v", err)
		}
	})
}

// A value that a writer has half written is not published.
func TestLiveTornWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s store
		s.set("a")
		l := open(t, &s, secrets.Options[secrets.Secret]{})
		s.set("half")
		go func() { time.Sleep(20 * time.Millisecond); s.set("whole") }()
		if err := l.Refresh(t.Context()); err != nil || show(l) != "whole/a/whole a" {
			t.Errorf("%s, %v", show(l), err)
		}
	})
}

func TestDirSince(t *testing.T) {
	dir := t.TempDir()
	old := time.Now().Add(-time.Hour).Truncate(time.Second)
	for _, f := range []string{"key", "key.1", "key.9", "key.10"} {
		write(t, dir, f, f)
		if err := os.Chtimes(filepath.Join(dir, f), old, old); err != nil {
			t.Fatal(err)
		}
	}
	fetch := func() []secrets.Version {
		v, err := secrets.Dir(dir).Fetch(t.Context(), "key")
		if err != nil || len(v) != 3 || v[2].ID != "key.9" {
			t.Fatalf("%v, %v", v, err)
		}
		return v
	}
	if v := fetch(); !v[0].Since.After(old) {
		t.Errorf("Since %v: the files came after it", v[0].Since)
	}
	if err := os.Chtimes(dir, old, old); err != nil {
		t.Fatal(err)
	}
	if v := fetch(); !v[0].Since.Equal(old) {
		t.Errorf("Since %v, want %v", v[0].Since, old)
	}
}

func TestLiveAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	l := open(t, secrets.Static(map[string]string{"KEY": "a"}), secrets.Options[secrets.Secret]{})
	if n := testing.AllocsPerRun(100, func() { l.Current(); l.Get(); l.Signing(); l.Snapshot() }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkLiveCurrent(b *testing.B) {
	l, err := secrets.Open(b.Context(), secrets.Static(map[string]string{"KEY": "a"}), "KEY", secrets.Options[secrets.Secret]{})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	b.ReportAllocs()
	for b.Loop() {
		l.Current()
	}
}
