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

// A browser that goes away in the middle of a change of the password leaves no other device logged in.
func TestChangePasswordAndLeave(t *testing.T) {
	s := start(t)
	one := s.signUp("anna")
	two := s.logIn(one)
	ctx, leave := context.WithCancel(t.Context())
	o := options{plain: true, log: slog.New(slog.NewJSONHandler(leaver{leave}, nil))}
	a, err := newApp(s.vault, o)
	if err != nil {
		t.Fatal(err)
	}
	form := url.Values{"name": {one.name}, "current": {goodPassword}, "new": {"orange bicycles sleep at noon"}}
	r := httptest.NewRequestWithContext(ctx, "POST", "http://localhost/account/password", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.AddCookie(&http.Cookie{Name: "session", Value: one.cookie("session")})
	a.build(o).ServeHTTP(httptest.NewRecorder(), r)
	if ctx.Err() == nil {
		t.Fatal("the password was not changed")
	}
	if two.loggedIn() {
		t.Error("the other device is still logged in")
	}
}

// leaver is a log that calls off the request when the password is changed.
type leaver struct{ leave func() }

func (l leaver) Write(b []byte) (int, error) {
	if bytes.Contains(b, []byte("user-password-change")) {
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
