package redisstore

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/pavise/pavise/session"
)

var testKey = session.Key{Shard: 0xbeef, Hash: [32]byte{1, 2, 3}}

func testRecord() session.Record {
	now := time.UnixMicro(1_700_000_000_000_001).UTC()
	return session.Record{
		Key: testKey, Handle: "HANDLE", User: "ann", Version: 1, Data: []byte{0, '\r', '\n', 0xff}, AAL: 2, Methods: []string{"pwd", "otp"},
		Persist: true, Created: now, Expires: now.Add(time.Hour), Idle: time.Minute,
	}
}

// scripted is a Do that gives replies one after the other, errors among them.
type scripted struct {
	replies []any
	got     [][]any
}

func (s *scripted) do(_ context.Context, args ...any) (any, error) {
	s.got = append(s.got, args)
	reply := s.replies[0]
	s.replies = s.replies[1:]
	if err, ok := reply.(error); ok {
		return nil, err
	}
	return reply, nil
}

func newStore(t *testing.T, replies ...any) (*Store, *scripted) {
	t.Helper()
	c := &scripted{replies: replies}
	s, err := New(c.do)
	if err != nil {
		t.Fatal(err)
	}
	return s, c
}

// One command a call, with strings alone, in the slot of the session's shard.
func TestOneRoundTrip(t *testing.T) {
	s, c := newStore(t, "ok", []byte("ok"), []any{}, "ok")
	ctx := t.Context()
	if _, err := s.Save(ctx, testKey, 7, nil, time.Minute); err != nil {
		t.Error(err)
	}
	if err := s.Touch(ctx, testKey, time.Minute); err != nil {
		t.Error(err)
	}
	if _, err := s.Load(ctx, testKey); err != session.ErrNotFound {
		t.Error(err)
	}
	if err := s.Create(ctx, testRecord(), 1); err != nil {
		t.Error(err)
	}
	if len(c.got) != 4 {
		t.Fatalf("4 calls made %d commands", len(c.got))
	}
	for _, args := range c.got {
		if args[0] != "EVALSHA" || args[2] != "1" || !strings.Contains(args[3].(string), "{beef}") {
			t.Errorf("%q", args[:4])
		}
		for i, a := range args {
			if _, ok := a.(string); !ok {
				t.Errorf("argument %d is a %T", i, a)
			}
		}
	}
}

func TestScriptIsLoadedOnce(t *testing.T) {
	s, c := newStore(t, errors.New("NOSCRIPT No matching script."), "ok", errors.New("MOVED 1 other:1"))
	if err := s.Delete(t.Context(), testKey); err != nil || c.got[1][0] != "EVAL" || c.got[1][1] != deleteScript.source {
		t.Errorf("%v", err)
	}
	if err := s.Delete(t.Context(), testKey); err == nil || len(c.got) != 3 {
		t.Errorf("another error is repeated: %d commands, %v", len(c.got), err)
	}
}

func TestErrors(t *testing.T) {
	ctx, broken := t.Context(), errors.New("connection reset")
	for reply, want := range map[any]error{
		"missing": session.ErrNotFound, "conflict": session.ErrConflict, "stale": session.ErrStaleEpoch,
		"": errReply, "OK": errReply, int64(1): errReply, broken: broken, context.Canceled: context.Canceled,
	} {
		s, _ := newStore(t, reply)
		if err := s.Create(ctx, testRecord(), 1); !errors.Is(err, want) {
			t.Errorf("%v: %v", reply, err)
		}
	}
	s, _ := newStore(t, errors.New("OOM command not allowed when used memory > 'maxmemory'."))
	if err := s.Create(ctx, testRecord(), 1); err != session.ErrFull {
		t.Error(err)
	}
	for name, spoil := range map[string]func(*session.Record){
		"user":    func(r *session.Record) { r.User = "a\x00b" },
		"handle":  func(r *session.Record) { r.Handle = "" },
		"data":    func(r *session.Record) { r.Data = make([]byte, maxData+1) },
		"version": func(r *session.Record) { r.Version = 1 << 63 },
		"methods": func(r *session.Record) { r.Methods = []string{"a b"} },
	} {
		s, c := newStore(t)
		r := testRecord()
		spoil(&r)
		if err := s.Rotate(ctx, testKey, 1, r, 1); err == nil || len(c.got) > 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNew(t *testing.T) {
	if _, err := New(nil); err == nil {
		t.Error("no client")
	}
	for _, prefix := range []string{"", "a{b", strings.Repeat("x", 65)} {
		if _, err := New((&scripted{}).do, Prefix(prefix)); err == nil {
			t.Errorf("prefix %q", prefix)
		}
	}
}

func TestCheck(t *testing.T) {
	pair := func(name, value string) any { return []any{[]byte(name), value} }
	good := []any{pair("appendonly", "yes"), map[any]any{"appendfsync": "always"}, map[string]any{"maxmemory-policy": "noeviction"}}
	s, _ := newStore(t, good...)
	if err := s.Check(t.Context()); err != nil {
		t.Error(err)
	}
	s, _ = newStore(t, good[0], pair("appendfsync", "everysec"))
	if err := s.Check(t.Context()); !errors.Is(err, ErrNotDurable) || !strings.Contains(err.Error(), "appendfsync is not always") {
		t.Error(err)
	}
	for _, reply := range []any{errors.New("ERR unknown command 'CONFIG'"), []any{}, nil, map[any]any{}} {
		s, _ := newStore(t, reply)
		if err := s.Check(t.Context()); err == nil || errors.Is(err, ErrNotDurable) {
			t.Errorf("%v: %v", reply, err)
		}
	}
}

// FuzzReplies gives the decoders lists of all shapes.
func FuzzReplies(f *testing.F) {
	f.Add("1\n2\n3", byte(0))
	f.Add("1700000000000001\nH\nann\n1\n2\npwd otp\n1\n1\n2\n3\n4\n5\ndata", byte(1))
	f.Add("1\n1700000000000001", byte(2))
	f.Fuzz(func(t *testing.T, text string, shape byte) {
		var items []any
		for i, item := range strings.Split(text, "\n") {
			if i%2 == int(shape&1) {
				items = append(items, item)
			} else {
				items = append(items, []byte(item))
			}
		}
		for _, reply := range []any{items, []any{items}, []any{items, int64(1)}, items[0], nil, int64(3)} {
			s, _ := newStore(t, reply, reply, reply, reply)
			if r, err := s.Load(t.Context(), testKey); err == nil && len(items) != recordFields {
				t.Errorf("a record of %d fields: %v", len(items), r.Version)
			}
			if rs, err := s.User(t.Context(), "ann"); err != nil && rs != nil {
				t.Error("records beside an error")
			}
			if epoch, _, err := s.Epoch(t.Context(), "ann"); err == nil && epoch == 0 {
				t.Error("epoch 0")
			}
			s.DeleteUser(t.Context(), "ann")
		}
	})
}
