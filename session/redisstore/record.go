package redisstore

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/pavise/pavise/session"
)

// Limits of session.Record.
const (
	maxUser = 255
	maxData = 65_536
)

var (
	errUser    = errors.New("redisstore: user id is not at most 255 bytes of UTF-8 without NUL")
	errHandle  = errors.New("redisstore: handle is empty")
	errData    = errors.New("redisstore: data is longer than 65,536 bytes")
	errMethods = errors.New("redisstore: a method is empty or holds a space")
	errVersion = errors.New("redisstore: version is not 1 to 2^63-1")
	errReply   = errors.New("redisstore: the reply is none that a script of this package gives")
)

func validUser(user string) bool {
	return len(user) <= maxUser && utf8.ValidString(user) && !strings.Contains(user, "\x00")
}

func check(r *session.Record) error {
	switch {
	case !validUser(r.User):
		return errUser
	case r.Handle == "":
		return errHandle
	case len(r.Data) > maxData:
		return errData
	case int64(r.Version) < 1:
		return errVersion
	}
	for _, m := range r.Methods {
		if m == "" || strings.Contains(m, " ") {
			return errMethods
		}
	}
	return nil
}

// recordArgs are the epoch and what the function record of the prelude reads.
func recordArgs(r *session.Record, epoch uint64) []string {
	persist := ""
	if r.Persist {
		persist = "1"
	}
	return []string{
		decimal(epoch), hashText(r.Key), micros(r.Idle), string(r.Handle), r.User, decimal(r.Version), string(r.Data),
		strconv.Itoa(int(r.AAL)), strings.Join(r.Methods, " "), persist, moment(r.Created), moment(r.AuthTime), moment(r.Expires),
		call(),
	}
}

// call numbers a call that must not be done twice when a client sends it twice.
func call() string { return rand.Text() }

func moment(t time.Time) string { return strconv.FormatInt(t.UnixMicro(), 10) }

// text returns a string as any client delivers it.
func text(reply any) (string, bool) {
	switch v := reply.(type) {
	case string:
		return v, true
	case []byte:
		return string(v), true
	}
	return "", false
}

// list returns a list of strings.
func list(reply any) ([]string, error) {
	items, ok := reply.([]any)
	if !ok {
		return nil, errReply
	}
	texts := make([]string, len(items))
	for i, item := range items {
		if texts[i], ok = text(item); !ok {
			return nil, errReply
		}
	}
	return texts, nil
}

// recordFields is how many strings stand for a record: now, h, u, v, a, m, p, c, t, x, e,
// i, and one more that differs.
const recordFields = 13

// decodeRecord makes a record of what a script returned, and returns the last string.
func decodeRecord(f []string, err error) (r session.Record, last string, _ error) {
	if err != nil || len(f) != recordFields {
		return r, "", errReply
	}
	d := decoder{ok: true}
	r = session.Record{
		Now: d.time(f[0]), Handle: session.Handle(f[1]), User: f[2], Version: uint64(d.int(f[3])), AAL: session.AAL(d.int(f[4])),
		Persist: f[6] == "1", Created: d.time(f[7]), AuthTime: d.time(f[8]), Expires: d.time(f[9]), Seen: d.time(f[10]), IdleUntil: d.time(f[11]),
	}
	if f[5] != "" {
		r.Methods = strings.Split(f[5], " ")
	}
	if !d.ok {
		return session.Record{}, "", errReply
	}
	return r, f[12], nil
}

// decodeRecords makes records, without data, of the reply of userScript.
func decodeRecords(reply any, shard uint16) ([]session.Record, error) {
	items, ok := reply.([]any)
	if !ok {
		return nil, errReply
	}
	var rs []session.Record
	for _, item := range items {
		r, hash, err := decodeRecord(list(item))
		if err != nil {
			return nil, err
		}
		r.Key.Shard = shard
		b, err := base64.RawURLEncoding.DecodeString(hash)
		if err != nil || copy(r.Key.Hash[:], b) != len(r.Key.Hash) {
			return nil, errReply
		}
		rs = append(rs, r)
	}
	return rs, nil
}

func decodeEpoch(reply any) (uint64, time.Time, error) {
	f, err := list(reply)
	if err != nil || len(f) != 2 {
		return 0, time.Time{}, errReply
	}
	d := decoder{ok: true}
	epoch, now := d.int(f[0]), d.time(f[1])
	if !d.ok || epoch < 1 {
		return 0, time.Time{}, errReply
	}
	return uint64(epoch), now, nil
}

// decoder notes whether all numbers were some.
type decoder struct{ ok bool }

func (d *decoder) int(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	d.ok = d.ok && err == nil
	return n
}

// time is the inverse of UnixMicro, also for the zero Time.
func (d *decoder) time(s string) time.Time { return time.UnixMicro(d.int(s)).UTC() }
