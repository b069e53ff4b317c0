package redisstore_test

import (
	"context"
	"fmt"
	"log"

	"github.com/pavise/pavise/session"
	"github.com/pavise/pavise/session/redisstore"
)

// client stands for that of a Redis; this one is out of reach.
type client struct{}

func (client) Do(context.Context, ...any) (any, error) {
	return nil, fmt.Errorf("connection refused")
}

// Where Redis does not answer, nobody is logged in.
func Example() {
	var client client
	store, err := redisstore.New(func(ctx context.Context, args ...any) (any, error) { return client.Do(ctx, args...) })
	if err != nil {
		log.Fatal(err)
	}
	if err := store.Check(context.Background()); err != nil {
		fmt.Println(err)
	}
	sessions, err := session.New[struct{ Cart []string }](store)
	fmt.Println(sessions.Policy().Cookie, err)
	// Output:
	// redisstore: check: connection refused
	// __Host-session <nil>
}
