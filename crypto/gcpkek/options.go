package gcpkek

import (
	"errors"
	"log/slog"
	"time"
)

// Option is an option of [New].
type Option func(*config)

type config struct {
	id      string
	timeout time.Duration
	log     *slog.Logger
}

// WithID sets the ID that is stored with each wrapped key, 1 to 255 bytes. The default
// is the resource name of the key, which stays when the key is rotated.
func WithID(id string) Option { return func(c *config) { c.id = id } }

// WithTimeout bounds each call of the KEK, with all its attempts; the default is 10
// seconds. The context of a call can only shorten it.
func WithTimeout(d time.Duration) Option { return func(c *config) { c.timeout = d } }

// WithLogger sends the events that the package comment lists to l; nil drops them,
// as is the default.
func WithLogger(l *slog.Logger) Option { return func(c *config) { c.log = l } }

var (
	errID      = errors.New("gcpkek: ID is not 1 to 255 bytes of UTF-8: see WithID")
	errTimeout = errors.New("gcpkek: timeout is not positive")
)
