package reactor

import (
	"sync"

	"golang.org/x/sys/windows"
)

// A watch is the poll of one socket, and the registration that it is for. The system writes to status and info while the poll
// is in flight: a watch stays where it is, and is reachable, until the packet of its poll has been dequeued.
type watch struct {
	status ioStatusBlock
	info   afdPollInfo

	arming
	id     slotID
	fd     uintptr
	base   windows.Handle
	helper *helper
	number uintptr // its own, from 1 on: what its packets carry
	mask   uint32  // of the events that mean something for such a socket
	asked  uint32  // the events of the poll in flight
	pipe   *pipeState
	queued int // the place in the backend's queue, from 1 on; 0: not there

	inFlight bool
	stale    bool // the source's own I/O met would-block since the poll in flight was armed
	gone     bool // the registration is: only the packet is waited for
	dead     bool // the socket was closed behind our back
	soft     bool // it is a pipe's, and on the list of those that may have an event
}

const watchChunkLen = 64

// A watchTable holds the watches of one backend. It grows in chunks, which never move.
type watchTable struct {
	chunks []*[watchChunkLen]watch
	free   []*watch
	busy   int                    // polls in flight
	pipes  map[uintptr]*pipeState // those at the port, by key
}

// watchTables are those of the Polls that are open: one that its owner lost without closing it must not be collected, for the
// system goes on writing to it.
var watchTables struct {
	sync.Mutex
	open map[*watchTable]bool
}

func newWatchTable() *watchTable {
	t := &watchTable{pipes: make(map[uintptr]*pipeState)}
	watchTables.Lock()
	defer watchTables.Unlock()
	if watchTables.open == nil {
		watchTables.open = make(map[*watchTable]bool)
	}
	watchTables.open[t] = true
	return t
}

// close lets go of the memory, unless the system still might write to it.
func (t *watchTable) close(busy bool) {
	if busy {
		return
	}
	watchTables.Lock()
	defer watchTables.Unlock()
	delete(watchTables.open, t)
}

func (t *watchTable) at(number uintptr) *watch {
	return &t.chunks[(number-1)/watchChunkLen][(number-1)%watchChunkLen]
}

func (t *watchTable) take() *watch {
	if len(t.free) == 0 {
		chunk := new([watchChunkLen]watch)
		first := uintptr(len(t.chunks))*watchChunkLen + 1
		t.chunks = append(t.chunks, chunk)
		for i := range chunk {
			chunk[i].number = first + uintptr(i)
			t.free = append(t.free, &chunk[i])
		}
	}
	last := len(t.free) - 1
	w := t.free[last]
	t.free = t.free[:last]
	return w
}

func (t *watchTable) give(w *watch) {
	*w = watch{number: w.number}
	t.free = append(t.free, w)
}

// eventsOf gives the events that mean something for a socket. A datagram socket ends by no error: those that it has to tell are
// there to be read.
func eventsOf(t target) uint32 {
	if t.d != nil && t.d.kind == kindPacket {
		return ^uint32(afdAbort | afdConnectFail)
	}
	return ^uint32(0)
}

// wants gives the events to ask for.
func (w *watch) wants() uint32 {
	events := afdEvents(w.asks()) & w.mask
	if events == afdLocalClose {
		return 0
	}
	return events
}

// arm asks the kernel for what is armed. A watch whose poll in flight asks for less is replaced by another: the new poll takes
// effect at once, while the old one's packet has yet to come.
func (b *iocpBackend) arm(w *watch) error {
	want := w.wants()
	if w.dead || want == 0 {
		return nil
	}
	if w.inFlight {
		if want&^w.asked == 0 {
			// What it asks for too much is left out when it completes.
			return nil
		}
		helper, err := b.helpers.take(b.port)
		if err != nil {
			return err
		}
		old := w
		w = b.watches.take()
		w.arming, w.id, w.fd, w.base, w.mask, w.helper = old.arming, old.id, old.fd, old.base, old.mask, helper
		if err := b.poll(w, want); err != nil {
			old.dead = w.dead
			b.release(w)
			return err
		}
		b.bySlot[w.id.index()] = w
		if b.byFD[w.fd] == old {
			b.byFD[w.fd] = w
		}
		return b.retire(old)
	}
	return b.poll(w, want)
}

