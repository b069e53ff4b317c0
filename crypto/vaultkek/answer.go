package vaultkek

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/pavise/pavise/secrets"
)

const (
	maxAnswer  = 64 << 10
	maxWrapped = 8 << 10
	dekSize    = 32
)

// answer is what is used of a body of Vault; the calls share it since no two of
// them give one name two meanings.
type answer struct {
	Data struct {
		Ciphertext    string `json:"ciphertext"`
		Plaintext     []byte `json:"plaintext"` // base64 in JSON; bytes can be wiped
		LatestVersion int    `json:"latest_version"`
		Type          string `json:"type"`
		TTL           int64  `json:"ttl"`
		Renewable     bool   `json:"renewable"`
	} `json:"data"`
	Auth grant `json:"auth"`
}

// grant is a token and how long it lives.
type grant struct {
	Token     secrets.Secret `json:"client_token"`
	Seconds   int64          `json:"lease_duration"` // 0 is for ever, as for a root token
	Renewable bool           `json:"renewable"`
}

func (g grant) checked() (grant, error) {
	const tenYears = 10 * 365 * 24 * 60 * 60
	if checkCredential(g.Token) != nil || g.Seconds < 0 {
		return grant{}, ErrAnswer
	}
	g.Seconds = min(g.Seconds, tenYears)
	return g, nil
}

func (g grant) ttl() time.Duration { return time.Duration(g.Seconds) * time.Second }

// parseAnswer drops the error of the decoder, which quotes its input.
func parseAnswer(body []byte) (answer, error) {
	var a answer
	if json.Unmarshal(body, &a) != nil {
		clear(a.Data.Plaintext)
		return answer{}, ErrAnswer
	}
	return a, nil
}

// isVaultError reports whether body has the one form that Vault's errors have.
func isVaultError(body []byte) bool {
	var e struct {
		Errors []json.RawMessage `json:"errors"`
	}
	return json.Unmarshal(body, &e) == nil && len(e.Errors) > 0
}

// readAnswer reads at most maxAnswer bytes. It wipes the buffers that it outgrows.
func readAnswer(r io.Reader) ([]byte, error) {
	buf := make([]byte, 0, 4<<10)
	for {
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		switch {
		case len(buf) > maxAnswer:
			clear(buf)
			return nil, ErrAnswer
		case err == io.EOF:
			return buf, nil
		case err != nil:
			clear(buf)
			return nil, err
		case len(buf) == cap(buf):
			grown := make([]byte, len(buf), 2*len(buf)+1)
			copy(grown, buf)
			clear(buf)
			buf = grown
		}
	}
}

// parseWrapped returns the key version of vault:vN:base64, the one form that Transit
// writes and that [KEK.Wrap] returns.
func parseWrapped(wrapped []byte) (version int, ok bool) {
	rest, ok := bytes.CutPrefix(wrapped, []byte("vault:v"))
	if !ok || len(wrapped) > maxWrapped {
		return 0, false
	}
	digits, text, ok := bytes.Cut(rest, []byte(":"))
	if !ok || len(digits) == 0 || len(digits) > 9 || digits[0] == '0' {
		return 0, false
	}
	for _, d := range digits {
		if d < '0' || d > '9' {
			return 0, false
		}
		version = 10*version + int(d-'0')
	}
	return version, isBase64(text)
}

// isBase64 is strict: the text goes into a JSON string as it is, without escapes.
func isBase64(text []byte) bool {
	raw, err := base64.StdEncoding.Strict().AppendDecode(nil, text)
	return err == nil && len(raw) > 0 && base64.StdEncoding.EncodedLen(len(raw)) == len(text)
}

// parseRetryAfter reads both forms of RFC 9110 section 10.2.3.
func parseRetryAfter(value string, now time.Time) time.Duration {
	const most = 24 * time.Hour
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return min(time.Duration(seconds)*time.Second, most)
	}
	if at, err := http.ParseTime(value); err == nil {
		return min(max(at.Sub(now), 0), most)
	}
	return 0
}
