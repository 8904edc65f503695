package reactor

import (
	"os"
	"slices"

	"golang.org/x/sys/windows"
)

// Named pipes at the completion port. Their readiness is what their state says, and no poll's: a registration that may have an event
// is put on a list, which wait goes through.

// registerPipe binds a pipe to the port and watches it.
func (b *iocpBackend) registerPipe(id slotID, t target, interest Interest, mode Mode) error {
	if interest&Priority != 0 {
		return unsupported("Priority of a named pipe")
	}
	s := t.d.pipe
	b.mu.Lock()
	defer b.mu.Unlock()
	s.mu.Lock()
	bound := s.port
	s.mu.Unlock()
	switch {
	case bound != nil && bound != b:
		return ErrRegistered
	case bound == nil:
		key := b.nextPipe
		if _, err := windows.CreateIoCompletionPort(s.handle, b.port, key, 0); err != nil {
			return os.NewSyscallError("CreateIoCompletionPort", err)
		}
		b.nextPipe++
		b.watches.pipes[key] = s
		s.mu.Lock()
		s.bind(b, key)
		s.mu.Unlock()
	}
	w := b.watches.take()
	w.id, w.fd, w.pipe = id, t.fd, s
	w.set(t, interest, mode)
	s.watch = w
	b.place(w)
	b.soften(w)
	return nil
}

// announce looks at a pipe whose state changed.
func (b *iocpBackend) announce(s *pipeState) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s.watch != nil {
		b.soften(s.watch)
	}
}

// soften puts a pipe's registration on the list if it has an event, and lets a wait that is blocked see that.
func (b *iocpBackend) soften(w *watch) {
	if w.soft || !due(w, w.pipe.readiness(w.interest)) {
		return
	}
	w.soft = true
	b.soft = append(b.soft, w)
	if b.blocked {
		// It fails for want of memory alone; a later packet has the wait look too.
		_ = b.wake()
	}
}

// due reports whether a pipe's readiness is an event.
func due(w *watch, ready Ready) bool {
	asks := w.asks()
	return directions(ready)&asks != 0 || asks&hangUp != 0 && ready&(ReadyWriteClosed|ReadyError) != 0
}

// dropPipe ends the registration of a pipe, which stays at the port.
func (b *iocpBackend) dropPipe(w *watch) {
	if w.soft {
		b.soft = slices.DeleteFunc(b.soft, func(other *watch) bool { return other == w })
	}
	w.pipe.watch = nil
	b.watches.give(w)
}

// forgetPipe lets go of a pipe that is closed and has nothing in flight.
func (b *iocpBackend) forgetPipe(s *pipeState) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.watches.pipes, s.key)
}

// completePipe takes the packet of a pipe's operation.
func (b *iocpBackend) completePipe(e *overlappedEntry) {
	s := b.watches.pipes[e.key]
	s.complete(e.overlapped, e.bytes)
	if s.watch != nil {
		b.soften(s.watch)
	}
	s.mu.Lock()
	done := s.shut && !s.busy()
	s.mu.Unlock()
	if done {
		delete(b.watches.pipes, e.key)
	}
}

// harvest makes events of the pipes on the list.
func (b *iocpBackend) harvest(events []Event, n int) int {
	for count := len(b.soft); count > 0 && n < len(events); count-- {
		w := b.soft[0]
		b.soft = append(b.soft[:0], b.soft[1:]...)
		w.soft = false
		ready := w.pipe.readiness(w.interest)
		token, _, _, ok := b.slots.find(w.id)
		if !ok || !due(w, ready) {
			continue
		}
		w.fired(ready)
		events[n] = Event{Token: token, Ready: ready}
		n++
		// It may be ready for what it still asks for.
		b.soften(w)
	}
	return n
}

// detachPipes ends what is in flight: the port closes.
func (b *iocpBackend) detachPipes() {
	for _, s := range b.watches.pipes {
		s.mu.Lock()
		s.detached = true
		if !s.shut {
			// There may be nothing in flight.
			_ = windows.CancelIoEx(s.handle, nil)
		}
		s.mu.Unlock()
	}
}

// pipesBusy reports whether a pipe's operation is in flight.
func (b *iocpBackend) pipesBusy() bool {
	for _, s := range b.watches.pipes {
		s.mu.Lock()
		busy := s.busy()
		s.mu.Unlock()
		if busy {
			return true
		}
	}
	return false
}
