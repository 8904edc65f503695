package servers

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/goreactor/reactor"
)

func TestDatagramQueueKeepsOrderAndLimit(t *testing.T) {
	const limit = 20_000
	random := rand.New(rand.NewPCG(5, 6))
	q := datagramQueue{limit: limit}
	in, out, used := uint64(0), uint64(0), 0
	lens := make(map[uint64]int)
	for range 100_000 {
		if random.IntN(2) == 0 {
			m := reactor.Message{Buf: make([]byte, 2000), N: 8 + random.IntN(1000)}
			binary.BigEndian.PutUint64(m.Buf, in)
			fits := used+m.N+datagramCost <= limit
			if q.push(&m) != fits {
				t.Fatalf("push gave %t with %d bytes of %d in use", !fits, used, limit)
			}
			binary.BigEndian.PutUint64(m.Buf, ^uint64(0)) // the caller's buffer is used again
			if fits {
				lens[in] = m.N
				used += m.N + datagramCost
				in++
			}
		} else {
			n := random.IntN(q.len() + 1)
			front := q.front(n)
			if len(front) != n {
				t.Fatalf("front gives %d of %d", len(front), n)
			}
			for _, m := range front {
				if got := binary.BigEndian.Uint64(m.Buf); got != out || m.N != lens[out] {
					t.Fatalf("datagram %d with %d bytes comes where %d with %d is due", got, m.N, out, lens[out])
				}
				used -= m.N + datagramCost
				out++
			}
			q.pop(n)
		}
		if q.len() != int(in-out) || q.used != used {
			t.Fatalf("%d datagrams in %d bytes, and not %d in %d", q.len(), q.used, in-out, used)
		}
		if len(q.ms) > 2*limit/datagramCost {
			t.Fatalf("%d places for %d datagrams", len(q.ms), q.len())
		}
	}
}
