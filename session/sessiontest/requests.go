package sessiontest

import (
	"slices"

	"github.com/pavise/pavise/session"
)

// world is what the requests of one run meet: a user with two sessions and a
// visitor without a user.
type world struct {
	user       string
	a, b       session.Record // the user's; most requests are about a
	visitor    session.Record
	fresh      []session.Record // what requests may create or rotate to
	firstEpoch uint64
	model      model
}

// newWorld makes the sessions, in the store and in the model.
func newWorld(s *suite) *world {
	w := &world{user: name(), model: newModel()}
	w.a, w.b, w.visitor = s.create(w.user), s.create(w.user), s.create("")
	w.firstEpoch, _ = s.epoch(w.user)
	w.model.epochs[w.user] = generation{w.firstEpoch, true}
	for _, r := range []session.Record{w.a, w.b, w.visitor} {
		w.model.records[r.Key] = r
	}
	return w
}

// look returns the calls that read the whole world.
func (w *world) look() []call {
	calls := []call{{method: list, user: w.user}, {method: epoch, user: w.user}}
	for _, r := range append([]session.Record{w.a, w.b, w.visitor}, w.fresh...) {
		calls = append(calls, call{method: load, key: r.Key})
	}
	return calls
}

// cleanup keeps a bounded store from filling up with finished worlds.
func (w *world) cleanup(s *suite) {
	for _, r := range append([]session.Record{w.a, w.b, w.visitor}, w.fresh...) {
		s.need("Delete", s.store.Delete(s.ctx, r.Key))
	}
}

// request is one HTTP request under way: the calls that it makes, in order. A call
// may use what the ones before were answered; after an error there is none.
type request struct {
	w      *world
	steps  []step
	fresh  session.Record // its own new key
	record session.Record // what its Load returned
	epoch  uint64         // what its Epoch returned
}

type step func(*request) call

// next takes the next call, if there is one.
func (q *request) next() (call, bool) {
	if len(q.steps) == 0 {
		return call{}, false
	}
	c := q.steps[0](q)
	q.steps = q.steps[1:]
	return c, true
}

func (q *request) answered(c call, a answer) {
	switch {
	case a.err != nil:
		q.steps = nil
	case c.method == load:
		q.record = a.record
	case c.method == epoch:
		q.epoch = a.epoch
	}
}

// start begins a request of this kind.
func (w *world) start(k kind) *request {
	r := newRecord(w.user, w.a.Created)
	w.fresh = append(w.fresh, r)
	return &request{w: w, steps: k.steps, fresh: r, epoch: w.firstEpoch}
}

// kind is a sort of request.
type kind struct {
	name  string
	steps []step
}

// kinds are the requests of a Manager, and those that carry something old: the version
// of a slow update, the epoch of a slow login, the token of a slow logout; and a sweep.
var kinds = []kind{
	{"read", []step{loadA, touchA}},
	{"update", []step{loadA, saveLoaded}},
	{"slow update", []step{saveOldVersion}},
	{"reauthenticate", []step{loadA, rotateLoaded}},
	{"login of a visitor", []step{readEpoch, loadVisitor, rotateLoaded}},
	{"slow login of a visitor", []step{loadVisitor, rotateLoaded}},
	{"login", []step{readEpoch, createFresh}},
	{"logout", []step{loadA, deleteA}},
	{"logout with a token just replaced", []step{deleteA}},
	{"revoke", []step{listUser, revokeA}},
	{"revoke all", []step{revokeAll}},
	{"revoke others", []step{loadA, revokeOthers}},
	{"sweep", []step{sweep}},
}

func loadA(q *request) call       { return call{method: load, key: q.w.a.Key} }
func loadVisitor(q *request) call { return call{method: load, key: q.w.visitor.Key} }
func touchA(q *request) call      { return call{method: touch, key: q.w.a.Key} }
func deleteA(q *request) call     { return call{method: del, key: q.w.a.Key} }
func readEpoch(q *request) call   { return call{method: epoch, user: q.w.user} }
func listUser(q *request) call    { return call{method: list, user: q.w.user} }
func revokeAll(q *request) call   { return call{method: deleteUser, user: q.w.user} }

func sweep(*request) call { return call{method: deleteExpired} }

func revokeA(q *request) call {
	return call{method: deleteHandle, user: q.w.user, handle: q.w.a.Handle}
}

func revokeOthers(q *request) call {
	return call{method: deleteUser, user: q.w.user, keep: []session.Handle{q.w.a.Handle}}
}

func createFresh(q *request) call { return call{method: create, record: q.fresh, epoch: q.epoch} }

func saveLoaded(q *request) call {
	return call{
		method: save, key: q.record.Key, version: q.record.Version,
		data: slices.Concat(q.record.Data, q.fresh.Key.Hash[:1]),
	}
}

func saveOldVersion(q *request) call {
	return call{method: save, key: q.w.a.Key, version: q.w.a.Version, data: q.fresh.Key.Hash[:4]}
}

func rotateLoaded(q *request) call {
	r := q.fresh
	r.Handle, r.Version, r.Data = q.record.Handle, q.record.Version+1, q.record.Data
	return call{method: rotate, key: q.record.Key, version: q.record.Version, record: r, epoch: q.epoch}
}