// poll begins the poll of a watch that has none in flight.
func (b *iocpBackend) poll(w *watch, want uint32) error {
	w.info = afdPollInfo{timeout: forever, count: 1, socket: w.base, events: want}
	w.status = ioStatusBlock{status: uintptr(windows.STATUS_PENDING)}
	w.asked, w.stale, w.inFlight = want, false, true
	b.watches.busy++
	status := afdPoll(w.helper.handle, 0, w.number, &w.status, &w.info)
	if status == 0 || status == windows.STATUS_PENDING {
		// A poll that is done at once has its packet all the same.
		return nil
	}
	w.inFlight = false
	b.watches.busy--
	// The handle is none any more, or another thing's.
	w.dead = status == windows.STATUS_INVALID_HANDLE || status == windows.STATUS_OBJECT_TYPE_MISMATCH
	return ntError("NtDeviceIoControlFile", status)
}

// retire ends the poll of a watch that is no registration's any more, and gives it back: later, if its packet is yet to come.
func (b *iocpBackend) retire(w *watch) error {
	b.unqueue(w)
	if !w.inFlight {
		b.release(w)
		return nil
	}
	w.gone = true
	b.zombies++
	status := cancelIO(w.helper.handle, &w.status)
	if b.zombies >= maxZombies && !b.inWait {
		b.reap()
	}
	if status != 0 {
		return ntError("NtCancelIoFileEx", status)
	}
	return nil
}

// release gives back a watch that has no poll in flight.
func (b *iocpBackend) release(w *watch) {
	b.helpers.give(w.helper)
	b.watches.give(w)
}

// reported gives the events that a poll completed with. One that ended with the thread that began it has none; what else failed
// is a socket that is gone.
func (w *watch) reported() uint32 {
	switch status := w.status.ntStatus(); {
	case status == 0:
		if w.info.count == 0 {
			return 0
		}
		return w.info.events
	case status == windows.STATUS_CANCELLED:
		return 0
	}
	return afdLocalClose
}

// look asks for the events that hold now.
func (b *iocpBackend) look(w *watch, events uint32) uint32 {
	return b.probe.look(w.base, events)
}

// closedBehindUs reports whether the socket of a registration was closed by its owner, as far as a poll tells.
func (w *watch) closedBehindUs() bool {
	return w.dead || w.inFlight && w.status.ntStatus() != windows.STATUS_PENDING && w.reported()&afdLocalClose != 0
}

// drop ends a registration.
func (b *iocpBackend) drop(w *watch) error {
	b.bySlot[w.id.index()] = nil
	if w.pipe != nil {
		b.dropPipe(w)
		return nil
	}
	if b.byFD[w.fd] == w {
		delete(b.byFD, w.fd)
	}
	return b.retire(w)
}

// enqueue leaves the arming to the next wait.
func (b *iocpBackend) enqueue(w *watch) {
	if w.queued == 0 {
		b.queue = append(b.queue, w)
		w.queued = len(b.queue)
	}
}

func (b *iocpBackend) unqueue(w *watch) {
	if w.queued == 0 {
		return
	}
	last := len(b.queue) - 1
	moved := b.queue[last]
	b.queue[w.queued-1] = moved
	moved.queued = w.queued
	b.queue[last] = nil
	b.queue = b.queue[:last]
	w.queued = 0
}

// maxZombies is how many watches may wait for their packets while nobody waits on the Poll.
const maxZombies = 256

// reap takes the packets of registrations that are gone from the port, and keeps the others for the next wait.
func (b *iocpBackend) reap() {
	var buf [64]overlappedEntry
	for {
		n, errno := dequeue(b.port, buf[:], 0)
		if n == 0 || errno != 0 {
			return
		}
		for _, e := range b.arrived(buf[:n]) {
			if e.key == keyPoll && b.watches.at(e.overlapped).gone {
				b.complete(&e, nil, 0)
			} else {
				b.kept = append(b.kept, e)
			}
		}
	}
}

// arrived counts the packets that came: the system does not write to their memory any more.
func (b *iocpBackend) arrived(entries []overlappedEntry) []overlappedEntry {
	for i := range entries {
		if entries[i].key == keyPoll {
			b.watches.busy--
		}
	}
	return entries
}

// busy reports whether the system may write to memory of ours.
func (b *iocpBackend) busy() bool { return b.watches.busy > 0 || b.pipesBusy() }

// drain takes the packets of all that is in flight. It gives up when none comes for a while, which leaves the memory to
// the system.
func (b *iocpBackend) drain() {
	const patience = 5000 // milliseconds
	var buf [64]overlappedEntry
	for b.busy() {
		n, errno := dequeue(b.port, buf[:], patience)
		if n == 0 || errno != 0 {
			return
		}
		for _, e := range b.arrived(buf[:n]) {
			if e.key >= keyPipe {
				b.completePipe(&e)
			}
		}
	}
}
