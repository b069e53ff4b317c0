package crypto

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strconv"
)

// The JSON form of a keyset. It is read with names and enumerations exactly as Tink
// writes them: encoding/json alone would ignore the case of names, take the last of
// two equal ones, and quote what it refuses.

// The names of Tink's enumerations; a name's number is its position.
var (
	tinkStatusNames   = []string{"UNKNOWN_STATUS", "ENABLED", "DISABLED", "DESTROYED"}
	tinkMaterialNames = []string{"UNKNOWN_KEYMATERIAL", "SYMMETRIC"}
	tinkPrefixNames   = []string{"UNKNOWN_PREFIX", "TINK"}
)

func (s *tinkKeyset) parseJSON(text []byte) error {
	if !json.Valid(text) {
		return errKeysetForm
	}
	encrypted := false
	r := jsonReader{text}
	ok := r.object(func(name string) bool {
		switch name {
		case "primaryKeyId":
			return r.number(&s.primary)
		case "key":
			return r.array(func() bool { return s.parseJSONKey(&r) })
		case "encryptedKeyset":
			encrypted = true
		}
		return false
	})
	switch {
	case encrypted:
		return errKeysetEncrypted
	case !ok:
		return errKeysetForm
	}
	return nil
}

func (s *tinkKeyset) parseJSONKey(r *jsonReader) bool {
	var k tinkKey
	ok := r.object(func(name string) bool {
		switch name {
		case "keyData":
			return r.null() || k.parseJSONData(r)
		case "status":
			return r.enum(tinkStatusNames, &k.status)
		case "keyId":
			return r.number(&k.id)
		case "outputPrefixType":
			return r.enum(tinkPrefixNames, &k.prefix)
		}
		return false
	})
	s.keys = append(s.keys, k)
	return ok
}

func (k *tinkKey) parseJSONData(r *jsonReader) bool {
	return r.object(func(name string) (ok bool) {
		switch name {
		case "typeUrl":
			k.typeURL, ok = r.string()
		case "value":
			k.value, ok = r.base64()
		case "keyMaterialType":
			ok = r.enum(tinkMaterialNames, &k.material)
		}
		return ok
	})
}

// jsonReader reads a text that json.Valid accepts, so that it has only to tell tokens
// apart: commas and colons stand where they must.
type jsonReader struct{ rest []byte }

// next returns the first byte of the next token.
func (r *jsonReader) next() byte {
	r.rest = bytes.TrimLeft(r.rest, " \t\r\n,:")
	return r.rest[0]
}

func (r *jsonReader) is(first byte) bool {
	if r.next() != first {
		return false
	}
	r.rest = r.rest[1:]
	return true
}

// object calls field before each value, which field reads. It refuses a name that
// stands twice.
func (r *jsonReader) object(field func(name string) bool) bool {
	if !r.is('{') {
		return false
	}
	var seen []string
	for !r.is('}') {
		name, ok := r.string()
		if !ok || slices.Contains(seen, string(name)) || !field(string(name)) {
			return false
		}
		seen = append(seen, string(name))
	}
	return true
}

// array calls element before each element, which element reads.
func (r *jsonReader) array(element func() bool) bool {
	if !r.is('[') {
		return false
	}
	for !r.is(']') {
		if !element() {
			return false
		}
	}
	return true
}

// string returns a string, which may alias the text.
func (r *jsonReader) string() ([]byte, bool) {
	if r.next() != '"' {
		return nil, false
	}
	end := 1
	for r.rest[end] != '"' {
		if r.rest[end] == '\\' {
			end++
		}
		end++
	}
	quoted := r.rest[:end+1]
	r.rest = r.rest[end+1:]
	if !bytes.ContainsRune(quoted, '\\') {
		return quoted[1:end], true
	}
	var unquoted string // some writers escape a slash
	err := json.Unmarshal(quoted, &unquoted)
	return []byte(unquoted), err == nil
}

func (r *jsonReader) base64() ([]byte, bool) {
	s, ok := r.string()
	if !ok {
		return nil, false
	}
	b := make([]byte, base64.StdEncoding.DecodedLen(len(s)))
	n, err := base64.StdEncoding.Strict().Decode(b, s)
	return b[:n], err == nil
}

// enum reads a name. One that is not in names gets a number that is none of theirs:
// keys that are not enabled may have it.
func (r *jsonReader) enum(names []string, to *uint32) bool {
	s, ok := r.string()
	*to = uint32(slices.Index(names, string(s)))
	return ok
}

func (r *jsonReader) number(to *uint32) bool {
	r.next()
	end := bytes.IndexAny(r.rest, ",]} \t\r\n")
	if end < 0 {
		return false
	}
	n, err := strconv.ParseUint(string(r.rest[:end]), 10, 32)
	*to = uint32(n)
	r.rest = r.rest[end:]
	return err == nil
}

func (r *jsonReader) null() bool {
	r.next()
	rest, ok := bytes.CutPrefix(r.rest, []byte("null"))
	r.rest = rest
	return ok
}
