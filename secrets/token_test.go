package secrets_test

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/pavise/pavise/secrets"
)

const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// knownToken pins the format: tokens in the hands of users must stay valid.
const knownToken = "acme_live_" + "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefg" + "1Jvx2D"

func TestGenerate(t *testing.T) {
	seen := map[string]bool{}
	counts := map[rune]int{}
	const n = 4000
	for range n {
		token := secrets.Generate("acme_live").Reveal()
		if err := secrets.CheckFormat("acme_live", token); err != nil {
			t.Fatalf("CheckFormat of a generated token: %v", err)
		}
		if seen[token] {
			t.Fatal("the same token twice")
		}
		seen[token] = true
		body := strings.TrimPrefix(token, "acme_live_")
		if len(body) != 43+6 {
			t.Fatalf("%d characters after the prefix", len(body))
		}
		for _, c := range body[:43] {
			counts[c]++
		}
	}
	// 4000 × 43 / 62 = 2774 each, standard deviation 52: ±400 never happens by chance.
	for _, c := range base62 {
		if got := counts[c]; got < 2374 || got > 3174 {
			t.Errorf("character %c occurs %d times, expected about 2774", c, got)
		}
	}
}

// TestCheckFormatFindsTypos tries every wrong character and every swap.
func TestCheckFormatFindsTypos(t *testing.T) {
	token := secrets.Generate("acme").Reveal()
	check := func(what, bad string) {
		t.Helper()
		err := secrets.CheckFormat("acme", bad)
		if bad != token && !errors.Is(err, secrets.ErrFormat) {
			t.Errorf("%s is accepted", what)
		}
		if err != nil && len(bad) > 10 && strings.Contains(err.Error(), bad) {
			t.Errorf("%s: the error quotes the token", what)
		}
	}
	for i := range token {
		for c := range 256 {
			check("a wrong character", token[:i]+string([]byte{byte(c)})+token[i+1:])
		}
		check("a missing character", token[:i]+token[i+1:])
		check("a doubled character", token[:i+1]+token[i:])
		check("a truncated token", token[:i])
		if i > 0 {
			check("a swap", token[:i-1]+token[i:i+1]+token[i-1:i]+token[i+1:])
		}
	}
	check("a trailing newline", token+"\n")
	check("another kind", secrets.Generate("acmee").Reveal())
	check("a longer kind", "x"+token)
}

// TestCheckFormatWithRightChecksum: the checksum is no excuse for a wrong form.
func TestCheckFormatWithRightChecksum(t *testing.T) {
	zeros := strings.Repeat("0", 43)
	if err := secrets.CheckFormat("acme", slowToken("acme_"+zeros)); err != nil {
		t.Fatalf("control: %v", err)
	}
	for _, text := range []string{"acmeX" + zeros, "acme-" + zeros, "ACME_" + zeros, "acme_" + zeros[1:] + "-", "acme_" + zeros[1:] + "\n", "acme_" + zeros + "0", "acme_" + zeros[1:], "acme_"} {
		if err := secrets.CheckFormat("acme", slowToken(text)); !errors.Is(err, secrets.ErrFormat) {
			t.Errorf("%q with its checksum: %v", text, err)
		}
	}
}

func TestTokenKinds(t *testing.T) {
	token := secrets.Generate("acme").Reveal()
	for _, kind := range []string{"", "a", "A1", "1a", "_a", "a_", "a b", "a-b", "é1", strings.Repeat("a", 33), "a\n", "a'''"} {
		if err := secrets.CheckFormat(kind, token); err == nil || errors.Is(err, secrets.ErrFormat) {
			t.Errorf("CheckFormat with kind %q: %v", kind, err)
		}
		if _, err := secrets.GitleaksRule(kind); err == nil {
			t.Errorf("GitleaksRule accepts kind %q", kind)
		}
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("Generate accepts kind %q", kind)
				}
			}()
			secrets.Generate(kind)
		}()
	}
	for _, kind := range []string{"a1", "acme_live_2", strings.Repeat("a", 32)} {
		if err := secrets.CheckFormat(kind, secrets.Generate(kind).Reveal()); err != nil {
			t.Errorf("kind %q: %v", kind, err)
		}
	}
}

// TestTokenFormatIsStable pins a token that was made once.
func TestTokenFormatIsStable(t *testing.T) {
	if err := secrets.CheckFormat("acme_live", knownToken); err != nil {
		t.Error(err)
	}
}

// TestGitleaksRule runs the rule's expression as gitleaks does, on package regexp.
func TestGitleaksRule(t *testing.T) {
	rule, err := secrets.GitleaksRule("acme")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^regex = '''(.*)'''$`).FindStringSubmatch(rule)
	if m == nil {
		t.Fatalf("no expression in\n%s", rule)
	}
	re := regexp.MustCompile(m[1])
	token := secrets.Generate("acme").Reveal()
	for _, text := range []string{token, `key = "` + token + `"`, "https://x/?k=" + token + "&y", token + "\n"} {
		if re.FindString(text) != token {
			t.Errorf("the rule does not find the token in %d bytes", len(text))
		}
	}
	for _, text := range []string{token[:len(token)-1], token + "x", "x" + token, strings.ToUpper(token), "acme_"} {
		if re.MatchString(text) {
			t.Errorf("the rule finds a token in %d bytes that are none", len(text))
		}
	}
	if !strings.Contains(rule, `keywords = ["acme_"]`) {
		t.Error("no keyword: gitleaks would run the expression on every line")
	}
}

// FuzzCheckFormat compares with an expression and a checksum of its own.
func FuzzCheckFormat(f *testing.F) {
	f.Add("acme", "acme_"+strings.Repeat("0", 49))
	f.Add("acme_live", knownToken)
	f.Add("", "_")
	f.Add("a1", "a1_é")
	f.Fuzz(func(t *testing.T, kind, token string) {
		err := secrets.CheckFormat(kind, token)
		if got, want := err == nil, slowCheck(kind, token); got != want {
			t.Errorf("CheckFormat(%q, %q) = %v, the oracle says %v", kind, token, err, want)
		}
	})
}
