//go:build !reactor_poll

package reactor

import (
	"errors"
	"math"
	"os"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The backend of Linux and Android: epoll(7).

type osBackend = epollBackend

const emulatedEdges = false

type epollBackend struct {
	ep, event int         // the epoll instance, and the eventfd that wakes it
	woken     atomic.Bool // the eventfd's event may be waiting in the kernel
	slots     *slotTable
	buf       []unix.EpollEvent // belongs to the wait under way
	yield     yielder           // likewise
}

// wakeID is what the eventfd's event carries. Slots never get there: their numbers come after 2^32-1 registrations.
const wakeID = slotID(noSlot)

func (b *epollBackend) open(t *slotTable) error {
	ep, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return os.NewSyscallError("epoll_create1", err)
	}
	event, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		_ = unix.Close(ep)
		return os.NewSyscallError("eventfd", err)
	}
	b.ep, b.event, b.slots = ep, event, t
	// With an edge each write to the eventfd is an event of its own: it need not be read.
	if err := b.control(unix.EPOLL_CTL_ADD, uintptr(event), unix.EPOLLIN|unix.EPOLLET, wakeID); err != nil {
		_ = b.close()
		return err
	}
	return nil
}

func (b *epollBackend) register(id slotID, t target, interest Interest, mode Mode) error {
	err := b.control(unix.EPOLL_CTL_ADD, t.fd, epollEvents(t, interest, mode), id)
	if errors.Is(err, unix.EEXIST) {
		return ErrRegistered
	}
	return err
}

func (b *epollBackend) reregister(id slotID, t target, interest Interest, mode Mode) error {
	err := b.control(unix.EPOLL_CTL_MOD, t.fd, epollEvents(t, interest, mode), id)
	if errors.Is(err, unix.ENOENT) {
		return ErrNotRegistered
	}
	return err
}

func (b *epollBackend) deregister(_ slotID, t target) error {
	err := b.control(unix.EPOLL_CTL_DEL, t.fd, 0, 0)
	if t.d == nil && (errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EBADF) || errors.Is(err, unix.EPERM)) {
		// Its owner closed it, which removed it; the number may have become another file's.
		return nil
	}
	return err
}

// rearm has nothing to do: the kernel has edges.
func (b *epollBackend) rearm(slotID, Interest) {}

func (b *epollBackend) control(op int, fd uintptr, events uint32, id slotID) error {
	if fd > math.MaxInt32 {
		// The kernel would cut the number to another descriptor's.
		return failed("epoll_ctl", unix.EBADF)
	}
	ev := unix.EpollEvent{Events: events, Fd: int32(id.index()), Pad: int32(id.generation())}
	_, _, errno := syscall.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(b.ep), uintptr(op), fd, uintptr(unsafe.Pointer(&ev)), 0, 0)
	return failed("epoll_ctl", errno)
}

// epollID is what an event carries: the data word, which x/sys splits into Fd and Pad.
func epollID(ev *unix.EpollEvent) slotID {
	return slotID(uint32(ev.Fd)) | slotID(uint32(ev.Pad))<<32
}

// epollEvents translates a registration to what the kernel is asked for.
func epollEvents(t target, interest Interest, mode Mode) uint32 {
	var e uint32
	if interest&Readable != 0 {
		e |= unix.EPOLLIN | unix.EPOLLRDHUP
	}
	if interest&Writable != 0 {
		e |= unix.EPOLLOUT
	}
	if interest&Priority != 0 {
		e |= unix.EPOLLPRI
	}
	switch mode {
	case Edge:
		e |= unix.EPOLLET
		if interest&Readable != 0 && t.stream() {
			// A read stops at an urgent mark: whoever takes a short read for a drained stream has to know. The other
			// modes report what is left without that.
			e |= unix.EPOLLPRI
		}
	case Oneshot:
		e |= unix.EPOLLONESHOT
	}
	return e
}

// maxEpollEvents bounds the buffer for the kernel's events.
const maxEpollEvents = 1024

