package servers

import (
	"slices"
	"sync"
)

// A quota bounds the number of connections of all loops together.
type quota struct {
	max int

	mu      sync.Mutex
	live    int
	waiting []*loop // loops that were refused since somebody left
}

// take reserves a place for one connection. A loop that is refused is woken when one is free.
func (q *quota) take(l *loop) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.live >= q.max {
		if !slices.Contains(q.waiting, l) {
			q.waiting = append(q.waiting, l)
		}
		return false
	}
	q.live++
	return true
}

// leave gives a place back.
func (q *quota) leave() {
	q.mu.Lock()
	q.live--
	waiting := q.waiting
	q.waiting = nil
	q.mu.Unlock()
	for _, l := range waiting {
		l.wake()
	}
}
