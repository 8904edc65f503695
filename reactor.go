package reactor

import (
	"context"
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// A backend is the system's poller. Each system's file has one type that implements it, declares it as
// osBackend, and says with the constant emulatedEdges whether the kernel has no edges of its own, so that
// descriptors have to report what they used up (rearm.go). Adding a system is adding such a file.
//
// The Poll serialises open, register, reregister, deregister and close by its lock, and lets one wait run at
// a time beside them; wake comes from anywhere between open and close.
type backend interface {
	// open makes the poller ready. Events are looked up in t.
	open(t *slotTable) error
	// register adds a descriptor. id is what the kernel carries; target tells about the descriptor.
	register(id slotID, target target, interest Interest, mode Mode) error
	// reregister changes, and arms anew, what register added. The id has the same slot and the next generation; on failure
	// the old one stays.
	reregister(id slotID, target target, interest Interest, mode Mode) error
	// deregister removes it. Where the owner closed the descriptor behind our back, that is no error.
	deregister(id slotID, target target) error
	// rearm says that the direction of a registration was used up: what is ready from here on is news. It is
	// called only where emulatedEdges is set.
	rearm(id slotID, direction Interest)
	// wait fills events with what is ready and gives their number, at most one for a registration. It blocks at
	// most for timeout; below zero, until there is something. It may return early with nothing: after a wake, a
	// signal, or events that were dropped. It is the caller who goes on waiting.
	wait(events []Event, timeout time.Duration) (int, error)
	// wake makes the wait that runs, or else the next, return.
	wake() error
	// close gives everything back. No wait is under way.
	close() error
	// name is Poll.Backend, fd is Poll.Fd.
	name() string
	fd() uintptr
}

// Poll holds the concrete type: a call through the interface would make the caller's events escape.
var _ backend = (*osBackend)(nil)

// A target is what a backend has to know of the descriptor that it registers.
type target struct {
	fd uintptr
	// d is the descriptor if this package owns it, else nil: its reads and writes are not ours to see.
	d *descriptor
}

// stream reports whether short reads of the target count as having drained it.
func (t target) stream() bool { return t.d != nil && t.d.kind == kindStream }

// A Poll tells which of many sources are ready: it wraps the system's poller (see [Poll.Backend]).
//
// Sources are registered with a [Token], which comes back in each [Event], and wait for readiness in
// [Poll.Wait]. All methods may be called from any goroutine at any time; what Register, Reregister and
// Deregister do takes effect at once in a Wait that is under way. Only Wait itself serves one goroutine at a
// time.
//
// A Poll is made by [NewPoll] and must be closed by its owner; there is no finalizer.
type Poll struct {
	state atomic.Uint32 // pollOpen, pollWaiting
	mu    sync.Mutex    // guards backend changes, slots and borrowed
	slots slotTable
	be    osBackend
	wakes wakeQueue
	// borrowed finds the registrations of descriptors that this package does not own.
	borrowed map[uintptr]borrowedSource
	ctx      contextWatch
}

type borrowedSource struct {
	slot uint32
	src  Source
}

// The zero Poll is a closed one.
const (
	pollOpen = 1 << iota
	pollWaiting
)

// NewPoll opens the system's poller. The error is errors.ErrUnsupported on a system that has none that this
// package knows.
func NewPoll() (*Poll, error) {
	p := new(Poll)
	p.slots.init()
	if err := p.be.open(&p.slots); err != nil {
		return nil, err
	}
	p.state.Store(pollOpen)
	return p, nil
}

// Backend gives the name of the system's poller: "epoll", "kqueue", "iocp", "poll_oneoff", "eventport" or
// "poll".
func (p *Poll) Backend() string { return p.be.name() }

// Fd gives the epoll, kqueue or event port descriptor, or the completion port; ^uintptr(0) where there is none,
// and after Close. On Unix, [Raw] of it can be registered in another Poll, which then has an event when this
// one has. On a kqueue asynchronous I/O can be aimed at it. It remains the Poll's: to close it, to add to it or
// to wait on it otherwise is not supported.
func (p *Poll) Fd() uintptr {
	if p.closed() {
		return ^uintptr(0)
	}
	return p.be.fd()
}

// Register begins to watch src: its events carry token, come for the directions in interest, and when mode
// says. It fails with [ErrRegistered] if src is registered already, here or elsewhere, with [ErrClosed] if
// the Poll or src is closed, and with an error that wraps [errors.ErrUnsupported] if the system's poller lacks
// the interest or cannot watch such a thing. A source that is ready when it is registered has its event at once.
func (p *Poll) Register(src Source, token Token, interest Interest, mode Mode) error {
	if err := checkRegistration("Register", src, interest, mode); err != nil {
		return err
	}
	d := src.owned()
	if d == nil {
		return src.borrow(func(fd uintptr) error { return p.registerBorrowed(fd, src, token, interest, mode) })
	}
	if !d.acquire() {
		return ErrClosed
	}
	defer d.release()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed() {
		return ErrClosed
	}
	for {
		q := d.poll.Load()
		if q != nil && !q.closed() {
			return ErrRegistered
		}
		if d.poll.CompareAndSwap(q, p) {
			break
		}
	}
	id := p.slots.add(token, interest, mode)
	d.slot = id.index()
	if err := p.be.register(id, d.target(), interest, mode); err != nil {
		p.slots.remove(d.slot)
		d.poll.Store(nil)
		return err
	}
	p.bury(uintptr(d.fd))
	return nil
}

// bury removes the registration of a borrowed descriptor whose number now belongs to another: its owner closed it.
func (p *Poll) bury(fd uintptr) {
	if b, dead := p.borrowed[fd]; dead {
		p.slots.remove(b.slot)
		delete(p.borrowed, fd)
	}
}

func (p *Poll) registerBorrowed(fd uintptr, src Source, token Token, interest Interest, mode Mode) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed() {
		return ErrClosed
	}
	id := p.slots.add(token, interest, mode)
	if err := p.be.register(id, target{fd: fd}, interest, mode); err != nil {
		p.slots.remove(id.index())
		return err
	}
	p.bury(fd)
	if p.borrowed == nil {
		p.borrowed = make(map[uintptr]borrowedSource)
	}
	p.borrowed[fd] = borrowedSource{id.index(), src}
	return nil
}

