package crypto

import (
	"errors"
	"sync"
	"sync/atomic"

	"github.com/pavise/pavise/crypto/internal/cobblestone"
)

var (
	errInterrupted = errors.New("crypto: stream was interrupted by a panic")
	errReaderExit  = errors.New("crypto: reader ended its goroutine")
)

// pipeUnits is how much a core takes at a time: 256 KiB, which stay in its cache.
const pipeUnits = 16

// pipeline moves a stream through several cores. Its workers take turns at reading and
// then work on what they have read; whoever called run gets the results in the order
// of the stream, while the workers go on. All goroutines have ended when run returns,
// so it waits for a read that has begun.
type pipeline struct {
	read  func(*batch) bool // the next one, or false; called by one at a time
	work  func(*cobblestone.Chunks, *batch)
	free  chan *batch // that nobody uses
	order chan *batch // what was read; closed at the end
	stop  atomic.Bool // nothing more is to be read

	mu       sync.Mutex // held while reading
	ended    bool       // order is closed
	panicked any        // by read
}

// batch is a number of full chunks on their way. Streams keep theirs for the next time.
type batch struct {
	buf     []byte // of a feed, which gets another one for it
	in, out []byte
	number  uint64 // of the first chunk
	intact  bool
	done    chan struct{}
}

type batches []batch

// of returns one for each worker and one more, which is being written.
func (b *batches) of(c *cobblestone.Chunks) []batch {
	for len(*b) <= c.Workers() {
		*b = append(*b, batch{done: make(chan struct{}, 1)})
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

// run hands each batch to put on the goroutine of the caller until there is none or
// put returns false. What has been read by then still goes through work and put.
func (p *pipeline) run(c *cobblestone.Chunks, b *batches, put func(*batch) bool) {
	all := b.of(c)
	p.free, p.order = make(chan *batch, len(all)), make(chan *batch, len(all))
	for i := range all {
		p.free <- &all[i]
	}
	var workers sync.WaitGroup
	for range len(all) - 1 {
		own := c.Serial()
		workers.Go(func() { p.serve(&own) })
	}
	defer p.finish(&workers)
	for b := range p.order {
		<-b.done
		if !put(b) {
			p.stop.Store(true)
		}
		p.free <- b
	}
}

func (p *pipeline) serve(own *cobblestone.Chunks) {
	for b := range p.free {
		if !p.next(b) {
			return
		}
		p.work(own, b)
		b.done <- struct{}{}
	}
}

// next reads a batch. A panic is kept for the caller of run.
func (p *pipeline) next(b *batch) (ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return false
	}
	returned := false
	defer func() {
		if p.panicked = recover(); p.panicked == nil && !returned {
			p.panicked = errReaderExit
		}
		if !ok {
			p.ended = true
			close(p.order)
		}
	}()
	if ok = !p.stop.Load() && p.read(b); ok {
		p.order <- b
	}
	returned = true
	return ok
}

// finish ends the workers, also when put has panicked.
func (p *pipeline) finish(workers *sync.WaitGroup) {
	p.stop.Store(true)
	for b := range p.order {
		<-b.done
		p.free <- b
	}
	close(p.free)
	workers.Wait()
	if p.panicked != nil {
		panic(p.panicked)
	}
}
