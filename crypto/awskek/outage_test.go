package awskek

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
)

var discard = log.New(io.Discard, "", 0)

func wrappedAnswer(key string, n int) fault {
	text, _ := json.Marshal(message{KeyId: key, CiphertextBlob: make([]byte, n)})
	return body(string(text))
}

func TestFailureClasses(t *testing.T) {
	for name, c := range map[string]struct {
		fault    fault
		want     error
		code     string
		attempts int
	}{
		"policy":           {status(400, "AccessDeniedException"), ErrDenied, "AccessDeniedException", 1},
		"expired":          {status(400, "ExpiredTokenException"), ErrDenied, "ExpiredTokenException", 1},
		"disabled":         {status(400, "DisabledException"), ErrRefused, "DisabledException", 1},
		"pending deletion": {status(400, "KMSInvalidStateException"), ErrRefused, "KMSInvalidStateException", 1},
		"no key":           {status(400, "NotFoundException"), ErrRefused, "NotFoundException", 1},
		"usage":            {status(400, "InvalidKeyUsageException"), ErrRefused, "InvalidKeyUsageException", 1},
		"throttled":        {status(400, "ThrottlingException"), ErrUnavailable, "ThrottlingException", 4},
		"rate limit":       {status(429, "canary"), ErrUnavailable, "", 4},
		"internal":         {status(500, "KMSInternalException"), ErrUnavailable, "KMSInternalException", 4},
		"dependency":       {status(503, "DependencyTimeoutException"), ErrUnavailable, "DependencyTimeoutException", 4},
		"key unavailable":  {status(500, "KeyUnavailableException"), ErrUnavailable, "KeyUnavailableException", 4},
		"proxy":            {status(502, "canary"), ErrUnavailable, "", 4},
		"unknown":          {status(400, "canary"), ErrRefused, "", 1},
		"forbidden":        {status(403, "canary"), ErrDenied, "", 1},
		"moved":            {status(301, "canary"), ErrRefused, "", 1},
		"reset":            {raw(""), ErrUnavailable, "", 4},
		"page of a proxy":  {raw("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 12\r\n\r\n<html>canary"), ErrUnavailable, "", 4},
		"not HTTP":         {raw("canary\r\n\r\n"), ErrUnavailable, "", 4},
		"not JSON":         {body("<html>canary"), ErrAnswer, "", 4},
		"another type":     {body(`{"KeyId":"` + testKey + `","CiphertextBlob":1}`), ErrAnswer, "", 4},
		"not base64":       {body(`{"KeyId":"` + testKey + `","CiphertextBlob":"!"}`), ErrAnswer, "", 4},
		"empty":            {body(`{}`), ErrAnswer, "", 4},
		"no blob":          {wrappedAnswer(testKey, 0), ErrAnswer, "", 4},
		"long blob":        {wrappedAnswer(testKey, maxWrapped+1), ErrAnswer, "", 4},
		"another key":      {wrappedAnswer(multiKey, 100), ErrAnswer, "", 4},
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

func TestUnwrapFailures(t *testing.T) {
	key := `{"KeyId":"` + testKey + `",`
	for name, c := range map[string]struct {
		fault fault
		want  error
	}{
		"ciphertext":  {status(400, "InvalidCiphertextException"), ErrUnwrap},
		"other key":   {status(400, "IncorrectKeyException"), ErrUnwrap},
		"policy":      {status(400, "AccessDeniedException"), ErrDenied},
		"disabled":    {status(400, "DisabledException"), ErrRefused},
		"no key id":   {body(`{"Plaintext":"` + base64.StdEncoding.EncodeToString(dek) + `"}`), ErrAnswer},
		"wrong key":   {body(`{"KeyId":"` + multiKey + `","Plaintext":"` + base64.StdEncoding.EncodeToString(dek) + `"}`), ErrAnswer},
		"nothing":     {body(key + `"Plaintext":""}`), ErrAnswer},
		"short":       {body(key + `"Plaintext":"AAAA"}`), ErrAnswer},
		"long":        {body(key + `"Plaintext":"` + strings.Repeat("AAAA", 11) + `"}`), ErrAnswer},
		"a number":    {body(key + `"Plaintext":7}`), ErrAnswer},
		"null":        {body(`null`), ErrAnswer},
		"cut":         {body(key), ErrAnswer},
		"throttled":   {status(400, "ThrottlingException"), ErrUnavailable},
		"unavailable": {status(503, ""), ErrUnavailable},
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

// Whether the SDK knows that an answer broke off depends on how much of it came.
func TestTruncatedAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := NewFakeKMS()
		k := connect(t, f)
		cut := raw("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"KeyId\":")
		f.inject(times(maxAttempts-1, cut)...)
		wrap(t, k)
		f.inject(times(maxAttempts, cut)...)
		if _, err := k.Wrap(t.Context(), dek, "test"); !errors.Is(err, ErrUnavailable) && !errors.Is(err, ErrAnswer) {
			t.Error(err)
		}
	})
}

func TestCheckComparesWhatComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := NewFakeKMS()
		f.inject(healthy, body(`{"KeyId":"`+testKey+`","Plaintext":"`+base64.StdEncoding.EncodeToString(dek)+`"}`))
		if err := connect(t, f).Check(t.Context(), "test"); !errors.Is(err, ErrAnswer) || !errors.Is(err, errEcho) {
			t.Error(err)
		}
	})
}

