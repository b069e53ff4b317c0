package secrets

import (
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
)

// placeholder is what every printer and text encoder writes in place of a value.
const placeholder = "[REDACTED]"

var (
	errEncode      = errors.New("secrets: refusing to encode a Secret")
	errPlaceholder = errors.New("secrets: refusing the redaction placeholder as a value")
	errNotString   = errors.New("secrets: a Secret is decoded from a JSON string only")
)

// Format writes the placeholder for every verb and flag.
func (Secret) Format(f fmt.State, _ rune) { io.WriteString(f, placeholder) }

// String returns the placeholder.
func (Secret) String() string { return placeholder }

// GoString returns the placeholder.
func (Secret) GoString() string { return placeholder }

// LogValue returns the placeholder.
func (Secret) LogValue() slog.Value { return slog.StringValue(placeholder) }

// MarshalText returns the placeholder: a dump of a configuration stays possible,
// and [Secret.UnmarshalText] refuses to load it back.
func (Secret) MarshalText() ([]byte, error) { return []byte(placeholder), nil }

// MarshalJSON returns the placeholder as a JSON string.
func (Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + placeholder + `"`), nil }

// MarshalYAML returns the placeholder.
func (Secret) MarshalYAML() (any, error) { return placeholder, nil }

// MarshalBinary fails: binary encodings are made to be loaded again, and there is
// no value to load.
func (Secret) MarshalBinary() ([]byte, error) { return nil, errEncode }

// GobEncode fails, as [Secret.MarshalBinary] does.
func (Secret) GobEncode() ([]byte, error) { return nil, errEncode }

// Value fails: a Secret goes into a database encrypted or not at all.
// It implements [driver.Valuer].
func (Secret) Value() (driver.Value, error) { return nil, errEncode }

// UnmarshalText sets s to a copy of text. It refuses the placeholder, which
// would otherwise become somebody's password when a dump is loaded.
func (s *Secret) UnmarshalText(text []byte) error {
	if string(text) == placeholder {
		return errPlaceholder
	}
	*s = New(text)
	return nil
}

// UnmarshalJSON sets s to a JSON string. It refuses the placeholder and every
// other JSON type, and leaves s alone on null. Errors do not quote the input.
func (s *Secret) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		return nil
	}
	var text string
	if len(data) == 0 || data[0] != '"' || json.Unmarshal(data, &text) != nil {
		return errNotString
	}
	return s.UnmarshalText([]byte(text))
}
