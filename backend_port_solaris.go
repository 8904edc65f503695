//go:build !reactor_poll

package reactor

import (
	"math"
	"os"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The backend of Solaris and illumos: event ports, port_create(3C). An association of a descriptor ends with its event, which makes
// it one-shot by nature; rearm.go's arming says what to associate it for again.

type osBackend = portBackend

const emulatedEdges = true

type portBackend struct {
	port  int
	slots *slotTable
	buf   []portEvent // belongs to the wait under way
	yield yielder     // likewise

	mu   sync.Mutex // guards what follows
	regs registrations
	// associated says, by slot, what the port is asked for.
	associated []Interest
}

// portEvent is port_event_t of <port.h>.
type portEvent struct {
	events int32
	source uint16
	_      uint16
	object uint64
	user   uint64
}

// portSourceFD is PORT_SOURCE_FD of <sys/port.h>.
const (
	portSourceFD = 4
)

func (b *portBackend) open(t *slotTable) error {
	syscall.ForkLock.RLock()
	port, errno := portCreate()
	if errno == 0 {
		unix.CloseOnExec(port)
	}
	syscall.ForkLock.RUnlock()
	if errno != 0 {
		return failed("port_create", errno)
	}
	*b = portBackend{port: port, slots: t}
	return nil
}

func (b *portBackend) register(id slotID, t target, interest Interest, mode Mode) error {
	if t.fd > math.MaxInt32 {
		// A number that does not fit would be cut to another descriptor's.
		return os.NewSyscallError("port_associate", unix.EBADF)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.regs.add(id, t, interest, mode); err != nil {
		return err
	}
	err := b.update()
	if err != nil {
		if r := b.regs.find(id); r != nil {
			b.regs.remove(r)
			_ = b.update()
		}
	}
	return err
}

func (b *portBackend) reregister(id slotID, t target, interest Interest, mode Mode) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.regs.change(id, t, interest, mode); err != nil {
		return err
	}
	return b.update()
}

func (b *portBackend) deregister(id slotID, _ target) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.regs.find(id)
	if r == nil {
		return nil
	}
	b.regs.remove(r)
	return b.update()
}

func (b *portBackend) rearm(id slotID, direction Interest) {
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
		// The descriptor is open and its association has been taken before.
		_ = b.update()
	}
}

// update brings the associations of what is queued up to date. It takes effect at once, in a wait under way too.
func (b *portBackend) update() (err error) {
	b.regs.drain(func(index uint32, r *registration) {
		for uint32(len(b.associated)) <= index {
			b.associated = append(b.associated, 0)
		}
		asks := r.asks()
		if asks == 0 {
			if b.associated[index] != 0 {
				// ENOENT and EBADF: the event is under way, or the owner has closed the descriptor.
				_ = portDissociate(b.port, r.fd)
				b.associated[index] = 0
			}
			return
		}
		if errno := portAssociate(b.port, r.fd, pollEvents(asks), uint64(r.id)); errno == 0 {
			b.associated[index] = asks
		} else if err == nil {
			err = failed("port_associate", errno)
		}
	})
	return err
}

// maxPortEvents bounds the buffer for the system's events, and maxPortTimeout a wait: the call takes longer ones for errors.
const (
	maxPortEvents  = 1024
	maxPortTimeout = 24 * time.Hour
)

func (b *portBackend) wait(events []Event, timeout time.Duration) (int, error) {
	// The events of wakes are not to take the room of others.
	if room := min(len(events), maxPortEvents) + 1; room > len(b.buf) {
		b.buf = make([]portEvent, room)
	}
	buf := b.buf[:min(len(events)+1, len(b.buf))]
	b.mu.Lock()
	// What fails has been closed by its owner: there is nothing left to tell of it.
	_ = b.update()
	b.mu.Unlock()
	b.yield.before()
	for {
		got, errno := b.get(buf, timeout)
		switch errno {
		case 0, unix.ETIME:
			// A timeout does not preclude events: port_get(3C).
		case unix.EINTR:
			return 0, nil
		default:
			return 0, failed("port_getn", errno)
		}
		if n := b.harvest(events, buf[:got]); n > 0 || got < len(buf) {
			b.yield.after(n)
			return n, nil
		}
		timeout = 0
	}
}

func (b *portBackend) get(buf []portEvent, timeout time.Duration) (int, syscall.Errno) {
	if timeout < 0 {
		return portGet(b.port, buf, nil)
	}
	ts := unix.NsecToTimespec(int64(min(timeout, maxPortTimeout)))
	return portGet(b.port, buf, &ts)
}

