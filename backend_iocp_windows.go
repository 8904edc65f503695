package reactor

import (
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/windows"
)

// The backend of Windows: one completion port, to which polls of AFD complete, one at most for a socket (watch_windows.go).

type osBackend = iocpBackend

const emulatedEdges = true

// Completion keys.
const (
	keyWake = iota
	keyPoll // of a watch, whose number is in the place of the OVERLAPPED
	keyPipe // and above: of a named pipe
)

type iocpBackend struct {
	port  windows.Handle
	slots *slotTable
	woken atomic.Bool // a packet of wake is in the port

	mu      sync.Mutex // guards what follows, down to buf
	watches *watchTable
	bySlot  []*watch
	byFD    map[uintptr]*watch // the sockets that are registered and, as far as is known, open
	helpers helperPool
	probe   *probe
	queue   []*watch // what the next wait has to arm
	inWait  bool     // a wait runs
	blocked bool     // and may be inside the port by now: what changes is armed at once
	zombies int      // watches whose registration is gone and whose packet is not there yet
	kept    []overlappedEntry

	buf   []overlappedEntry // belongs to the wait under way
	yield yielder           // likewise
}

func (b *iocpBackend) open(t *slotTable) error {
	if err := winsock(); err != nil {
		return err
	}
	port, err := windows.CreateIoCompletionPort(windows.InvalidHandle, 0, 0, 0)
	if err != nil {
		return os.NewSyscallError("CreateIoCompletionPort", err)
	}
	probe, err := openProbe()
	if err != nil {
		_ = windows.CloseHandle(port)
		return err
	}
	b.port, b.slots, b.probe = port, t, probe
	b.byFD = make(map[uintptr]*watch)
	b.watches = newWatchTable()
	return nil
}

func (b *iocpBackend) register(id slotID, t target, interest Interest, mode Mode) error {
	base, err := baseHandle(t.fd)
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if old := b.byFD[t.fd]; old != nil {
		if !old.closedBehindUs() {
			return ErrRegistered
		}
		if err := b.drop(old); err != nil {
			return err
		}
	}
	helper, err := b.helpers.take(b.port)
	if err != nil {
		return err
	}
	w := b.watches.take()
	w.id, w.fd, w.base, w.mask, w.helper = id, t.fd, base, eventsOf(t), helper
	w.set(t, interest, mode)
	if err := b.arm(w); err != nil {
		b.release(w)
		return err
	}
	for uint32(len(b.bySlot)) <= id.index() {
		b.bySlot = append(b.bySlot, nil)
	}
	b.bySlot[id.index()] = w
	b.byFD[t.fd] = w
	return nil
}

func (b *iocpBackend) reregister(id slotID, t target, interest Interest, mode Mode) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	w := b.find(id)
	if w == nil {
		return ErrNotRegistered
	}
	if w.closedBehindUs() {
		_ = b.drop(w)
		return ErrNotRegistered
	}
	before := w.arming
	w.set(t, interest, mode)
	err := b.arm(w)
	switch {
	case err == nil:
		return nil
	case w.dead:
		_ = b.drop(w)
		return ErrNotRegistered
	}
	w.arming = before
	return err
}

func (b *iocpBackend) deregister(id slotID, _ target) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	w := b.find(id)
	if w == nil {
		return nil
	}
	return b.drop(w)
}

func (b *iocpBackend) rearm(id slotID, direction Interest) {
	b.mu.Lock()
	defer b.mu.Unlock()
	w := b.find(id)
	if w == nil {
		return
	}
	w.stale = w.inFlight
	changed := w.rearm(direction)
	if direction == Readable && w.lacksPriority() && b.look(w, afdReceiveExpedited)&afdReceiveExpedited == 0 {
		// The urgent byte that was told of is gone.
		w.armed |= Priority
		changed = true
	}
	if !changed {
		return
	}
	// What cannot be armed now is tried again by the next wait, which tells the error.
	if !b.blocked || b.arm(w) != nil {
		b.enqueue(w)
	}
}

// find gives the watch of a registration, if it is there.
func (b *iocpBackend) find(id slotID) *watch {
	if int(id.index()) >= len(b.bySlot) {
		return nil
	}
	if w := b.bySlot[id.index()]; w != nil && w.id == id {
		return w
	}
	return nil
}

