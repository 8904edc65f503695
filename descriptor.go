package reactor

import (
	"sync/atomic"
	"syscall"
)

// A descriptor is an open socket or pipe with the count of the operations that use it: its number goes
// back to the system only when the last of them has ended, so that none meets another file under it.
// It is embedded in every source that this package makes, of which there may be very many: every byte counts.
type descriptor struct {
	sysDescriptor
	fd    sysFD
	state atomic.Uint32 // flags below, and the count of operations under way
	slot  uint32        // in poll's table; guarded by poll's lock
	poll  atomic.Pointer[Poll]
	// connectErr is why the connection that Dial began failed: the system tells it once, FinishConnect
	// each time.
	connectErr atomic.Uint32
	family     addrFamily
	kind       descriptorKind
	// shared says that others may hold the same open file and clear O_NONBLOCK: a call that depends on it may block.
	shared bool
}

type addrFamily uint8

const (
	familyNone addrFamily = iota
	familyIPv4
	familyIPv6
	familyUnix
)

type descriptorKind uint8

const (
	kindNone descriptorKind = iota // a zero value that nothing opened: it is as good as closed
	kindStream
	kindListener
	kindPacket
	kindPipe
)

const (
	stateClosed     = 1 << 31
	stateReadShut   = 1 << 30 // CloseRead: Read is at io.EOF
	stateConnecting = 1 << 29 // Dial has begun, FinishConnect has not seen the end
	stateUnlink     = 1 << 28 // a Unix listener whose path goes with it
	stateCount      = stateUnlink - 1
)

// acquire keeps the descriptor open until release. It fails once Close was called.
func (d *descriptor) acquire() bool {
	for {
		s := d.state.Load()
		if s&stateClosed != 0 || d.kind == kindNone {
			return false
		}
		if d.state.CompareAndSwap(s, s+1) {
			return true
		}
	}
}

// release ends what acquire began. The last to leave a closed descriptor closes it.
func (d *descriptor) release() {
	if d.state.Add(^uint32(0))&(stateClosed|stateCount) == stateClosed {
		// Close left it to us, and nobody is there to be told of an error. What Linux and others report
		// here (EINTR, EIO) leaves the descriptor closed all the same.
		_ = d.destroy()
	}
}

func (d *descriptor) has(flag uint32) bool { return d.state.Load()&flag != 0 }

// close deregisters the descriptor and closes it as soon as nobody uses it.
func (d *descriptor) close() error {
	for {
		s := d.state.Load()
		if s&stateClosed != 0 || d.kind == kindNone {
			return ErrClosed
		}
		// The count of one stands for this call: whoever takes it to zero closes.
		if d.state.CompareAndSwap(s, (s|stateClosed)+1) {
			break
		}
	}
	d.deregister()
	if d.state.Add(^uint32(0))&stateCount == 0 {
		return d.destroy()
	}
	return nil
}

// destroy gives the descriptor back to the system. Nobody else uses it, nor can begin to.
func (d *descriptor) destroy() error {
	// A Register that was under way during close may have ended after it.
	d.deregister()
	return d.sysClose()
}

// deregister takes the descriptor out of the Poll that it is in, if any.
func (d *descriptor) deregister() {
	if p := d.poll.Load(); p != nil {
		p.forget(d)
	}
}

// rearm tells an emulated edge that the direction has been used up: its readiness is news from here on.
// The caller holds the descriptor by acquire. Where the kernel has edges, this compiles to nothing.
func (d *descriptor) rearm(direction Interest) {
	if !emulatedEdges {
		return
	}
	if p := d.poll.Load(); p != nil {
		p.rearm(d, direction)
	}
}

// source makes every type that embeds a descriptor a Source.
func (d *descriptor) owned() *descriptor { return d }

// A rawConn is the syscall.RawConn of a source.
type rawConn struct{ d *descriptor }

var _ syscall.RawConn = rawConn{}

func (c rawConn) Control(f func(fd uintptr)) error {
	if !c.d.acquire() {
		return ErrClosed
	}
	defer c.d.release()
	f(uintptr(c.d.fd))
	return nil
}

func (c rawConn) Read(f func(fd uintptr) bool) error  { return c.try(f, Readable) }
func (c rawConn) Write(f func(fd uintptr) bool) error { return c.try(f, Writable) }

// try calls f once: there is nothing to block on here. False says that f met EAGAIN.
func (c rawConn) try(f func(fd uintptr) bool, direction Interest) error {
	if !c.d.acquire() {
		return ErrClosed
	}
	defer c.d.release()
	if f(uintptr(c.d.fd)) {
		return nil
	}
	c.d.rearm(direction)
	return ErrWouldBlock
}
