//go:build (darwin || dragonfly || freebsd || netbsd || openbsd) && !reactor_poll

package reactor

import (
	"math"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// The backend of macOS, iOS and the BSDs: kqueue(2).
//
// A registration is up to three filters, each of which is an event of its own. Edge is EV_CLEAR. Oneshot is EV_ONESHOT of each
// filter, by which the kernel deletes what has fired; the filters that have not stay in the kernel until they fire, once, to be
// dropped because the registration sleeps, or until Reregister. Deleting them as soon as the first has fired would take a
// system call more, or, put off to the next wait, race with a Reregister of another goroutine.

type osBackend = kqueueBackend

const emulatedEdges = false

type kqueueBackend struct {
	kq    int
	slots *slotTable
	// receipts says that the kernel answers each change: EV_RECEIPT.
	receipts bool
	// wakeR and wakeW are the pipe that wakes where the kernel has no EVFILT_USER; else -1.
	wakeR, wakeW int

	// What is in the kernel, by slot, and the slots by descriptor, with 1 added. Guarded by the Poll's lock.
	watched []watched
	byFD    []uint32
	scratch [maxChanges]kevent
	results [maxChanges]kevent
	errnos  [maxChanges]syscall.Errno

	unread unreadPipes

	// The rest belongs to the wait under way.
	buf     []kevent
	pending kqueuePending
	yield   yielder
}

// maxChanges is one deletion and one addition of each filter.
const maxChanges = 6

// watched is what is in the kernel for a registration.
type watched struct {
	fd      int32
	filters kqueueFilter
	mode    Mode
}

func (b *kqueueBackend) open(t *slotTable) error {
	syscall.ForkLock.RLock()
	kq, err := unix.Kqueue()
	if err == nil {
		unix.CloseOnExec(kq)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return os.NewSyscallError("kqueue", err)
	}
	*b = kqueueBackend{kq: kq, slots: t, wakeR: -1, wakeW: -1}
	if err := b.openWaker(); err != nil {
		_ = b.close()
		return err
	}
	return nil
}

// openWaker finds out by trying what the kernel has to be woken by, and whether it answers changes.
func (b *kqueueBackend) openWaker() error {
	if b.tryChange(0, filterUser) == 0 {
		return nil
	}
	var fds [2]int
	if err := pipe(&fds); err != nil {
		return err
	}
	b.wakeR, b.wakeW = fds[0], fds[1]
	return failed("kevent", b.tryChange(b.wakeR, filterRead))
}

// tryChange adds what wakes. A kernel that knows nothing of receipts answers failures alone.
func (b *kqueueBackend) tryChange(ident int, filter kqueueFilter) syscall.Errno {
	b.scratch[0].change(ident, filter, unix.EV_ADD|unix.EV_CLEAR|evReceipt, ^uintptr(0))
	n, errno := callKevent(b.kq, b.scratch[:1], b.results[:1], new(unix.Timespec))
	if errno != 0 || n == 0 {
		return errno
	}
	errno, answer := b.results[0].result()
	b.receipts = answer && errno == 0
	return errno
}

func (b *kqueueBackend) register(id slotID, t target, interest Interest, mode Mode) error {
	if t.fd > math.MaxInt32 {
		// A number that does not fit would be cut to another descriptor's.
		return os.NewSyscallError("kevent", unix.EBADF)
	}
	if err := checkInterest(interest); err != nil {
		return err
	}
	if b.registered(t.fd) {
		return ErrRegistered
	}
	w, err := b.arm(id, t, watched{fd: int32(t.fd)}, interest, mode)
	if err != nil {
		return err
	}
	for uint32(len(b.watched)) <= id.index() {
		b.watched = append(b.watched, watched{})
	}
	for uintptr(len(b.byFD)) <= t.fd {
		b.byFD = append(b.byFD, 0)
	}
	b.watched[id.index()] = w
	b.byFD[t.fd] = id.index() + 1
	return nil
}

// slotOf gives the slot of the registration that a descriptor's number had last.
func (b *kqueueBackend) slotOf(fd uintptr) (index uint32, ok bool) {
	if fd >= uintptr(len(b.byFD)) || b.byFD[fd] == 0 {
		return 0, false
	}
	return b.byFD[fd] - 1, true
}

// registered reports whether a descriptor is registered: the kernel takes a second registration for a change of the first. What
// its owner closed left the kernel, and is dead. A oneshot that has fired may have left it too: it counts as alive.
func (b *kqueueBackend) registered(fd uintptr) bool {
	index, ok := b.slotOf(fd)
	if !ok {
		return false
	}
	id := b.slots.id(index)
	if _, interest, _, _ := b.slots.find(id); interest == 0 {
		return true
	}
	udata, _ := packUdata(id, wordBits)
	list := b.scratch[:0]
	for f := filterRead; f <= filterExcept; f <<= 1 {
		if b.watched[index].filters&f != 0 {
			list = list[:len(list)+1]
			list[len(list)-1].change(int(fd), f, unix.EV_ENABLE, uintptr(udata))
		}
	}
	if len(list) == 0 || b.apply(list) != nil {
		return true
	}
	for i := range list {
		if b.errnos[i] == 0 {
			return true
		}
	}
	return false
}

// reregister is on failure to leave what there was. The kernel then has it anew: what was ready is told again.
func (b *kqueueBackend) reregister(id slotID, t target, interest Interest, mode Mode) error {
	if err := checkInterest(interest); err != nil {
		return err
	}
	old := b.watched[id.index()]
	w := old
	if t.d == nil && w.mode != Oneshot && w.filters != 0 {
		// Of a descriptor that its owner closed the kernel has nothing to delete.
		gone, err := b.remove(w)
		if err != nil {
			return err
		}
		if gone {
			b.clear(id)
			return ErrNotRegistered
		}
		w.filters = 0
	}
	w, err := b.arm(id, t, w, interest, mode)
	if err != nil {
		b.restore(id-1<<32, old)
		return err
	}
	b.watched[id.index()] = w
	return nil
}

// restore puts a registration back to what it had in the kernel, as far as that takes it.
func (b *kqueueBackend) restore(id slotID, w watched) {
	udata, _ := packUdata(id, wordBits)
	_ = b.apply(changes(b.scratch[:0], int(w.fd), 0, w.filters, w.mode, uintptr(udata)))
}

// checkInterest refuses what the system has no filter for.
func checkInterest(interest Interest) error {
	if evfiltExcept == noFilter && interest&Priority != 0 {
		return unsupported("an interest in Priority")
	}
	return nil
}

// arm takes a registration from what it has in the kernel to what it is to have, and gives that.
func (b *kqueueBackend) arm(id slotID, t target, w watched, interest Interest, mode Mode) (watched, error) {
	needed, optional := kqueueFilters(t.stream() && t.d.family != familyUnix, interest, mode)
	if evfiltExcept == noFilter {
		optional = 0
	}
	udata, ok := packUdata(id, wordBits)
	if !ok {
		return w, unsupported("more than a million registrations")
	}
	old := w.filters
	list := changes(b.scratch[:0], int(t.fd), old, needed|optional, mode, uintptr(udata))
	if err := b.apply(list); err != nil {
		return w, err
	}
	w.filters, w.mode = 0, mode
	var failure syscall.Errno
	for i := range list {
		k, errno := &list[i], b.errnos[i]
		if k.view().Flags&unix.EV_DELETE != 0 {
			// ENOENT: a oneshot has fired, or a pipe's writing end had no filter.
			continue
		}
		switch f := k.filter(); {
		case errno == 0:
			w.filters |= f
		case f&optional != 0:
			// Nothing that could have urgent data.
		case f == filterWrite && b.unreadable(int(t.fd), errno):
			if err := b.unread.add(b, id); err != nil {
				failure = unix.EPIPE
			}
		case failure == 0:
			failure = errno
		}
	}
	if failure != 0 {
		_, _ = b.remove(w)
		w.filters = 0
	}
	return w, failed("kevent", failure)
}

// unreadable reports whether a writing filter was refused because of a pipe whose readers are gone: EPIPE, and EBADF on NetBSD, where
// the descriptor is good all the same.
func (b *kqueueBackend) unreadable(fd int, errno syscall.Errno) bool {
	if errno != unix.EBADF {
		return errno == unix.EPIPE
	}
	_, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
	return err == nil
}

func (b *kqueueBackend) deregister(id slotID, t target) error {
	w := b.watched[id.index()]
	if index, ok := b.slotOf(uintptr(w.fd)); !ok || index != id.index() {
		// The number is another registration's by now.
		return nil
	}
	b.clear(id)
	if t.fd != uintptr(w.fd) || w.filters == 0 {
		return nil
	}
	_, err := b.remove(w)
	if t.d == nil {
		return nil
	}
	return err
}

// clear forgets a registration.
func (b *kqueueBackend) clear(id slotID) {
	w := &b.watched[id.index()]
	if index, ok := b.slotOf(uintptr(w.fd)); ok && index == id.index() {
		b.byFD[w.fd] = 0
	}
	*w = watched{}
}

// remove takes a registration out of the kernel, and reports whether nothing of it was there.
func (b *kqueueBackend) remove(w watched) (gone bool, err error) {
	list := changes(b.scratch[:0], int(w.fd), w.filters, 0, w.mode, 0)
	if err := b.apply(list); err != nil {
		return false, err
	}
	gone = true
	for _, errno := range b.errnos[:len(list)] {
		switch errno {
		case 0:
			gone = false
		case unix.ENOENT:
			// It has fired, or went with the descriptor.
		default:
			err = failed("kevent", errno)
		}
	}
	return gone && err == nil, err
}

// apply hands changes to the kernel at once, and puts the result of each into errnos. A signal does not matter: what is deleted or
// added twice is so all the same.
func (b *kqueueBackend) apply(list []kevent) error {
	var now unix.Timespec
	if !b.receipts {
		for i := range list {
			_, errno := callKevent(b.kq, list[i:i+1], nil, &now)
			for errno == unix.EINTR {
				_, errno = callKevent(b.kq, list[i:i+1], nil, &now)
			}
			b.errnos[i] = errno
		}
		return nil
	}
	for i := range list {
		list[i].view().Flags |= evReceipt
	}
	for {
		n, errno := callKevent(b.kq, list, b.results[:len(list)], &now)
		switch {
		case errno == unix.EINTR:
			continue
		case errno != 0:
			return failed("kevent", errno)
		}
		clear(b.errnos[:])
		for i := range b.results[:n] {
			if i < len(list) {
				b.errnos[i], _ = b.results[i].result()
			}
		}
		return nil
	}
}

// rearm has nothing to do: the kernel has edges.
func (b *kqueueBackend) rearm(slotID, Interest) {}

// The buffer for the kernel's events grows to what the kernel has at once, within these bounds.
const (
	minKevents = 32
	maxKevents = 4096
)

func (b *kqueueBackend) wait(events []Event, timeout time.Duration) (int, error) {
	// A registration has up to three events.
	if room := min(max(3*len(events), minKevents), maxKevents/4); room > len(b.buf) {
		b.buf = make([]kevent, room)
	}
	if b.pending.refresh(b.slots) {
		timeout = 0
	}
	if b.unread.report(&b.pending, b.slots) {
		timeout = 0
	}
	b.yield.before()
	var ts unix.Timespec
	for {
		got, errno := callKevent(b.kq, nil, b.buf, keventTimeout(&ts, timeout))
		if errno == unix.EINTR {
			break
		}
		if errno != 0 {
			return 0, failed("kevent", errno)
		}
		for i := range b.buf[:got] {
			b.take(&b.buf[i])
		}
		if got < len(b.buf) || len(b.buf) == maxKevents {
			break
		}
		// There may be more, such as the other direction of a oneshot that is told of now.
		b.buf = make([]kevent, 2*len(b.buf))
		timeout = 0
	}
	n := b.pending.deliver(events, b.slots)
	if len(b.pending.events) > 0 {
		// Something is left over. A Poll that this one is nested in must see that.
		if err := b.wake(); err != nil && n == 0 {
			return 0, err
		}
	}
	b.yield.after(n)
	return n, nil
}

// take puts one event of the kernel to those that are pending.
func (b *kqueueBackend) take(k *kevent) {
	switch filter := k.filter(); filter {
	case filterUser:
		return
	case filterAIO, filterLIO:
		b.pending.addToken(uint64(*k.udata()), k.ready())
		return
	case filterRead:
		if b.wakeR >= 0 && uint64(k.view().Ident) == uint64(b.wakeR) {
			b.drain()
			return
		}
	}
	id := unpackUdata(uint64(*k.udata()), wordBits, b.slots)
	if _, _, _, ok := b.slots.find(id); !ok {
		// A registration that is gone, or sleeps.
		return
	}
	if ready := k.ready(); ready != 0 {
		b.pending.add(id, ready)
	}
}

// drain empties the pipe that wakes, so that there is room for the next byte.
func (b *kqueueBackend) drain() {
	var buf [64]byte
	for {
		n, err := unix.Read(b.wakeR, buf[:])
		if err != unix.EINTR && n < len(buf) {
			return
		}
	}
}

func (b *kqueueBackend) wake() error {
	if b.wakeW < 0 {
		var trigger [1]kevent
		trigger[0].change(0, filterUser, 0, ^uintptr(0))
		trigger[0].view().Fflags = noteTrigger
		for {
			_, errno := callKevent(b.kq, trigger[:], nil, &unix.Timespec{})
			if errno != unix.EINTR {
				return failed("kevent", errno)
			}
		}
	}
	for {
		_, err := unix.Write(b.wakeW, []byte{0})
		switch err {
		case unix.EINTR:
			continue
		case unix.EAGAIN:
			// The pipe is full: it wakes all the same.
			return nil
		}
		return os.NewSyscallError("write", err)
	}
}

func (b *kqueueBackend) close() error {
	var err error
	for _, fd := range []int{b.wakeW, b.wakeR, b.kq} {
		if fd < 0 {
			continue
		}
		if cerr := unix.Close(fd); err == nil {
			err = os.NewSyscallError("close", cerr)
		}
	}
	return err
}

func (b *kqueueBackend) name() string { return "kqueue" }
func (b *kqueueBackend) fd() uintptr  { return uintptr(b.kq) }

// unreadPipes are the registrations of pipes whose readers were gone before: the kernel does not watch such a one, and
// there is an event to tell.
type unreadPipes struct {
	n   atomic.Int32 // len(ids), to be read without the lock
	mu  sync.Mutex
	ids []slotID
}

// add puts the registration to those that the wait under way, or else the next, tells of.
func (u *unreadPipes) add(b *kqueueBackend, id slotID) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, known := range u.ids {
		if known == id {
			return b.wake()
		}
	}
	u.ids = append(u.ids, id)
	u.n.Store(int32(len(u.ids)))
	return b.wake()
}

// report adds what there is to tell, and reports whether there is something. Level goes on telling.
func (u *unreadPipes) report(pending *kqueuePending, slots *slotTable) bool {
	if u.n.Load() == 0 {
		return false
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	rest := u.ids[:0]
	for _, id := range u.ids {
		_, interest, mode, ok := slots.find(id)
		if !ok || interest&Writable == 0 {
			continue
		}
		pending.add(id, kqueueReady(filterWrite, true, false))
		if mode == Level {
			rest = append(rest, id)
		}
	}
	u.ids = rest
	u.n.Store(int32(len(rest)))
	return true
}