func (b *iocpBackend) wait(events []Event, timeout time.Duration) (int, error) {
	b.yield.before()
	if room := min(len(events), maxEntries); room > len(b.buf) {
		b.buf = make([]overlappedEntry, room)
	}
	buf := b.buf[:min(len(events), len(b.buf))]
	for {
		n, err := b.begin(events, timeout)
		if n > 0 || err != nil {
			return n, err
		}
		got, errno := dequeue(b.port, buf, milliseconds(timeout))
		n = b.end(buf[:got], events)
		b.yield.after(n)
		switch {
		case n > 0:
			return n, nil
		case errno != 0:
			return 0, os.NewSyscallError("GetQueuedCompletionStatusEx", errno)
		case got == 0:
			return 0, nil
		}
		// All that came is dropped, and there may be more.
		timeout = 0
	}
}

// maxEntries bounds the buffer for packets.
const maxEntries = 1024

// begin is the part of wait before the port: it arms what is to be armed. What reap kept comes first.
func (b *iocpBackend) begin(events []Event, timeout time.Duration) (n int, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.kept) > 0 && n == 0 {
		taken := min(len(b.kept), len(events))
		for i := range b.kept[:taken] {
			n = b.complete(&b.kept[i], events, n)
		}
		b.kept = b.kept[:copy(b.kept, b.kept[taken:])]
	}
	if n > 0 {
		return n, nil
	}
	b.inWait = true
	if err := b.flush(); err != nil {
		b.inWait = false
		return 0, err
	}
	b.blocked = timeout != 0
	return 0, nil
}

// end is the part of wait after it.
func (b *iocpBackend) end(entries []overlappedEntry, events []Event) (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.inWait, b.blocked = false, false
	for i := range b.arrived(entries) {
		n = b.complete(&entries[i], events, n)
	}
	return n
}

// flush arms what was queued. What fails stays queued, unless its socket is gone.
func (b *iocpBackend) flush() (err error) {
	left := 0
	for i, w := range b.queue {
		b.queue[i] = nil
		w.queued = 0
		if e := b.arm(w); e != nil && !w.dead {
			err = e
			b.queue[left] = w
			left++
			w.queued = left
		}
	}
	b.queue = b.queue[:left]
	return err
}

// complete takes a packet, and puts the event that it makes, if any, at events[n].
func (b *iocpBackend) complete(e *overlappedEntry, events []Event, n int) int {
	if e.key == keyWake {
		b.woken.Store(false)
		return n
	}
	w := b.watches.at(e.overlapped)
	w.inFlight = false
	if w.gone {
		b.zombies--
		b.release(w)
		return n
	}
	reported := w.reported()
	if reported&afdLocalClose != 0 {
		w.dead = true
		return n
	}
	wants := w.wants()
	reported &= wants
	if reported != 0 && (w.mode != Edge || w.stale) {
		// Since the poll completed the source may have become ready in the other direction too, or been read.
		reported = b.look(w, wants)
	}
	ready := afdReady(reported, w.interest)
	token, _, _, ok := b.slots.find(w.id)
	if ready != 0 && ok {
		w.fired(ready)
		events[n] = Event{Token: token, Ready: ready}
		n++
	}
	if w.asks() != 0 {
		b.enqueue(w)
	}
	return n
}

func (b *iocpBackend) wake() error {
	if b.woken.Swap(true) {
		// The packet that is on its way ends the wait.
		return nil
	}
	err := windows.PostQueuedCompletionStatus(b.port, 0, keyWake, nil)
	if err != nil {
		b.woken.Store(false)
	}
	return os.NewSyscallError("PostQueuedCompletionStatus", err)
}

// close gives everything back once nothing is in flight any more.
func (b *iocpBackend) close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.helpers.cancel()
	b.drain()
	b.helpers.close()
	err := b.probe.close()
	if cerr := windows.CloseHandle(b.port); err == nil {
		err = os.NewSyscallError("CloseHandle", cerr)
	}
	b.watches.close()
	b.bySlot, b.byFD, b.queue, b.kept = nil, nil, nil, nil
	return err
}

func (b *iocpBackend) name() string { return "iocp" }
func (b *iocpBackend) fd() uintptr  { return uintptr(b.port) }
