package reactor

import (
	"io"
	"math"
	"os"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/windows"
)

// A pipeState makes readiness of a named pipe's overlapped operations: it reads ahead into a buffer, and writes from another.
// The system writes to both, and to the operations, until the packet of each has been dequeued: the port's table of pipes keeps
// the state reachable until then.
type pipeState struct {
	mu     sync.Mutex // held inside the backend's, never around it
	handle windows.Handle
	server bool
	whole  bool // a pipe of messages: a write is not cut
	// port is the backend whose completion port the handle is bound to, once for ever; key is the pipe's at the port.
	port *iocpBackend
	key  uintptr
	// watch is the registration. The backend's lock guards it.
	watch *watch

	connected  bool
	wantClient bool // Connect was called and has not succeeded
	shut       bool // the handle is closed
	detached   bool // the port is closed
	// session counts the connections: what completes for an older one is dropped.
	session int

	connect, read, write pipeOperation
}

// A pipeOperation is one that may be in flight.
type pipeOperation struct {
	overlapped windows.Overlapped
	inFlight   bool
	session    int
	buf        []byte // the memory of a read, or what is left of a write
	memory     []byte // of a write
	ready      []byte // what was read and not yet taken
	err        error  // why it failed, not yet told; io.EOF stays
}

const (
	pipeReadSize  = 32 << 10
	pipeWriteSize = 64 << 10
)

func (o *pipeOperation) at(overlapped uintptr) bool {
	return overlapped == uintptr(unsafe.Pointer(&o.overlapped))
}

// begin starts an operation: call gives the error of the system's call. Its packet follows unless it failed.
func (s *pipeState) begin(o *pipeOperation, name string, call func() error) error {
	o.overlapped = windows.Overlapped{}
	o.session = s.session
	switch err := call(); err {
	case nil, windows.ERROR_IO_PENDING, windows.ERROR_MORE_DATA:
		o.inFlight = true
		return nil
	default:
		return os.NewSyscallError(name, err)
	}
}

func (s *pipeState) busy() bool { return s.connect.inFlight || s.read.inFlight || s.write.inFlight }

// usable reports why operations cannot begin.
func (s *pipeState) usable() error {
	switch {
	case s.detached:
		return ErrClosed
	case s.port == nil:
		return ErrWouldBlock
	}
	return nil
}

// bind starts what waited for the first registration.
func (s *pipeState) bind(b *iocpBackend, key uintptr) {
	s.port, s.key = b, key
	if s.connected {
		s.readAhead()
	} else if s.wantClient {
		if err := s.listen(); err != ErrWouldBlock {
			s.connect.err = err
		}
	}
}

// accept is NamedPipe.Connect.
func (s *pipeState) accept() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case !s.server:
		return nil
	case s.connect.err != nil:
		err := s.connect.err
		s.connect.err = nil
		return err
	case s.connected:
		return nil
	case s.connect.inFlight:
		return ErrWouldBlock
	}
	s.wantClient = true
	if s.detached {
		return ErrClosed
	}
	return s.listen()
}

// listen asks for a client. Without a port yet it only looks for one that is there.
func (s *pipeState) listen() error {
	if s.port == nil {
		return s.lookForClient()
	}
	err := s.begin(&s.connect, "ConnectNamedPipe", func() error {
		return windows.ConnectNamedPipe(s.handle, &s.connect.overlapped)
	})
	if err == nil {
		return ErrWouldBlock
	}
	if errno, _ := errnoOf(err); syscall.Errno(errno) == windows.ERROR_PIPE_CONNECTED {
		s.hasClient()
		return nil
	}
	return err
}

// lookForClient asks for a client and takes the question back.
func (s *pipeState) lookForClient() error {
	event, err := windows.CreateEvent(nil, 1, 0, nil)
	if err != nil {
		return os.NewSyscallError("CreateEvent", err)
	}
	defer func() { _ = windows.CloseHandle(event) }()
	o := &windows.Overlapped{HEvent: event}
	err = windows.ConnectNamedPipe(s.handle, o)
	if err == windows.ERROR_IO_PENDING {
		// If it cannot be cancelled it has just succeeded.
		_ = windows.CancelIoEx(s.handle, o)
		var n uint32
		err = windows.GetOverlappedResult(s.handle, o, &n, true)
	}
	switch err {
	case nil, windows.ERROR_PIPE_CONNECTED:
		s.hasClient()
		return nil
	case windows.ERROR_OPERATION_ABORTED:
		return ErrWouldBlock
	}
	return os.NewSyscallError("ConnectNamedPipe", err)
}

func (s *pipeState) hasClient() {
	s.connected, s.wantClient = true, false
	s.readAhead()
}

// disconnect is NamedPipe.Disconnect.
func (s *pipeState) disconnect() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	// What is in flight ends by this; its packets come for a session that is over.
	if err := windows.DisconnectNamedPipe(s.handle); err != nil {
		return os.NewSyscallError("DisconnectNamedPipe", err)
	}
	s.session++
	s.connected, s.wantClient = false, false
	s.connect.err = nil
	s.read.ready, s.read.err = nil, nil
	s.write.err = nil
	return nil
}

