package reactor

import (
	"sync"
	"sync/atomic"
)

// A Waker makes a [Poll] give an event, from any goroutine: it is how other goroutines hand work to the one
// that waits. A Poll may have many; each has a token of its own.
type Waker struct {
	p     *Poll
	token Token
	// pending is set from the first Wake until Wait takes the event: another Wake costs nothing then.
	pending atomic.Bool
	closed  atomic.Bool
}

// NewWaker makes a waker whose events carry token, with ReadyReadable.
func NewWaker(p *Poll, token Token) (*Waker, error) {
	if p == nil {
		return nil, invalid("NewWaker of a nil Poll")
	}
	if p.closed() {
		return nil, ErrClosed
	}
	return &Waker{p: p, token: token}, nil
}

// Wake makes Wait give an event for the waker: the one under way, or else the next. All wakes between two Waits
// make one event, and those after the first cost no system call. What the goroutine did before Wake is seen by
// the one that gets the event. Wake does not block. It fails with [ErrClosed] after Close of the waker or of
// the Poll.
func (w *Waker) Wake() error {
	if w.closed.Load() {
		return ErrClosed
	}
	if w.pending.Swap(true) {
		if w.p.closed() {
			return ErrClosed
		}
		return nil
	}
	return w.p.wakes.put(w)
}

// Close ends the waker. A wake that is pending is not delivered. A second Close gives [ErrClosed].
func (w *Waker) Close() error {
	if w.closed.Swap(true) {
		return ErrClosed
	}
	w.p.wakes.remove(w)
	return nil
}

// wakeQueue holds the wakers that have an event to give. The first to come wakes the poller; Wait
// takes them all.
type wakeQueue struct {
	n       atomic.Int32 // len(pending), to be read without the lock
	mu      sync.Mutex
	pending []*Waker
	closed  bool
	turn    bool // belongs to Wait: the wakers came first last time
}

func (q *wakeQueue) waiting() bool { return q.n.Load() > 0 }

func (q *wakeQueue) put(w *Waker) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed || w.closed.Load() {
		return ErrClosed
	}
	q.pending = append(q.pending, w)
	q.n.Store(int32(len(q.pending)))
	if len(q.pending) > 1 {
		// Whoever came first woke the poller, and Wait takes the whole queue.
		return nil
	}
	if err := w.p.be.wake(); err != nil {
		q.pending = q.pending[:0]
		q.n.Store(0)
		w.pending.Store(false)
		return err
	}
	return nil
}

// take moves wakers from the queue to events.
func (q *wakeQueue) take(events []Event) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := min(len(events), len(q.pending))
	for i, w := range q.pending[:n] {
		// A Wake from here on is a new one: its event comes with the next Wait.
		w.pending.Store(false)
		events[i] = Event{Token: w.token, Ready: ReadyReadable}
	}
	rest := copy(q.pending, q.pending[n:])
	clear(q.pending[rest:])
	q.pending = q.pending[:rest]
	q.n.Store(int32(rest))
	return n
}

func (q *wakeQueue) remove(w *Waker) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i := range q.pending {
		if q.pending[i] == w {
			last := len(q.pending) - 1
			copy(q.pending[i:], q.pending[i+1:])
			q.pending[last] = nil
			q.pending = q.pending[:last]
			q.n.Store(int32(last))
			return
		}
	}
}

// shut ends the queue: nobody wakes the poller any more.
func (q *wakeQueue) shut() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.pending = nil
	q.n.Store(0)
}
