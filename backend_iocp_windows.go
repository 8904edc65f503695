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

	nextPipe uintptr // key
	soft     []*watch
	softTurn bool // the pipes came first last time

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
	b.nextPipe = keyPipe
	b.byFD = make(map[uintptr]*watch)
	b.watches = newWatchTable()
	return nil
}

func (b *iocpBackend) register(id slotID, t target, interest Interest, mode Mode) error {
	if t.d != nil && t.d.pipe != nil {
		return b.registerPipe(id, t, interest, mode)
	}
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
	b.place(w)
	b.byFD[t.fd] = w
	return nil
}

// place makes a watch that of its slot.
func (b *iocpBackend) place(w *watch) {
	for uint32(len(b.bySlot)) <= w.id.index() {
		b.bySlot = append(b.bySlot, nil)
	}
	b.bySlot[w.id.index()] = w
}

func (b *iocpBackend) reregister(id slotID, t target, interest Interest, mode Mode) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	w := b.bySlot[id.index()]
	if w == nil {
		return ErrNotRegistered
	}
	if w.pipe != nil {
		if interest&Priority != 0 {
			return unsupported("Priority of a named pipe")
		}
		w.id = id
		w.id = id
		w.set(t, interest, mode)
		b.soften(w)
		return nil
	}
	if w.closedBehindUs() {
		_ = b.drop(w)
		return ErrNotRegistered
	}
	oldID, oldArming := w.id, w.arming
	w.id = id
	w.set(t, interest, mode)
	err := b.arm(w)
	switch {
	case err == nil:
		w.id = id
		return nil
	case w.dead:
		_ = b.drop(w)
		return ErrNotRegistered
	}
	w.id, w.arming = oldID, oldArming
	if w.asks() != 0 {
		// Its packet may have come meanwhile and been dropped.
		b.enqueue(w)
	}
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
	if w.pipe != nil {
		if w.rearm(direction) {
			b.soften(w)
		}
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
	for {
		n, pipesFirst, ready, err := b.begin(events, timeout)
		if err != nil {
			return 0, err
		}
		if ready {
			timeout = 0
		}
		came := false
		for more := n < len(events); more; timeout = 0 {
			buf := b.buf[:min(len(events)-n, len(b.buf))]
			got, errno := dequeue(b.port, buf, milliseconds(timeout))
			n = b.collect(buf[:got], events, n)
			if errno != 0 && n == 0 {
				b.end(nil, 0)
				return 0, os.NewSyscallError("GetQueuedCompletionStatusEx", errno)
			}
			came = came || got > 0
			// Some packets make no event: there may be more than what has come.
			more = int(got) == len(buf) && n < len(events)
		}
		if pipesFirst {
			b.end(nil, 0)
		} else {
			n = b.end(events, n)
		}
		b.yield.after(n)
		if n > 0 || !came {
			return n, nil
		}
		// All that came was dropped. What that has left to be armed may be ready.
		timeout = 0
	}
}

// maxEntries bounds the buffer for packets.
const maxEntries = 1024

// begin is the part of wait before the port. It arms what is to be armed, and makes events of the packets that reap kept and, in
// turn with the port, of the pipes. ready says that wait is not to block.
func (b *iocpBackend) begin(events []Event, timeout time.Duration) (n int, pipesFirst, ready bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.inWait = true
	if err := b.flush(); err != nil {
		b.inWait = false
		return 0, false, false, err
	}
	taken := min(len(b.kept), len(events))
	for i := range b.kept[:taken] {
		n = b.complete(&b.kept[i], events, n)
	}
	b.kept = b.kept[:copy(b.kept, b.kept[taken:])]
	ready = taken > 0 || len(b.soft) > 0
	if len(b.soft) > 0 {
		if b.softTurn = !b.softTurn; b.softTurn {
			pipesFirst = true
			n = b.harvest(events, n)
		}
	}
	b.blocked = timeout != 0 && !ready
	return n, pipesFirst, ready, nil
}

// collect makes events of packets.
func (b *iocpBackend) collect(entries []overlappedEntry, events []Event, n int) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.blocked = false
	for i := range b.arrived(entries) {
		n = b.complete(&entries[i], events, n)
	}
	return n
}

// end is the part of wait after the port. It makes events of the pipes.
func (b *iocpBackend) end(events []Event, n int) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.inWait, b.blocked = false, false
	return b.harvest(events, n)
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
	if e.key >= keyPipe {
		b.completePipe(e)
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
	if reported != 0 && (w.mode != Edge || w.stale || afdReady(reported, 0)&wanted(wants) != wanted(wants)) {
		// Since the poll completed the source may have become ready in the other direction too, or been read.
		reported = b.look(w, wants)
	}
	reported &= wants
	token, _, _, ok := b.slots.find(w.id)
	if !ok {
		// The registration is about to go, or to be changed and armed anew.
		return n
	}
	if ready := afdReady(reported, w.interest); ready != 0 {
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
	b.detachPipes()
	for i := range b.kept {
		if b.kept[i].key >= keyPipe {
			b.completePipe(&b.kept[i])
		}
	}
	b.drain()
	b.helpers.close()
	err := b.probe.close()
	if cerr := windows.CloseHandle(b.port); err == nil {
		err = os.NewSyscallError("CloseHandle", cerr)
	}
	b.watches.close(b.busy())
	b.bySlot, b.byFD, b.queue, b.kept, b.soft = nil, nil, nil, nil, nil
	return err
}

func (b *iocpBackend) name() string { return "iocp" }
func (b *iocpBackend) fd() uintptr  { return uintptr(b.port) }
