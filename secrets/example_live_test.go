package secrets_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/pavise/pavise/secrets"
)

// A broken update does not take the service down.
func ExampleLive() {
	ctx := context.Background()
	mount, _ := os.MkdirTemp("", "secrets")
	defer os.RemoveAll(mount)
	update := func(value string) { os.WriteFile(filepath.Join(mount, "DB_PASSWORD"), []byte(value), 0o600) }
	update("correct horse")

	password, err := secrets.Open(ctx, secrets.Dir(mount), "DB_PASSWORD", secrets.Options[secrets.Secret]{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer password.Close()
	fmt.Println(password.Current().Reveal())

	update("")
	fmt.Println(password.Refresh(ctx)) // Live does so by itself once a minute
	fmt.Println(password.Current().Reveal())
	update("battery staple")
	fmt.Println(password.Refresh(ctx))
	fmt.Println(password.Current().Reveal())
	// Output:
	// correct horse
	// secrets: DB_PASSWORD: is empty
	// correct horse
	// <nil>
	// battery staple
}
