package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

// A browser that goes away in the middle of a change of the password, or of the end of the account, leaves no other device
// logged in.
func TestChangePasswordAndLeave(t *testing.T) {
	testLeave(t, "/account/password", "user-password-change", url.Values{"current": {goodPassword}, "new": {"orange bicycles sleep at noon"}})
}

func TestEraseAndLeave(t *testing.T) {
	testLeave(t, "/account/delete", "user-deleted", url.Values{"password": {goodPassword}})
}

func testLeave(t *testing.T, path, event string, form url.Values) {
	s := start(t)
	one := s.signUp("anna")
	two := s.logIn(one)
	ctx, leave := context.WithCancel(t.Context())
	o := options{plain: true, log: slog.New(slog.NewJSONHandler(leaver{event, leave}, nil))}
	a, err := newApp(s.vault, o)
	if err != nil {
		t.Fatal(err)
	}
	form.Set("name", one.name)
	r := httptest.NewRequestWithContext(ctx, "POST", "http://localhost"+path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.AddCookie(&http.Cookie{Name: "session", Value: one.cookie("session")})
	a.build(o).ServeHTTP(httptest.NewRecorder(), r)
	if ctx.Err() == nil {
		t.Fatalf("no %s", event)
	}
	if two.loggedIn() {
		t.Error("the other device is still logged in")
	}
}

// leaver is a log that calls off the request at an event.
type leaver struct {
	event string
	leave func()
}

func (l leaver) Write(b []byte) (int, error) {
	if bytes.Contains(b, []byte(l.event)) {
		l.leave()
	}
	return len(b), nil
}

// A client that is too slow does not turn the end of the program into a failure.
func TestEndWithSlowClient(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	begun := make(chan struct{})
	slow := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(begun)
		io.Copy(io.Discard, r.Body)
	})
	log := &lines{}
	ended := make(chan error, 1)
	go func() { ended <- serve(ctx, l, slow, newLogger(log), 50*time.Millisecond) }()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nname=a")
	<-begun
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if _, err := bufio.NewReader(conn).ReadByte(); err != io.EOF {
		t.Errorf("the connection is not closed: %v", err)
	}
	if !strings.Contains(log.String(), "cut off") {
		t.Error("the operator does not hear of it")
	}
}