func (b *epollBackend) wait(events []Event, timeout time.Duration) (n int, err error) {
	if room := min(len(events), maxEpollEvents); room > len(b.buf) {
		b.buf = make([]unix.EpollEvent, room)
	}
	buf := b.buf[:min(len(events), len(b.buf))]
	b.yield.before()
	if b.woken.Load() {
		// The event of a wake that came before would take the room of another.
		b.calm()
		timeout = 0
	}
	got, errno := epollWait(b.ep, buf, timeout)
	if errno != 0 {
		if errno == unix.EINTR {
			return 0, nil
		}
		return 0, failed("epoll_wait", errno)
	}
	for i := range buf[:got] {
		ev := &buf[i]
		token, interest, _, ok := b.slots.find(epollID(ev))
		if !ok {
			// The waker, or a registration that is gone.
			if epollID(ev) == wakeID {
				b.woken.Store(false)
			}
			continue
		}
		events[n] = Event{Token: token, Ready: pollReady(ev.Events, interest)}
		n++
	}
	b.yield.after(n)
	return n, nil
}

func (b *epollBackend) wake() error {
	one := uint64(1)
	b.woken.Store(true)
	for {
		_, _, errno := syscall.RawSyscall(unix.SYS_WRITE, uintptr(b.event), uintptr(unsafe.Pointer(&one)), unsafe.Sizeof(one))
		if errno != unix.EINTR {
			return failed("write", errno)
		}
	}
}

// calm empties the eventfd: epoll leaves out what is not ready any more.
func (b *epollBackend) calm() {
	var count uint64
	b.woken.Store(false)
	// EAGAIN says that the write is still to come: then its event is, too.
	syscall.RawSyscall(unix.SYS_READ, uintptr(b.event), uintptr(unsafe.Pointer(&count)), unsafe.Sizeof(count))
}

func (b *epollBackend) close() error {
	err := os.NewSyscallError("close", unix.Close(b.event))
	if cerr := unix.Close(b.ep); err == nil {
		err = os.NewSyscallError("close", cerr)
	}
	return err
}

func (b *epollBackend) name() string { return "epoll" }
func (b *epollBackend) fd() uintptr  { return uintptr(b.ep) }

// epollWait picks the call that has the timeout's resolution. Only a call that may block tells the scheduler.
func epollWait(ep int, buf []unix.EpollEvent, timeout time.Duration) (int, syscall.Errno) {
	var n uintptr
	var errno syscall.Errno
	switch {
	case timeout == 0:
		n, _, errno = syscall.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(ep), uintptr(unsafe.Pointer(unsafe.SliceData(buf))), uintptr(len(buf)), 0, 0, 0)
	case timeout > 0 && !noPwait2.Load():
		ts := kernelTimespec{int64(timeout / time.Second), int64(timeout % time.Second)}
		n, _, errno = syscall.Syscall6(unix.SYS_EPOLL_PWAIT2, uintptr(ep), uintptr(unsafe.Pointer(unsafe.SliceData(buf))), uintptr(len(buf)), uintptr(unsafe.Pointer(&ts)), 0, 0)
		if errno == unix.ENOSYS || errno == unix.EPERM {
			// Kernels before 5.11, and filters that do not know it.
			noPwait2.Store(true)
			return epollWait(ep, buf, timeout)
		}
	default:
		n, _, errno = syscall.Syscall6(unix.SYS_EPOLL_PWAIT, uintptr(ep), uintptr(unsafe.Pointer(unsafe.SliceData(buf))), uintptr(len(buf)), uintptr(milliseconds(timeout)), 0, 0)
	}
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}

// kernelTimespec has 64 bits on every architecture.
type kernelTimespec struct{ sec, nsec int64 }

// noPwait2 says that the kernel has no epoll_pwait2. Android ends a process that asks.
var noPwait2 atomic.Bool

func init() { noPwait2.Store(runtime.GOOS == "android") }
