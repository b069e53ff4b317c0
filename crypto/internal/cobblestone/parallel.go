package cobblestone

import (
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
)

const (
	parallelChunks = 64 // 1 MiB: from here on a second core pays
	runChunks      = 8  // what a worker takes at a time
)

// WithWorkers returns k for at most n goroutines at work on one message, GOMAXPROCS
// if n is 0 or less. They serve 1 MiB or more at a time; the messages are the same.
func (k *Key) WithWorkers(n int) *Key {
	return &Key{states: k.states, input: k.input, workers: n}
}

// Batch returns how many chunks are worth to be sealed or opened in one call.
func (c *Chunks) Batch() int {
	if n := c.Workers(); n > 1 {
		return n * parallelChunks
	}
	return 8
}

// Serial returns c for one goroutine.
func (c *Chunks) Serial() Chunks {
	own := *c
	own.workers = 1
	return own
}

// Workers returns how many goroutines work on one message.
func (c *Chunks) Workers() int {
	if c.workers > 0 {
		return c.workers
	}
	return runtime.GOMAXPROCS(0)
}

// parallel reports whether n chunks are worth more than one worker.
func (c *Chunks) parallel(n int) bool { return n >= parallelChunks && c.Workers() > 1 }

func (c *Chunks) sealParallel(dst, plaintext []byte, number uint64) []byte {
	n := len(plaintext) / ChunkSize
	dst = slices.Grow(dst, n*SealedSize)
	out := dst[len(dst):][:n*SealedSize]
	c.share(n, func(own *Chunks, from, to int) {
		own.sealSerial(out[from*SealedSize:][:0], plaintext[from*ChunkSize:to*ChunkSize], number+uint64(from))
	})
	return dst[:len(dst)+len(out)]
}

func (c *Chunks) openParallel(dst, sealed []byte, number uint64) ([]byte, bool) {
	n := len(sealed) / SealedSize
	dst = slices.Grow(dst, n*ChunkSize)
	out := dst[len(dst):][:n*ChunkSize]
	var mu sync.Mutex
	good := n // how many chunks stand before the first that is damaged
	c.share(n, func(own *Chunks, from, to int) {
		plain, ok := own.openSerial(out[from*ChunkSize:][:0], sealed[from*SealedSize:to*SealedSize], number+uint64(from))
		if !ok {
			mu.Lock()
			defer mu.Unlock()
			good = min(good, from+len(plain)/ChunkSize)
		}
	})
	clear(out[good*ChunkSize:])
	return dst[:len(dst)+good*ChunkSize], good == n
}

// share calls f for all runs of n chunks, from several goroutines, each with Chunks of
// its own, and returns when all are done: no goroutine stays.
func (c *Chunks) share(n int, f func(own *Chunks, from, to int)) {
	var next atomic.Int64
	work := func() {
		own := *c
		for {
			to := int(next.Add(runChunks))
			if to-runChunks >= n {
				return
			}
			f(&own, to-runChunks, min(to, n))
		}
	}
	var wg sync.WaitGroup
	for range min(c.Workers(), (n+runChunks-1)/runChunks) - 1 {
		wg.Go(work)
	}
	work()
	wg.Wait()
}
