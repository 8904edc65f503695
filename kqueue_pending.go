//go:build (darwin || dragonfly || freebsd || linux || netbsd || openbsd) && !reactor_poll

package reactor

// The part of the kqueue backend that is free of the system's types and numbers. It builds on Linux too, for its tests.

// A kqueueFilter is one of kevent(2)'s, and as a bit one of the set that a registration has in the kernel.
type kqueueFilter uint8

const (
	filterRead kqueueFilter = 1 << iota
	filterWrite
	filterExcept
	filterUser
	filterAIO
	filterLIO
)

// kqueueFilters gives the filters that a registration needs. Those in optional it can do without: they are for the urgent data that
// ends a read early, which whoever takes a short read for a drained stream has to know of. (The other modes report
// what is left without that.)
func kqueueFilters(stream bool, interest Interest, mode Mode) (needed, optional kqueueFilter) {
	if interest&Readable != 0 {
		needed |= filterRead
		if mode == Edge && stream {
			optional = filterExcept
		}
	}
	if interest&Writable != 0 {
		needed |= filterWrite
	}
	if interest&Priority != 0 {
		needed |= filterExcept
	}
	return needed, optional &^ needed
}

// kqueueReady translates one event of the kernel: what its filter is, whether it has EV_EOF, and whether it tells of an
// error, which with EV_EOF is in fflags.
func kqueueReady(filter kqueueFilter, eof, failed bool) (r Ready) {
	switch filter {
	case filterRead:
		r = ReadyReadable
		if eof {
			r |= ReadyReadClosed
		}
	case filterWrite:
		r = ReadyWritable
		if eof {
			r |= ReadyWriteClosed
		}
	case filterExcept:
		r = ReadyPriority
	case filterAIO:
		return ReadyAIO
	case filterLIO:
		return ReadyLIO
	}
	if failed {
		r |= ReadyError
	}
	return r
}

// kqueueEvent gives what is left of r for a registration with that interest now, and adds what an error makes ready.
func kqueueEvent(r Ready, interest Interest) Ready {
	if interest&Readable == 0 {
		r &^= ReadyReadable | ReadyReadClosed
		if interest&Priority == 0 {
			r &^= ReadyPriority
		}
	} else if r&ReadyError != 0 {
		r |= ReadyReadable
	}
	if interest&Writable == 0 {
		r &^= ReadyWritable | ReadyWriteClosed
	} else if r&ReadyError != 0 {
		r |= ReadyWritable
	}
	return r
}

// udata has the size of a pointer: slot and generation where that is 64 bits; else udataIndexBits of the slot's number and
// the rest of its generation. What comes back is made whole at once: only within one system call a slot would have to
// be used again thousands of times to be taken for another.
const udataIndexBits = 20

// packUdata gives what the kernel carries for id. It fails for a slot beyond what fits; so many descriptors no system of
// 32 bits has.
func packUdata(id slotID, bits int) (udata uint64, ok bool) {
	if bits == 64 {
		return uint64(id), true
	}
	const indexMask = 1<<udataIndexBits - 1
	return uint64(uint32(id.generation()<<udataIndexBits | id.index()&indexMask)), id.index() < indexMask
}

// unpackUdata gives the id that udata stands for.
func unpackUdata(udata uint64, bits int, slots *slotTable) slotID {
	if bits == 64 {
		return slotID(udata)
	}
	index := uint32(udata) & (1<<udataIndexBits - 1)
	if int(index>>slotChunkBits) >= len(*slots.chunks.Load()) {
		return slotID(noSlot)
	}
	id := slots.id(index)
	if id.generation()<<udataIndexBits != uint32(udata)&^(1<<udataIndexBits-1) {
		return slotID(noSlot)
	}
	return id
}

// sleep ends a oneshot's arm, until Reregister. It fails if the registration is gone, asleep, or has been changed
// since interest and mode were found.
func (t *slotTable) sleep(id slotID, interest Interest, mode Mode) bool {
	asleep := uint64(id)>>32<<32 | uint64(mode)<<slotModeShift
	return t.at(id.index()).state.CompareAndSwap(asleep|uint64(interest), asleep)
}

// kqueuePending holds what the kernel has handed over and nobody has got yet: the events of one registration as one.
type kqueuePending struct {
	events []pendingEvent
	// place finds the event of a slot. What it says of a slot without one is of no meaning.
	place []uint32
}

type pendingEvent struct {
	id    slotID // of AIO and LIO, the token
	ready Ready
}

func (e *pendingEvent) asynchronous() bool { return e.ready&(ReadyAIO|ReadyLIO) != 0 }

// add merges an event of the kernel into those of its registration.
func (p *kqueuePending) add(id slotID, ready Ready) {
	index := id.index()
	if at, ok := p.find(index); ok {
		if e := &p.events[at]; e.id == id {
			e.ready |= ready
		} else {
			// What is there is left over from a registration that is gone.
			*e = pendingEvent{id, ready}
		}
		return
	}
	for uint32(len(p.place)) <= index {
		p.place = append(p.place, 0)
	}
	p.place[index] = uint32(len(p.events))
	p.events = append(p.events, pendingEvent{id, ready})
}

func (p *kqueuePending) find(index uint32) (at uint32, ok bool) {
	if index >= uint32(len(p.place)) {
		return 0, false
	}
	at = p.place[index]
	if at >= uint32(len(p.events)) {
		return 0, false
	}
	e := &p.events[at]
	return at, e.id.index() == index && !e.asynchronous()
}

// addToken adds the completion of an asynchronous operation. The kernel tells of it again until somebody takes its result.
func (p *kqueuePending) addToken(token uint64, ready Ready) {
	for _, e := range p.events {
		if e == (pendingEvent{slotID(token), ready}) {
			return
		}
	}
	p.events = append(p.events, pendingEvent{slotID(token), ready})
}

// refresh prepares for asking the kernel again, and reports whether there is something that it would not tell again. What a
// level left over it tells again if that is still so: only the turn is kept.
func (p *kqueuePending) refresh(slots *slotTable) (certain bool) {
	for i := range p.events {
		e := &p.events[i]
		if e.asynchronous() {
			certain = true
			continue
		}
		if _, _, mode, ok := slots.find(e.id); !ok || mode == Level {
			e.ready = 0
		}
		certain = certain || e.ready != 0
	}
	return certain
}

// deliver moves what fits to events, the oldest first.
func (p *kqueuePending) deliver(events []Event, slots *slotTable) (n int) {
	taken := 0
	for ; taken < len(p.events) && n < len(events); taken++ {
		if p.events[taken].take(&events[n], slots) {
			n++
		}
	}
	rest := p.events[:copy(p.events, p.events[taken:])]
	p.events = rest
	for at := range rest {
		if !rest[at].asynchronous() {
			p.place[rest[at].id.index()] = uint32(at)
		}
	}
	return n
}

// take makes the event that a registration gets, if it still is to have one.
func (e *pendingEvent) take(to *Event, slots *slotTable) bool {
	if e.asynchronous() {
		*to = Event{Token: Token(e.id), Ready: e.ready}
		return true
	}
	for {
		token, interest, mode, ok := slots.find(e.id)
		if !ok {
			return false
		}
		ready := kqueueEvent(e.ready, interest)
		if ready == 0 {
			return false
		}
		if mode != Oneshot || slots.sleep(e.id, interest, mode) {
			*to = Event{Token: token, Ready: ready}
			return true
		}
	}
}
