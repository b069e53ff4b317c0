package gcpkek

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"cloud.google.com/go/kms/apiv1/kmspb"
	"google.golang.org/grpc/codes"
	grpcstatus "google.golang.org/grpc/status"
)

var discard = log.New(io.Discard, "", 0)

func TestFailureClasses(t *testing.T) {
	for name, c := range map[string]struct {
		fault    fault
		want     error
		code     codes.Code
		attempts int
	}{
		"permission":      {httpStatus(403, "PERMISSION_DENIED"), ErrDenied, codes.PermissionDenied, 1},
		"token":           {httpStatus(401, "UNAUTHENTICATED"), ErrDenied, codes.Unauthenticated, 1},
		"disabled":        {httpStatus(400, "FAILED_PRECONDITION"), ErrRefused, codes.FailedPrecondition, 1},
		"no key":          {httpStatus(404, "NOT_FOUND"), ErrRefused, codes.NotFound, 1},
		"bad request":     {httpStatus(400, "INVALID_ARGUMENT"), ErrRefused, codes.InvalidArgument, 1},
		"quota":           {httpStatus(429, "RESOURCE_EXHAUSTED"), ErrUnavailable, codes.ResourceExhausted, 4},
		"rate limit":      {httpStatus(429, "canary"), ErrUnavailable, codes.ResourceExhausted, 4},
		"internal":        {httpStatus(500, "INTERNAL"), ErrUnavailable, codes.Internal, 4},
		"unavailable":     {httpStatus(503, "UNAVAILABLE"), ErrUnavailable, codes.Unavailable, 4},
		"deadline":        {httpStatus(504, "DEADLINE_EXCEEDED"), ErrUnavailable, codes.DeadlineExceeded, 4},
		"proxy":           {httpStatus(502, "canary"), ErrUnavailable, codes.Unavailable, 4},
		"unknown":         {httpStatus(418, "canary"), ErrRefused, codes.Unknown, 1},
		"forbidden":       {httpStatus(403, "canary"), ErrDenied, codes.PermissionDenied, 1},
		"page of a proxy": {raw("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 12\r\n\r\n<html>canary"), ErrUnavailable, codes.Unavailable, 4},
		"truncated":       {raw("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"name\":"), ErrUnavailable, codes.Unavailable, 4},
		"reset":           {raw(""), ErrUnavailable, codes.Unavailable, 4},
		"not HTTP":        {raw("canary\r\n\r\n"), ErrUnavailable, codes.Unavailable, 4},
		"not JSON":        {body("<html>canary"), ErrAnswer, codes.OK, 4},
		"another type":    {body(`{"ciphertext":{"canary":1}}`), ErrAnswer, codes.OK, 4},
		"empty":           {body(`{}`), ErrAnswer, codes.OK, 4},
	} {
		synctest.Test(t, func(t *testing.T) {
			f := NewFakeKMS()
			k := connect(t, f)
			f.inject(times(10, c.fault)...)
			_, err := k.Wrap(t.Context(), dek, "test")
			failed, ok := errors.AsType[*Error](err)
			if !ok || !errors.Is(err, c.want) || failed.Op != "wrap" || failed.Code != c.code || strings.Contains(err.Error(), "canary") {
				t.Errorf("%s: %v, want %v", name, err, c.want)
			}
			if f.count() != c.attempts {
				t.Errorf("%s: %d attempts, want %d", name, f.count(), c.attempts)
			}
		})
	}
}

func TestAnswersThatAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		change func(e *kmspb.EncryptResponse, d *kmspb.DecryptResponse)
		op     string
		cause  error
	}{
		"checksum":             {func(e *kmspb.EncryptResponse, _ *kmspb.DecryptResponse) { e.CiphertextCrc32C.Value++ }, "wrap", errChecksum},
		"no checksum":          {func(e *kmspb.EncryptResponse, _ *kmspb.DecryptResponse) { e.CiphertextCrc32C = nil }, "wrap", errChecksum},
		"flipped":              {func(e *kmspb.EncryptResponse, _ *kmspb.DecryptResponse) { e.Ciphertext[9] ^= 1 }, "wrap", errChecksum},
		"plaintext unverified": {func(e *kmspb.EncryptResponse, _ *kmspb.DecryptResponse) { e.VerifiedPlaintextCrc32C = false }, "wrap", errChecksum},
		"label unverified": {func(e *kmspb.EncryptResponse, _ *kmspb.DecryptResponse) {
			e.VerifiedAdditionalAuthenticatedDataCrc32C = false
		}, "wrap", errChecksum},
		"another key":   {func(e *kmspb.EncryptResponse, _ *kmspb.DecryptResponse) { e.Name = "projects/a" + e.Name }, "wrap", errKeyName},
		"no version":    {func(e *kmspb.EncryptResponse, _ *kmspb.DecryptResponse) { e.Name = testKey }, "wrap", errKeyName},
		"no ciphertext": {func(e *kmspb.EncryptResponse, _ *kmspb.DecryptResponse) { e.Ciphertext = nil }, "wrap", errSize},
		"long": {func(e *kmspb.EncryptResponse, _ *kmspb.DecryptResponse) {
			e.Ciphertext = make([]byte, maxWrapped-prefixLen+1)
			e.CiphertextCrc32C = checksum(e.Ciphertext)
		}, "wrap", errSize},
		"plaintext checksum":    {func(_ *kmspb.EncryptResponse, d *kmspb.DecryptResponse) { d.PlaintextCrc32C.Value++ }, "unwrap", errChecksum},
		"no plaintext checksum": {func(_ *kmspb.EncryptResponse, d *kmspb.DecryptResponse) { d.PlaintextCrc32C = nil }, "unwrap", errChecksum},
		"plaintext flipped":     {func(_ *kmspb.EncryptResponse, d *kmspb.DecryptResponse) { d.Plaintext[0] ^= 1 }, "unwrap", errChecksum},
		"short plaintext": {func(_ *kmspb.EncryptResponse, d *kmspb.DecryptResponse) {
			d.Plaintext = d.Plaintext[:31]
			d.PlaintextCrc32C = checksum(d.Plaintext)
		}, "unwrap", errSize},
		"no plaintext": {func(_ *kmspb.EncryptResponse, d *kmspb.DecryptResponse) { d.Plaintext = nil }, "unwrap", errSize},
	} {
		synctest.Test(t, func(t *testing.T) {
			f := NewFakeKMS()
			k := connect(t, f)
			wrapped := wrap(t, k)
			call := func() (out []byte, err error) {
				if c.op == "wrap" {
					return k.Wrap(t.Context(), dek, "test")
				}
				return k.Unwrap(t.Context(), wrapped, "test")
			}
			f.inject(times(maxAttempts, altered(f, c.change))...)
			out, err := call()
			if !errors.Is(err, ErrAnswer) || !errors.Is(err, c.cause) || out != nil {
				t.Errorf("%s: %v, want %v", name, err, c.cause)
			}
			f.inject(altered(f, c.change)) // damage that happens once
			if _, err := call(); err != nil {
				t.Errorf("%s: once: %v", name, err)
			}
		})
	}
}

func TestUnwrapFailures(t *testing.T) {
	for name, c := range map[string]struct {
		fault fault
		want  error
	}{
		"ciphertext": {httpStatus(400, "INVALID_ARGUMENT"), ErrUnwrap},
		"disabled":   {httpStatus(400, "FAILED_PRECONDITION"), ErrRefused},
		"a proxy":    {httpStatus(400, "canary"), ErrRefused},
		"permission": {httpStatus(403, "PERMISSION_DENIED"), ErrDenied},
		"quota":      {httpStatus(429, "RESOURCE_EXHAUSTED"), ErrUnavailable},
	} {
		synctest.Test(t, func(t *testing.T) {
			f := NewFakeKMS()
			k := connect(t, f)
			wrapped := wrap(t, k)
			f.inject(times(maxAttempts, c.fault)...)
			got, err := k.Unwrap(t.Context(), wrapped, "test")
			if !errors.Is(err, c.want) || got != nil {
				t.Errorf("%s: %v, want %v", name, err, c.want)
			}
			if _, ok := errors.AsType[*Error](err); ok == (c.want == ErrUnwrap) {
				t.Errorf("%s: a failure to unwrap has no reason, and only that: %v", name, err)
			}
		})
	}
}

