package session

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/pavise/pavise/session"
)

const (
	cookieName = "__Host-session"
	clients    = 64
)

// crashable is a server that keeps what it acknowledged, started with args so that it
// does, and the store on it.
type crashable struct {
	name, variable string
	args           []string
	open           func(t *testing.T, address string) session.Store
}

var crashables = []crashable{
	{"postgres", "PAVISE_POSTGRES", []string{"-c", "fsync=on", "-c", "synchronous_commit=on"}, func(t *testing.T, dsn string) session.Store {
		return openSoon(t, backends[0], dsn)
	}},
	{"mariadb", "PAVISE_MARIADB", []string{"--innodb-flush-log-at-trx-commit=1"}, func(t *testing.T, dsn string) session.Store {
		return openSoon(t, backends[1], dsn+"?interpolateParams=true")
	}},
	{"redis", "PAVISE_REDIS", nil, func(t *testing.T, address string) session.Store {
		goredis.SetLogger(quiet{})
		client := goredis.NewClient(&goredis.Options{Addr: address, PoolSize: 20})
		t.Cleanup(func() { client.Close() })
		store := openRedis(t, goRedis(client))
		await(t, func() bool { return store.Check(t.Context()) == nil })
		return store
	}},
}

// quiet drops what the client says about each connection that a dead server refuses.
type quiet struct{}

func (quiet) Printf(context.Context, string, ...any) {}

// openSoon migrates a server that has just been started.
func openSoon(t *testing.T, b backend, dsn string) session.Store {
	t.Helper()
	db := connect(t, b.driver, dsn)
	for deadline := time.Now().Add(30 * time.Second); db.Ping() != nil; {
		if time.Now().After(deadline) {
			t.Fatal("the server does not answer")
		}
		time.Sleep(50 * time.Millisecond)
	}
	return open(t, db, b.dialect)
}

// drillTime is how long a server is killed again and again: PAVISE_DRILL=60s is for
// recorded runs.
func drillTime(t *testing.T) time.Duration {
	v := os.Getenv("PAVISE_DRILL")
	if v == "" {
		return 5 * time.Second
	}
	d, err := time.ParseDuration(v)
	if err != nil {
		t.Fatal("PAVISE_DRILL is not a duration")
	}
	return d
}

// The server is killed with -9 in the middle of traffic: what it acknowledged stays, what
// ended stays ended, and the service goes on by itself when it is back.
func TestCrash(t *testing.T) {
	for _, c := range crashables {
		t.Run(c.name, func(t *testing.T) {
			k := startKillable(t, c.name, c.variable, c.args...)
			d := newDrill(t, c.open(t, k.address))
			d.run(t, k, drillTime(t))
			for what, found := range d.found {
				t.Errorf("%s: %d times, such as: %s", what, found.n, found.first)
			}
			if d.ok.Load() == 0 || d.refused.Load() == 0 {
				t.Error("control: the traffic met no server that was up, or none that was down")
			}
		})
	}
}

// silent is a store that takes failures of its server for success.
type silent struct{ session.Store }

func unfailing(err error) error {
	for _, named := range []error{session.ErrNotFound, session.ErrConflict, session.ErrStaleEpoch} {
		if errors.Is(err, named) {
			return err
		}
	}
	return nil
}

func (s silent) DeleteHandle(ctx context.Context, user string, h session.Handle) error {
	return unfailing(s.Store.DeleteHandle(ctx, user, h))
}

func (s silent) Delete(ctx context.Context, k session.Key) error {
	return unfailing(s.Store.Delete(ctx, k))
}

func (s silent) Rotate(ctx context.Context, old session.Key, v uint64, r session.Record, epoch uint64) error {
	return unfailing(s.Store.Rotate(ctx, old, v, r, epoch))
}

func (s silent) Save(ctx context.Context, k session.Key, v uint64, data []byte, idle time.Duration) (uint64, error) {
	_, err := s.Store.Save(ctx, k, v, data, idle)
	return v + 1, unfailing(err)
}

func (s silent) Load(ctx context.Context, k session.Key) (session.Record, error) {
	r, err := s.Store.Load(ctx, k)
	if err != nil {
		err = session.ErrNotFound
	}
	return r, err
}

// The control of TestCrash: it must find each of these.
func TestCrashFindsLoss(t *testing.T) {
	c := crashables[0]
	k := startKillable(t, c.name, c.variable, c.args...)
	d := newDrill(t, silent{c.open(t, k.address)})
	d.run(t, k, 5*time.Second)
	for _, what := range []string{revived, loginLost, servedBlind} {
		if d.found[what].n == 0 {
			t.Errorf("not found: %s", what)
		}
	}
}

