package reactor

import (
	"runtime"
	"sync"
	"syscall"
	"time"
)

// The backend of WASI preview 1: poll_oneoff.
//
// While poll_oneoff waits the whole program stands still, its timers and all other goroutines. So a wait sleeps in slices, and
// passes through the scheduler between them.
//
// What runtimes report is not to be trusted. Some report every descriptor as soon as one is ready; others report all of
// them always, know nothing of writes and always sleep the whole time. So each report is tested, by looking at the socket
// without taking anything. With a runtime of the second kind poll_oneoff serves as a clock only.

type osBackend = oneoffBackend

const emulatedEdges = true

// maxSlice is how long the program may stand still.
const maxSlice = 10 * time.Millisecond

// minSlice is the first of the slices, each twice the last, that a runtime without a poll of its own sleeps between two looks.
const minSlice = time.Millisecond

type oneoffBackend struct {
	slots *slotTable

	mu      sync.Mutex // guards regs and pending; the rest belongs to the wait under way
	regs    registrations
	pending bool // a wake that the next wait takes

	// blind says that the runtime's poll_oneoff tells nothing of sockets.
	blind bool
	// set is what poll_oneoff is given: the clock first.
	set    []wasiSubscription
	out    []wasiEvent
	extras []oneoffExtra // by slot
	watch  []uint32      // the slots that have subscriptions, in no order
	round  uint32        // counts the looks
	first  int           // where the next look for events begins: everybody gets a turn
	// unlikely is where the next look among those for which nothing speaks begins, and unlikelyFirst says that they
	// had no room last time.
	unlikely      int
	unlikelyFirst bool

	idle  bool          // the last slice found nothing
	nap   time.Duration // the next slice of a blind runtime
	gap   time.Duration // between two guesses there that what cannot be tested is ready
	guess time.Time     // when the next one is due
	yield yielder
}

// A oneoffExtra is what a registration has beside what every backend needs.
type oneoffExtra struct {
	places [2]int32 // in set, to read and to write; 0: not there
	watch  int32    // in watch, from 1 on
	round  uint32   // the last look that came to it
	fired  uint32   // the last look that made an event of it
	reads  readTest
	fresh  bool // a guess is due at once
}

// A readTest is the way to find out whether a descriptor has something to read.
type readTest uint8

const (
	testUnknown readTest = iota
	testPeek             // a connection: look at its first byte
	testPoll             // anything else: poll it alone, where that is exact
)

func (b *oneoffBackend) open(t *slotTable) error {
	*b = oneoffBackend{slots: t, blind: pollIsBlind(), nap: minSlice, gap: minSlice}
	b.set = append(b.set, wasiSubscription{tag: wasiEventClock, id: wasiClockMonotonic, precision: 1})
	b.out = append(b.out, wasiEvent{})
	return nil
}

// pollIsBlind finds out whether the runtime's poll_oneoff knows of writes. One that does not (wazero) guesses at reads, too.
var pollIsBlind = sync.OnceValue(func() bool {
	for fd := int32(0); fd < 64; fd++ {
		var stat wasiFDStat
		if wasiFDStatGet(fd, &stat) != 0 {
			continue
		}
		_, errno, err := pollAlone(fd, wasiEventWrite)
		if err != nil || errno == syscall.EBADF {
			continue
		}
		return errno == syscall.ENOTSUP
	}
	// No descriptor can be polled: there is nothing that could be told wrongly.
	return false
})

// pollAlone polls one direction of one descriptor without waiting. It gives the event's errno if there is an event.
func pollAlone(fd int32, tag uint8) (ready bool, errno syscall.Errno, err error) {
	set := [2]wasiSubscription{{tag: wasiEventClock, id: wasiClockMonotonic}, {userdata: 1, tag: tag, id: uint32(fd)}}
	var out [2]wasiEvent
	for {
		var got uint32
		switch errno := syscall.Errno(wasiPollOneoff(&set[0], &out[0], 2, &got)); errno {
		case 0:
		case syscall.EINTR:
			continue
		default:
			return false, 0, failed("poll_oneoff", errno)
		}
		for i := range out[:min(got, 2)] {
			if out[i].userdata == 1 {
				return true, syscall.Errno(out[i].errno), nil
			}
		}
		return false, 0, nil
	}
}