// The errors of a client over gRPC.
func TestGRPCErrors(t *testing.T) {
	for code, want := range map[codes.Code]error{
		codes.InvalidArgument: ErrUnwrap, codes.FailedPrecondition: ErrRefused, codes.PermissionDenied: ErrDenied,
		codes.ResourceExhausted: ErrUnavailable, codes.Unavailable: ErrUnavailable, codes.DeadlineExceeded: ErrUnavailable,
	} {
		if err := classify("unwrap", grpcstatus.Error(code, "canary")); !errors.Is(err, want) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%v: %v", code, err)
		}
	}
}

func TestRetryRecovers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := NewFakeKMS()
		k := connect(t, f)
		f.inject(httpStatus(503, "UNAVAILABLE"), raw(""), httpStatus(429, "RESOURCE_EXHAUSTED"), healthy, httpStatus(500, "INTERNAL"))
		start := time.Now()
		wrap(t, k)
		if took := time.Since(start); took > 7*firstDelay {
			t.Errorf("took %v", took)
		}
		wrap(t, k)
		if f.count() != 6 {
			t.Errorf("%d requests", f.count())
		}
	})
}

func TestDelayIsRandomAndBounded(t *testing.T) {
	for attempt, most := range []time.Duration{firstDelay, 2 * firstDelay, 4 * firstDelay} {
		low, high := most, time.Duration(0)
		for range 1000 {
			d := delay(attempt)
			low, high = min(low, d), max(high, d)
		}
		if low < 0 || low > most/10 || high < most*9/10 || high >= most {
			t.Errorf("attempt %d: %v to %v", attempt, low, high)
		}
	}
}

func TestSlowKMS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := NewFakeKMS()
		k := connect(t, f, WithTimeout(3*time.Second))
		f.inject(hang)
		start := time.Now()
		wrap(t, k) // one attempt that hangs leaves time for another
		if took := time.Since(start); took < time.Second || took > 2*time.Second {
			t.Errorf("took %v", took)
		}
		f.inject(times(10, hang)...)
		start = time.Now()
		_, err := k.Wrap(t.Context(), dek, "test")
		if !errors.Is(err, ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > 3*time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

func TestCancelledCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := NewFakeKMS()
		k := connect(t, f)
		ctx, cancel := context.WithCancel(t.Context())
		f.inject(hang)
		go func() {
			synctest.Wait()
			cancel()
		}()
		for range 2 {
			if _, err := k.Wrap(ctx, dek, "test"); !errors.Is(err, context.Canceled) || errors.Is(err, ErrUnavailable) {
				t.Error(err)
			}
		}
		wrap(t, k)
	})
}

func TestBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := NewFakeKMS()
		k := connect(t, f)
		f.inject(times(6, httpStatus(503, "UNAVAILABLE"))...)
		for range 2 {
			if _, err := k.Wrap(t.Context(), dek, "test"); !errors.Is(err, ErrUnavailable) {
				t.Fatal(err)
			}
		}
		asked, start := f.count(), time.Now()
		if _, err := k.Wrap(t.Context(), dek, "test"); !errors.Is(err, ErrUnavailable) || !errors.Is(err, errBreaker) {
			t.Errorf("open: %v", err)
		}
		if asked != breakerFailures || f.count() != asked || time.Since(start) != 0 {
			t.Error("an open breaker asked or waited")
		}

		time.Sleep(breakerPause) // the sixth failure answers the probe, and it opens again
		if _, err := k.Wrap(t.Context(), dek, "test"); !errors.Is(err, ErrUnavailable) || f.count() != asked+1 {
			t.Errorf("probe: %v, %d requests", err, f.count()-asked)
		}
		if _, err := k.Wrap(t.Context(), dek, "test"); !errors.Is(err, errBreaker) {
			t.Errorf("open again: %v", err)
		}
		time.Sleep(breakerPause)
		wrap(t, k)
		wrap(t, k)
	})
}

func TestBreakerProbesWithOne(t *testing.T) {
	var b breaker
	now := time.Now()
	for range breakerFailures {
		probe, ok := b.allow(now)
		if probe || !ok {
			t.Fatal("not closed")
		}
		b.done(now, probe, dead)
	}
	now = now.Add(breakerPause)
	if probe, ok := b.allow(now); !probe || !ok {
		t.Fatal("no probe")
	}
	if _, ok := b.allow(now); ok {
		t.Error("two probes at once")
	}
	b.done(now, true, unknown) // its caller gave up
	if probe, ok := b.allow(now); !probe || !ok {
		t.Error("no probe after one that ended early")
	}
	if _, closed := b.done(now, true, alive); !closed {
		t.Error("a good probe does not close")
	}
	if probe, ok := b.allow(now); probe || !ok {
		t.Error("not closed")
	}
}