// readAhead begins a read if there is room for what it gives.
func (s *pipeState) readAhead() {
	r := &s.read
	if !s.connected || s.usable() != nil || s.shut || r.inFlight || len(r.ready) > 0 || r.err != nil {
		return
	}
	if r.buf == nil {
		r.buf = make([]byte, pipeReadSize)
	}
	r.err = endOfPipe(s.begin(r, "ReadFile", func() error {
		return windows.ReadFile(s.handle, r.buf, nil, &r.overlapped)
	}))
}

// endOfPipe tells the end of what the peer wrote from a failure.
func endOfPipe(err error) error {
	if err == nil {
		return nil
	}
	switch errno, _ := errnoOf(err); syscall.Errno(errno) {
	case windows.ERROR_BROKEN_PIPE, windows.ERROR_HANDLE_EOF:
		return io.EOF
	}
	return err
}

func (s *pipeState) take(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := &s.read
	if len(r.ready) > 0 {
		n := copy(p, r.ready)
		r.ready = r.ready[n:]
		s.readAhead()
		return n, nil
	}
	if err := r.err; err != nil {
		if err != io.EOF {
			r.err = nil
			s.readAhead()
		}
		return 0, err
	}
	if err := s.usable(); err != nil {
		return 0, err
	}
	s.readAhead()
	if r.err != nil {
		return 0, r.err
	}
	return 0, ErrWouldBlock
}

func (s *pipeState) put(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := &s.write
	if err := w.err; err != nil {
		w.err = nil
		return 0, err
	}
	if err := s.usable(); err != nil {
		return 0, err
	}
	if w.inFlight || s.connect.inFlight {
		return 0, ErrWouldBlock
	}
	n := len(p)
	if !s.whole {
		n = min(n, pipeWriteSize)
	}
	n = min(n, math.MaxInt32)
	w.memory = append(w.memory[:0], p[:n]...)
	w.buf = w.memory
	if err := s.writeOn(); err != nil {
		return 0, err
	}
	if n < len(p) {
		return n, ErrWouldBlock
	}
	return n, nil
}

// writeOn begins a write of what is left.
func (s *pipeState) writeOn() error {
	w := &s.write
	return s.begin(w, "WriteFile", func() error {
		return windows.WriteFile(s.handle, w.buf, nil, &w.overlapped)
	})
}

// complete takes the packet of an operation. The port's wait calls it.
func (s *pipeState) complete(overlapped uintptr, moved uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range [...]*pipeOperation{&s.connect, &s.read, &s.write} {
		if !o.at(overlapped) {
			continue
		}
		o.inFlight = false
		if o.session == s.session && !s.shut {
			s.completed(o, windows.NTStatus(uint32(o.overlapped.Internal)), int(moved))
		}
	}
	if !s.shut && !s.detached {
		// An old session's read had the memory.
		s.readAhead()
	}
}

func (s *pipeState) completed(o *pipeOperation, status windows.NTStatus, moved int) {
	var err error
	if status != 0 && status != windows.STATUS_BUFFER_OVERFLOW {
		err = status.Errno()
	}
	switch o {
	case &s.connect:
		if err != nil {
			o.err = os.NewSyscallError("ConnectNamedPipe", err)
			return
		}
		s.hasClient()
	case &s.read:
		// A message of no bytes is nothing, and no end.
		o.ready = o.buf[:moved]
		o.err = endOfPipe(os.NewSyscallError("ReadFile", err))
	case &s.write:
		o.buf = o.buf[min(moved, len(o.buf)):]
		if err == nil && len(o.buf) > 0 {
			o.err = s.writeOn()
			return
		}
		o.err = os.NewSyscallError("WriteFile", err)
	}
}

// readiness gives what the pipe is ready for.
func (s *pipeState) readiness(interest Interest) (r Ready) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.read.ready) > 0 {
		r |= ReadyReadable
	}
	if s.connected && !s.write.inFlight {
		r |= ReadyWritable
	}
	if s.read.err != nil || s.connect.err != nil || s.write.err != nil {
		r |= ReadyReadClosed | ReadyWriteClosed
		if s.read.err != io.EOF || s.write.err != nil {
			r |= ReadyError
		}
		if len(s.read.ready) > 0 && s.write.err == nil && s.connect.err == nil {
			// The end is told when it is reached.
			r = r&ReadyWritable | ReadyReadable
		}
	}
	if interest&Readable != 0 && r&(ReadyReadClosed|ReadyError) != 0 {
		r |= ReadyReadable
	}
	if interest&Writable != 0 && r&(ReadyWriteClosed|ReadyError) != 0 {
		r |= ReadyWritable
	}
	if interest&Readable == 0 {
		r &^= ReadyReadable
	}
	if interest&Writable == 0 {
		r &^= ReadyWritable
	}
	return r
}

// close closes the handle. The packets of what is in flight still come.
func (s *pipeState) close() error {
	s.mu.Lock()
	s.shut = true
	err := windows.CloseHandle(s.handle)
	port, busy := s.port, s.busy()
	s.mu.Unlock()
	if port != nil && !busy {
		port.forgetPipe(s)
	}
	return os.NewSyscallError("CloseHandle", err)
}