func (b *oneoffBackend) register(id slotID, t target, interest Interest, mode Mode) error {
	if interest&Priority != 0 {
		return unsupported("Priority")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.regs.add(id, t, interest, mode); err != nil {
		return err
	}
	index := id.index()
	for uint32(len(b.extras)) <= index {
		b.extras = append(b.extras, oneoffExtra{})
	}
	x := &b.extras[index]
	x.fresh = true
	switch {
	case t.d != nil && t.d.kind == kindStream:
		x.reads = testPeek
	case t.d != nil:
		x.reads = testPoll
	default:
		x.reads = testUnknown
	}
	return nil
}

func (b *oneoffBackend) reregister(id slotID, t target, interest Interest, mode Mode) error {
	if interest&Priority != 0 {
		return unsupported("Priority")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.regs.change(id, t, interest, mode); err != nil {
		return err
	}
	b.extras[id.index()].fresh = true
	return nil
}

func (b *oneoffBackend) deregister(id slotID, _ target) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if r := b.regs.find(id); r != nil {
		b.regs.remove(r)
	}
	return nil
}

func (b *oneoffBackend) rearm(id slotID, direction Interest) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if r := b.regs.find(id); r != nil && r.rearm(direction) {
		b.regs.enqueue(r)
	}
}

// wake needs no call: a wait ends with its slice.
func (b *oneoffBackend) wake() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.pending = true
	return nil
}

// update gives a registration its subscriptions, or takes them out.
func (b *oneoffBackend) update(index uint32, r *registration) {
	x := &b.extras[index]
	asks := r.asks()
	b.subscribe(index, 0, asks&Readable != 0, r.fd)
	b.subscribe(index, 1, asks&Writable != 0, r.fd)
	switch asked := asks&(Readable|Writable) != 0; {
	case asked && x.watch == 0:
		b.watch = append(b.watch, index)
		x.watch = int32(len(b.watch))
	case !asked && x.watch != 0:
		last := len(b.watch) - 1
		b.watch[x.watch-1] = b.watch[last]
		b.extras[b.watch[last]].watch = x.watch
		b.watch = b.watch[:last]
		x.watch = 0
	}
}

// subscribe sets or removes a registration's subscription for one side: 0 to read, 1 to write. The subscription says in its
// userdata whose it is.
func (b *oneoffBackend) subscribe(index uint32, side int, wanted bool, fd uintptr) {
	place := &b.extras[index].places[side]
	switch {
	case wanted && *place == 0:
		*place = int32(len(b.set))
		b.set = append(b.set, wasiSubscription{userdata: uint64(index)<<1 | uint64(side), tag: wasiEventRead + uint8(side), id: uint32(fd)})
		b.out = append(b.out, wasiEvent{})
	case wanted:
		b.set[*place].id = uint32(fd)
	case *place != 0:
		last := len(b.set) - 1
		moved := b.set[last]
		b.set[*place] = moved
		b.extras[moved.userdata>>1].places[moved.userdata&1] = *place
		b.set, b.out = b.set[:last], b.out[:last]
		*place = 0
	}
}