// harvest makes events of the system's. The association of each has ended; the next wait makes it anew for a level, and for what
// does not fit, which is told again.
func (b *portBackend) harvest(events []Event, got []portEvent) (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range got {
		if got[i].source != portSourceFD {
			continue
		}
		r := b.regs.find(slotID(got[i].user))
		if r == nil {
			continue
		}
		b.associated[r.id.index()] = 0
		b.regs.enqueue(r)
		token, interest, _, ok := b.slots.find(r.id)
		if !ok || r.asks() == 0 || n == len(events) {
			continue
		}
		var ready Ready
		if revents := uint32(got[i].events); revents&unix.POLLNVAL != 0 {
			// The owner closed it.
			ready = b.regs.died(r)
		} else if ready = pollReady(revents, interest); ready != 0 {
			b.regs.fired(r, ready)
		}
		if ready != 0 {
			events[n] = Event{Token: token, Ready: ready}
			n++
		}
	}
	return n
}

func (b *portBackend) wake() error {
	errno := portSend(b.port)
	if errno == unix.EAGAIN {
		// The queue of events is full: the wait has something to return for.
		return nil
	}
	return failed("port_send", errno)
}

func (b *portBackend) close() error { return os.NewSyscallError("close", unix.Close(b.port)) }

func (b *portBackend) name() string { return "eventport" }
func (b *portBackend) fd() uintptr  { return uintptr(b.port) }

// urgent reports whether the urgent data that was told of is still there.
func urgent(fd uintptr) bool {
	set := [1]unix.PollFd{{Fd: int32(fd), Events: unix.POLLPRI}}
	n, err := unix.Poll(set[:], 0)
	return n != 0 || err != nil
}

// The calls, which package unix has only behind a type that keeps a table of its own and cannot send.

//go:cgo_import_dynamic libc_port_create port_create "libc.so"
//go:cgo_import_dynamic libc_port_associate port_associate "libc.so"
//go:cgo_import_dynamic libc_port_dissociate port_dissociate "libc.so"
//go:cgo_import_dynamic libc_port_getn port_getn "libc.so"
//go:cgo_import_dynamic libc_port_send port_send "libc.so"

//go:linkname callPortCreate libc_port_create
//go:linkname callPortAssociate libc_port_associate
//go:linkname callPortDissociate libc_port_dissociate
//go:linkname callPortGetn libc_port_getn
//go:linkname callPortSend libc_port_send

var callPortCreate, callPortAssociate, callPortDissociate, callPortGetn, callPortSend uintptr

// sysvicall6 is package syscall's way into the C library: backend_port_solaris_amd64.s.
func sysvicall6(fn, nargs, a1, a2, a3, a4, a5, a6 uintptr) (r1, r2 uintptr, err syscall.Errno)

func portCreate() (int, syscall.Errno) {
	r, _, errno := sysvicall6(uintptr(unsafe.Pointer(&callPortCreate)), 0, 0, 0, 0, 0, 0, 0)
	return int(r), errno
}

func portAssociate(port int, fd uintptr, events uint16, user uint64) syscall.Errno {
	_, _, errno := sysvicall6(uintptr(unsafe.Pointer(&callPortAssociate)), 5, uintptr(port), portSourceFD, fd, uintptr(events), uintptr(user), 0)
	return errno
}

func portDissociate(port int, fd uintptr) syscall.Errno {
	_, _, errno := sysvicall6(uintptr(unsafe.Pointer(&callPortDissociate)), 3, uintptr(port), portSourceFD, fd, 0, 0, 0)
	return errno
}

// portGet waits for one event, and takes what fits of those that are there.
func portGet(port int, events []portEvent, timeout *unix.Timespec) (int, syscall.Errno) {
	n := uint32(1)
	r, _, errno := sysvicall6(uintptr(unsafe.Pointer(&callPortGetn)), 5, uintptr(port), uintptr(unsafe.Pointer(unsafe.SliceData(events))), uintptr(len(events)), uintptr(unsafe.Pointer(&n)), uintptr(unsafe.Pointer(timeout)), 0)
	if int(r) != -1 {
		errno = 0
	} else if errno != unix.ETIME {
		return 0, errno
	}
	return min(int(n), len(events)), errno
}

// portSend sends an event of the user's.
func portSend(port int) syscall.Errno {
	_, _, errno := sysvicall6(uintptr(unsafe.Pointer(&callPortSend)), 3, uintptr(port), 1, 0, 0, 0, 0)
	return errno
}
