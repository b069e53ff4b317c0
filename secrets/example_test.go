package secrets_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/pavise/pavise/secrets"
)

func Example() {
	// What docker, Kubernetes or systemd would have mounted.
	mount, _ := os.MkdirTemp("", "secrets")
	defer os.RemoveAll(mount)
	os.WriteFile(filepath.Join(mount, "DB_PASSWORD"), []byte("correct horse\n"), 0o600)

	type Config struct {
		Password secrets.Secret `secret:"DB_PASSWORD,required"`
		Pepper   secrets.Secret `secret:"PEPPER"`
	}
	var cfg Config
	src := secrets.First(secrets.Dir(mount), secrets.Env("DB_PASSWORD", "PEPPER"))
	if err := secrets.Load(context.Background(), src, &cfg); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%+v\n", cfg)
	fmt.Println(cfg.Password.Reveal())
	// Output:
	// {Password:[REDACTED] Pepper:[REDACTED]}
	// correct horse
}

// An attacker who reads the logs gets the placeholder, whatever was logged.
func ExampleSecret() {
	type session struct {
		User  string
		token secrets.Secret // unexported: formatters may not call its methods
	}
	s := session{"ann", secrets.New("hunter2")}

	fmt.Printf("%v %q %x\n", s.token, s.token, s.token)
	b, _ := json.Marshal(map[string]any{"session": s, "token": s.token})
	fmt.Printf("%s\n", b)
	var dump struct{ Token secrets.Secret }
	fmt.Println(json.Unmarshal([]byte(`{"Token":"[REDACTED]"}`), &dump))
	// Output:
	// [REDACTED] [REDACTED] [REDACTED]
	// {"session":{"User":"ann"},"token":"[REDACTED]"}
	// secrets: refusing the redaction placeholder as a value
}

func ExampleSecret_Use() {
	password := secrets.New("correct horse")
	password.Use(func(b []byte) {
		fmt.Println(len(b), "bytes, wiped when this function returns")
	})
	// Output:
	// 13 bytes, wiped when this function returns
}

// A key that was never configured does not match a header that was never sent.
func ExampleSecret_Equal() {
	var configured secrets.Secret // the variable was not set
	header := ""
	fmt.Println(configured.Equal(secrets.New(header)))
	// Output:
	// false
}

func ExampleGenerate() {
	token := secrets.Generate("acme_live")
	fmt.Println(secrets.CheckFormat("acme_live", token.Reveal()))
	fmt.Println(secrets.CheckFormat("acme_live", token.Reveal()+"x"))
	fmt.Println(token)
	// Output:
	// <nil>
	// secrets: malformed token
	// [REDACTED]
}

func ExampleGitleaksRule() {
	rule, _ := secrets.GitleaksRule("acme_live")
	fmt.Print(rule)
	// Output:
	// [[rules]]
	// id = "acme_live"
	// description = "Token of kind acme_live"
	// regex = '''\bacme_live_[0-9A-Za-z]{49}\b'''
	// keywords = ["acme_live_"]
}

// A library that asks for more than the program declared gets nothing, and is seen.
func ExampleOnly() {
	all := secrets.Static(map[string]string{"DB_PASSWORD": "correct horse", "ROOT_KEY": "hunter2"})
	log := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	}))
	src := secrets.Only(all, "DB_PASSWORD").WithLogger(log)
	_, err := src.Fetch(context.Background(), "ROOT_KEY")
	fmt.Println(err, errors.Is(err, secrets.ErrDenied))
	// Output:
	// level=WARN msg="secret access denied" event.action=secret-access event.outcome=failure event.reason="name not in the allowlist" secret.name=ROOT_KEY
	// secrets: ROOT_KEY: access denied true
}

// A parser that quotes its input cannot leak it.
func ExampleDecoder() {
	src := secrets.Static(map[string]string{"DB_URL": "postgres://app:hunter2#@db:5432/app"})
	var cfg struct {
		DB *url.URL `secret:"DB_URL,required"`
	}
	parse := func(s secrets.Secret) (*url.URL, error) { return url.Parse(s.Reveal()) }
	_, err := parse(secrets.New("postgres://app:hunter2#@db:5432/app"))
	fmt.Println("the parser quotes the password:", strings.Contains(err.Error(), "hunter2"))
	fmt.Println(secrets.Load(context.Background(), src, &cfg, secrets.Decoder(parse)))
	// Output:
	// the parser quotes the password: true
	// secrets: DB_URL: cannot be decoded
}