// Reregister changes the token, the interest and the mode of a registration, all three, and arms it anew: a
// source that is ready has its event. That is how a oneshot is woken. It fails with [ErrNotRegistered] if
// src is not registered in this Poll.
func (p *Poll) Reregister(src Source, token Token, interest Interest, mode Mode) error {
	if err := checkRegistration("Reregister", src, interest, mode); err != nil {
		return err
	}
	d := src.owned()
	if d == nil {
		return src.borrow(func(fd uintptr) error { return p.reregisterBorrowed(fd, token, interest, mode) })
	}
	if !d.acquire() {
		return ErrClosed
	}
	defer d.release()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed() {
		return ErrClosed
	}
	if d.poll.Load() != p {
		return ErrNotRegistered
	}
	return p.change(p.slots.id(d.slot), d.target(), token, interest, mode)
}

func (p *Poll) reregisterBorrowed(fd uintptr, token Token, interest Interest, mode Mode) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed() {
		return ErrClosed
	}
	b, ok := p.borrowed[fd]
	if !ok {
		return ErrNotRegistered
	}
	err := p.change(p.slots.id(b.slot), target{fd: fd}, token, interest, mode)
	if err == ErrNotRegistered {
		p.bury(fd)
	}
	return err
}

// change gives the registration a new generation: an event that was on its way belongs to what it was before, and must not
// pass for one of a oneshot that is armed now. The slot is set before the kernel arms, so that an event finds what it was
// armed for; arming tells what is ready again, so that nothing is lost.
func (p *Poll) change(id slotID, t target, token Token, interest Interest, mode Mode) error {
	oldToken, oldInterest, oldMode, _ := p.slots.find(id)
	next := p.slots.set(id.next(), token, interest, mode)
	err := p.be.reregister(next, t, interest, mode)
	if err != nil {
		p.slots.set(id, oldToken, oldInterest, oldMode)
	}
	return err
}

