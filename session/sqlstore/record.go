package sqlstore

import (
	"encoding/binary"
	"errors"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/pavise/pavise/session"
)

// Limits of session.Record. They are checked here because a database that is not
// strict would cut a value short and make two users one.
const (
	maxUser       = 255
	maxHandle     = 64
	maxData       = 65_536
	maxMethods    = 8
	maxMethod     = 32
	maxAAL        = 3
	keyLen        = 2 + 32
	methodLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"
)

var (
	errUser    = errors.New("sqlstore: user id is not at most 255 bytes of UTF-8 without NUL")
	errHandle  = errors.New("sqlstore: handle is not 1 to 64 letters and digits")
	errData    = errors.New("sqlstore: data is longer than 65,536 bytes")
	errMethods = errors.New("sqlstore: methods are not at most 8 of 1 to 32 letters, digits, _ and -")
	errAAL     = errors.New("sqlstore: AAL is above 3")
	errVersion = errors.New("sqlstore: version is not 1 to 2^63-1")
)

func validUser(user string) bool {
	return len(user) <= maxUser && utf8.ValidString(user) && !strings.Contains(user, "\x00")
}

func word(s string, longest int) bool {
	return s != "" && len(s) <= longest && strings.Trim(s, methodLetters) == ""
}

func validHandle(h session.Handle) bool { return word(string(h), maxHandle) }

func check(r session.Record) error {
	switch {
	case !validUser(r.User):
		return errUser
	case !validHandle(r.Handle):
		return errHandle
	case len(r.Data) > maxData:
		return errData
	case r.AAL > maxAAL:
		return errAAL
	case int64(r.Version) < 1:
		return errVersion
	case len(r.Methods) > maxMethods:
		return errMethods
	}
	for _, m := range r.Methods {
		if !word(m, maxMethod) {
			return errMethods
		}
	}
	return nil
}

// keyBytes is the column skey: the shard and the hash.
func keyBytes(k session.Key) []byte {
	b := binary.BigEndian.AppendUint16(make([]byte, 0, keyLen), k.Shard)
	return append(b, k.Hash[:]...)
}

// notNil keeps empty data from becoming NULL.
func notNil(data []byte) []byte {
	if data == nil {
		return []byte{}
	}
	return data
}

// owner is the column user_id: NULL for an anonymous record, which is then in
// nobody's list and has the same handle as nobody.
func owner(user string) any {
	if user == "" {
		return nil
	}
	return user
}

// values are r's in the order of the statements insert and rotate.
func values(r session.Record) []any {
	return []any{
		keyBytes(r.Key), string(r.Handle), owner(r.User), int64(r.Version), notNil(r.Data), int64(r.AAL),
		strings.Join(r.Methods, " "), r.Persist, r.Created.UnixMicro(), r.AuthTime.UnixMicro(), r.Expires.UnixMicro(),
		r.Idle.Microseconds(), r.Expires.UnixMicro(),
	}
}

// scan reads the columns of a record, then Now, then what else was selected.
func scan(row interface{ Scan(...any) error }, more ...any) (session.Record, error) {
	var (
		r                                               session.Record
		key                                             []byte
		version, created, auth, expires, seen, end, now int64
		methods                                         string
	)
	dest := []any{&key, &r.Handle, &r.User, &version, &r.AAL, &methods, &r.Persist, &created, &auth, &expires, &seen, &end, &now}
	if err := row.Scan(append(dest, more...)...); err != nil {
		return session.Record{}, err
	}
	if len(key) != keyLen {
		return session.Record{}, errors.New("sqlstore: malformed key in the database")
	}
	r.Key.Shard = binary.BigEndian.Uint16(key)
	copy(r.Key.Hash[:], key[2:])
	if methods != "" {
		r.Methods = strings.Split(methods, " ")
	}
	r.Version = uint64(version)
	r.Created, r.AuthTime, r.Expires = micro(created), micro(auth), micro(expires)
	r.Seen, r.IdleUntil, r.Now = micro(seen), micro(end), micro(now)
	return r, nil
}

// micro is the inverse of UnixMicro, also for the zero Time.
func micro(t int64) time.Time { return time.UnixMicro(t).UTC() }