func TestRetryRecovers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := NewFakeKMS()
		k := connect(t, f)
		f.inject(status(503, ""), raw(""), status(400, "ThrottlingException"), healthy, status(500, "KMSInternalException"))
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

// The clock of this machine is an hour behind: the SDK learns that from the refusal,
// and the next attempt is signed by the clock of KMS.
func TestClockSkew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := NewFakeKMS()
		k := connect(t, f)
		var second string
		f.inject(func(w http.ResponseWriter, r *http.Request) bool {
			w.Header().Set("Date", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat))
			return status(400, "InvalidSignatureException")(w, r)
		}, func(w http.ResponseWriter, r *http.Request) bool {
			second = r.Header.Get("X-Amz-Date")
			return false
		})
		wrap(t, k)
		signed, err := time.Parse("20060102T150405Z", second)
		if off := time.Until(signed); err != nil || off < 59*time.Minute || off > 61*time.Minute {
			t.Errorf("signed %v from now: %v", off, err)
		}
	})
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

func TestNoCredentials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := NewFakeKMS()
		client := serve(t, f, func(o *kms.Options) {
			o.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
				return aws.Credentials{}, errors.New(canarySecret)
			})
		})
		k, err := New(client, testKey)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 * breakerFailures {
			if _, err := k.Wrap(t.Context(), dek, "test"); !errors.Is(err, ErrDenied) || strings.Contains(err.Error(), canarySecret) {
				t.Error(err)
			}
		}
		if f.count() != 0 {
			t.Errorf("%d requests", f.count())
		}
	})
}

func TestBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := NewFakeKMS()
		k := connect(t, f)
		f.inject(times(6, status(503, ""))...)
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

// Throttling, refusals and impatient callers say nothing against the health of KMS.
func TestBreakerStaysClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := NewFakeKMS()
		k := connect(t, f)
		f.inject(times(3*maxAttempts, status(400, "ThrottlingException"))...)
		for range 3 {
			k.Wrap(t.Context(), dek, "test")
		}
		f.inject(times(2*breakerFailures, status(400, "AccessDeniedException"))...)
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
	f.inject(times(20, status(400, "ThrottlingException"))...)
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

// No credential, data key or wrapped key shows in an error or an event.
func TestNothingLeaks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		f := NewFakeKMS()
		k := connect(t, f, WithLogger(slog.New(slog.NewJSONHandler(&out, nil))))
		wrapped := wrap(t, k)
		dekText, wrappedText := base64.StdEncoding.EncodeToString(dek), base64.StdEncoding.EncodeToString(wrapped)
		for _, leak := range []fault{
			status(400, dekText), status(400, "AccessDeniedException"), status(400, "KMSInvalidStateException"), status(500, wrappedText), status(503, ""),
			raw(dekText), raw("HTTP/1.1 " + dekText + "\r\n\r\n"), raw("HTTP/1.1 200 OK\r\nContent-Length: " + dekText + "\r\n\r\n"),
			body(dekText), body(`{"KeyId":"` + dekText + `","Plaintext":"` + dekText + `"}`), body(`{"Plaintext":[` + dekText + `]}`), hang,
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
		for _, action := range []string{"aws-breaker-open", "aws-breaker-close"} {
			if !strings.Contains(out.String(), `"event.action":"`+action+`"`) {
				t.Errorf("no event %s", action)
			}
		}
		secrets := []string{canarySecret, string(dek), dekText[:20], fmt.Sprintf("%x", dek[:8]), fmt.Sprint(dek[:8]), string(wrapped[:8]), wrappedText[:20]}
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