// drill is a service under traffic.
type drill struct {
	url     string
	http    *http.Client
	manager *session.Manager[int]

	phase       atomic.Int64 // odd while the server is down
	ok, refused atomic.Int64 // requests that needed the store
	failed      atomic.Int64 // requests without an answer
	kills       int

	mu    sync.Mutex
	found map[string]finding
}

type finding struct {
	n     int
	first string
}

func newDrill(t *testing.T, store session.Store) *drill {
	t.Helper()
	m, err := session.New[int](store)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 2 * clients}
	d := &drill{manager: m, found: map[string]finding{}, http: &http.Client{Transport: transport, Timeout: 30 * time.Second}}
	service := httptest.NewServer(m.Handler(d.routes()))
	t.Cleanup(service.Close)
	t.Cleanup(transport.CloseIdleConnections)
	d.url = service.URL
	return d
}

// routes answer 200 if all went well and 410 if there is no session. What else goes
// wrong is not their business: they say nothing.
func (d *drill) routes() http.Handler {
	m, mux := d.manager, http.NewServeMux()
	handle := func(path string, f func(r *http.Request) error) {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			if err := f(r); errors.Is(err, session.ErrGone) || errors.Is(err, session.ErrNotLoggedIn) {
				http.Error(w, "gone", http.StatusGone)
			}
		})
	}
	handle("/login", func(r *http.Request) error {
		return m.Login(r.Context(), session.Auth{User: r.FormValue("user")}, nil)
	})
	handle("/add", func(r *http.Request) error {
		return m.Update(r.Context(), func(n *int) error { *n++; return nil })
	})
	handle("/step-up", func(r *http.Request) error { return m.Reauthenticate(r.Context(), session.Auth{AAL: 2}) })
	handle("/logout", func(r *http.Request) error { return m.Logout(r.Context()) })
	handle("/revoke", func(r *http.Request) error {
		_, err := m.RevokeUser(r.Context(), r.FormValue("user"))
		return err
	})
	mux.HandleFunc("/static", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/read", func(w http.ResponseWriter, r *http.Request) {
		s, err := m.Get(r.Context())
		switch {
		case err != nil:
			fmt.Fprint(w, "blind") // a handler that forgot the error
		case s.LoggedIn():
			fmt.Fprint(w, s.User, " ", s.Data)
		default:
			fmt.Fprint(w, "anonymous")
		}
	})
	return mux
}

// count looks at an answer as such: before is the phase in which the request began.
func (d *drill) count(path string, a reply, before int64) {
	switch {
	case path == "/static":
	case a.status == 200:
		d.ok.Add(1)
		if a.body == "blind" || before%2 == 1 && d.phase.Load() == before {
			d.find(servedBlind, "%s while the server was down", path)
		}
	case a.status >= 500:
		d.refused.Add(1)
	}
}

func (d *drill) find(what, format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.found[what]
	if f.n++; f.n == 1 {
		f.first = fmt.Sprintf(format, args...)
	}
	d.found[what] = f
}

// run sends traffic while the server is killed and started, and looks at everything
// once more when it is up.
func (d *drill) run(t *testing.T, k *killable, length time.Duration) {
	stop := make(chan struct{})
	all := make([]*client, clients)
	var traffic sync.WaitGroup
	for i := range all {
		all[i] = &client{d: d, user: fmt.Sprintf("user-%d", i)}
		traffic.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					all[i].step()
				}
			}
		})
	}
	for end := time.Now().Add(length); time.Now().Before(end); d.kills++ {
		time.Sleep(1500 * time.Millisecond)
		d.crash(t, k)
	}
	close(stop)
	traffic.Wait()
	ended := 0
	for _, c := range all {
		if c.token != "" {
			c.read()
		}
		for _, token := range c.ended {
			c.mustBeDead(token)
		}
		ended += len(c.ended)
	}
	t.Logf("%d kills, %d requests served, %d refused, %d without an answer, %d ended sessions looked at, found: %v",
		d.kills, d.ok.Load(), d.refused.Load(), d.failed.Load(), ended, d.found)
}

// crash kills the server, leaves it down for a while, and waits until the service,
// which nobody restarts, answers again.
func (d *drill) crash(t *testing.T, k *killable) {
	t.Helper()
	k.kill()
	d.phase.Add(1)
	time.Sleep(400 * time.Millisecond)
	d.phase.Add(1)
	k.start(t)
	probe := &client{d: d, user: "probe"}
	for begin := time.Now(); probe.send("/login", "").status != 200; time.Sleep(20 * time.Millisecond) {
		if time.Since(begin) > 30*time.Second {
			t.Fatalf("the service did not recover; the server said:\n%s", k.log())
		}
		k.keepUp(t)
	}
}
