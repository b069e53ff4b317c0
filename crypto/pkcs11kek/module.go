package pkcs11kek

import (
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

// module is a library that is loaded and initialized. PKCS #11 has both once for a
// process and a library, however many KEKs use it: C_Finalize for one would pull it away
// from under the calls of the others.
type module struct {
	lib    library
	path   string
	refs   int  // under modules.mu
	ours   bool // not initialized by somebody else, who also finalizes it
	logins chan struct{}

	// generation counts the losses of sessions. A token that was removed takes all of
	// them with it, so that those of an older generation are not tried.
	generation atomic.Int64

	calls   sync.RWMutex // read-locked by each call; locked to start the library anew
	revived time.Time    // under calls
}

// modules is state of the package because what it mirrors is state of the process.
var modules = struct {
	mu     sync.Mutex
	byPath map[string]*module
}{byPath: map[string]*module{}}

// acquireModule returns the one module of path, which is released as often.
func acquireModule(path string, load func(string) (library, error)) (*module, error) {
	if resolved, err := filepath.EvalSymlinks(path); err == nil {
		path = resolved
	}
	modules.mu.Lock()
	defer modules.mu.Unlock()
	if m := modules.byPath[path]; m != nil {
		m.refs++
		return m, nil
	}
	lib, err := load(path)
	if err != nil {
		return nil, &Error{Op: "load", Kind: ErrRefused, Cause: err}
	}
	m := &module{lib: lib, path: path, refs: 1, ours: true, logins: make(chan struct{}, 1)}
	switch err := lib.initialize(); err {
	case nil:
	case codeCryptokiInitialized:
		m.ours = false
	default:
		return nil, newError("load", err)
	}
	modules.byPath[path] = m
	return m, nil
}

// release finalizes the library after the last KEK that used it.
func (m *module) release() {
	modules.mu.Lock()
	defer modules.mu.Unlock()
	if m.refs--; m.refs > 0 {
		return
	}
	delete(modules.byPath, m.path)
	if m.ours {
		m.lib.finalize()
	}
}

// lost ends the generation g, once.
func (m *module) lost(g int64) { m.generation.CompareAndSwap(g, g+1) }

const revivePause = time.Second

// revive starts the library anew if no call is in it: many see a token that has come
// back, or a network HSM that can be reached again, in no other way.
func (m *module) revive(now time.Time) {
	if !m.ours || !m.calls.TryLock() {
		return
	}
	defer m.calls.Unlock()
	if now.Sub(m.revived) < revivePause {
		return
	}
	m.revived = now
	m.generation.Add(1)
	m.lib.finalize()
	_ = m.lib.initialize() // if it fails, so does the next call, with a code
}
