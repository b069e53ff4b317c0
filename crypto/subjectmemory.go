package crypto

import (
	"bytes"
	"context"
	"sync"
)

// MemorySubjectKeys is a [SubjectKeys] in the memory of this process, for tests: what
// was sealed for a subject is lost when the process ends. The zero value is empty and
// ready for use.
type MemorySubjectKeys struct {
	mu   sync.Mutex
	keys map[string]memoryKey // by subject
	ids  map[string]string    // the subject of each id
}

type memoryKey struct{ id, wrapped []byte }

var _ SubjectKeys = (*MemorySubjectKeys)(nil)

// Create implements [SubjectKeys].
func (m *MemorySubjectKeys) Create(ctx context.Context, subject string, id, wrapped []byte) ([]byte, []byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.keys == nil {
		m.keys, m.ids = map[string]memoryKey{}, map[string]string{}
	}
	if _, ok := m.keys[subject]; !ok {
		m.keys[subject] = memoryKey{bytes.Clone(id), bytes.Clone(wrapped)}
		m.ids[string(id)] = subject
	}
	return m.load(subject)
}

// Load implements [SubjectKeys].
func (m *MemorySubjectKeys) Load(ctx context.Context, subject string) (id, wrapped []byte, err error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.load(subject)
}

func (m *MemorySubjectKeys) load(subject string) (id, wrapped []byte, err error) {
	key := m.keys[subject]
	return bytes.Clone(key.id), bytes.Clone(key.wrapped), nil
}

// Find implements [SubjectKeys].
func (m *MemorySubjectKeys) Find(ctx context.Context, id []byte) (subject string, wrapped []byte, err error) {
	if err := ctx.Err(); err != nil {
		return "", nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	subject = m.ids[string(id)]
	return subject, bytes.Clone(m.keys[subject].wrapped), nil
}

// Replace implements [SubjectKeys].
func (m *MemorySubjectKeys) Replace(ctx context.Context, id, old, wrapped []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	subject, ok := m.ids[string(id)]
	if key := m.keys[subject]; ok && bytes.Equal(key.wrapped, old) {
		m.keys[subject] = memoryKey{key.id, bytes.Clone(wrapped)}
	}
	return nil
}

// Delete implements [SubjectKeys]. It is as durable as the process.
func (m *MemorySubjectKeys) Delete(ctx context.Context, subject string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.ids, string(m.keys[subject].id))
	delete(m.keys, subject)
	return nil
}