// Deregister ends a registration. A Wait that starts later gives no event for it; one that is under way
// still may. It fails with [ErrNotRegistered] if src is not registered in this Poll.
func (p *Poll) Deregister(src Source) error {
	if src == nil {
		return invalid("Deregister of nil")
	}
	d := src.owned()
	if d == nil {
		found := false
		err := src.borrow(func(fd uintptr) error {
			found = true
			return p.deregisterBorrowed(fd, src)
		})
		if !found {
			// The owner closed it first, so that it cannot tell its descriptor any more.
			return p.deregisterClosed(src, err)
		}
		return err
	}
	if !d.acquire() {
		return ErrClosed
	}
	defer d.release()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed() {
		return ErrClosed
	}
	if d.poll.Load() != p {
		return ErrNotRegistered
	}
	return p.drop(d)
}

func (p *Poll) deregisterBorrowed(fd uintptr, src Source) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed() {
		return ErrClosed
	}
	b, ok := p.borrowed[fd]
	if !ok {
		return ErrNotRegistered
	}
	id := p.slots.id(b.slot)
	p.slots.remove(b.slot)
	delete(p.borrowed, fd)
	return p.be.deregister(id, target{fd: fd})
}

// deregisterClosed finds the registration of a source that lost its descriptor.
func (p *Poll) deregisterClosed(src Source, cause error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed() {
		return ErrClosed
	}
	for fd, b := range p.borrowed {
		if b.src == src {
			id := p.slots.id(b.slot)
			p.slots.remove(b.slot)
			delete(p.borrowed, fd)
			return p.be.deregister(id, target{fd: ^uintptr(0)})
		}
	}
	return cause
}

// forget is what a descriptor calls when it is closed.
func (p *Poll) forget(d *descriptor) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if d.poll.Load() != p {
		return
	}
	if p.closed() {
		d.poll.CompareAndSwap(p, nil)
		return
	}
	// The descriptor is about to be closed, which removes it from the poller whatever this says.
	_ = p.drop(d)
}

// drop removes the registration of d. The slot goes first: no event is found from here on.
func (p *Poll) drop(d *descriptor) error {
	id := p.slots.id(d.slot)
	p.slots.remove(d.slot)
	d.poll.Store(nil)
	return p.be.deregister(id, d.target())
}

func (d *descriptor) target() target { return target{fd: uintptr(d.fd), d: d} }

func checkRegistration(call string, src Source, interest Interest, mode Mode) error {
	switch {
	case src == nil:
		return invalid(call + " of nil")
	case interest == 0:
		return invalid(call + " without an interest")
	case interest&^allInterests != 0:
		return invalid(call + " with an unknown interest, " + interest.String())
	case mode > Oneshot:
		return invalid(call + " with an unknown mode, " + mode.String())
	}
	return nil
}

// Wait fills events with what is ready and gives their number: at most one [Event] for a registration. It
// blocks until there is something; with a timeout of zero it only looks, and with a positive one it gives up
// after that time, neither earlier nor much later, and gives 0, nil. A signal does not end it.
//
// What does not fit is not lost: it comes next time. A few hundred events are a good size.
//
// It fails with [ErrBusy] while another goroutine is inside Wait, with [ErrClosed] when the Poll is closed,
// before or meanwhile, and if events is empty.
func (p *Poll) Wait(events []Event, timeout time.Duration) (n int, err error) {
	return p.wait(noContext, events, timeout)
}

// WaitContext is [Poll.Wait] that ends with ctx.Err() when ctx does. Events win: if there are some, a ctx that
// is done is not looked at. The Poll keeps watching ctx until a call with another one or Close, so that calls
// with the same ctx cost nothing more.
func (p *Poll) WaitContext(ctx context.Context, events []Event, timeout time.Duration) (n int, err error) {
	return p.wait(ctx, events, timeout)
}

// noContext is nil: a Wait that nothing but its timeout ends.
var noContext context.Context

