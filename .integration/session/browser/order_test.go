package browser

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/pavise/pavise/session"
)

// stage is a service whose requests are conducted.
type stage struct {
	m       *session.Manager[data]
	mu      sync.Mutex
	conduct *conductor
	arrived chan string
}

func newStage(t *testing.T) *stage { return &stage{m: newManager(t), arrived: make(chan string, 8)} }

// act is what a request does with its session. It is done before the answer begins.
func (s *stage) act(ctx context.Context, request string) {
	switch request {
	case "read":
		_, _ = s.m.Get(ctx)
	case "update":
		_ = s.m.Update(ctx, func(d *data) error { d.N++; return nil }) // ErrGone, if it comes too late
	case "login":
		_ = s.m.Login(ctx, ann, nil)
	case "step-up":
		_ = s.m.Reauthenticate(ctx, session.Auth{AAL: 2, Methods: []string{"pwd", "otp"}})
	case "logout":
		_ = s.m.Logout(ctx)
	}
}

func (s *stage) handler() http.Handler {
	mux := routes(s.m)
	mux.HandleFunc("POST /begin", func(w http.ResponseWriter, r *http.Request) {
		answer(w, s.m.Update(r.Context(), func(d *data) error { d.N = 1; return nil }))
	})
	mux.HandleFunc("GET /state", func(w http.ResponseWriter, r *http.Request) {
		got, err := s.m.Get(r.Context())
		fmt.Fprintf(w, "%s %d %v", got.User, got.AAL, err)
	})
	mux.HandleFunc("POST /do/{request}", func(w http.ResponseWriter, r *http.Request) {
		request := r.PathValue("request")
		if r.URL.RawQuery == "early" { // what the request has read is old when it acts
			_, _ = s.m.Get(r.Context())
		}
		s.mu.Lock()
		c := s.conduct
		s.mu.Unlock()
		s.arrived <- request
		c.perform(r.Context(), step{request, false}, func() { s.act(r.Context(), request) })
		c.perform(r.Context(), step{request, true}, func() { fmt.Fprint(w, "done") })
	})
	return s.m.Handler(mux)
}

// play lets the page send all requests with the cookie that it has, makes their steps
// happen in this order, and returns how the browser and the server end.
func (s *stage) play(b *tab, requests []string, query string, order []step) string {
	b.t.Helper()
	old := b.cookie("localhost", "/", name).Value
	c := newConductor(requests)
	s.mu.Lock()
	s.conduct = c
	s.mu.Unlock()
	eval[bool](b, `(window.sent = {}, %q.split(" ").forEach(r => sent[r] = fetch("/do/" + r + %q, {method: "POST"}).then(a => a.text())), true)`,
		strings.Join(requests, " "), query)
	for range requests {
		<-s.arrived
	}
	for _, at := range order {
		close(c.turn[at])
		<-c.done[at]
		if at.answers { // until the browser has it, cookie included
			eval[string](b, `sent[%q]`, at.request)
		}
	}
	if s.opens(old) {
		return "the old token opens a session"
	}
	if b.cookie("localhost", "/", name) == nil {
		return "no cookie"
	}
	return eval[string](b, `fetch("/state").then(r => r.text())`)
}

// opens reports whether a token is one of a session.
func (s *stage) opens(token string) (opens bool) {
	r := httptest.NewRequest("GET", "https://localhost/", nil)
	r.AddCookie(&http.Cookie{Name: name, Value: token})
	s.m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		got, err := s.m.Get(r.Context())
		opens = err != nil || got.Handle != ""
	})).ServeHTTP(httptest.NewRecorder(), r)
	return opens
}

// scene is what happens while two slow requests are on their way with the old token.
type scene struct {
	action string
	begin  string // the request that makes the old session
	want   string
}

var scenes = []scene{
	{"login", "/begin", "ann 1 <nil>"},
	{"step-up", "/login", "ann 2 <nil>"},
	{"logout", "/login", "no cookie"},
}

// playAll plays a scene in all orders, or until one ends in another way.
func (s *stage) playAll(b *tab, sc scene, query string) (played int, wrong string) {
	b.t.Helper()
	requests := []string{"read", "update", sc.action}
	orders(requests, func(order []step) bool {
		b.clearCookies()
		b.must(sc.begin)
		played++
		if got := s.play(b, requests, query, order); got != sc.want {
			wrong = fmt.Sprintf("%s: in the order %v it ended with %q, want %q", sc.action, order, got, sc.want)
		}
		return wrong == ""
	})
	return played, wrong
}

// A slow request with the old token never overwrites the cookie that a login or step-up
// has given the browser, nor brings one back after a logout.
func TestResponseOrders(t *testing.T) {
	s := newStage(t)
	b := serve(t, s.handler()).open(t)
	b.open("localhost", "/")
	for _, query := range []string{"", "?early"} {
		for _, sc := range scenes {
			played, wrong := s.playAll(b, sc, query)
			if wrong != "" || played != 90 {
				t.Errorf("%d orders; %s", played, wrong)
			}
		}
	}
}

// The control: services that set the cookie in every answer are found out.
func TestResponseOrdersFindsFaults(t *testing.T) {
	for fault, set := range map[string]func(s *stage, r *http.Request) string{
		"renews the cookie that came": func(_ *stage, r *http.Request) string {
			if c, err := r.Cookie(name); err == nil {
				return name + "=" + c.Value + "; Path=/; Secure; HttpOnly"
			}
			return ""
		},
		"deletes a cookie that opens nothing": func(s *stage, r *http.Request) string {
			if got, err := s.m.Get(r.Context()); err == nil && got.Handle == "" {
				return name + "=; Path=/; Secure; HttpOnly; Max-Age=0"
			}
			return ""
		},
	} {
		s := newStage(t)
		faulty := s.m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			late := &lateCookie{ResponseWriter: w, line: func() string { return set(s, r) }}
			s.handler().ServeHTTP(late, r)
		}))
		b := serve(t, faulty).open(t)
		b.open("localhost", "/")
		if _, wrong := s.playAll(b, scenes[0], ""); wrong == "" {
			t.Errorf("a service that %s was not found out", fault)
		}
	}
}

// lateCookie sets a cookie when the answer begins, unless there is one.
type lateCookie struct {
	http.ResponseWriter
	line func() string
}

func (w *lateCookie) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *lateCookie) Write(b []byte) (int, error) {
	if line := w.line(); line != "" && w.Header().Get("Set-Cookie") == "" {
		w.Header().Set("Set-Cookie", line)
	}
	return w.ResponseWriter.Write(b)
}
