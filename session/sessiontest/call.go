package sessiontest

import (
	"context"
	"fmt"
	"strings"

	"github.com/pavise/pavise/session"
)

// method names one method of a store.
type method string

const (
	create        method = "Create"
	load          method = "Load"
	save          method = "Save"
	rotate        method = "Rotate"
	touch         method = "Touch"
	del           method = "Delete"
	deleteHandle  method = "DeleteHandle"
	epoch         method = "Epoch"
	list          method = "User"
	deleteUser    method = "DeleteUser"
	deleteExpired method = "DeleteExpired"
)

// call is one call of a store as a value: it can be generated, made, given to the
// model and printed.
type call struct {
	method  method
	key     session.Key // Load, Save, Touch, Delete, and the old one of Rotate
	version uint64
	data    []byte
	record  session.Record // Create, Rotate
	epoch   uint64
	user    string
	handle  session.Handle
	keep    []session.Handle
}

// answer is what a store said to a call.
type answer struct {
	err     error
	version uint64
	epoch   uint64
	n       int
	record  session.Record
	listed  []session.Record // by handle
}

func (c call) make(ctx context.Context, s session.Store) (a answer) {
	switch c.method {
	case create:
		a.err = s.Create(ctx, c.record, c.epoch)
	case load:
		a.record, a.err = s.Load(ctx, c.key)
	case save:
		a.version, a.err = s.Save(ctx, c.key, c.version, c.data, idle)
	case rotate:
		a.err = s.Rotate(ctx, c.key, c.version, c.record, c.epoch)
	case touch:
		a.err = s.Touch(ctx, c.key, idle)
	case del:
		a.err = s.Delete(ctx, c.key)
	case deleteHandle:
		a.err = s.DeleteHandle(ctx, c.user, c.handle)
	case epoch:
		a.epoch, a.record.Now, a.err = s.Epoch(ctx, c.user)
	case list:
		a.listed, a.err = s.User(ctx, c.user)
		sortByHandle(a.listed)
	case deleteUser:
		a.n, a.err = s.DeleteUser(ctx, c.user, c.keep...)
	case deleteExpired:
		_, a.err = s.DeleteExpired(ctx, 1)
	}
	return a
}

func short(k session.Key) string { return fmt.Sprintf("%x", k.Hash[:3]) }

// String prints a call so that a history can be read: short keys, no times.
func (c call) String() string {
	switch c.method {
	case create:
		return fmt.Sprintf("Create(%s %.4s, epoch %d)", short(c.record.Key), c.record.Handle, c.epoch)
	case save:
		return fmt.Sprintf("Save(%s, v%d)", short(c.key), c.version)
	case rotate:
		return fmt.Sprintf("Rotate(%s v%d -> %s %.4s v%d, epoch %d)", short(c.key), c.version,
			short(c.record.Key), c.record.Handle, c.record.Version, c.epoch)
	case deleteHandle:
		return fmt.Sprintf("DeleteHandle(%.4s)", c.handle)
	case epoch, list, deleteExpired:
		return string(c.method) + "()"
	case deleteUser:
		return fmt.Sprintf("DeleteUser(keep %d)", len(c.keep))
	}
	return fmt.Sprintf("%s(%s)", c.method, short(c.key))
}

func (a answer) String() string {
	switch {
	case a.err != nil:
		return a.err.Error()
	case a.version > 0:
		return fmt.Sprintf("v%d", a.version)
	case a.epoch > 0:
		return fmt.Sprintf("epoch %d", a.epoch)
	case a.record.Version > 0:
		return fmt.Sprintf("%.4s v%d %q", a.record.Handle, a.record.Version, a.record.Data)
	case len(a.listed) > 0:
		var b strings.Builder
		for _, r := range a.listed {
			fmt.Fprintf(&b, " %s %.4s v%d", short(r.Key), r.Handle, r.Version)
		}
		return fmt.Sprintf("%d:%s", len(a.listed), b.String())
	}
	return fmt.Sprintf("ok %d", a.n)
}