func (p *Poll) wait(ctx context.Context, events []Event, timeout time.Duration) (int, error) {
	if len(events) == 0 {
		return 0, invalid("Wait without room for an event")
	}
	if !p.state.CompareAndSwap(pollOpen, pollOpen|pollWaiting) {
		if p.closed() {
			return 0, ErrClosed
		}
		return 0, ErrBusy
	}
	defer p.leave()
	if ctx != nil {
		p.ctx.watch(p, ctx)
	}
	var start time.Time
	if timeout > 0 {
		start = time.Now()
	}
	left := timeout
	for {
		if ctx != nil && left != 0 && ctx.Err() != nil {
			// Only look: what is ready wins.
			left = 0
		}
		n, err := p.collect(events, left)
		if n > 0 || err != nil {
			return n, err
		}
		if p.closed() {
			return 0, ErrClosed
		}
		if ctx != nil {
			if err := ctx.Err(); err != nil {
				if left == 0 {
					return 0, err
				}
				continue
			}
		}
		if timeout > 0 {
			left = timeout - time.Since(start)
		}
		if timeout >= 0 && left <= 0 {
			return 0, nil
		}
	}
}

// collect asks the kernel once, and the queue of wakers. Where both have something and events has little
// room, they take turns.
func (p *Poll) collect(events []Event, timeout time.Duration) (n int, err error) {
	took := false
	if p.wakes.waiting() {
		timeout = 0
		if p.wakes.turn = !p.wakes.turn; p.wakes.turn {
			n = p.wakes.take(events)
			took = true
		}
	}
	if n < len(events) {
		m, err := p.be.wait(events[n:], timeout)
		if err != nil && n == 0 {
			return 0, err
		}
		n += m
	}
	// A waker that is woken again after it was taken has its next event in the next Wait.
	if !took && n < len(events) && p.wakes.waiting() {
		n += p.wakes.take(events[n:])
	}
	if n == len(events) && p.wakes.waiting() {
		// Wakers are left over. A Poll that this one is nested in must see that.
		_ = p.be.wake()
	}
	return n, nil
}

// leave ends a Wait. If Close came meanwhile, it has left the closing to us.
func (p *Poll) leave() {
	if p.state.CompareAndSwap(pollOpen|pollWaiting, pollOpen) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.state.And(^uint32(pollWaiting))
	_ = p.shut()
}

// Close closes the poller. A Wait under way in another goroutine returns [ErrClosed]. The sources stay usable and
// may be registered in another Poll; wakers are of no use any more. A second Close gives ErrClosed.
func (p *Poll) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		s := p.state.Load()
		if s&pollOpen == 0 {
			return ErrClosed
		}
		if !p.state.CompareAndSwap(s, s&^pollOpen) {
			continue
		}
		if s&pollWaiting != 0 {
			return p.be.wake()
		}
		return p.shut()
	}
}

// shut gives the poller back to the system: nobody waits, and the lock is held.
func (p *Poll) shut() error {
	p.ctx.stop()
	p.borrowed = nil
	p.wakes.shut()
	return p.be.close()
}

func (p *Poll) closed() bool { return p.state.Load()&pollOpen == 0 }

// contextWatch ends waits when a context does. It remembers the context by its channel: contexts need not be
// comparable.
type contextWatch struct {
	done <-chan struct{}
	end  func() bool
}

func (w *contextWatch) watch(p *Poll, ctx context.Context) {
	done := ctx.Done()
	if done == w.done {
		return
	}
	w.stop()
	if done == nil {
		return
	}
	w.done = done
	w.end = context.AfterFunc(ctx, p.interrupt)
}

func (w *contextWatch) stop() {
	if w.end != nil {
		w.end()
	}
	*w = contextWatch{}
}

// interrupt makes a Wait look at its context.
func (p *Poll) interrupt() {
	p.wakes.mu.Lock()
	defer p.wakes.mu.Unlock()
	if !p.wakes.closed {
		_ = p.be.wake()
	}
}

// milliseconds rounds a timeout up to what poll(2) and its kin take: -1 for ever, and never more than an
// int32 holds. The caller waits for the rest.
func milliseconds(timeout time.Duration) int {
	if timeout < 0 {
		return -1
	}
	ms := timeout / time.Millisecond
	if timeout%time.Millisecond != 0 {
		ms++
	}
	return int(min(ms, math.MaxInt32))
}