func (b *oneoffBackend) wait(events []Event, timeout time.Duration) (int, error) {
	if timeout != 0 && b.idle {
		// The program stands still next: let others run first, the runtime's own poller and all.
		time.Sleep(time.Nanosecond)
	} else if timeout != 0 {
		runtime.Gosched()
	} else {
		b.yield.before()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.regs.drain(b.update)
	if b.pending {
		b.pending = false
		timeout = 0
	}
	slice := timeout
	if slice < 0 || slice > maxSlice {
		slice = maxSlice
	}
	var n int
	var err error
	if b.blind {
		n, err = b.look(events, slice)
	} else {
		n, err = b.poll(events, slice)
	}
	b.idle = n == 0
	b.yield.after(n)
	return n, err
}

// poll asks the runtime, and tests what it reports.
func (b *oneoffBackend) poll(events []Event, slice time.Duration) (n int, err error) {
	b.set[0].timeout = uint64(slice)
	var got uint32
	switch errno := syscall.Errno(wasiPollOneoff(&b.set[0], &b.out[0], uint32(len(b.set)), &got)); errno {
	case 0:
	case syscall.EINTR:
		return 0, nil
	case syscall.EBADF:
		return b.findClosed(events), nil
	default:
		return 0, failed("poll_oneoff", errno)
	}
	b.round++
	return b.sift(events, b.out[:min(int(got), len(b.out))]), nil
}

// sift tests what poll_oneoff reported. A runtime that reports idle connections beside a ready one would have them all tested
// each time, at more than its own cost. So what is likely comes first; of edges and oneshots for which nothing speaks, where
// others are ready, only a part is tested at each look, in turn.
func (b *oneoffBackend) sift(events []Event, out []wasiEvent) (n int) {
	unlikelyFirst := b.unlikelyFirst
	b.unlikelyFirst = false
	if unlikelyFirst {
		n = b.siftUnlikely(events, out, true)
	}
	for k := range out {
		at := (b.first + k) % len(out)
		ev := &out[at]
		index := uint32(ev.userdata >> 1)
		if ev.tag == wasiEventClock || b.extras[index].round == b.round || !b.likely(index, ev) {
			continue
		}
		if n == len(events) {
			b.first = at
			b.unlikelyFirst = true
			return n
		}
		b.extras[index].round = b.round
		n += b.report(events[n:], index, b.judge(index, ev))
	}
	if !unlikelyFirst {
		n += b.siftUnlikely(events[n:], out, n > 0)
	}
	return n
}

// siftUnlikely tests those that nothing speaks for: all of them until one is ready, and then, or at once if so told, no more
// than a part.
func (b *oneoffBackend) siftUnlikely(events []Event, out []wasiEvent, part bool) (n int) {
	left := max(minPart, len(out)/8)
	for k := range out {
		at := (b.unlikely + k) % len(out)
		ev := &out[at]
		index := uint32(ev.userdata >> 1)
		if ev.tag == wasiEventClock || b.extras[index].round == b.round || b.likely(index, ev) {
			continue
		}
		if n == len(events) || left <= 0 && (part || n > 0) {
			b.unlikely = at
			break
		}
		left--
		b.extras[index].round = b.round
		n += b.report(events[n:], index, b.judge(index, ev))
	}
	return n
}

// minPart is how many idle connections may always be tested.
const minPart = 64

// likely reports whether something speaks for a registration's being ready, or it must not be passed over: a level is due at
// each look.
func (b *oneoffBackend) likely(index uint32, ev *wasiEvent) bool {
	r := &b.regs.all[index]
	return ev.tag != wasiEventRead || ev.nbytes > 1 || ev.errno != 0 || ev.flags != 0 ||
		r.mode == Level || r.armed&Writable != 0 || b.extras[index].reads != testPeek || b.round-b.extras[index].fired < 8
}

// report makes an event of what a registration is ready for, if anything.
func (b *oneoffBackend) report(events []Event, index uint32, ready Ready) int {
	if ready == 0 {
		return 0
	}
	r := &b.regs.all[index]
	token, _, _, ok := b.slots.find(r.id)
	if !ok {
		return 0
	}
	if r.dead {
		ready = b.regs.died(r)
	} else {
		b.regs.fired(r, ready)
	}
	b.extras[index].fired = b.round
	events[0] = Event{Token: token, Ready: ready}
	return 1
}

// judge finds out what a registration that poll_oneoff reported is ready for.
func (b *oneoffBackend) judge(index uint32, ev *wasiEvent) Ready {
	r := &b.regs.all[index]
	switch errno := syscall.Errno(ev.errno); {
	case errno == syscall.EBADF:
		return b.closed(r)
	case errno != 0:
		return b.broken(r)
	}
	var ready Ready
	switch {
	case r.armed&Readable == 0:
	case ev.tag == wasiEventRead && ev.nbytes > 1 && b.extras[index].reads == testPeek:
		// It counts what is there, and 1 may stand for nothing.
		ready |= ReadyReadable
	default:
		ready |= b.readable(index, r)
	}
	if ev.flags&wasiHangUp != 0 {
		// Both directions are shut.
		ready |= ReadyReadClosed | ReadyWriteClosed
	} else if r.armed&Writable != 0 {
		ready |= b.writable(r)
	}
	return named(ready, r.interest)
}

// named adds the directions of interest that the end of either, or an error, comes with.
func named(ready Ready, interest Interest) Ready {
	if interest&Readable != 0 && ready&(ReadyReadClosed|ReadyError) != 0 {
		ready |= ReadyReadable
	}
	if interest&Writable != 0 && ready&(ReadyWriteClosed|ReadyError) != 0 {
		ready |= ReadyWritable
	}
	return ready
}

// closed notes that a descriptor is not open any more.
func (b *oneoffBackend) closed(r *registration) Ready {
	r.dead = true
	return ReadyError
}

// broken is what a connection is that failed: neither direction does anything any more.
func (b *oneoffBackend) broken(r *registration) Ready {
	return named(ReadyError|ReadyReadClosed|ReadyWriteClosed, r.interest)
}

// readable tests whether there is something to read.
func (b *oneoffBackend) readable(index uint32, r *registration) Ready {
	x := &b.extras[index]
	if x.reads != testPoll {
		var p [1]byte
		n, errno := wasiRecv(int32(r.fd), p[:], wasiPeek)
		switch errno {
		case 0:
			x.reads = testPeek
			if n == 0 {
				return ReadyReadable | ReadyReadClosed
			}
			return ReadyReadable
		case syscall.EAGAIN, syscall.EINTR:
			x.reads = testPeek
			return 0
		}
		if errno == syscall.EBADF && isClosed(r.fd) {
			return b.closed(r)
		}
		if x.reads == testPeek {
			return b.broken(r)
		}
		// Not a connection.
		x.reads = testPoll
		if b.blind {
			return 0
		}
	}
	return b.alone(r, wasiEventRead, ReadyReadable)
}

// writable tests whether there is room to write.
func (b *oneoffBackend) writable(r *registration) Ready {
	return b.alone(r, wasiEventWrite, ReadyWritable)
}

// alone polls one direction of a descriptor by itself, which is exact where the runtime can poll at all.
func (b *oneoffBackend) alone(r *registration, tag uint8, direction Ready) Ready {
	ready, errno, err := pollAlone(int32(r.fd), tag)
	switch {
	case err != nil || errno == syscall.EBADF:
		return b.closed(r)
	case !ready:
		return 0
	case errno != 0:
		return b.broken(r)
	}
	return direction
}

// findClosed finds the descriptors that were closed behind our back: with one in the set poll_oneoff fails as a whole.
func (b *oneoffBackend) findClosed(events []Event) (n int) {
	for _, index := range b.watch {
		if n == len(events) {
			break
		}
		r := &b.regs.all[index]
		if isClosed(r.fd) {
			n += b.report(events[n:], index, b.closed(r))
		}
	}
	return n
}

func isClosed(fd uintptr) bool {
	var stat wasiFDStat
	return syscall.Errno(wasiFDStatGet(int32(fd), &stat)) == syscall.EBADF
}

// look does without the runtime's poll: it tests every registration, and sleeps if there is nothing.
func (b *oneoffBackend) look(events []Event, slice time.Duration) (int, error) {
	if n := b.scan(events); n > 0 || slice == 0 {
		return n, nil
	}
	b.set[0].timeout = uint64(min(slice, b.nap))
	b.nap = min(2*b.nap, maxSlice)
	var got uint32
	switch errno := syscall.Errno(wasiPollOneoff(&b.set[0], &b.out[0], 1, &got)); errno {
	case 0, syscall.EINTR:
	default:
		return 0, failed("poll_oneoff", errno)
	}
	return b.scan(events), nil
}

// scan tests every registration. What cannot be tested, a write or a listener, is guessed to be ready when it was registered,
// and then once in a while: the sooner the more goes on elsewhere.
func (b *oneoffBackend) scan(events []Event) (n int) {
	now := time.Now()
	due := !now.Before(b.guess)
	if due {
		b.gap = min(2*b.gap, maxSlice)
		b.guess = now.Add(b.gap)
	}
	for k := range b.watch {
		at := (b.first + k) % len(b.watch)
		if n == len(events) {
			b.first = at
			return n
		}
		index := b.watch[at]
		r, x := &b.regs.all[index], &b.extras[index]
		var ready Ready
		if r.armed&Readable != 0 && x.reads != testPoll {
			if ready = b.readable(index, r); ready != 0 {
				// There is something for certain: more may come soon.
				b.nap, b.gap = minSlice, minSlice
			}
		}
		if due || x.fresh {
			x.fresh = false
			if r.armed&Readable != 0 && x.reads == testPoll {
				ready |= ReadyReadable
			}
			if r.armed&Writable != 0 {
				ready |= ReadyWritable
			}
			if ready == 0 && isClosed(r.fd) {
				ready = b.closed(r)
			}
		}
		n += b.report(events[n:], index, named(ready, r.interest))
	}
	return n
}

func (b *oneoffBackend) close() error {
	b.set, b.out = nil, nil
	return nil
}

func (b *oneoffBackend) name() string { return "poll_oneoff" }
func (b *oneoffBackend) fd() uintptr  { return ^uintptr(0) }

// A fileIdentity tells one open file from the next that has its number, as far as the system shows it.
type fileIdentity struct{ filetype uint8 }

func identify(fd uintptr) (fileIdentity, error) {
	n, err := checkFD(fd)
	if err != nil {
		return fileIdentity{}, err
	}
	var stat wasiFDStat
	if errno := wasiFDStatGet(n, &stat); errno != 0 {
		return fileIdentity{}, failed("fd_fdstat_get", syscall.Errno(errno))
	}
	return fileIdentity{stat.filetype}, nil
}
