package crypto

import (
	"errors"
	"sync"

	"github.com/pavise/pavise/crypto/internal/cobblestone"
)

var (
	errInterrupted = errors.New("crypto: stream was interrupted by a panic")
	errExit        = errors.New("crypto: a reader or writer ended its goroutine")
)

// pipeline moves a stream through several cores. Each worker reads a batch and works on
// it. Whoever finishes the one whose turn it is puts it, and those behind it that are
// finished, while the others go on. One reads and one puts at a time. What has been read
// is also put, unless put panics. All goroutines have ended when run returns, so it
// waits for a read that has begun.
type pipeline struct {
	read func(*batch) bool // the next batch, or false
	work func(*cobblestone.Chunks, *batch)
	put  func(*batch) bool // false: no more is to be read

	all  []batch
	free chan *batch // those that hold nothing

	reading sync.Mutex
	places  int // given to batches that were read

	mu       sync.Mutex
	turn     int // the place of the batch to be put next
	putting  bool
	ended    bool // no more is to be read
	panicked any
}

// batch is a number of full chunks on their way. Streams keep theirs for the next time.
type batch struct {
	buf     []byte // of a feed, which gets another one for it
	in, out []byte
	number  uint64 // of the first chunk
	intact  bool
	place   int
	ready   bool // to be put
}

// spareBatches are finished while a slower one before them holds them up.
const spareBatches = 2

type batches []batch

func (b *batches) of(c *cobblestone.Chunks) []batch {
	for len(*b) < c.Workers()+spareBatches {
		*b = append(*b, batch{})
	}
	return *b
}

func (b *batches) wipe() {
	for _, b := range *b {
		clear(b.buf)
		clear(b.out[:cap(b.out)])
	}
	*b = nil
}

// run returns when there is nothing more to read, or put has returned false. It panics
// with what read or put panicked with.
func (p *pipeline) run(c *cobblestone.Chunks, b *batches) {
	p.all = b.of(c)
	p.free = make(chan *batch, len(p.all))
	for i := range p.all {
		p.all[i].ready = false
		p.free <- &p.all[i]
	}
	var workers sync.WaitGroup
	for range c.Workers() {
		workers.Go(func() {
			own := c.Serial()
			for p.step(&own) {
			}
		})
	}
	workers.Wait()
	if p.panicked != nil {
		panic(p.panicked)
	}
}

// step moves one batch, or gives it back for the other workers to find the end too.
func (p *pipeline) step(own *cobblestone.Chunks) bool {
	b := <-p.free
	if !p.next(b) {
		p.free <- b
		return false
	}
	p.work(own, b)
	p.finish(b)
	return true
}

func (p *pipeline) next(b *batch) bool {
	p.reading.Lock()
	defer p.reading.Unlock()
	if p.hasEnded() {
		return false
	}
	b.place = p.places
	p.places++
	more, _ := p.guard(p.read, b)
	return more
}

// finish puts b and what waits for it, or leaves that to the worker that is putting.
func (p *pipeline) finish(b *batch) {
	p.mu.Lock()
	defer p.mu.Unlock()
	b.ready = true
	if p.putting {
		return
	}
	p.putting = true
	defer func() { p.putting = false }()
	for b := p.first(); b != nil; b = p.first() {
		p.putOne(b)
	}
}

// first returns the batch whose turn it is if it is ready.
func (p *pipeline) first() *batch {
	for i := range p.all {
		if b := &p.all[i]; b.ready && b.place == p.turn {
			return b
		}
	}
	return nil
}

// putOne puts b without the lock. After a panic no other has its turn.
func (p *pipeline) putOne(b *batch) {
	p.mu.Unlock()
	defer func() { // also when put ends the goroutine
		p.mu.Lock()
		b.ready = false
		p.free <- b
	}()
	if _, returned := p.guard(p.put, b); returned {
		p.turn++ // only read and changed by the worker that is putting
	}
}

// guard calls f, keeps its panic for run, and notes that no more is to be read.
func (p *pipeline) guard(f func(*batch) bool, b *batch) (more, returned bool) {
	defer func() {
		if value := recover(); value != nil {
			p.end(value)
		} else if !returned {
			p.end(errExit)
		} else if !more {
			p.end(nil)
		}
	}()
	more = f(b)
	return more, true
}

func (p *pipeline) end(panicked any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
	if p.panicked == nil {
		p.panicked = panicked
	}
}

func (p *pipeline) hasEnded() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ended
}
