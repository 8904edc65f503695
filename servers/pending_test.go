package servers

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

func TestPendingGivesBackWhatWasAddedAndStaysWithinItsLimit(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for _, limit := range []int{1, 100, minPending, 64 << 10} {
		var p pending
		var model []byte
		for range 20_000 {
			if random.IntN(2) == 0 {
				b := make([]byte, random.IntN(limit-p.len()+1))
				for i := range b {
					b[i] = byte(random.Uint32())
				}
				p.add(b, limit)
				model = append(model, b...)
			} else if p.len() > 0 {
				n := 1 + random.IntN(p.len())
				p.drop(n)
				model = model[n:]
			}
			if !bytes.Equal(p.bytes(), model) || p.len() != len(model) {
				t.Fatalf("%d bytes are pending, %d should be, or other ones", p.len(), len(model))
			}
			if cap(p.buf) > limit {
				t.Fatalf("%d bytes of memory for a limit of %d", cap(p.buf), limit)
			}
		}
	}
}
