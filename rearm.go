package reactor

// Pollers that know nothing but levels (poll(2), poll_oneoff, AFD) get their modes here. Each registration has a set of
// armed directions, and the poller is asked for those alone. An event disarms what its mode says; the source's
// own I/O arms an edge again where it met would-block or came up short.

// rearm passes on to an emulating backend that d's own Read, Write, Accept … met would-block or came up short.
// The caller holds d by acquire.
func (p *Poll) rearm(d *descriptor, direction Interest) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if d.poll.Load() == p && !p.closed() {
		p.be.rearm(p.slots.id(d.slot), direction)
	}
}

// An arming is the part of a registration that says what the poller is to be asked for.
type arming struct {
	interest Interest
	armed    Interest
	mode     Mode
	// owned says that the package sees the I/O that uses up an edge; otherwise only Reregister arms it again.
	owned bool
	// stream says that the source is a socket with a stream of bytes.
	stream bool
	// ended says that an event told of the end of the stream: nothing new can come to read.
	ended bool
}

// hangUp is armed with a source's edges until a hang-up or an error was told: these come even when the directions
// are disarmed.
const hangUp = Interest(1 << 7)

// set is what Register and Reregister do.
func (a *arming) set(t target, interest Interest, mode Mode) {
	*a = arming{interest: interest, armed: interest, mode: mode, owned: t.d != nil, stream: t.stream()}
	if mode == Edge && a.owned {
		a.armed |= hangUp
		if a.tellsUrgent() {
			a.armed |= Priority
		}
	}
}

// fired is called when an event goes out.
func (a *arming) fired(r Ready) {
	switch a.mode {
	case Oneshot:
		a.armed = 0
	case Edge:
		a.armed &^= directions(r)
		if a.stream && r&ReadyReadClosed != 0 {
			a.ended = true
		}
		if r&(ReadyWriteClosed|ReadyError) != 0 {
			// A hang-up names both directions of interest, lasts, and comes without being asked for: what is left
			// armed would have it again.
			a.armed &^= Priority | hangUp
		}
	}
}

// rearm arms a direction that its own I/O used up, and reports whether that makes a difference. It leaves Priority to
// the backend: reading does not show whether the urgent byte that was told of is gone.
func (a *arming) rearm(direction Interest) bool {
	direction &= a.interest
	if a.mode != Edge || !a.owned || direction == 0 || direction == Readable && a.ended {
		return false
	}
	before := a.armed
	a.armed |= direction | hangUp
	return a.armed != before
}

// lacksPriority reports whether Priority belongs to the edges but was told of and is not armed any more.
func (a *arming) lacksPriority() bool {
	return a.mode == Edge && a.owned && a.armed&Priority == 0 && (a.interest&Priority != 0 || a.tellsUrgent())
}

// tellsUrgent reports whether urgent data is to be told of whether asked for or not: it ends reads early.
func (a *arming) tellsUrgent() bool { return a.stream && a.interest&Readable != 0 }

// asks gives the directions that the poller is to be asked for, and hangUp. Nothing: the descriptor must leave the
// poll set, for pollers report a hang-up without being asked.
func (a *arming) asks() Interest {
	if a.armed&Readable == 0 {
		// What is told for the sake of reads is of no use without them.
		return a.armed &^ (Priority &^ a.interest)
	}
	return a.armed
}

// directions gives the directions that an event names.
func directions(r Ready) (i Interest) {
	if r&ReadyReadable != 0 {
		i |= Readable
	}
	if r&ReadyWritable != 0 {
		i |= Writable
	}
	if r&ReadyPriority != 0 {
		i |= Priority
	}
	return i
}
