package browser

import "context"

// step is a part of a request that the test lets happen when it likes: what it does with the
// session, and its answer.
type step struct {
	request string
	answers bool
}

// conductor decides the order of the steps. A handler waits for its turn; the test gives
// the turn and waits for its end.
type conductor struct {
	turn map[step]chan struct{}
	done map[step]chan struct{}
}

func newConductor(requests []string) *conductor {
	c := &conductor{turn: map[step]chan struct{}{}, done: map[step]chan struct{}{}}
	for _, r := range requests {
		for _, s := range []step{{r, false}, {r, true}} {
			c.turn[s], c.done[s] = make(chan struct{}), make(chan struct{})
		}
	}
	return c
}

// perform runs f when it is the step's turn.
func (c *conductor) perform(ctx context.Context, s step, f func()) {
	select {
	case <-c.turn[s]:
	case <-ctx.Done():
		return
	}
	f()
	close(c.done[s])
}

// orders calls f with every order of the steps in which each request acts before it
// answers, until f returns false.
func orders(requests []string, f func([]step) bool) {
	state := map[string]int{} // steps done
	var order []step
	var try func() bool
	try = func() bool {
		if len(order) == 2*len(requests) {
			return f(order)
		}
		for _, r := range requests {
			if state[r] == 2 {
				continue
			}
			order = append(order, step{r, state[r] == 1})
			state[r]++
			if !try() {
				return false
			}
			state[r]--
			order = order[:len(order)-1]
		}
		return true
	}
	try()
}