// Throttling, refusals and impatient callers say nothing against the health of Cloud KMS.
func TestBreakerStaysClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := NewFakeKMS()
		k := connect(t, f)
		f.inject(times(3*maxAttempts, httpStatus(429, "RESOURCE_EXHAUSTED"))...)
		for range 3 {
			k.Wrap(t.Context(), dek, "test")
		}
		f.inject(times(2*breakerFailures, httpStatus(403, "PERMISSION_DENIED"))...)
		for range 2 * breakerFailures {
			k.Wrap(t.Context(), dek, "test")
		}
		for range 2 * breakerFailures {
			f.inject(hang)
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			if _, err := k.Wrap(ctx, dek, "test"); !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
			cancel()
		}
		wrap(t, k)
	})
}

func TestConcurrentUse(t *testing.T) {
	f := NewFakeKMS()
	k := connect(t, f)
	f.inject(times(20, httpStatus(429, "RESOURCE_EXHAUSTED"))...)
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			wrapped, err := k.Wrap(t.Context(), dek, "test")
			if err != nil && !errors.Is(err, ErrUnavailable) {
				t.Error(err)
			}
			if err == nil {
				if got, err := k.Unwrap(t.Context(), wrapped, "test"); err == nil && !bytes.Equal(got, dek) {
					t.Error("another data key")
				}
			}
		})
	}
	all.Wait()
}

// No data key or wrapped key shows in an error or an event.
func TestNothingLeaks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		f := NewFakeKMS()
		k := connect(t, f, WithLogger(slog.New(slog.NewJSONHandler(&out, nil))))
		wrapped := wrap(t, k)
		dekText, wrappedText := base64.StdEncoding.EncodeToString(dek), base64.StdEncoding.EncodeToString(wrapped[prefixLen:])
		for _, leak := range []fault{
			httpStatus(400, dekText), httpStatus(400, "FAILED_PRECONDITION"), httpStatus(403, "PERMISSION_DENIED"), httpStatus(500, wrappedText), httpStatus(503, "UNAVAILABLE"),
			raw(dekText), raw("HTTP/1.1 " + dekText + "\r\n\r\n"), raw("HTTP/1.1 200 OK\r\nContent-Length: " + dekText + "\r\n\r\n"),
			body(dekText), body(`{"name":"` + dekText + `","plaintext":"` + dekText + `"}`), body(`{"plaintext":[` + dekText + `]}`), hang,
		} {
			f.inject(times(maxAttempts, leak)...)
			_, wrapErr := k.Wrap(t.Context(), dek, "test")
			f.recover()
			f.inject(times(maxAttempts, leak)...)
			_, unwrapErr := k.Unwrap(t.Context(), wrapped, "test")
			f.recover()
			fmt.Fprintf(&out, "%v %+v %#v %v %+v %#v\n", wrapErr, wrapErr, wrapErr, unwrapErr, unwrapErr, unwrapErr)
			time.Sleep(breakerPause)
			wrap(t, k)
		}
		for _, action := range []string{"gcp-breaker-open", "gcp-breaker-close"} {
			if !strings.Contains(out.String(), `"event.action":"`+action+`"`) {
				t.Errorf("no event %s", action)
			}
		}
		secrets := []string{string(dek), dekText[:20], fmt.Sprintf("%x", dek[:8]), fmt.Sprint(dek[:8]), string(wrapped[:8]), wrappedText[:20]}
		if found := leaks(out.String(), secrets); found != nil {
			t.Errorf("leaked: %v in\n%s", found, out.String())
		}
		if len(leaks(out.String()+dekText+wrappedText, secrets)) != 2 {
			t.Error("the test would not notice")
		}
	})
}

func leaks(text string, secrets []string) (found []string) {
	for _, s := range secrets {
		if strings.Contains(text, s) {
			found = append(found, s)
		}
	}
	return found
}
