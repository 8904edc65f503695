//go:build aix || solaris || (reactor_poll && unix) || wasip1

package reactor

// A registration is what a backend that keeps its own poll set has to know of one.
type registration struct {
	arming
	id   slotID
	fd   uintptr
	file fileIdentity // of a descriptor that somebody else owns
	live bool
	// dead says that the poller found the descriptor closed.
	dead bool
	// fresh says that what the wait under way finds was asked for on behalf of an older state.
	fresh bool
	// queued says that it is in the queue.
	queued bool
}

// registrations holds those of one backend by their slot's number, and the queue of those whose asks may have
// changed since the backend last brought its poll set up to date. The backend's own lock guards it.
type registrations struct {
	all   []registration
	byFD  map[uintptr]uint32
	queue []uint32
}

// add begins a registration. Pollers let a descriptor be watched twice: it is here that a second one is refused. A
// descriptor that its owner closed leaves a dead entry under its number, which the new one replaces.
func (t *registrations) add(id slotID, target target, interest Interest, mode Mode) error {
	var file fileIdentity
	if target.d == nil {
		var err error
		if file, err = identify(target.fd); err != nil {
			return err
		}
	}
	if index, ok := t.byFD[target.fd]; ok {
		old := &t.all[index]
		if old.owned {
			return ErrRegistered
		}
		if target.d != nil {
			var err error
			if file, err = identify(target.fd); err != nil {
				return err
			}
		}
		if !old.dead && old.file == file {
			return ErrRegistered
		}
		t.remove(old)
	}
	index := id.index()
	for uint32(len(t.all)) <= index {
		t.all = append(t.all, registration{})
	}
	r := &t.all[index]
	*r = registration{id: id, fd: target.fd, file: file, live: true, queued: r.queued}
	if t.byFD == nil {
		t.byFD = make(map[uintptr]uint32)
	}
	t.byFD[target.fd] = index
	t.set(r, target, interest, mode)
	return nil
}

// change is Reregister. Of a descriptor that its owner closed, and whose number is another file's by now, there is no
// registration any more. The generation may be a new one.
func (t *registrations) change(id slotID, target target, interest Interest, mode Mode) error {
	r := &t.all[id.index()]
	if !r.live {
		return ErrNotRegistered
	}
	r.id = id
	if target.d == nil {
		file, err := identify(r.fd)
		if err != nil {
			return err
		}
		if r.dead || r.file != file {
			t.remove(r)
			return ErrNotRegistered
		}
	}
	t.set(r, target, interest, mode)
	return nil
}

func (t *registrations) set(r *registration, target target, interest Interest, mode Mode) {
	r.arming.set(target, interest, mode)
	r.fresh = true
	t.enqueue(r)
}

// find gives the registration that id names, or nil if it is gone.
func (t *registrations) find(id slotID) *registration {
	if index := id.index(); index < uint32(len(t.all)) {
		if r := &t.all[index]; r.live && r.id == id {
			return r
		}
	}
	return nil
}

// remove ends a registration.
func (t *registrations) remove(r *registration) {
	index := r.id.index()
	if t.byFD[r.fd] == index {
		delete(t.byFD, r.fd)
	}
	r.live = false
	r.fresh = true
	r.arming = arming{}
	t.enqueue(r)
}

// fired notes the event of a registration. What leaves the poll set by it is queued.
func (t *registrations) fired(r *registration, ready Ready) {
	before := r.asks()
	r.arming.fired(ready)
	if r.asks() != before {
		t.enqueue(r)
	}
}

// died notes that the poller found the descriptor of a registration closed, and gives what its event says. It is told
// once: nothing is left to watch.
func (t *registrations) died(r *registration) Ready {
	ready := ReadyError | ReadyReadClosed | ReadyWriteClosed
	if r.interest&Readable != 0 {
		ready |= ReadyReadable
	}
	if r.interest&Writable != 0 {
		ready |= ReadyWritable
	}
	r.dead = true
	r.armed = 0
	t.enqueue(r)
	return ready
}

func (t *registrations) enqueue(r *registration) {
	if !r.queued {
		r.queued = true
		t.queue = append(t.queue, r.id.index())
	}
}

// drain calls f for each registration in the queue, to bring its place in the poll set up to date, and empties it.
func (t *registrations) drain(f func(index uint32, r *registration)) {
	for _, index := range t.queue {
		r := &t.all[index]
		r.queued = false
		r.fresh = false
		f(index, r)
	}
	t.queue = t.queue[:0]
}
