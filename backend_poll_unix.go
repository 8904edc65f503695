//go:build aix || (reactor_poll && unix)

package reactor

import (
	"math"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// The backend of systems that have nothing better than poll(2), and with the build tag reactor_poll of any Unix.

type osBackend = pollBackend

const emulatedEdges = true

type pollBackend struct {
	slots        *slotTable
	wakeR, wakeW int // the pipe that wakes

	mu      sync.Mutex // guards what follows, down to set
	regs    registrations
	blocked bool // the waiter is inside poll(2)
	woken   bool // and there is a byte in the pipe for it
	pending bool // a wake that the next wait takes

	// set is what poll(2) is given: the pipe first. Like the rest it belongs to the wait under way, which brings it up to
	// date from regs' queue before it blocks.
	set   []unix.PollFd
	slot  []uint32 // of each in set
	place []int32  // in set, by slot; 0: not there
	first int      // where the next look for events begins: everybody gets a turn
	yield yielder
}

func (b *pollBackend) open(t *slotTable) error {
	var fds [2]int
	if err := pipe(&fds); err != nil {
		return err
	}
	*b = pollBackend{slots: t, wakeR: fds[0], wakeW: fds[1]}
	b.set = append(b.set, unix.PollFd{Fd: int32(b.wakeR), Events: unix.POLLIN})
	b.slot = append(b.slot, noSlot)
	return nil
}

func (b *pollBackend) register(id slotID, t target, interest Interest, mode Mode) error {
	if t.fd > math.MaxInt32 {
		// A number that does not fit would be cut to another descriptor's.
		return os.NewSyscallError("poll", unix.EBADF)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.regs.add(id, t, interest, mode); err != nil {
		return err
	}
	return b.interrupt()
}

func (b *pollBackend) reregister(id slotID, t target, interest Interest, mode Mode) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.regs.change(id, t, interest, mode); err != nil {
		return err
	}
	return b.interrupt()
}

// deregister also ends the hold that a poll(2) under way has on the open file: its peer is to see the close.
func (b *pollBackend) deregister(id slotID, _ target) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.regs.find(id)
	if r == nil {
		return nil
	}
	b.regs.remove(r)
	return b.interrupt()
}

func (b *pollBackend) rearm(id slotID, direction Interest) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.regs.find(id)
	if r == nil {
		return
	}
	changed := r.rearm(direction)
	if direction == Readable && r.lacksPriority() && !urgent(r.fd) {
		r.armed |= Priority
		changed = true
	}
	if changed {
		b.regs.enqueue(r)
		// What fails here is a write of one byte to an empty pipe of ours: it does not.
		_ = b.interrupt()
	}
}

// urgent reports whether the urgent data that was told of is still there.
func urgent(fd uintptr) bool {
	set := [1]unix.PollFd{{Fd: int32(fd), Events: unix.POLLPRI}}
	n, err := unix.Poll(set[:], 0)
	return n != 0 || err != nil
}

// interrupt makes a waiter that is blocked look at what changed. Nobody blocked: nothing to do, and no system call.
func (b *pollBackend) interrupt() error {
	if !b.blocked || b.woken {
		return nil
	}
	for {
		_, err := unix.Write(b.wakeW, []byte{0})
		if err == unix.EINTR {
			continue
		}
		b.woken = err == nil
		return os.NewSyscallError("write", err)
	}
}

func (b *pollBackend) wake() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.pending = true
	return b.interrupt()
}

// prepare brings the poll set up to date, and says how long poll(2) may block.
func (b *pollBackend) prepare(timeout time.Duration) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.regs.drain(b.update)
	if b.pending {
		b.pending = false
		timeout = 0
	}
	b.blocked = timeout != 0
	return timeout
}

// update gives a registration its place in the poll set, or takes it out.
func (b *pollBackend) update(index uint32, r *registration) {
	for uint32(len(b.place)) <= index {
		b.place = append(b.place, 0)
	}
	at := b.place[index]
	asks := r.asks()
	entry := unix.PollFd{Fd: int32(r.fd)}
	setBits(&entry.Events, pollEvents(asks))
	switch {
	case asks == 0 && at == 0:
	case asks == 0:
		last := len(b.set) - 1
		b.set[at], b.slot[at] = b.set[last], b.slot[last]
		b.place[b.slot[at]] = at
		b.place[index] = 0
		b.set, b.slot = b.set[:last], b.slot[:last]
	case at == 0:
		b.place[index] = int32(len(b.set))
		b.set = append(b.set, entry)
		b.slot = append(b.slot, index)
	default:
		b.set[at] = entry
	}
}

// setBits sets a field of struct pollfd, whose sign differs.
func setBits[T int16 | uint16](field *T, bits uint16) { *field = T(bits) }

func (b *pollBackend) wait(events []Event, timeout time.Duration) (int, error) {
	b.yield.before()
	got, err := unix.Poll(b.set, milliseconds(b.prepare(timeout)))
	b.mu.Lock()
	defer b.mu.Unlock()
	b.blocked = false
	b.pending = false
	if b.woken {
		b.woken = false
		if err := drainPipe(b.wakeR); err != nil {
			return 0, err
		}
	}
	if err == unix.EINTR {
		return 0, nil
	}
	if err != nil {
		return 0, os.NewSyscallError("poll", err)
	}
	n := b.harvest(events, got)
	b.yield.after(n)
	return n, nil
}

// harvest makes events of what poll(2) reported of got descriptors. What does not fit is reported again: it is still armed.
func (b *pollBackend) harvest(events []Event, got int) (n int) {
	if b.set[0].Revents != 0 {
		got--
	}
	others := len(b.set) - 1
	for k := 0; k < others && got > 0; k++ {
		at := 1 + (b.first+k)%others
		revents := b.set[at].Revents
		if revents == 0 {
			continue
		}
		if n == len(events) {
			b.first = at - 1
			return n
		}
		got--
		r := &b.regs.all[b.slot[at]]
		if r.fresh {
			// It was changed while poll(2) looked for its older state, or is gone.
			continue
		}
		token, interest, _, ok := b.slots.find(r.id)
		if !ok {
			continue
		}
		var ready Ready
		if revents&unix.POLLNVAL != 0 {
			// The owner closed it.
			ready = b.regs.died(r)
		} else {
			ready = pollReady(uint32(uint16(revents)), interest)
			b.regs.fired(r, ready)
		}
		events[n] = Event{Token: token, Ready: ready}
		n++
	}
	return n
}

func (b *pollBackend) close() error {
	err := os.NewSyscallError("close", unix.Close(b.wakeW))
	if cerr := unix.Close(b.wakeR); err == nil {
		err = os.NewSyscallError("close", cerr)
	}
	return err
}

func (b *pollBackend) name() string { return "poll" }
func (b *pollBackend) fd() uintptr  { return ^uintptr(0) }

// drainPipe takes the one byte that is in the pipe.
func drainPipe(fd int) error {
	var b [1]byte
	for {
		_, err := unix.Read(fd, b[:])
		if err != unix.EINTR {
			return os.NewSyscallError("read", err)
		}
	}
}
