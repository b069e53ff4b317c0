package redisstore

import (
	"context"
	"errors"
	"fmt"
)

// ErrNotDurable is returned by [Store.Check]: Redis may forget what it acknowledged.
var ErrNotDurable = errors.New("redisstore: Redis is not configured to keep what it acknowledges")

// Check asks Redis whether it is configured to keep what it acknowledges: appendonly yes,
// appendfsync always, maxmemory-policy noeviction. It returns an error that wraps
// [ErrNotDurable] and names the first setting that is not so; any other error means that
// it could not be told, as where a provider does not allow CONFIG GET. Of a Cluster it
// asks the node that the client chooses.
func (s *Store) Check(ctx context.Context) error {
	for _, setting := range [][2]string{
		{"appendonly", "yes"},
		{"appendfsync", "always"},
		{"maxmemory-policy", "noeviction"},
	} {
		reply, err := s.do(ctx, "CONFIG", "GET", setting[0])
		if err != nil {
			return named("check", err)
		}
		value, ok := configured(reply, setting[0])
		if !ok {
			return named("check", errReply)
		}
		if value != setting[1] {
			return fmt.Errorf("%w: %s is not %s", ErrNotDurable, setting[0], setting[1])
		}
	}
	return nil
}

// configured finds the value in the reply of CONFIG GET: a list, or with RESP3 a map.
func configured(reply any, name string) (string, bool) {
	switch v := reply.(type) {
	case []any:
		if f, err := list(v); err == nil && len(f) == 2 && f[0] == name {
			return f[1], true
		}
	case map[any]any:
		return text(v[name])
	case map[string]any:
		return text(v[name])
	case map[string]string:
		value, ok := v[name]
		return value, ok
	}
	return "", false
}
