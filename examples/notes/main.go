// Command notes is a private notebook with rich text: a small service that is complete, from the sign-up to the graceful
// shutdown. Without flags it listens on this machine only and keeps its data in ./notes-data. See README.md.
package main

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/pavise/pavise/ratelimit"
)

// config is what the flags say.
type config struct {
	addr, data, postgres string
	cert, key            string
	proxies              []netip.Prefix
	proxyHeader          string
	endSessions          string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C does not wait
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run serves until ctx ends, or does the one thing that a flag asks for. Events go to stdout as JSON lines; the three lines for people go to stderr.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	c, err := parse(args, stderr)
	if err != nil {
		return err
	}
	log := newLogger(stdout)
	v, err := openVault(ctx, c.data, c.postgres)
	if err != nil {
		return err
	}
	defer v.Close()
	o := c.options(log)
	a, err := newApp(v, o)
	if err != nil {
		return err
	}
	if c.endSessions != "" {
		return a.endSessions(ctx, c.endSessions, stderr)
	}
	listener, err := c.listen()
	if err != nil {
		return err
	}
	c.greet(stderr, listener.Addr())
	go a.sweep(ctx)
	return serve(ctx, listener, a.build(o), log, shutdownTime)
}

func parse(args []string, out io.Writer) (c config, err error) {
	flags := flag.NewFlagSet("notes", flag.ContinueOnError)
	flags.SetOutput(out)
	flags.StringVar(&c.addr, "addr", "127.0.0.1:8080", "`address` to listen on")
	flags.StringVar(&c.data, "data", "notes-data", "`folder` of the key and the database")
	flags.StringVar(&c.postgres, "db", "", "Postgres `URL` to use in place of SQLite; keep the password out of it, in PGPASSFILE")
	flags.StringVar(&c.cert, "cert", "", "`file` with the TLS certificate chain (PEM)")
	flags.StringVar(&c.key, "key", "", "`file` with its private key (PEM)")
	flags.Func("trusted-proxy", "`prefix` of a proxy in front that speaks TLS, such as 10.0.0.0/8; may be repeated", func(s string) error {
		p, err := netip.ParsePrefix(s)
		c.proxies = append(c.proxies, p)
		return err
	})
	flags.StringVar(&c.proxyHeader, "proxy-header", "X-Forwarded-For", "the `field` in which the proxy names the client")
	flags.StringVar(&c.endSessions, "end-sessions", "", "log the account with this log-in `name` out everywhere, and exit; the service may be running")
	if err := flags.Parse(args); err != nil {
		return c, err
	}
	if flags.NArg() > 0 {
		return c, errors.New("notes: there are only flags, no arguments; see -help")
	}
	return c, c.check()
}

// check refuses what would send passwords over a network in the clear; see also app.viaProxy.
func (c *config) check() (err error) {
	if (c.cert == "") != (c.key == "") {
		return errors.New("notes: -cert and -key go together")
	}
	if c.plain() && !loopback(c.addr) {
		return errors.New("notes: to listen for other machines, give -cert and -key, or -trusted-proxy if a proxy in front speaks TLS")
	}
	c.data, err = filepath.Abs(c.data)
	return err
}

func (c *config) tls() bool   { return c.cert != "" }
func (c *config) plain() bool { return !c.tls() && len(c.proxies) == 0 }

func loopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	ip, ipErr := netip.ParseAddr(host)
	return err == nil && (host == "localhost" || ipErr == nil && ip.IsLoopback())
}

func (c *config) options(log *slog.Logger) options {
	return options{
		log:      log,
		plain:    c.plain(),
		proxied:  !c.tls() && !c.plain(),
		clientIP: ratelimit.ClientIP{Trusted: c.proxies, Header: c.proxyHeader},
	}
}

func (c *config) listen() (net.Listener, error) {
	if !c.tls() {
		return net.Listen("tcp", c.addr)
	}
	pair, err := tls.LoadX509KeyPair(c.cert, c.key)
	if err != nil {
		return nil, fmt.Errorf("notes: certificate: %w", err)
	}
	return tls.Listen("tcp", c.addr, &tls.Config{
		MinVersion:   tls.VersionTLS13,
		Certificates: []tls.Certificate{pair},
		NextProtos:   []string{"h2", "http/1.1"},
	})
}

// greet prints three lines: where it listens, where its data is, how to stop it.
func (c *config) greet(w io.Writer, addr net.Addr) {
	scheme, data := "http", c.data
	if c.tls() {
		scheme = "https"
	}
	if c.postgres != "" {
		data = "the Postgres database, and the key in " + c.data
	}
	fmt.Fprintf(w, "Notes listens on %s://%s\n", scheme, addr)
	fmt.Fprintf(w, "Your data is in %s: back it up, and its file %s apart from the rest\n", data, keyFile)
	fmt.Fprintln(w, "Press Ctrl-C to stop it")
}

const (
	shutdownTime = 15 * time.Second // more than requestTime: what was begun is finished
	sweepEvery   = 10 * time.Minute
)

// serve answers requests until ctx ends, then finishes those that were begun, but waits no longer than patience for clients.
func serve(ctx context.Context, l net.Listener, h http.Handler, log *slog.Logger, patience time.Duration) error {
	srv := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       20 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       60 * time.Second,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(l) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	if err := srv.Shutdown(last); err != nil {
		log.Warn("slow clients were cut off", "error.message", err.Error())
		return srv.Close()
	}
	return nil
}

// sweep frees the space of sessions that have ended, until ctx ends.
func (a *app) sweep(ctx context.Context) {
	for {
		if _, err := a.store.sessions.DeleteExpired(ctx, 10_000); err != nil && ctx.Err() == nil {
			a.log.WarnContext(ctx, "sweep failed", "error.message", err.Error())
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(sweepEvery):
		}
	}
}
