package servers

import (
	"bytes"

	"github.com/goreactor/reactor"
)

// A datagramQueue holds datagrams that wait to be sent, in the order they came.
type datagramQueue struct {
	limit int // of used
	used  int // bytes, each datagram's own cost included
	ms    []reactor.Message
	head  int // the first of ms that waits
}

// datagramCost is what a datagram takes beside its bytes, so that empty ones are bounded too.
const datagramCost = 128

func (q *datagramQueue) len() int { return len(q.ms) - q.head }

// push copies a datagram to the end. It reports false, and does nothing, if that exceeds the limit.
func (q *datagramQueue) push(m *reactor.Message) bool {
	if q.used+m.N+datagramCost > q.limit {
		return false
	}
	q.used += m.N + datagramCost
	q.ms = append(q.ms, reactor.Message{Buf: bytes.Clone(m.Buf[:m.N]), N: m.N, Addr: m.Addr})
	return true
}

// front gives the first datagrams, at most n.
func (q *datagramQueue) front(n int) []reactor.Message {
	return q.ms[q.head:][:min(n, q.len())]
}

// pop takes the first n datagrams away.
func (q *datagramQueue) pop(n int) {
	for i := range q.front(n) {
		q.used -= q.ms[q.head+i].N + datagramCost
	}
	q.head += n
	if q.head < len(q.ms)/2 {
		return
	}
	rest := copy(q.ms, q.ms[q.head:])
	clear(q.ms[rest:])
	q.ms, q.head = q.ms[:rest], 0
	if rest == 0 {
		q.ms = nil
	}
}
