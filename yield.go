package reactor

import (
	"runtime"
	"time"
)

// A yielder passes a busy loop through Go's scheduler in time. The runtime's monitor takes a goroutine that has not been
// there for 10 ms for stuck, and from then on takes its P away in every system call that it happens to see, which costs
// a thread switch each. One Gosched now and then keeps it quiet. The clock is read seldom: what passes between
// two looks is bounded by counting events, each of which is some microseconds of work.
type yielder struct {
	count int
	last  time.Time
}

const (
	yieldEvery = 5 * time.Millisecond
	// yieldCount events of some 7 µs are well below yieldEvery.
	yieldCount = 64
)

// before is called before each wait.
func (y *yielder) before() {
	if y.count < yieldCount {
		return
	}
	y.count = 0
	if now := time.Now(); now.Sub(y.last) >= yieldEvery {
		y.last = now
		runtime.Gosched()
	}
}

// after counts what a wait gave.
func (y *yielder) after(events int) { y.count += events + 1 }
