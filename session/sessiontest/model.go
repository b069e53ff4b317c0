package sessiontest

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/pavise/pavise/session"
)

// model is the contract as a sequential program, without time: everything in it is
// live. It is given a call together with the store's answer, because the contract
// leaves a choice where several errors apply and does not say by how much an
// epoch advances.
type model struct {
	records  map[session.Key]session.Record
	previous map[session.Key]session.Key // of a record's key: the one that a rotation replaced
	epochs   map[string]generation
}

// generation is a user's epoch: its value, or only a lower bound of it.
type generation struct {
	value uint64
	known bool
}

func newModel() model {
	return model{
		records: map[session.Key]session.Record{}, previous: map[session.Key]session.Key{},
		epochs: map[string]generation{},
	}
}

func (m model) clone() model {
	return model{records: maps.Clone(m.records), previous: maps.Clone(m.previous), epochs: maps.Clone(m.epochs)}
}

// step takes the call, or says why the answer is wrong. A model that said so is
// not used again.
func (m model) step(c call, a answer) error {
	switch c.method {
	case create:
		return m.create(c, a, m.obstacles(c.record, c.epoch, nil))
	case load:
		r, ok := m.records[c.key]
		if !ok || a.err != nil {
			return allow(a.err, absent(ok)...)
		}
		if !sameRecord(a.record, r, true) {
			return differ("record", view(a.record), view(r))
		}
		return nil
	case save:
		return m.save(c, a)
	case rotate:
		return m.rotate(c, a)
	case touch:
		_, ok := m.records[c.key]
		return allow(a.err, absent(ok)...)
	case del:
		m.remove(func(k session.Key, _ session.Record) bool { return k == c.key || m.previous[k] == c.key })
		return allow(a.err)
	case deleteHandle:
		m.remove(func(_ session.Key, r session.Record) bool { return r.User == c.user && r.Handle == c.handle })
		return allow(a.err)
	case deleteExpired:
		return allow(a.err) // nothing is dead
	case epoch:
		return m.epoch(c, a)
	case list:
		want := m.list(c.user)
		if a.err == nil && !slices.EqualFunc(a.listed, want, func(a, b session.Record) bool { return sameRecord(a, b, false) }) {
			return differ("list", views(a.listed), views(want))
		}
		return allow(a.err)
	case deleteUser:
		return m.deleteUser(c, a)
	}
	return fmt.Errorf("sessiontest: unknown method %s", c.method)
}

// allow accepts the errors given; nil is accepted only if there are none.
func allow(got error, errs ...error) error {
	if got == nil && len(errs) == 0 {
		return nil
	}
	for _, e := range errs {
		if errors.Is(got, e) {
			return nil
		}
	}
	if len(errs) == 0 {
		return fmt.Errorf("sessiontest: error %v, want none", got)
	}
	return fmt.Errorf("sessiontest: error %v, want %v", got, errs)
}

func absent(ok bool) []error {
	if ok {
		return nil
	}
	return []error{session.ErrNotFound}
}

func differ(what string, got, want any) error {
	return fmt.Errorf("sessiontest: %s\n   %v\n  want\n   %v", what, got, want)
}

// obstacles are the errors that keep r out. A record in its way does not count if
// it is the one that r replaces.
func (m model) obstacles(r session.Record, epoch uint64, replaces *session.Key) (errs []error) {
	if g := m.epochs[r.User]; r.User != "" && (epoch < g.value || g.known && epoch != g.value) {
		errs = append(errs, session.ErrStaleEpoch)
	}
	for k, old := range m.records {
		if replaces != nil && k == *replaces {
			continue
		}
		if k == r.Key || r.User != "" && old.User == r.User && old.Handle == r.Handle {
			return append(errs, session.ErrConflict)
		}
	}
	return errs
}

func (m model) create(c call, a answer, obstacles []error) error {
	if err := allow(a.err, obstacles...); err != nil || a.err != nil {
		return err
	}
	m.records[c.record.Key] = c.record
	if c.record.User != "" {
		m.epochs[c.record.User] = generation{c.epoch, true}
	}
	return nil
}

func (m model) save(c call, a answer) error {
	r, ok := m.records[c.key]
	errs := absent(ok)
	if ok && r.Version != c.version {
		errs = append(errs, session.ErrConflict)
	}
	if err := allow(a.err, errs...); err != nil || a.err != nil {
		return err
	}
	r.Version, r.Data = r.Version+1, c.data
	m.records[c.key] = r
	if a.version != r.Version {
		return differ("version", a.version, r.Version)
	}
	return nil
}

func (m model) rotate(c call, a answer) error {
	r, ok := m.records[c.key]
	errs := append(absent(ok), m.obstacles(c.record, c.epoch, &c.key)...)
	if ok && r.Version != c.version {
		errs = append(errs, session.ErrConflict)
	}
	if err := allow(a.err, errs...); err != nil || a.err != nil {
		return err
	}
	m.remove(func(k session.Key, _ session.Record) bool { return k == c.key })
	if r.User != "" && r.User == c.record.User {
		m.previous[c.record.Key] = c.key
	}
	return m.create(c, a, nil)
}

// remove deletes records and returns how many.
func (m model) remove(which func(session.Key, session.Record) bool) (n int) {
	for k, r := range m.records {
		if which(k, r) {
			delete(m.records, k)
			delete(m.previous, k)
			n++
		}
	}
	return n
}

// removeOld is the first half of a Rotate from one shard to another in a store that
// cannot change both at once. The second half is create.
func (m model) removeOld(c call) bool {
	r, ok := m.records[c.key]
	if !ok || r.Version != c.version {
		return false
	}
	m.remove(func(k session.Key, _ session.Record) bool { return k == c.key })
	return true
}

func (m model) epoch(c call, a answer) error {
	g := m.epochs[c.user]
	if a.err != nil || a.epoch == 0 || a.epoch < g.value || g.known && a.epoch != g.value {
		return fmt.Errorf("sessiontest: epoch %d with error %v, want %d (exactly: %t)", a.epoch, a.err, g.value, g.known)
	}
	m.epochs[c.user] = generation{a.epoch, true}
	return nil
}

func (m model) deleteUser(c call, a answer) error {
	n := m.remove(func(_ session.Key, r session.Record) bool {
		return r.User == c.user && !slices.Contains(c.keep, r.Handle)
	})
	m.epochs[c.user] = generation{m.epochs[c.user].value + 1, false}
	if a.err == nil && a.n != n {
		return differ("number of deleted sessions", a.n, n)
	}
	return allow(a.err)
}

// list is what User says.
func (m model) list(user string) (rs []session.Record) {
	for _, r := range m.records {
		if r.User == user {
			rs = append(rs, r)
		}
	}
	return sortByHandle(rs)
}

// fingerprint is equal for equal models.
func (m model) fingerprint() string {
	var lines []string
	for _, r := range m.records {
		lines = append(lines, view(r))
	}
	for k, old := range m.previous {
		lines = append(lines, fmt.Sprintf("%x was %x", k, old))
	}
	for u, g := range m.epochs {
		lines = append(lines, fmt.Sprint(u, g))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}
