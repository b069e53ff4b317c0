package sessiontest

import (
	"slices"
	"strings"
)

// batch is after how many runs a new store is opened: a bounded one may forget
// what it does not need for correctness.
const batch = 200

// checkPairs runs every interleaving of every two requests.
func checkPairs(s *suite) {
	runs := 0
	for i, a := range kinds {
		for _, b := range kinds[i:] {
			for order := range orders([]int{len(a.steps), len(b.steps)}) {
				s.interleave([]kind{a, b}, order, &runs)
			}
		}
	}
}

// checkTriples runs every interleaving of every three requests, or some of them.
func checkTriples(s *suite) {
	runs := 0
	if s.interleavings < 0 {
		for i, a := range kinds {
			for j, b := range kinds[i:] {
				for _, c := range kinds[i+j:] {
					for order := range orders([]int{len(a.steps), len(b.steps), len(c.steps)}) {
						s.interleave([]kind{a, b, c}, order, &runs)
					}
				}
			}
		}
	}
	for range s.interleavings {
		ks := make([]kind, 3)
		var order []int
		for i := range ks {
			ks[i] = kinds[s.rng.IntN(len(kinds))]
			order = append(order, slices.Repeat([]int{i}, len(ks[i].steps))...)
		}
		s.rng.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		s.interleave(ks, order, &runs)
	}
}

// orders yields every sequence in which i occurs left[i] times.
func orders(left []int) func(yield func([]int) bool) {
	return func(yield func([]int) bool) { _ = permute(nil, slices.Clone(left), yield) }
}

func permute(order, left []int, yield func([]int) bool) bool {
	ended := true
	for i := range left {
		if left[i] == 0 {
			continue
		}
		ended = false
		left[i]--
		more := permute(append(order, i), left, yield)
		left[i]++
		if !more {
			return false
		}
	}
	return !ended || yield(order)
}

// interleave lets the requests make their calls in that order, then reads the whole
// world, and compares every answer with the model.
func (s *suite) interleave(ks []kind, order []int, runs *int) {
	s.Helper()
	if *runs++; *runs%batch == 0 {
		s.store = s.open()
	}
	w := newWorld(s)
	var names []string
	var rs []*request
	for _, k := range ks {
		names = append(names, k.name)
		rs = append(rs, w.start(k))
	}
	var done []event
	take := func(c call) answer {
		a := c.make(s.ctx, s.store)
		done = append(done, event{call: c, answer: a})
		if err := w.model.step(c, a); err != nil {
			s.Fatalf("%s:\n%slast call: %v", strings.Join(names, " + "), lines(done), err)
		}
		return a
	}
	for _, i := range order {
		if c, ok := rs[i].next(); ok {
			rs[i].answered(c, take(c))
		}
	}
	for _, c := range w.look() {
		take(c)
	}
	w.cleanup(s)
}
